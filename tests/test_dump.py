"""What JAX_TT_DUMP writes: the program as MLIR's own printer would write it, then each pass, then the kernel programs."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.mlir import ir
from jax.interpreters import mlir


@pytest.fixture
def dumped(tmp_path, monkeypatch):
    """Compiles `function` for the card; the texts of the files that it leaves, by name."""

    def run(function, *args):
        with jax.default_device(jax.devices("tt")[0]):
            lowered = jax.jit(function).lower(*args)
            monkeypatch.setenv("JAX_TT_DUMP", str(tmp_path))
            try:
                lowered.compile()
            except jax.errors.JaxRuntimeError as error:
                assert "UNIMPLEMENTED" in str(error)
            monkeypatch.delenv("JAX_TT_DUMP")
        (folder,) = tmp_path.iterdir()
        return {path.name: path.read_text() for path in sorted(folder.iterdir())}

    return run


def _side_effect(x):
    jax.ffi.ffi_call("nobody.knows", (), has_side_effect=True)(x, alpha=1.5)
    return x


def _by_name(x):
    with jax.named_scope("outer"):
        return jax.nn.relu(x) @ x.T


def _decomposed(x):
    """What passes make of other operations."""
    largest = lambda v: lax.reduce_window(v, -jnp.inf, lax.max, (65, 1), (1, 1), "SAME").sum()
    packed = lax.bitcast_convert_type(x.astype("int4").reshape(-1, 2), jnp.int8)
    unpacked = lax.bitcast_convert_type(packed, jnp.uint4)
    return lax.rng_uniform(0.0, 1.0, x.shape), packed, unpacked, jax.grad(largest)(x), x.mean()


PROGRAMS = {
    "loop": lambda x: lax.scan(lambda c, y: (c + y, c * y), x[0], x),
    "branches": lambda x: lax.cond(x[0, 0] > 0, jnp.sin, jnp.cos, x),
    "sort": lambda x: jnp.argsort(x),
    "reduce": lambda x: (x.sum(), x.argmax(0), jnp.median(x)),
    "scatter": lambda x: x.at[jnp.array([1, 2])].add(1.0),
    "window": lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (2, 2), (1, 1), "SAME"),
    "calls": lambda x: jax.random.normal(jax.random.key(0), x.shape) + jax.jit(_by_name)(x),
    "gradient": jax.grad(lambda x: (_by_name(x) ** 2).mean()),
    "custom call without results": _side_effect,
    "decomposed": _decomposed,
}


@pytest.mark.parametrize("function", PROGRAMS.values(), ids=PROGRAMS)
def test_mlir_reads_each_step_and_writes_the_same(dumped, function):
    files = dumped(function, np.ones((4, 4), np.float32))
    names = [name for name in files if name.endswith(".mlir")]
    assert names[0] == "00_read.mlir"
    with mlir.make_ir_context():
        module = ir.Module.parse(files[names[0]])
        assert module.operation.get_asm(enable_debug_info=True) == files[names[0]]
        for name in names[1:]:  # here names of locations that went with a call are left over
            assert module.operation.verify() and ir.Module.parse(files[name]).operation.verify()


def test_locations_name_the_python_line_and_keep_their_names_from_pass_to_pass(dumped):
    files = dumped(lambda x: jax.jit(_by_name)(x) + 1, np.ones((4, 4), np.float32))
    assert list(files)[:2] == ["00_read.mlir", "01_inline_calls.mlir"] and list(files)[-1] == "programs.txt"
    steps = list(files.values())[:-1]
    tables = [re.findall(r"^#loc.*$", text, re.MULTILINE) for text in steps]
    assert all(table == tables[0] for table in tables)
    where = [re.search(r"dot_general .* loc\((#loc\d+)\)$", text, re.MULTILINE)[1] for text in steps]
    assert len(set(where)) == 1
    definition = dict(line.split(" = ", 1) for line in tables[0])
    chain = [definition[where[0]]]
    while inner := re.search(r"#loc\d+", chain[-1]):
        chain.append(definition[inner[0]])
    assert chain[0].startswith('loc("outer/dot_general"(') and any(frame.startswith('loc("_by_name"(') for frame in chain)
    assert f'test_dump.py":{_by_name.__code__.co_firstlineno + 2}:' in chain[-1]
    assert re.search(r"^ +program \w+", files["programs.txt"], re.MULTILINE)
