"""Tests compare the card with the `cpu` backend: both must be there whatever JAX_PLATFORMS says."""

import os

os.environ["JAX_PLATFORMS"] = ""
