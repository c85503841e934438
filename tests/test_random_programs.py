"""Programs that nobody thought of, on the card and on `cpu`; `python -m tests.random_programs` compares more of them."""

import pytest

from tests.random_programs import difference


@pytest.mark.parametrize("first", range(100, 180, 10))
def test_random_programs_agree_with_cpu(first):
    found = {seed: text for seed in range(first, first + 10) if (text := difference(seed)) is not None}
    assert not found
