"""Cases of one value in, one value out: unary, binary, ternary, compare, convert and bit operations."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.cases.case import (
    BF16,
    BOOL,
    C64,
    COMPOSED,
    EQUAL,
    EXACT,
    F16,
    F32,
    F64,
    FLOATS,
    I8,
    I16,
    I32,
    I64,
    INTEGERS,
    ROUNDED,
    SIGNED,
    U8,
    U16,
    U32,
    U64,
    Arg,
    Case,
    arg,
    float_edges,
    gradient,
    integer_edges,
    shape_name,
)

SHAPES = ((), (0,), (1,), (7,), (33, 65), (2, 3, 5, 40), (256, 1024))

# name, function, judged by, argument range
FLOAT_UNARY = (
    ("neg", lax.neg, EXACT, "normal"),
    ("abs", lax.abs, EXACT, "normal"),
    ("sign", lax.sign, EXACT, "normal"),
    ("floor", lax.floor, EXACT, "wide"),
    ("ceil", lax.ceil, EXACT, "wide"),
    ("round_away", lambda x: lax.round(x), EXACT, "wide"),
    ("round_even", lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), EXACT, "wide"),
    ("is_finite", lax.is_finite, EXACT, "wide"),
    ("sqrt", lax.sqrt, ROUNDED, "positive"),
    ("rsqrt", lax.rsqrt, ROUNDED, "positive"),
    ("cbrt", lax.cbrt, ROUNDED, "wide"),
    ("exp", lax.exp, ROUNDED, "normal"),
    ("exp2", lax.exp2, ROUNDED, "normal"),
    ("expm1", lax.expm1, ROUNDED, "normal"),
    ("log", lax.log, ROUNDED, "positive"),
    ("log1p", lax.log1p, ROUNDED, "positive"),
    ("tanh", lax.tanh, ROUNDED, "normal"),
    ("logistic", lax.logistic, ROUNDED, "normal"),
    ("sin", lax.sin, ROUNDED, "angles"),
    ("cos", lax.cos, ROUNDED, "angles"),
    ("tan", lax.tan, ROUNDED, "unit"),
    ("erf", lax.erf, ROUNDED, "normal"),
    ("erfc", lax.erfc, COMPOSED, "unit"),
    ("erf_inv", lax.erf_inv, COMPOSED, "unit"),
    ("asin", lax.asin, COMPOSED, "unit"),
    ("acos", lax.acos, COMPOSED, "unit"),
    ("atan", lax.atan, COMPOSED, "wide"),
    ("sinh", lax.sinh, COMPOSED, "normal"),
    ("cosh", lax.cosh, COMPOSED, "normal"),
    ("asinh", lax.asinh, COMPOSED, "wide"),
    ("acosh", lax.acosh, COMPOSED, "over_one"),
    ("atanh", lax.atanh, COMPOSED, "unit"),
    ("lgamma", lax.lgamma, COMPOSED, "over_one"),
    ("digamma", lax.digamma, COMPOSED, "over_one"),
    ("relu", jax.nn.relu, EXACT, "normal"),
    ("gelu", jax.nn.gelu, COMPOSED, "normal"),
    ("silu", jax.nn.silu, COMPOSED, "normal"),
    ("softplus", jax.nn.softplus, COMPOSED, "normal"),
    ("square", lax.square, EXACT, "normal"),
    ("integer_pow", lambda x: x**3, COMPOSED, "normal"),
)
NO_GRADIENT = {"is_finite"}
TRUTH = {"atanh": np.arctanh}  # cpu's float64 is off by 70 units in the last place

INTEGER_UNARY = (
    ("neg", lax.neg),
    ("abs", lax.abs),
    ("sign", lax.sign),
    ("not", lax.bitwise_not),
    ("popcnt", lax.population_count),
    ("clz", lax.clz),
    ("square", lax.square),
)

FLOAT_BINARY = (
    ("add", lax.add, EXACT, "wide", "wide"),
    ("sub", lax.sub, EXACT, "wide", "wide"),
    ("mul", lax.mul, EXACT, "wide", "normal"),
    ("div", lax.div, EXACT, "wide", "normal"),
    ("rem", lax.rem, EXACT, "wide", "positive"),
    ("max", lax.max, EQUAL, "normal", "normal"),
    ("min", lax.min, EQUAL, "normal", "normal"),
    ("pow", lax.pow, ROUNDED, "positive", "normal"),
    ("atan2", lax.atan2, ROUNDED, "normal", "normal"),
    ("nextafter", lax.nextafter, EXACT, "positive", "normal"),
    ("logaddexp", jnp.logaddexp, COMPOSED, "normal", "normal"),
    ("floor_divide", jnp.floor_divide, EXACT, "normal", "positive"),
    ("mod", jnp.mod, EQUAL, "normal", "positive"),
)

INTEGER_BINARY = (
    ("add", lax.add),
    ("sub", lax.sub),
    ("mul", lax.mul),
    ("div", lax.div),
    ("rem", lax.rem),
    ("max", lax.max),
    ("min", lax.min),
    ("and", lax.bitwise_and),
    ("or", lax.bitwise_or),
    ("xor", lax.bitwise_xor),
    ("shift_left", lax.shift_left),
    ("shift_right_arithmetic", lax.shift_right_arithmetic),
    ("shift_right_logical", lax.shift_right_logical),
)

COMPARISONS = (("eq", lax.eq), ("ne", lax.ne), ("lt", lax.lt), ("le", lax.le), ("gt", lax.gt), ("ge", lax.ge))


def _unary() -> list[Case]:
    cases = []
    for name, function, check, draw in FLOAT_UNARY:
        for dtype in FLOATS:
            generous = COMPOSED if check == ROUNDED and dtype == F64 else check  # float64 has no wider truth
            cases.append(Case(f"{name}-{dtype}-33x65", "unary", function, (arg((33, 65), dtype, draw),), generous, truth=TRUTH.get(name)))
            edges = arg(float_edges(dtype).shape, dtype, values=float_edges(dtype))
            if name not in ("lgamma", "digamma", "erf_inv", "tan", "sin", "cos", "erfc"):
                cases.append(Case(f"{name}-{dtype}-edges", "unary", function, (edges,), generous))
        if name in ("exp", "neg", "tanh", "relu"):
            for shape in SHAPES:
                cases.append(Case(f"{name}-shape-{shape_name(shape)}", "unary", function, (arg(shape, F32, draw),), check))
        if name not in NO_GRADIENT:
            for dtype in (F32, BF16):
                case_args = (arg((5, 33), dtype, draw),)
                cases.append(Case(f"{name}-{dtype}-grad", "unary_grad", gradient(function), case_args, COMPOSED))
    for name, function in INTEGER_UNARY:
        for dtype in INTEGERS:
            if dtype not in SIGNED and name in ("neg", "abs"):
                continue
            values = np.concatenate([integer_edges(dtype), np.arange(64, dtype=np.int64).astype(dtype)])
            cases.append(Case(f"{name}-{dtype}", "unary", function, (arg(values.shape, dtype, values=values),)))
    cases.append(Case("not-bool", "unary", lax.bitwise_not, (arg((5, 40), BOOL),)))
    for name, function in (("real", jnp.real), ("imag", jnp.imag), ("conj", jnp.conj), ("neg", lax.neg)):
        cases.append(Case(f"{name}-complex64", "complex", function, (arg((5, 40), C64),)))
    for name, function in (("abs", lax.abs), ("exp", lax.exp), ("sqrt", lax.sqrt), ("log", lax.log)):
        cases.append(Case(f"{name}-complex64", "complex", function, (arg((5, 40), C64),), COMPOSED))
    return cases


def _pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every value against every value."""
    left, right = np.meshgrid(values, values, indexing="ij")
    return left, right


