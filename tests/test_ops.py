"""Every op case on the device under test against JAX's cpu backend."""

import jax
import pytest

from tests import against_cpu
from tests.op_cases import CASES, GROUPS, NOT_YET

# A case whose op the card does not take yet: it must be refused at compile time, by name, and must not pass.
_MARKED = [pytest.param(case, id=case.id, marks=[pytest.mark.not_yet] if case.group in NOT_YET else []) for case in CASES]


@pytest.mark.parametrize("case", _MARKED)
def test_op_agrees_with_cpu(case):
    if case.group not in NOT_YET:
        against_cpu.check_case(case)
        return
    with pytest.raises(jax.errors.JaxRuntimeError, match=NOT_YET[case.group]):
        against_cpu.check_case(case)


def test_groups_that_are_not_there_yet_exist():
    assert set(NOT_YET) <= set(GROUPS)
