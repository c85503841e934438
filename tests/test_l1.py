"""Temporaries in L1: the same bits, fewer cycles, and where `as_text` says that they lie."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

RNG = np.random.default_rng(0)
USABLE = 940672  # bytes of a core's L1 that programs may use
CORES = 108


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32) * np.float32(0.1)


def mlp(x, w, v):
    return jax.nn.relu(x @ w) @ v


def mlp_step(x, w, v):
    return jax.value_and_grad(lambda p: (mlp(x, *p) ** 2).mean())((w, v))


def lstm(x, w, u, b):
    def cell(carry, step):
        h, c = carry
        i, f, g, o = jnp.split(step @ w + h @ u + b, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[1], u.shape[0]), x.dtype)
    return lax.scan(cell, (zeros, zeros), x)


def layer_norm(x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-6)


def bert_layer(x, qkv, out, up, down):
    batch, length, width = x.shape
    q, k, v = (part.reshape(batch, length, 4, width // 4) for part in jnp.split(layer_norm(x) @ qkv, 3, axis=-1))
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k))
    x = x + jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(x.shape) @ out
    return x + jax.nn.gelu(layer_norm(x) @ up) @ down


CASES = [
    ("two_products", mlp, (f32(256, 784), f32(784, 512), f32(512, 256))),
    ("training_step", mlp_step, (f32(128, 256), f32(256, 512), f32(512, 64))),
    ("scan_of_an_lstm", lstm, (f32(20, 16, 64), f32(64, 512), f32(128, 512), f32(512))),
    ("transformer_layer", bert_layer, (f32(2, 64, 128), f32(128, 384), f32(128, 128), f32(128, 512), f32(512, 128))),
    ("sort_and_gather", lambda x: jnp.sort(jnp.tanh(x), 0)[jnp.argsort(x[:, 0])], (f32(300, 40),)),
    (
        "carries_that_are_exchanged",
        lambda x, y: lax.fori_loop(0, 5, lambda _, c: (c[1], jnp.cos(c[0]) @ c[1]), (x * 2, y * 3)),
        (f32(64, 64),) * 2,
    ),
]
IDS = [case[0] for case in CASES]


def compiled(function, args, **options):
    args = jax.device_put(args, jax.devices("tt")[0])
    made = jax.jit(function, compiler_options=options or None).lower(*args).compile()
    return made, jax.tree.map(np.asarray, made(*args))


def rooms(text, memory):
    return {int(v): (int(a), int(b)) for v, a, b in re.findall(rf"%(\d+) = {memory}\[(\d+), (\d+)\)", text)}


@pytest.mark.parametrize("function, args", [case[1:] for case in CASES], ids=IDS)
def test_l1_changes_the_cycles_and_no_bit(function, args):
    near, got = compiled(function, args)
    far, expected = compiled(function, args, jax_tt_no="l1_intermediates")
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert a.tobytes() == b.tobytes()
    assert near.cost_analysis()["cycles"] < far.cost_analysis()["cycles"]
    assert near.cost_analysis()["bytes accessed in L1"] > 0
    assert far.cost_analysis()["bytes accessed in L1"] == 0
    assert near.cost_analysis()["bytes accessed"] == far.cost_analysis()["bytes accessed"]


@pytest.mark.parametrize("function, args", [case[1:] for case in CASES], ids=IDS)
def test_text_and_memory_analysis_say_what_lies_where(function, args):
    near, _ = compiled(function, args)
    far, _ = compiled(function, args, jax_tt_no="l1_intermediates")
    text = near.as_text()
    l1, arena, before = rooms(text, "l1"), rooms(text, "arena"), rooms(far.as_text(), "arena")
    assert l1 and not rooms(far.as_text(), "l1")
    assert l1.keys() | arena.keys() == before.keys() and not l1.keys() & arena.keys()
    assert all(0 <= begin < end <= USABLE for begin, end in l1.values())
    for value, (begin, end) in l1.items():
        size = before[value][1] - before[value][0]
        assert (end - begin) * CORES >= size  # spread over all cores, or one page of one
    assert near.memory_analysis().temp_size_in_bytes == max((end for _, end in arena.values()), default=0)
    assert far.memory_analysis().temp_size_in_bytes == max(end for _, end in before.values())


@pytest.mark.parametrize("function, args", [case[1:] for case in CASES], ids=IDS)
def test_circular_buffers_fit_below_what_lies_in_l1(function, args):
    text = compiled(function, args)[0].as_text()
    l1 = rooms(text, "l1")
    runs = re.findall(r"run\(([^)]*)\)(?: beside (\d+) bytes in each L1)?\n *program .*, L1 (\d+) bytes", text)
    assert len(runs) == len(re.findall(r"^ *program ", text, re.MULTILINE))
    touched = set()
    for slots, beside, buffers in runs:
        values = {int(slot) for slot in re.findall(r"%(\d+)", slots)} & l1.keys()
        touched |= values
        assert int(buffers) + int(beside or 0) <= USABLE
        assert all(USABLE - l1[value][0] <= int(beside) for value in values)
    assert touched == l1.keys()


def test_carries_of_a_scan_lie_in_l1():
    text = compiled(lstm, CASES[2][2])[0].as_text()
    body = text[text.index("do (") :]
    carried = re.findall(r"run\((.*?)\)", body)
    assert sum(f"%{value}" in re.findall(r"%\d+", run) for run in carried for value in rooms(text, "l1")) >= 4


def test_what_is_larger_than_l1_stays_in_dram():
    x = jax.ShapeDtypeStruct((8192, 4096), jnp.float32, sharding=jax.sharding.SingleDeviceSharding(jax.devices("tt")[0]))
    text = jax.jit(lambda x: jnp.sort(jnp.sort(x, 0) + jnp.sort(x.sum(0)), 1)).lower(x).compile().as_text()
    assert {end - begin for begin, end in rooms(text, "arena").values()} == {4 * 8192 * 4096}
    assert rooms(text, "l1")


def test_the_estimate_is_the_same_every_time():
    cycles = {compiled(bert_layer, CASES[3][2])[0].cost_analysis()["cycles"] for _ in range(2)}
    assert len(cycles) == 1
