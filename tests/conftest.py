"""Tests compare the card with the `cpu` backend: both must be there whatever JAX_PLATFORMS says."""

import os

os.environ["JAX_PLATFORMS"] = ""

import numpy as np
import pytest

from tests import fused


@pytest.fixture(autouse=True)
def same_numbers(request):
    """Every test draws the same numbers, whatever ran before it in this process."""
    for module in (request.module, fused):
        if hasattr(module, "RNG"):
            module.RNG = np.random.default_rng(0)
