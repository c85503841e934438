"""Compiled programs as bytes, and loading them in another process."""

import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.serialize_executable import deserialize_and_load, serialize
from jax.sharding import Mesh, NamedSharding, PartitionSpec

LOAD = """
import pickle, sys
import jax
from jax.experimental.serialize_executable import deserialize_and_load
serialized, arguments = pickle.load(sys.stdin.buffer)
compiled = deserialize_and_load(*serialized, backend="tt", execution_devices=jax.devices("tt")[:1])
pickle.dump((compiled.as_text(), [list(map(float, result)) for result in compiled(*arguments)]), sys.stdout.buffer)
"""


def function(x, y):
    return jax.nn.softmax(x @ y, -1).sum(0), jnp.tanh(x)[0]


def test_another_process_loads_and_runs_it():
    rng = np.random.default_rng(0)
    arguments = [rng.standard_normal((40, 40), np.float32) for _ in range(2)]
    on_card = jax.device_put(arguments, jax.devices("tt")[0])
    made = jax.jit(function, compiler_options={"jax_tt_no": "fuse_rows"}).lower(*on_card).compile()
    given = pickle.dumps((serialize(made), arguments))
    done = subprocess.run([sys.executable, "-c", LOAD], input=given, capture_output=True, check=True)
    text, results = pickle.loads(done.stdout)
    assert text == made.as_text()
    for got, expected in zip(results, made(*on_card), strict=True):
        np.testing.assert_array_equal(np.float32(got), expected)


def test_a_donated_argument_stays_donated():
    x = jax.device_put(np.ones(8, np.float32), jax.devices("tt")[0])
    made = jax.jit(lambda x: x + 1, donate_argnums=0).lower(x).compile()
    loaded = deserialize_and_load(*serialize(made), backend="tt", execution_devices=jax.devices("tt")[:1])
    np.testing.assert_array_equal(loaded(x), 2)
    assert x.is_deleted()


def test_callbacks_are_functions_of_one_process():
    x = jax.device_put(np.ones(8, np.float32), jax.devices("tt")[0])
    made = jax.jit(lambda x: jax.pure_callback(lambda y: np.asarray(y) * 2, x, x)).lower(x).compile()
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"\[serialize\] jit__lambda_? calls functions of this process"):
        serialize(made)


def test_a_program_of_several_devices_is_loaded_for_as_many():
    mesh = Mesh(np.array(jax.devices("tt")), "d")
    x = jax.device_put(np.arange(16.0, dtype=np.float32), NamedSharding(mesh, PartitionSpec("d")))
    made = jax.jit(lambda x: x - x.sum()).lower(x).compile()
    loaded = deserialize_and_load(*serialize(made), backend="tt")
    np.testing.assert_array_equal(loaded(x), np.arange(16.0) - 120)
