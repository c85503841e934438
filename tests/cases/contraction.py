"""Cases of sums of products: dot_general and convolution in every arrangement of their dimensions."""

import jax.numpy as jnp
from jax import lax

from tests.cases.case import BF16, C64, F16, F32, F64, I8, I32, I64, SUMMED, U8, Case, arg, gradient, shape_name

# left shape, right shape, contracting dimensions, batch dimensions
DOTS = (
    ((33, 65), (65, 40), ((1,), (0,)), ((), ())),
    ((65, 33), (65, 40), ((0,), (0,)), ((), ())),
    ((33, 65), (40, 65), ((1,), (1,)), ((), ())),
    ((65, 33), (40, 65), ((0,), (1,)), ((), ())),
    ((65,), (65,), ((0,), (0,)), ((), ())),
    ((33, 65), (65,), ((1,), (0,)), ((), ())),
    ((65,), (65, 33), ((0,), (0,)), ((), ())),
    ((5,), (7,), ((), ()), ((), ())),
    ((3, 17, 40), (3, 40, 5), ((2,), (1,)), ((0,), (0,))),
    ((3, 17, 40), (3, 5, 40), ((2,), (2,)), ((0,), (0,))),
    ((17, 3, 40), (40, 3, 5), ((2,), (0,)), ((1,), (1,))),
    ((2, 3, 4, 5), (2, 3, 5, 6), ((3,), (2,)), ((0, 1), (0, 1))),
    ((2, 4, 3, 5), (2, 6, 3, 5), ((3,), (3,)), ((0, 2), (0, 2))),
    ((4, 5, 6), (6, 5, 7), ((1, 2), (1, 0)), ((), ())),
    ((3, 4, 5), (3, 4, 5), ((2, 1), (2, 1)), ((0,), (0,))),
    ((8,), (8,), ((), ()), ((0,), (0,))),
    ((1, 1), (1, 1), ((1,), (0,)), ((), ())),
    ((0, 5), (5, 3), ((1,), (0,)), ((), ())),
    ((4, 0), (0, 3), ((1,), (0,)), ((), ())),
    ((128, 256), (256, 96), ((1,), (0,)), ((), ())),
    ((200, 700), (700, 300), ((1,), (0,)), ((), ())),
)


def _dots() -> list[Case]:
    cases = []
    for left, right, contracting, batch in DOTS:
        function = lambda a, b, c=contracting, d=batch: lax.dot_general(a, b, (c, d))
        title = f"{shape_name(left)}_{shape_name(right)}-" + "".join(map(str, sum(contracting + batch, ())))
        for dtype in (F32, BF16):
            cases.append(Case(f"{title}-{dtype}", "dot", function, (arg(left, dtype), arg(right, dtype)), SUMMED))
        if 0 not in left:
            cases.append(Case(f"{title}-grad", "dot_grad", gradient(function), (arg(left), arg(right)), "close"))
    mm = lambda a, b: lax.dot_general(a, b, (((1,), (0,)), ((), ())))
    for dtype in (F16, F64, C64, I8, I32, I64, U8):
        cases.append(Case(f"matmul-{dtype}", "dot", mm, (arg((33, 65), dtype), arg((65, 40), dtype)), SUMMED))
    wide = lambda a, b: lax.dot_general(a, b, (((1,), (0,)), ((), ())), preferred_element_type=jnp.promote_types(a.dtype, F32))
    cases.append(Case("bfloat16-into-float32", "dot", wide, (arg((33, 65), BF16), arg((65, 40), BF16)), SUMMED))
    into_int = lambda a, b: lax.dot_general(a, b, (((1,), (0,)), ((), ())), preferred_element_type=I32)
    cases.append(Case("int8-into-int32", "dot", into_int, (arg((33, 65), I8, "full"), arg((65, 40), I8, "full"))))
    highest = lambda a, b: jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
    cases.append(Case("highest-precision", "dot", highest, (arg((33, 65)), arg((65, 40))), SUMMED))
    attention = lambda q, k: jnp.einsum("bqhd,bkhd->bhqk", q, k)
    for dtype in (F32, BF16):
        cases.append(Case(f"einsum-attention-{dtype}", "dot", attention, (arg((2, 9, 3, 16), dtype), arg((2, 11, 3, 16), dtype)), SUMMED))
    return cases


def _conv(dimensions=("NCHW", "OIHW", "NCHW"), **settings):
    settings = {"window_strides": (1, 1), "padding": "SAME"} | settings
    return lambda x, w: lax.conv_general_dilated(x, w, dimension_numbers=dimensions, **settings)


