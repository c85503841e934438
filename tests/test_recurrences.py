"""Loops over elementwise work: one program takes all turns, with the bits of a program per turn."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.fused import bf16, close, compiled, f32, programs


def decayed(c, x):
    return c * 0.9 + x, c


def advantages(rewards, values, done):
    def step(carry, x):
        advantage, after = carry
        reward, value, ends = x
        advantage = reward + 0.99 * after * (1 - ends) - value + 0.99 * 0.95 * (1 - ends) * advantage
        return (advantage, value), advantage

    zero = jnp.zeros(rewards.shape[1:])
    return lax.scan(step, (zero, zero), (rewards, values, done), reverse=True)


def integers(*shape):
    return np.random.default_rng(3).integers(0, 99, shape).astype(np.int32)


def two_rows_at_once(x):
    def turn(i, carry):
        c, out = carry
        c = c + lax.dynamic_slice(x, (2 * i, 0), (2, 30))
        return c, lax.dynamic_update_slice(out, c, (20 - 2 * i, 0))

    return lax.fori_loop(0, 11, turn, (jnp.zeros((2, 30)), jnp.zeros((22, 30))))


def nested(x):
    return lax.scan(lambda c, row: (lax.fori_loop(0, 5, lambda i, y: y * 0.5 + row, c), c.sum()), x[0], x)


# name, function, arguments
ONE_PROGRAM = [
    ("scalars", lambda x: lax.scan(decayed, 0.0, x), (f32(3000),)),
    ("vectors", lambda x: lax.scan(decayed, x[0], x), (f32(40, 70),)),
    ("vectors_of_a_page", lambda x: lax.scan(decayed, x[0], x), (f32(9, 1024),)),
    ("vectors_of_pages", lambda x: lax.scan(decayed, x[0], x), (f32(21, 3001),)),
    ("matrices", lambda x: lax.scan(decayed, x[0], x), (f32(12, 5, 17),)),
    ("along_the_last_dimension", lambda x: lax.scan(decayed, x[:, 0], x.T), (f32(100, 30),)),
    ("backwards", advantages, (f32(30, 16), f32(30, 16), f32(30, 16))),
    ("without_slices", lambda x: lax.fori_loop(0, 50, lambda i, y: y + 0.01 * (jnp.sin(y) - y), x), (f32(1000),)),
    ("the_counter", lambda x: lax.fori_loop(3, 20, lambda i, y: y * 0.5 + i, x), (f32(50),)),
    ("carried_values_that_change_places", lambda x, y: lax.fori_loop(0, 7, lambda i, c: (c[1], c[0] * 1.5), (x, y)), (f32(33), f32(33))),
    ("scalars_beside_vectors", lambda x: lax.scan(lambda c, y: ((c[0] + y * c[1], c[1] * 1.01), c[1]), (x[0], 1.0), x), (f32(20, 300),)),
    ("slices_of_scalars", lambda x, s: lax.scan(lambda c, v: (c + v[0] * v[1], v[1] * 2), x[0], (x, s)), (f32(20, 300), f32(20))),
    ("captured_values", lambda x, w, s: lax.scan(lambda c, y: (c * w + s, y * w), x[0], x), (f32(30, 100), f32(100), np.float32(3))),
    ("a_captured_constant", lambda x: lax.scan(lambda c, y: (c * np.arange(40, dtype=np.float32) + y, c), x[0], x), (f32(5, 40),)),
    ("narrow", lambda x: lax.scan(lambda c, y: (c * jnp.bfloat16(0.9) + y, c), x[0], x), (bf16(30, 100),)),
    ("integers_and_predicates", lambda x: lax.scan(lambda c, y: ((c * 3 + y) % 1000, c > y), x[0], x), (integers(50, 40),)),
    (
        "other_types",
        lambda x: jax.tree.map(jnp.abs, lax.scan(lambda c, y: (c + y * 1j, c.real.astype(jnp.int8)), x[0] + 0j, x > 0)),
        (f32(9, 50),),
    ),
    ("two_rows_at_once", two_rows_at_once, (f32(22, 30),)),
    ("a_bias_in_every_turn", lambda x, b: lax.scan(lambda c, y: (jnp.tanh(c + y), ()), x[0], x)[0] + b, (f32(9, 50), f32(50))),
]


@pytest.mark.parametrize(("name", "function", "args"), ONE_PROGRAM, ids=[c[0] for c in ONE_PROGRAM])
def test_all_turns_are_one_program(name, function, args):
    made, got = compiled(function, args)
    unfused, apart = compiled(function, args, jax_tt_no="fuse_turns")
    assert "program recurrence" in made.as_text()
    assert "program recurrence" not in unfused.as_text()
    assert re.search(r"^ *while|do \(", made.as_text(), re.MULTILINE) is None
    assert programs(made) <= programs(unfused)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(apart), strict=True):
        assert a.tobytes() == b.tobytes()
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 2e-2 if "narrow" in name else 1e-4)


def reads_its_stack(x):
    return lax.fori_loop(1, 10, lambda i, y: y.at[i].set(y[i - 1] + x[i]), x)


def out_of_range(x):  # start indices are clamped
    return lax.fori_loop(0, 10, lambda i, c: c + lax.dynamic_slice(x, (i,), (8,)), jnp.zeros(8))


def indexed_by_what_is_carried(x):
    return lax.fori_loop(0, 10, lambda i, c: (c[0] + x[c[1]], (c[1] * 7 + 3) % 12), (x[0], 0))


ANOTHER_WAY = [
    ("reads_what_it_stacks", reads_its_stack, (f32(12),)),
    ("slices_out_of_range", out_of_range, (f32(12),)),
    ("indices_from_the_data", indexed_by_what_is_carried, (f32(12, 5),)),
    ("sums_in_a_turn", lambda x: lax.scan(lambda c, y: (c + y.sum(), c), x[0], x), (f32(9, 50),)),
    ("lanes_that_meet", lambda x: lax.scan(lambda c, y: (c[::-1] + y, c), x[0], x), (f32(9, 50),)),
    ("other_sizes", lambda x: lax.scan(lambda c, y: ((c[0] + y, c[1] * 2), ()), (x[0], x[:3, :7]), x), (f32(9, 50),)),
    ("stacks_in_part", lambda x: lax.fori_loop(0, 5, lambda i, y: y.at[i].set(x[i] * 2), x), (f32(9, 50),)),
    ("an_unknown_number_of_turns", lambda x, n: lax.fori_loop(0, n, lambda i, y: y * 1.5, x), (f32(50), np.int32(4))),
    ("no_turn", lambda x: lax.fori_loop(0, 0, lambda i, y: y * 1.5, x), (f32(50),)),
    ("in_a_loop_that_is_none", nested, (f32(6, 40),)),
]


@pytest.mark.parametrize(("name", "function", "args"), ANOTHER_WAY, ids=[c[0] for c in ANOTHER_WAY])
def test_other_loops_are_as_they_were(name, function, args):
    made, got = compiled(function, args)
    close(got, jax.jit(function)(*jax.device_put(args, jax.devices("cpu")[0])), 1e-5)
    assert ("program recurrence" in made.as_text()) == (name == "in_a_loop_that_is_none")


def test_a_scan_takes_few_cycles():
    x = f32(64, 2000)
    made, apart = (compiled(lambda x: lax.scan(decayed, x[0], x), (x,), **o)[0] for o in ({}, {"jax_tt_no": "fuse_turns"}))
    assert made.cost_analysis()["cycles"] < apart.cost_analysis()["cycles"] / 5
