"""Kernel programs of users inside `jax.jit`: values, transformations, attributes, memory, and what is refused."""

import pathlib
import re

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax.experimental import serialize_executable
from jax.sharding import Mesh, PartitionSpec

import jax_tt
import jax_tt.kernels

FOLDER = pathlib.Path(__file__).parent / "kernels"
CALLS = FOLDER / "calls.cpp"
CARDS = jax.devices("tt")
TT = CARDS[0]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def targets(cache):
    for name in ("exp_of_minus", "matmul"):
        jax.ffi.register_ffi_target(name, jax_tt.kernels.load(FOLDER / f"{name}.cpp"), platform="tt")
    functions = re.findall(r'^extern "C" metal::Program (\w+)', CALLS.read_text(), re.MULTILINE)
    for name in functions:
        jax.ffi.register_ffi_target(name, jax_tt.kernels.load(CALLS, function=name), platform="tt")


def like(x, dtype=None):
    return jax.ShapeDtypeStruct(x.shape, dtype or x.dtype)


def on_card(*arrays):
    return jax.device_put(arrays, TT)


def exp_of_minus(x):
    return jax.ffi.ffi_call("exp_of_minus", like(x), vmap_method="broadcast_all")(x)


def call(target, results, *operands, **options):
    """Compiles and runs one call."""
    attributes = options.pop("attributes", {})
    return jax.jit(lambda *operands: jax.ffi.ffi_call(target, results, **options)(*operands, **attributes))(*on_card(*operands))


def ramp(*dims):
    return (np.arange(np.prod(dims), dtype=np.float32).reshape(dims) % 37 - 18) / 16


def test_a_program_between_others(targets):
    (x,) = on_card(ramp(64, 128))
    compiled = jax.jit(lambda x: exp_of_minus(x * 2).sum(0) + 1).lower(x).compile()
    before = jax_tt.report().modelled_seconds
    np.testing.assert_allclose(compiled(x), np.exp(-2 * ramp(64, 128)).sum(0) + 1, rtol=1e-5)
    assert jax_tt.report().modelled_seconds > before
    text = compiled.as_text()
    assert "program exp_of_minus on 8 cores (0,0)..(7,0)" in text and "cb 1 out: 2 pages of 4096" in text


@pytest.mark.parametrize(("m", "k", "n"), [(32, 32, 32), (64, 96, 160), (512, 256, 768)])
def test_a_product_in_tiles(targets, m, k, n):
    a, b = ramp(m, k), ramp(k, n)
    c = call("matmul", jax.ShapeDtypeStruct((m, n), np.float32), a, b)
    np.testing.assert_allclose(c, a.astype(np.float64) @ b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["sequential", "sequential_unrolled", "expand_dims", "broadcast_all"])
def test_vmap(targets, method):
    def f(x):
        return jax.ffi.ffi_call("exp_of_minus", like(x), vmap_method=method)(x)

    (x,) = on_card(ramp(3, 32, 32))
    np.testing.assert_allclose(jax.jit(jax.vmap(f))(x), np.exp(-ramp(3, 32, 32)), rtol=1e-6)


def test_gradients_are_those_that_it_is_given(targets):
    f = jax.custom_vjp(exp_of_minus)
    f.defvjp(lambda x: (y := exp_of_minus(x), y), lambda y, g: (-g * y,))
    (x,) = on_card(ramp(32, 64))
    gradient = jax.jit(jax.grad(lambda x: (f(x) * x).sum()))(x)
    np.testing.assert_allclose(gradient, np.exp(-ramp(32, 64)) * (1 - ramp(32, 64)), rtol=1e-5, atol=1e-6)


def test_loops_and_branches(targets):
    def turn(c, scale):
        y = lax.cond(scale > 0, exp_of_minus, lambda c: c * 2, c * scale)
        return y, y[0, :4]

    (x,) = on_card(ramp(32, 32))
    scales = np.float32([1, -1, 0.5, 2])
    got, rows = jax.jit(lambda x: lax.scan(turn, x, scales))(x)
    expected, expected_rows = ramp(32, 32), []
    for scale in scales:
        expected = np.exp(-expected * scale) if scale > 0 else expected * scale * 2
        expected_rows.append(expected[0, :4])
    np.testing.assert_allclose(got, expected, rtol=2e-5)
    np.testing.assert_allclose(rows, expected_rows, rtol=2e-5)


