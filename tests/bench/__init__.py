"""Benchmarks against JAX's `cpu` backend: `python -m tests.bench`."""
