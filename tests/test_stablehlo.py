"""StableHLO programs that no function of JAX makes, on the card: against `cpu` where it runs them, else against numpy."""

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from jax.interpreters import mlir
from jaxlib import xla_client

from tests.tools import support

DTYPES = {"f32": "float32", "f64": "float64", "f16": "float16", "bf16": "bfloat16", "i1": "bool"}
DTYPES |= {"complex<f32>": "complex64", "complex<f64>": "complex128"}
DTYPES |= {f"{short}{bits}": f"{long}{bits}" for short, long in (("i", "int"), ("ui", "uint")) for bits in (2, 4, 8, 16, 32, 64)}


def dtype_of(element: str) -> np.dtype:
    name = DTYPES[element]
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def draw(shape: Sequence[int], dtype: np.dtype, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if dtype.kind == "c":  # with equal real parts
        return (rng.integers(-2, 3, shape) + 1j * rng.standard_normal(shape)).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu" or dtype.name.startswith(("int", "uint")):
        bits = int(re.search(r"\d+", dtype.name)[0])
        return rng.integers(0, 2 ** min(bits - 1, 6), shape).astype(dtype)
    return np.exp(rng.standard_normal(shape)).astype(dtype)


def arguments(text: str) -> list[np.ndarray]:
    signature = re.search(r"@main\((.*?)\) ->", text)[1]
    made = []
    for name, kind in re.findall(r"%(\w+): tensor<(.*?)>(?=,|$)", signature):
        *dims, element = (
            kind.split("x") if "complex" not in kind else [*kind.split("complex")[0].split("x")[:-1], "complex" + kind.split("complex")[1]]
        )
        made.append(draw([int(d) for d in dims], dtype_of(element), zlib.crc32(name.encode())))
    return made


def run(platform: str, text: str, args: Sequence[np.ndarray]) -> list[np.ndarray]:
    device = jax.devices(platform)[0]
    loaded = device.client.compile_and_load(text, xla_client.DeviceList((device,)), xla_client.CompileOptions())
    return [np.asarray(out) for out in loaded.execute([jax.device_put(a, device) for a in args])]


def close(got: Sequence[np.ndarray], expected: Sequence[np.ndarray], tolerance: float) -> None:
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        if tolerance == 0:
            np.testing.assert_array_equal(a, b)
        else:
            wide = np.complex128 if a.dtype.kind == "c" else np.float64
            np.testing.assert_allclose(a.astype(wide), b.astype(wide), rtol=tolerance, atol=tolerance)


def text_of(operation: str, element: str) -> str:
    with mlir.make_ir_context():
        text = support.program(operation, element)
    assert text is not None
    return text


TOLERANCES = {"f64": 1e-13, "f32": 2e-6, "f16": 4e-3, "bf16": 3e-2, "complex<f32>": 2e-6}
FLOATS = ("f64", "f32", "f16", "bf16")
# What cpu runs too.
AGAINST_CPU = [
    *((f"batch_norm_{kind}", element) for kind in ("inference", "training", "grad") for element in FLOATS),
    ("atan2", "complex<f32>"),
    *((operation, element) for operation in ("broadcast", "dot", "einsum", "torch_index_select") for element in ("f32", "i32")),
    ("tuple", "f32"),
    ("get_tuple_element", "i32"),
    *(("select_and_scatter", element) for element in ("f32", "i32")),
    *(("select_and_scatter with large windows", element) for element in ("f32", "i32")),
]


@pytest.mark.parametrize("operation,element", AGAINST_CPU)
def test_operation_agrees_with_cpu(operation, element):
    with jax.enable_x64(True):
        text = text_of(operation, element)
        args = arguments(text)
        close(run("tt", text, args), run("cpu", text, args), TOLERANCES.get(element, 0))


def lexicographic(first: Callable[[Any, Any], Any]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    pick = lambda a, b: first(((a.real, a.imag), a), ((b.real, b.imag), b))[1]
    return lambda x, y: np.array([pick(a, b) for a, b in zip(x, y, strict=True)], x.dtype)


# What cpu does not run, or not as the specification has it: the result by numpy.
AGAINST_NUMPY = [
    *(("maximum", element, lexicographic(max)) for element in ("complex<f32>", "complex<f64>")),
    *(("minimum", element, lexicographic(min)) for element in ("complex<f32>", "complex<f64>")),
    ("clamp", "complex<f32>", lambda x, s: np.full_like(x, s)),
    ("sort", "complex<f32>", lambda x: x[np.lexsort((x.imag, x.real))][::-1]),
    ("cbrt", "complex<f32>", lambda x: x ** (1 / 3)),
    ("dynamic_broadcast_in_dim", "f32", lambda x, n: np.stack([x, x])),
    ("dynamic_gather", "i8", lambda m, n: m[np.clip(n, 0, 3)]),
    ("dynamic_iota", "i32", lambda n: np.repeat(np.arange(2, dtype=np.int32)[:, None], 4, 1)),
    ("dynamic_pad", "bf16", lambda x, s: np.array([s, x[0], s, x[1], s, x[2], s, x[3], s])),
    ("dynamic_reshape", "f16", lambda x, n: x.reshape(2, 2)),
    ("get_dimension_size", "f32", lambda x: np.int32(4)),
    ("real_dynamic_slice", "f32", lambda x: x[1:2]),
    ("set_dimension_size", "f32", lambda x: x),
    *(("bitcast_convert to bits and back", element, lambda x: x) for element in ("i2", "ui4", "i8", "f16", "ui32", "i64", "f64")),
]


@pytest.mark.parametrize("operation,element,expected", AGAINST_NUMPY, ids=[f"{case[0]}-{case[1]}" for case in AGAINST_NUMPY])
def test_operation_agrees_with_numpy(operation, element, expected):
    with jax.enable_x64(True):
        text = text_of(operation, element)
        args = arguments(text)
        close(run("tt", text, args), [np.asarray(expected(*args))], 2e-6 if operation == "cbrt" else 0)


@pytest.mark.parametrize("window", [9, 70])
def test_select_and_scatter_adds_in_the_order_of_windows(window):
    large = text_of("select_and_scatter with large windows", "f32")
    overlapping = f"{{window_dimensions = array<i64: {window}>, window_strides = array<i64: 1>}}"
    text = re.sub(r"\{window_dimensions[^}]*\}", overlapping, large).replace("tensor<2xf32>", f"tensor<{141 - window}xf32>")
    args = arguments(text)
    close(run("tt", text, args), run("cpu", text, args), 0)


@pytest.mark.parametrize("config", ["abc,cbd->dab", "abc,acd->a", "abc,bcd->abcd", "ab,cd->da", "abc->cb", "abc->"])
def test_einsum_sums_multiplies_and_transposes(config):
    sizes = {"a": 3, "b": 4, "c": 5, "d": 2}
    *inputs, result = (labels.strip() for labels in re.split("->|,", config))
    kinds = ["tensor<" + "".join(f"{sizes[label]}x" for label in labels) + "f32>" for labels in (*inputs, result)]
    names = ["%x", "%y"][: len(inputs)]
    operation = "einsum" if len(inputs) == 2 else "unary_einsum"
    text = f"""func.func @main({", ".join(map(": ".join, zip(names, kinds, strict=False)))}) -> ({kinds[-1]}) {{
        %r = stablehlo.{operation} {", ".join(names)}, config = "{config}" : ({", ".join(kinds[:-1])}) -> {kinds[-1]}
        return %r : {kinds[-1]}
    }}"""
    args = arguments(text)
    close(run("tt", text, args), [np.einsum(config, *args, dtype=np.float64).astype(np.float32)], 1e-5)


def test_dynamic_conv_is_a_convolution():
    static, dynamic = text_of("convolution", "f32"), text_of("dynamic_conv", "f32")
    close(run("tt", dynamic, arguments(dynamic)), run("cpu", static, arguments(static)), 1e-5)


@pytest.mark.parametrize("wide,narrow,parts", [("i8", "i4", 2), ("ui4", "i2", 2), ("f16", "ui2", 8), ("i8", "i1", 8), ("i64", "ui4", 16)])
def test_the_first_part_of_an_element_has_its_lowest_bits(wide, narrow, parts):
    text = f"""func.func @main(%x: tensor<3x{wide}>) -> tensor<3x{parts}x{narrow}> {{
        %r = stablehlo.bitcast_convert %x : (tensor<3x{wide}>) -> tensor<3x{parts}x{narrow}>
        return %r : tensor<3x{parts}x{narrow}>
    }}"""
    bits = {"i1": 1}.get(narrow) or int(narrow.strip("ui"))
    numbers = [5, 11, 14] if wide == "ui4" else [0x5A, 0x13, 0x7E]
    with jax.enable_x64(True):
        held = dtype_of("ui16" if wide == "f16" else wide)
        x = np.array(numbers).astype(held).view(dtype_of(wide))
        got = run("tt", text, [x])[0].astype(np.int64) & (2**bits - 1)
    assert got.tolist() == [[number >> (bits * i) & (2**bits - 1) for i in range(parts)] for number in numbers]


def test_complex_to_boolean_looks_at_the_real_part():
    text = """func.func @main(%x: tensor<3xcomplex<f32>>) -> tensor<3xi1> {
        %r = stablehlo.convert %x : (tensor<3xcomplex<f32>>) -> tensor<3xi1>
        return %r : tensor<3xi1>
    }"""
    assert run("tt", text, [np.array([-1, 1j, 1 + 1j], np.complex64)])[0].tolist() == [True, False, True]


def drawn(distribution: str, element: str, a: float, b: float, count: int = 40000) -> np.ndarray:
    text = f"""func.func @main(%a: tensor<{element}>, %b: tensor<{element}>) -> (tensor<{count}x{element}>, tensor<{count}x{element}>) {{
        %n = stablehlo.constant dense<{count}> : tensor<1xi64>
        %r = stablehlo.rng %a, %b, %n, distribution = {distribution} : (tensor<{element}>, tensor<{element}>, tensor<1xi64>) -> tensor<{count}x{element}>
        %s = stablehlo.rng %a, %b, %n, distribution = {distribution} : (tensor<{element}>, tensor<{element}>, tensor<1xi64>) -> tensor<{count}x{element}>
        return %r, %s : tensor<{count}x{element}>, tensor<{count}x{element}>
    }}"""
    first, second = run("tt", text, [np.asarray(a, dtype_of(element)), np.asarray(b, dtype_of(element))])
    assert (first != second).any(), "two draws of one program are the same"
    return np.concatenate([first, second]).astype(np.float64)


@pytest.mark.parametrize("element", [*FLOATS, "i8", "ui32", "i64"])
def test_uniform_numbers_fill_their_interval(element):
    with jax.enable_x64(True):
        numbers = drawn("UNIFORM", element, 2, 50)
    assert numbers.min() >= 2 and numbers.max() < 50
    shares = np.histogram(numbers, bins=6, range=(2, 50))[0] / len(numbers)
    np.testing.assert_allclose(shares, 1 / 6, atol=0.03 if element == "bf16" else 0.01)


@pytest.mark.parametrize("element", FLOATS)
def test_normal_numbers_have_mean_and_deviation(element):
    with jax.enable_x64(True):
        numbers = (drawn("NORMAL", element, 1, 2) - 1) / 2
    assert abs(numbers.mean()) < 0.02 and abs(numbers.std() - 1) < 0.02
    for limit, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert abs((np.abs(numbers) < limit).mean() - share) < 0.01


def test_random_booleans_are_either():
    assert 0.45 < drawn("UNIFORM", "i1", 0, 1).mean() < 0.55


@pytest.mark.parametrize("operation", ["dynamic_pad", "real_dynamic_slice"])
def test_sizes_that_the_program_computes_are_refused(operation):
    text = (
        text_of(operation, "f32")
        .replace("%d = stablehlo.constant dense<1> : tensor<1xi32>\n", "")
        .replace("@main(", "@main(%d: tensor<1xi32>, ")
    )
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"stablehlo.{operation} at .*: with sizes that are not constants"):
        run("tt", text, [])


def test_a_tuple_that_is_returned_is_refused():
    text = """func.func @main(%x: tensor<4xf32>) -> tuple<tensor<4xf32>> {
        %t = stablehlo.tuple %x : tuple<tensor<4xf32>>
        return %t : tuple<tensor<4xf32>>
    }"""
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"stablehlo.tuple at .*: a tuple that is more than a name for its members"):
        run("tt", text, [])
