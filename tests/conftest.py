"""Tests compare the card with the `cpu` backend: both must be there whatever JAX_PLATFORMS says."""

import os

os.environ["JAX_PLATFORMS"] = ""

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def same_numbers(request):
    """Every test draws the same numbers, whatever ran before it in this process."""
    if hasattr(request.module, "RNG"):
        request.module.RNG = np.random.default_rng(0)