def _edge_args(values: np.ndarray, dtype: str) -> tuple[Arg, Arg]:
    left, right = _pairs(values)
    return arg(left.shape, dtype, values=left), arg(right.shape, dtype, values=right)


def _binary() -> list[Case]:
    cases = []
    for name, function, check, left, right in FLOAT_BINARY:
        for dtype in FLOATS:
            generous = COMPOSED if check == ROUNDED and dtype == F64 else check
            pair = (arg((33, 65), dtype, left), arg((33, 65), dtype, right))
            cases.append(Case(f"{name}-{dtype}-33x65", "binary", function, pair, generous))
            if name not in ("nextafter", "floor_divide", "mod", "logaddexp", "rem"):
                cases.append(Case(f"{name}-{dtype}-edges", "binary", function, _edge_args(float_edges(dtype)[:10], dtype), generous))
        if name in ("add", "max"):
            for shape in SHAPES:
                pair = (arg(shape, F32, left), arg(shape, F32, right))
                cases.append(Case(f"{name}-shape-{shape_name(shape)}", "binary", function, pair, check))
        if name not in ("nextafter", "floor_divide", "mod", "rem"):
            pair = (arg((5, 33), F32, left), arg((5, 33), F32, right))
            cases.append(Case(f"{name}-float32-grad", "binary_grad", gradient(function), pair, COMPOSED))
    for name, function in INTEGER_BINARY:
        for dtype in INTEGERS:
            case_args = _edge_args(integer_edges(dtype), dtype)
            cases.append(Case(f"{name}-{dtype}-edges", "binary", function, case_args))
            if name.startswith("shift"):
                bits = np.arange(np.iinfo(dtype).bits, dtype=np.int64)
                full = (arg(bits.shape, dtype, "full"), arg(bits.shape, dtype, values=bits))
                cases.append(Case(f"{name}-{dtype}-every-amount", "binary", function, full))
    for name, function in (("and", lax.bitwise_and), ("or", lax.bitwise_or), ("xor", lax.bitwise_xor)):
        cases.append(Case(f"{name}-bool", "binary", function, (arg((5, 40), BOOL), arg((5, 40), BOOL))))
    for shapes in (((3, 1, 40), (5, 1)), ((), (4, 5)), ((1,), (33,)), ((0, 3), (3,))):
        name = "_".join(map(shape_name, shapes))
        cases.append(Case(f"add-broadcast-{name}", "binary", jnp.add, tuple(arg(s) for s in shapes)))
    for base, power in ((I32, I32), (F32, I32)):
        function = lambda x, y: x**y
        case_args = (arg((5, 7), base, "few"), arg((5, 7), power, "few"))
        cases.append(Case(f"pow-{base}-{power}", "binary", function, case_args, COMPOSED, generic=False))
    complex_args = (arg((5, 40), C64), arg((5, 40), C64))
    for name, function in (("add", lax.add), ("sub", lax.sub)):
        cases.append(Case(f"{name}-complex64", "complex", function, complex_args))
    for name, function in (("mul", lax.mul), ("div", lax.div)):
        cases.append(Case(f"{name}-complex64", "complex", function, complex_args, COMPOSED))
    cases.append(Case("complex-of-two", "complex", lax.complex, (arg((5, 40)), arg((5, 40)))))
    return cases