@pytest.mark.skipif(len(CARDS) < 4, reason="needs four cards: JAX_TT_NUM_DEVICES")
def test_each_card_runs_it_on_its_piece(targets):
    mesh, spec = Mesh(np.array(CARDS[:4]), "x"), PartitionSpec("x")
    x = ramp(128, 64)
    got = jax.jit(jax.shard_map(exp_of_minus, mesh=mesh, in_specs=spec, out_specs=spec))(x)
    np.testing.assert_allclose(got, np.exp(-x), rtol=1e-6)
    assert len(got.sharding.device_set) == 4


DTYPES = [np.bool_, np.int8, ml_dtypes.int4, np.uint16, np.int32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, np.complex64]


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_any_type_and_size(targets, dtype):
    arrays = [np.arange(12).reshape(3, 4).astype(dtype), np.zeros((0, 2), dtype), np.ones((), dtype)]
    got = call("copies", [like(x) for x in arrays], *arrays)
    for result, expected in zip(got, arrays, strict=True):
        assert result.dtype == expected.dtype
        np.testing.assert_array_equal(np.asarray(result), expected)


def test_attributes_of_every_kind(targets):
    attributes = {
        "flag": True,
        "integer": -(2**40),
        "real": 0.25,
        "whole": np.int32(7),
        "text": "four",
        "axes": (1, -2),
        "weights": np.float32([0.5, 1.5]),
        "dict": {"inner": (3, 4)},
    }
    got = call("attributes", jax.ShapeDtypeStruct((13,), np.float32), attributes=attributes)
    np.testing.assert_array_equal(got, np.float32([1, -(2**40), 0.25, 7, 4, 1, -2, 0.5, 1.5, 1, -2, 3, 4]))


@pytest.mark.parametrize("donate", [(), (0,)])
def test_a_result_in_the_place_of_an_operand(targets, donate):
    def f(x, y):
        return jax.ffi.ffi_call("adds_in_place", like(x), input_output_aliases={0: 0})(x, y)

    x, y = on_card(ramp(4, 5), ramp(4, 5) * 3)
    g = jax.jit(lambda x, y: (f(x, y), f(x * 2, y) if donate else x), donate_argnums=donate)
    first, second = g(x, y)
    np.testing.assert_array_equal(first, ramp(4, 5) * 4)
    np.testing.assert_array_equal(second, ramp(4, 5) * 5 if donate else ramp(4, 5))


def test_only_effects_keep_what_nobody_reads(targets):
    def programs(has_side_effect):
        def f(x):
            jax.ffi.ffi_call("copies", like(x), has_side_effect=has_side_effect)(x)
            return x + 1

        return jax.jit(f).lower(*on_card(ramp(4))).compile().as_text().count("program copies")

    assert programs(True) == 1 and programs(False) == 0


def test_serialized_executables_find_it_again(targets):
    (x,) = on_card(ramp(32, 32))
    compiled = jax.jit(exp_of_minus).lower(x).compile()
    again = serialize_executable.deserialize_and_load(*serialize_executable.serialize(compiled), execution_devices=[TT])
    np.testing.assert_array_equal(again(x), compiled(x))


X = ramp(32, 32)
REFUSED = [
    ("exp_of_minus", X[:5], {}, r"\[exp_of_minus\] expected one float32 array of whole tiles, 1024 elements each"),
    ("nobody", X, {}, r'no custom call "nobody" on tt; docs/kernels.md says how to register one'),
    ("throws", X, {}, r"\[throws\] no such thing"),
    ("no_cores", X, {}, r"\[no_cores\] .*core"),
    ("other_slots", X, {}, r"\[other_slots\] slot 1 of the program is an output of 8 bytes, expected an output of 4096"),
    ("integer_of", X, {"attributes": {"real": 0.5}}, r'\[integer_of\] attribute "real" is a real number, expected an integer'),
    (
        "missing_attribute",
        X,
        {"attributes": {"a": 1, "b": "x"}},
        r'\[missing_attribute\] there is no attribute "scale", expected a real number; the call has a, b',
    ),
    ("copies", X, {"attributes": {"a": 1j * np.ones(2)}}, r'\[copies\] attribute "a" is dense<.*, expected a flag, a number, text, a list'),
    ("copies", X, {"input_layouts": [(1, 0)]}, r"\[copies\] the layout of operand 0 is \[1,0\], expected row-major order; transpose"),
]


