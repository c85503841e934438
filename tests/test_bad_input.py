"""What the plugin refuses: each has its message, and the next program runs. Payload bytes are in tests/cpp/payload_test.cpp."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax


@pytest.fixture
def card():
    return jax.devices("tt")[0]


@pytest.fixture(autouse=True)
def the_next_program_runs(card):
    yield
    assert float(jax.jit(lambda x: x * 2 + 1)(jax.device_put(np.float32(3), card))) == 7


def _python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_deleted_array_cannot_be_used(card):
    x = jax.device_put(np.ones(100, np.float32), card)
    x.delete()
    with pytest.raises(RuntimeError, match="deleted"):
        jax.jit(lambda x: x + 1)(x)


def test_a_donated_array_cannot_be_used_again(card):
    x = jax.device_put(np.ones(1000, np.float32), card) + 1
    step = jax.jit(lambda x: x + 1, donate_argnums=0)
    step(x)
    with pytest.raises((RuntimeError, ValueError), match="deleted|donated"):
        step(x)
    with pytest.raises(RuntimeError, match="deleted"):
        np.asarray(x)


def test_a_result_that_does_not_fit_names_what_was_asked_and_what_is_free(card):
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"RESOURCE_EXHAUSTED.*asked for 17179869184 bytes, free \d+"):
        jax.jit(lambda x: jnp.broadcast_to(x, (1 << 32,)))(jax.device_put(np.float32(1), card))


def test_temporaries_that_do_not_fit(card):
    def chain(x):
        big = lax.sort(jnp.broadcast_to(x, (1 << 31,)))
        return lax.sort(big * 2)[0]

    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        jax.block_until_ready(jax.jit(chain)(jax.device_put(np.float32(1), card)))


ZERO_SIZE = {
    "elementwise": lambda x: jnp.sin(x) + x,
    "reduce": lambda x: (x.sum(), x.sum(0), x.sum(1), x.max(1, initial=0)),
    "matmul": lambda x: (x @ x.T, x.T @ x),
    "sort": lambda x: jnp.sort(x, axis=0),
    "concatenate": lambda x: jnp.concatenate([x, jnp.ones((2, 5))]),
    "gather": lambda x: jnp.ones((3, 5))[x[:, 0].astype(int)],
    "scatter": lambda x: jnp.zeros((3, 5)).at[x[:, 0].astype(int)].add(x),
    "cumsum": lambda x: jnp.cumsum(x, 0),
    "convolution": lambda x: lax.conv(x.reshape(0, 1, 5, 1), jnp.ones((2, 1, 3, 1)), (1, 1), "SAME"),
    "window": lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 1), "SAME"),
    "transpose": lambda x: x.T.reshape(5, 0, 1),
    "scan": lambda x: lax.scan(lambda c, row: (c + row.sum(), row), 0.0, x),
    "cond": lambda x: lax.cond(True, lambda v: v + 1, lambda v: v * 2, x),
    "random": lambda x: jax.random.normal(jax.random.key(0), x.shape),
    "argmax": lambda x: jnp.argsort(x, axis=0),
}


@pytest.mark.parametrize("name", ZERO_SIZE)
def test_arrays_of_no_elements(card, name):
    x = np.zeros((0, 5), np.float32)
    got = jax.jit(ZERO_SIZE[name])(jax.device_put(x, card))
    with jax.default_device(jax.devices("cpu")[0]):
        expected = jax.jit(ZERO_SIZE[name])(jax.device_put(x, jax.devices("cpu")[0]))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_array_equal(a, b)


def test_chains_over_no_elements_are_no_programs(card):
    x = jax.device_put(np.zeros((0, 5), np.float32), card)
    assert "  0 programs," in jax.jit(lambda x: jnp.tanh(x) + 1).lower(x).compile().as_text()


def test_flags_of_xla_are_passed_over(card):
    x = jax.device_put(np.float32(1), card)
    assert float(jax.jit(lambda x: x + 3, compiler_options={"xla_embed_ir_in_executable": True})(x)) == 4


@pytest.mark.parametrize(
    "variable,value,message",
    [
        (
            "JAX_TT_NO",
            "fusion",
            r'[JAX_TT_NO] "fusion" is no pass that can be left out; these can: canonicalize, simplify_comparisons, fold_concatenates, eliminate_common_subexpressions, hoist_invariants, hoist_products, join_products, fold_transposes, reduce_dots, transpose_stacks, eliminate_dead_code, assign_layouts, batch_chains, batch_reductions, fuse_attention, fuse_epilogues, fuse_norms, fuse_parts, fuse_reductions, fuse_rows, fuse_turns, fuse_writes, hoist_steps, hoist_tiles, l1_intermediates, recompute, skip_fills',
        ),
        ("JAX_TT_DUMP", "/proc/nowhere", "[JAX_TT_DUMP] cannot make /proc/nowhere/"),
        ("JAX_TT_NUM_DEVICES", "0", "0 devices; JAX_TT_NUM_DEVICES must be between 1 and 64"),
        ("JAX_TT_NUM_THREADS", "all", '[threads] JAX_TT_NUM_THREADS is "all", expected a number of 1 or more'),
        ("JAX_TT_RECORD_RUN", "never", '[recording] JAX_TT_RECORD_RUN is "never", expected a number of 0 or more'),
        ("JAX_TT_SIMD", "neon", "neon"),
    ],
)
def test_variables_of_no_meaning_are_refused(variable, value, message):
    done = _python("import jax, jax.numpy as jnp; print(jax.jit(lambda x: x + 1)(jnp.float32(1)))", JAX_PLATFORMS="tt", **{variable: value})
    assert done.returncode == 1 and message in done.stderr, done.stderr