def _compare_and_select() -> list[Case]:
    cases = []
    for name, function in COMPARISONS:
        for dtype in FLOATS:
            cases.append(Case(f"{name}-{dtype}", "compare", function, _edge_args(float_edges(dtype), dtype)))
        for dtype in INTEGERS:
            cases.append(Case(f"{name}-{dtype}", "compare", function, _edge_args(integer_edges(dtype), dtype)))
        cases.append(Case(f"{name}-bool", "compare", function, (arg((5, 40), BOOL), arg((5, 40), BOOL))))
    for dtype in (*FLOATS, *INTEGERS, BOOL, C64):
        trio = (arg((5, 33), BOOL), arg((5, 33), dtype), arg((5, 33), dtype))
        cases.append(Case(f"select-{dtype}", "ternary", lax.select, trio))
    for dtype in (F32, BF16, I32, U8):
        trio = (arg((), dtype, "few"), arg((5, 33), dtype), arg((), dtype, "positive"))
        cases.append(Case(f"clamp-{dtype}", "ternary", lambda low, x, high: lax.clamp(low, x, high + low), trio))
    trio = (arg((), BOOL), arg((5, 33)), arg((5, 33)))
    cases.append(Case("select-scalar-predicate", "ternary", lax.select, trio))
    trio = (arg((5, 1), BOOL), arg((33,)), arg(()))
    cases.append(Case("where-broadcast", "ternary", jnp.where, trio))
    which = (arg((5, 33), I32, "few"), arg((5, 33)), arg((5, 33)), arg((5, 33)), arg((5, 33)))
    cases.append(Case("select_n-of-four", "ternary", lambda i, *xs: lax.select_n(i, *xs), which))
    grad_args = (arg((5, 33)), arg((5, 33)))
    cases.append(Case("where-grad", "ternary", gradient(lambda x, y: jnp.where(x > y, x * 2, y)), grad_args))
    return cases


def _convert() -> list[Case]:
    cases = []
    every = (*FLOATS, I8, I16, I32, I64, U8, U16, U32, U64, BOOL)
    for source in every:
        for target in every:
            if source == target:
                continue
            function = lambda x, target=target: lax.convert_element_type(x, target)
            name = f"{source}-to-{target}" + ("-x64" if target in (F64, I64, U64) else "")
            values = _convertible(source, target)
            cases.append(Case(name, "convert", function, (arg(values.shape, source, values=values),)))
    for source, target in ((F32, I32), (I32, F32), (F32, U32), (BF16, U16), (F16, I16), (U8, I8), (F64, I64), (U64, F64)):
        function = lambda x, target=target: lax.bitcast_convert_type(x, jnp.dtype(target))
        cases.append(Case(f"bitcast-{source}-to-{target}", "convert", function, (arg((5, 33), source),)))
    for source, target, shape in ((F32, U8, (5, 3)), (U32, U16, (7,)), (U16, U32, (5, 2)), (U8, F32, (3, 4))):
        function = lambda x, target=target: lax.bitcast_convert_type(x, jnp.dtype(target))
        draw = "full" if source in INTEGERS else "normal"
        cases.append(Case(f"bitcast-width-{source}-to-{target}", "convert", function, (arg(shape, source, draw),)))
    for exponent, mantissa in ((8, 7), (5, 10), (8, 3)):
        function = lambda x, e=exponent, m=mantissa: lax.reduce_precision(x, e, m)
        cases.append(Case(f"reduce_precision-{exponent}-{mantissa}", "convert", function, (arg((33, 65), F32, "wide"),)))
    return cases


def _convertible(source: str, target: str) -> np.ndarray:
    """Values of `source` whose conversion to `target` is defined everywhere."""
    if source == BOOL:
        return np.array([True, False, True])
    if source in INTEGERS:
        return integer_edges(source)
    if target in FLOATS:
        return float_edges(source)
    if target == BOOL:
        return np.array([0.0, -0.0, 1.0, -3.5, 0.25])
    if target in SIGNED:
        return np.array([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 99.75, -100.25, 0.999, -0.999])
    return np.array([0.0, 1.0, 2.5, 99.75, 200.0, 0.999])


CASES = [*_unary(), *_binary(), *_compare_and_select(), *_convert()]