@pytest.mark.parametrize(("target", "x", "options", "message"), REFUSED)
def test_what_is_refused_at_compile_time(targets, target, x, options, message):
    with pytest.raises(jax.errors.JaxRuntimeError, match=message) as error:
        call(target, like(x), x, **options)
    assert "test_kernels.py:" in str(error.value)
    np.testing.assert_allclose(call("exp_of_minus", like(X), X), np.exp(-X), rtol=1e-6)


def test_a_deadlock_is_an_error_of_that_program(targets):
    with pytest.raises(jax.errors.JaxRuntimeError, match=r'\[deadlocks\] deadlock: .*"waits"'):
        jax.block_until_ready(call("deadlocks", like(X), X))
    np.testing.assert_allclose(call("exp_of_minus", like(X), X), np.exp(-X), rtol=1e-6)


def test_what_takes_over_a_failed_array_fails_too(targets):
    x, large = on_card(np.zeros((4096, 4096), np.float32), np.ones((2048, 2048), np.float32))
    fails = jax.jit(lambda x: jax.ffi.ffi_call("deadlocks", like(x))(x)).lower(x).compile()
    takes = jax.jit(lambda y: y + 1, donate_argnums=0).lower(x).compile()
    busy = jax.jit(lambda a: a @ a @ a @ a).lower(large).compile()
    busy(large)  # meanwhile the others are queued
    z = takes(fails(x))
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"\[deadlocks\] deadlock"):
        jax.block_until_ready(z)


def test_a_name_belongs_to_one_program(targets):
    jax.ffi.register_ffi_target("copies", jax_tt.kernels.load(CALLS, function="copies"), platform="tt")
    with pytest.raises(ValueError, match=r'"copies" is registered for tt already, with another kernel program; choose another name'):
        jax.ffi.register_ffi_target("copies", jax_tt.kernels.load(CALLS, function="throws"), platform="tt")


def test_only_kernel_programs_are_targets():
    with pytest.raises(ValueError, match=r"'other' for tt is <capsule .*expected a kernel program: jax_tt.kernels.load\(source\)"):
        jax.ffi.register_ffi_target("other", jax.ffi.pycapsule(1234), platform="tt")


def test_sources_that_are_none(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"\[kernels\] there is no source '.*nowhere.cpp'"):
        jax_tt.kernels.load(tmp_path / "nowhere.cpp")
    with pytest.raises(RuntimeError, match=r"calls.cpp has no function 'nothing', expected one that is declared extern \"C\""):
        jax_tt.kernels.load(CALLS, function="nothing")
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text("int create_program() { return undeclared; }")
    with pytest.raises(RuntimeError, match=r"(?s)wrong.cpp does not compile: .*-std=c\+\+20 .*'undeclared'|‘undeclared’"):
        jax_tt.kernels.load(wrong)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(FileNotFoundError, match=r"there is no compiler 'no-such-compiler' for .*install g\+\+ 12 or newer"):
        jax_tt.kernels.load(CALLS)


def test_a_reader_that_computes_does_not_compile(tmp_path):
    source = tmp_path / "reader.cpp"
    text = (FOLDER / "exp_of_minus.cpp").read_text()
    source.write_text(text.replace("k.noc_async_read_barrier()", "k.tile_regs_acquire()"))
    with pytest.raises(RuntimeError, match="tile_regs_acquire"):
        jax_tt.kernels.load(source)


def test_what_was_compiled_is_kept(cache, tmp_path):
    source = tmp_path / "kept.cpp"
    header = tmp_path / "kept.hpp"
    source.write_text('#include "kept.hpp"\nextern "C" int create_program() { return kNumber; }')
    made = []
    for number in (1, 1, 2):
        header.write_text(f"constexpr int kNumber = {number};")
        jax_tt.kernels.load(source)
        made.append(len(list((cache / "jax_tt").glob("kept-*.so"))))
    assert made == [1, 1, 2]
