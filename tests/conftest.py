"""Tests compare the card with the `cpu` backend: both must be there whatever JAX_PLATFORMS says."""

import os

os.environ["JAX_PLATFORMS"] = ""
os.environ.setdefault("JAX_TT_NUM_DEVICES", "8")  # programs over several cards: tests/test_sharding.py

import jax
import numpy as np
import pytest

from tests import fused

jax.config.update("jax_num_cpu_devices", 8)


@pytest.fixture(autouse=True)
def same_numbers(request):
    """Every test draws the same numbers, whatever ran before it in this process."""
    for module in (request.module, fused):
        if hasattr(module, "RNG"):
            module.RNG = np.random.default_rng(0)
