"""The table of op cases: every StableHLO op the card takes, over dtypes, shapes and edge values."""

import importlib

from tests.cases.case import Case

FAMILIES = ("elementwise", "movement", "reduction", "contraction", "window", "indexing", "sort_random", "control", "linalg")


def _all_cases() -> list[Case]:
    cases = [case for family in FAMILIES for case in importlib.import_module(f"tests.cases.{family}").CASES]
    ids = [case.id for case in cases]
    twice = {i for i in ids if ids.count(i) > 1}
    assert not twice, f"two cases share an id: {sorted(twice)}"
    return cases


CASES = _all_cases()
GROUPS = sorted({case.group for case in CASES})

# Groups the card refuses for now, with the message of the refusal. A group leaves this table when it lands.
NOT_YET: dict[str, str] = {}
