"""Cases over sliding windows: pooling, reduce_window and the select_and_scatter of its gradients."""

import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from tests.cases.case import BF16, COMPOSED, EQUAL, F32, I32, SUMMED, Case, arg, gradient

INF = float("inf")

# name, shape, window, strides, padding
WINDOWS = (
    ("2x2", (2, 8, 8, 3), (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
    ("3x3-overlapping", (2, 9, 11, 3), (1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
    ("3x3-stride-one", (2, 9, 11, 3), (1, 3, 3, 1), (1, 1, 1, 1), "SAME"),
    ("padded", (2, 9, 11, 3), (1, 2, 3, 1), (1, 2, 1, 1), ((0, 0), (1, 0), (0, 2), (0, 0))),
    ("nchw", (2, 3, 9, 11), (1, 1, 2, 2), (1, 1, 2, 2), "VALID"),
    ("one-d", (50,), (5,), (3,), "SAME"),
    ("whole", (4, 6), (4, 6), (1, 1), "VALID"),
    ("beyond", (2, 1, 2, 3), (1, 5, 5, 1), (1, 1, 1, 1), "SAME"),
    ("wide", (2, 14, 14, 40), (1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
)


def _pool(kind: str, window, strides, padding):
    start, region = {"max": (-INF, lax.max), "min": (INF, lax.min), "sum": (0.0, lax.add)}[kind]
    return lambda x: lax.reduce_window(x, start, region, window, strides, padding)


def _pools() -> list[Case]:
    cases = []
    for name, shape, window, strides, padding in WINDOWS:
        for kind in ("max", "min", "sum"):
            function = _pool(kind, window, strides, padding)
            check = SUMMED if kind == "sum" else EQUAL
            for dtype in (F32, BF16):
                judged = "close" if kind == "sum" and dtype == BF16 else check
                cases.append(Case(f"{kind}-{name}-{dtype}", "window", function, (arg(shape, dtype),), judged))
            if kind != "min":
                judged = SUMMED if kind == "sum" else COMPOSED
                cases.append(Case(f"{kind}-{name}-grad", "window_grad", gradient(function), (arg(shape),), judged))
    ties = arg((1, 8, 8, 2), F32, "few")
    function = _pool("max", (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
    cases.append(Case("max-ties-grad", "window_grad", gradient(function), (ties,), EQUAL))
    dilated = lambda x: lax.reduce_window(x, 0, lax.add, (2, 3), (1, 2), ((1, 1), (0, 2)), (2, 1), (1, 2))
    cases.append(Case("sum-both-dilations-int32", "window", dilated, (arg((7, 12), I32),)))
    average = lambda x: nn.avg_pool(x, (2, 2), strides=(2, 2))
    cases.append(Case("avg_pool", "window", average, (arg((2, 8, 8, 3)),), COMPOSED))
    cases.append(Case("avg_pool-grad", "window_grad", gradient(average), (arg((2, 8, 8, 3)),), COMPOSED))
    return cases


def _pairs(x, y):
    """Two operands in one window: the greatest x with its y."""

    def region(left, right):
        keep = left[0] >= right[0]
        return lax.select(keep, left[0], right[0]), lax.select(keep, left[1], right[1])

    return lax.reduce_window((x, y), (jnp.float32(-INF), jnp.int32(0)), region, (2, 2), (2, 2), "VALID")


def _started(start, x, region, *window, **dilations):
    """reduce_window with an initial value that the program computes."""
    return lax.reduce_window(x, start.sum(), region, *window, **dilations)


# Padding counts as the initial value, as StableHLO has it; cpu leaves it out, which a maximum does not show.
STARTS = (
    ("valid", lambda s, x: _started(s, x, lax.add, (2, 3), (1, 2), "VALID")),
    ("padded", lambda s, x: _started(s, x, lax.max, (2, 3), (1, 2), ((1, 1), (2, 0)))),
    ("dilated", lambda s, x: _started(s, x, lax.max, (2, 3), (1, 2), ((1, 1), (0, 2)), base_dilation=(2, 1), window_dilation=(1, 2))),
    ("large", lambda s, x: _started(s, x, lax.max, (7, 9), (1, 1), "SAME")),
    ("prefix", lambda s, x: _started(s, x, lax.max, (1, 60), (1, 1), ((0, 0), (59, 0)))),
)

CASES = [
    *_pools(),
    Case("two-operands", "window", _pairs, (arg((8, 10)), arg((8, 10), I32))),
    *(Case(f"started-{name}", "window", function, (arg((3,), F32, "few"), arg((13, 60), F32, "few")), EQUAL) for name, function in STARTS),
]