NHWC = ("NHWC", "HWIO", "NHWC")
# name, input, kernel, function
CONVOLUTIONS = (
    ("same", (2, 3, 9, 11), (4, 3, 3, 3), _conv()),
    ("valid", (2, 3, 9, 11), (4, 3, 3, 3), _conv(padding="VALID")),
    ("pointwise", (2, 3, 9, 11), (4, 3, 1, 1), _conv()),
    ("even-kernel", (2, 3, 9, 11), (4, 3, 2, 4), _conv()),
    ("stride", (2, 3, 9, 11), (4, 3, 3, 3), _conv(window_strides=(2, 3))),
    ("padding", (2, 3, 9, 11), (4, 3, 3, 3), _conv(padding=((0, 2), (3, 1)))),
    ("negative-padding", (2, 3, 9, 11), (4, 3, 3, 3), _conv(padding=((-1, 2), (1, -2)))),
    ("input-dilation", (2, 3, 5, 6), (4, 3, 3, 3), _conv(lhs_dilation=(2, 3), padding=((1, 1), (2, 2)))),
    ("input-dilation-even-kernel", (2, 3, 5, 6), (4, 3, 4, 4), _conv(lhs_dilation=(2, 2), padding=((2, 2), (2, 2)))),
    ("input-dilation-cut", (2, 3, 5, 6), (4, 3, 4, 4), _conv(lhs_dilation=(3, 2), padding=((1, 2), (2, 1)))),
    ("input-dilation-stride", (2, 3, 5, 6), (4, 3, 3, 3), _conv(lhs_dilation=(4, 3), window_strides=(2, 3), padding=((1, 1), (2, 2)))),
    ("input-dilation-beyond-kernel", (2, 3, 5, 6), (4, 3, 2, 1), _conv(lhs_dilation=(5, 3), padding=((-1, 3), (4, -2)))),
    ("input-dilation-groups", (2, 6, 5, 6), (6, 1, 3, 3), _conv(lhs_dilation=(2, 2), padding=((1, 2), (1, 2)), feature_group_count=6)),
    ("input-dilation-batch-groups", (4, 3, 5, 6), (6, 3, 3, 3), _conv(lhs_dilation=(2, 2), padding=((1, 2), (1, 2)), batch_group_count=2)),
    ("input-dilation-wide", (2, 6, 7, 32), (3, 3, 32, 40), _conv(NHWC, lhs_dilation=(2, 2), padding=((2, 1), (1, 1)))),
    ("kernel-dilation", (2, 3, 9, 11), (4, 3, 3, 3), _conv(rhs_dilation=(2, 3), padding=((1, 1), (2, 2)))),
    (
        "all-at-once",
        (2, 3, 9, 11),
        (4, 3, 3, 2),
        _conv(window_strides=(2, 1), padding=((1, 2), (0, 3)), lhs_dilation=(2, 1), rhs_dilation=(1, 2)),
    ),
    ("groups", (2, 6, 9, 11), (4, 3, 3, 3), _conv(feature_group_count=2)),
    ("depthwise", (2, 6, 9, 11), (6, 1, 3, 3), _conv(feature_group_count=6)),
    ("depthwise-multiplier", (2, 3, 9, 11), (6, 1, 3, 3), _conv(feature_group_count=3)),
    ("batch-groups", (4, 3, 9, 11), (6, 3, 3, 3), _conv(batch_group_count=2)),
    ("nhwc", (2, 9, 11, 3), (3, 3, 3, 4), _conv(NHWC)),
    ("nhwc-stride", (2, 9, 11, 3), (3, 3, 3, 4), _conv(NHWC, window_strides=(2, 2))),
    ("nhwc-wide", (2, 12, 12, 32), (3, 3, 32, 40), _conv(NHWC)),
    ("one-channel", (2, 1, 40, 51), (1, 1, 5, 5), _conv()),
    ("one-channel-stride", (2, 40, 51, 1), (5, 5, 1, 1), _conv(NHWC, window_strides=(3, 2))),
    ("one-channel-kernel-dilation", (2, 1, 40, 51), (2, 1, 3, 3), _conv(rhs_dilation=(2, 3))),
    ("one-channel-one-d", (1, 1, 700), (1, 1, 64), _conv(("NCH", "OIH", "NCH"), window_strides=(1,), padding=((63, 63),))),
    ("rows-cut-along-k", (1, 2000, 1), (33, 1, 40), _conv(("NHC", "HIO", "NHC"), window_strides=(1,), padding="VALID")),
    ("odd-layout", (9, 3, 2, 11), (3, 4, 3, 3), _conv(("HCNW", "IOHW", "CWHN"))),
    ("one-d", (2, 3, 20), (4, 3, 5), _conv(("NCH", "OIH", "NCH"), window_strides=(2,))),
    ("three-d", (1, 2, 4, 5, 6), (3, 2, 2, 3, 2), _conv(("NCDHW", "OIDHW", "NCDHW"), window_strides=(1, 2, 1))),
    ("no-space", (5, 3), (3, 4), _conv(("NC", "IO", "NC"), window_strides=(), padding=())),
    ("empty-batch", (0, 3, 9, 11), (4, 3, 3, 3), _conv()),
    ("kernel-larger-than-input", (1, 2, 3, 3), (2, 2, 5, 5), _conv()),
    ("large", (2, 16, 28, 28), (32, 16, 5, 5), _conv(window_strides=(2, 2))),
)


def _convolutions() -> list[Case]:
    cases = []
    for name, x, w, function in CONVOLUTIONS:
        for dtype in (F32, BF16):
            cases.append(Case(f"{name}-{dtype}", "conv", function, (arg(x, dtype), arg(w, dtype)), SUMMED))
        if 0 not in x:
            cases.append(Case(f"{name}-grad", "conv_grad", gradient(function), (arg(x), arg(w)), "close"))
    pair = (arg((2, 3, 9, 11), I32), arg((4, 3, 3, 3), I32))
    cases.append(Case("same-int32", "conv", _conv(), pair))
    flipped = lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME", dimension_numbers=NHWC)
    pair = (arg((2, 5, 6, 3)), arg((3, 3, 3, 4)))
    cases.append(Case("transposed", "conv", flipped, pair, SUMMED))
    cases.append(Case("transposed-grad", "conv_grad", gradient(flipped), pair, "close"))

    def fused(x, w, bias, residual):
        return jnp.maximum(_conv(NHWC, lhs_dilation=(2, 2), padding=((2, 2), (1, 2)))(x, w) + bias, 0) + residual

    operands = (arg((2, 5, 6, 3)), arg((4, 3, 3, 5)), arg((5,)), arg((2, 10, 12, 5)))
    cases.append(Case("input-dilation-epilogue", "conv", fused, operands, SUMMED))
    return cases


CASES = [*_dots(), *_convolutions()]
