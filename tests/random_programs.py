"""Random programs for the compiler: `python -m tests.random_programs 0 500` compares so many on the card with `cpu` and names the seeds that differ.

A program is a chain of operations on a growing set of values, of which some are returned: what fusion, views, layouts, loops and memory make of
them must not change the values. Every operation keeps values small and smooth, so that rounding stays within the tolerance.
"""

import random
import sys
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SIZES = (1, 2, 3, 5, 7, 16, 31, 32, 33, 64, 100)
MOST_ELEMENTS = 60_000
STEPS: list[Callable] = []


def step(function):
    """An operation `(rng, values, x) -> new value`; None where x does not suit it."""
    STEPS.append(function)
    return function


def is_float(x):
    return jnp.issubdtype(x.dtype, jnp.floating)


def dims(rng, x):
    return tuple(sorted(rng.sample(range(x.ndim), rng.randint(1, x.ndim))))


def like(values, x):
    return [v for v in values if v.shape == x.shape and v.dtype == x.dtype]


@step
def function(rng, values, x):
    return rng.choice([jnp.tanh, jnp.sin, jax.nn.sigmoid])(x) if is_float(x) else x // 3


@step
def scale(rng, values, x):
    return x * 0.5 + 1 if is_float(x) else x % 7 - 2


@step
def combine(rng, values, x):
    a, b = rng.choice(like(values, x)), rng.choice(like(values, x))
    return x * a - b if is_float(x) else jnp.minimum(x, a) + jnp.maximum(a, b) % 5


@step
def transpose(rng, values, x):
    return jnp.transpose(x, rng.sample(range(x.ndim), x.ndim))


@step
def mean(rng, values, x):
    along = dims(rng, x)
    return x.mean(along) if is_float(x) else x.sum(along) % 11


@step
def largest(rng, values, x):
    return x.max(rng.randrange(x.ndim), keepdims=rng.random() < 0.5)


@step
def pad(rng, values, x):
    config = []
    for size in x.shape:
        low, high, interior = (rng.choice(parts) for parts in ([0, 0, 0, -2, -1, 1, 2], [0, 0, 0, -2, -1, 1, 2], [0, 0, 0, 0, 1]))
        fits = (size - 1) * (interior + 1) + 1 + low + high > 0
        config.append((low, high, interior) if fits and rng.random() < 0.6 else (0, 0, 0))
    return lax.pad(x, jnp.asarray(rng.choice([0, 0, 2]), x.dtype), config)


@step
def cut(rng, values, x):
    some = [rng.random() < 0.6 for _ in x.shape]
    starts = [rng.randrange(size) if cut else 0 for size, cut in zip(x.shape, some, strict=True)]
    limits = [rng.randint(at + 1, size) if cut else size for at, size, cut in zip(starts, x.shape, some, strict=True)]
    return lax.slice(x, starts, limits, [rng.choice([1, 1, 2, 3]) if cut else 1 for cut in some])


@step
def reverse(rng, values, x):
    return lax.rev(x, dims(rng, x))


@step
def concatenate(rng, values, x):
    along = rng.randrange(x.ndim)

    def rest(v):
        return v.shape[:along] + v.shape[along + 1 :]

    others = [v for v in values if v.ndim == x.ndim and v.dtype == x.dtype and rest(v) == rest(x)]
    return jnp.concatenate([x, *(rng.choice(others) for _ in range(rng.randint(1, 2)))], along)


@step
def flatten(rng, values, x):
    return x.reshape(-1) if x.ndim < 2 or rng.random() < 0.5 else x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


@step
def product(rng, values, x):
    if x.ndim != 2 or not is_float(x):
        return None
    others = [v for v in values if v.ndim == 2 and v.dtype == x.dtype and v.shape[0] == x.shape[1]]
    return x @ rng.choice([*others, x.T]) / x.shape[1]


@step
def broadcast(rng, values, x):
    return jnp.broadcast_to(jnp.expand_dims(x, (at := rng.randint(0, x.ndim))), (*x.shape[:at], rng.randint(1, 3), *x.shape[at:]))


@step
def select(rng, values, x):
    return jnp.where(x > 0.1, rng.choice(like(values, x)), -x)


@step
def softmax(rng, values, x):
    return jax.nn.softmax(x, rng.randrange(x.ndim)) if is_float(x) else None


@step
def prefix_sum(rng, values, x):
    along = rng.randrange(x.ndim)
    return jnp.cumsum(x, along) / x.shape[along] if is_float(x) else jnp.cumsum(x, along) % 13


@step
def take(rng, values, x):
    along = rng.randrange(x.ndim)
    return jnp.take(x, np.array([rng.randrange(x.shape[along]) for _ in range(rng.randint(1, 6))]), along)


@step
def dynamic_slice(rng, values, x):
    sizes = [rng.randint(1, size) for size in x.shape]
    return lax.dynamic_slice(x, [jnp.int32(rng.randint(0, size)) + x.ravel()[0].astype(jnp.int32) * 0 for size in x.shape], sizes)


@step
def update(rng, values, x):
    return x.at[tuple(slice(rng.randrange(size), None) for size in x.shape)].add(jnp.asarray(2, x.dtype))


@step
def scan(rng, values, x):
    if not is_float(x) or x.shape[0] > 8:
        return None

    def body(carry, row):
        new = jnp.tanh(carry + row * 0.5)
        return new, new * 2

    return lax.scan(body, jnp.zeros(x.shape[1:], x.dtype), x, reverse=rng.random() < 0.5)[1]


def region(rng, values):
    """What a region does with its argument: a few operations on it and on values from outside, which change all of it."""
    own = rng.randrange(1 << 30)

    def body(x):
        steps = random.Random(own)
        made = [x]
        for _ in range(steps.randint(0, 3)):
            outer = [v for v in [*values, *made] if v.ndim]
            new = steps.choice(STEPS)(steps, [*values, *made], steps.choice(outer))
            if new is not None and 0 < new.size <= MOST_ELEMENTS:
                made.append(new)
        if is_float(x):
            return x * 0.5 + sum((jnp.tanh(v.mean()) for v in made if is_float(v)), jnp.float32(0))
        return x % 9 + sum(v.sum() % 5 for v in made if not is_float(v))

    return body


@step
def loop(rng, values, x):
    if rng.random() < 0.5:
        body = region(rng, values)
        return lax.fori_loop(0, rng.choice([0, 1, 3]), lambda i, c: body(c + i.astype(c.dtype)), x)
    x = lax.stop_gradient(x)  # what turns an unknown number of times has no gradient
    body = region(rng, [lax.stop_gradient(v) for v in values])
    turns = rng.choice([0, 1, 3]) + jnp.int32(x.ravel()[0]) * 0
    return lax.fori_loop(0, turns, lambda i, c: body(c + i.astype(c.dtype)), x)


@step
def branch(rng, values, x):
    return lax.cond(x.sum() > 0, region(rng, values), region(rng, values), x)


@step
def choosing_loop(rng, values, x):
    """Turns choose which of the carried values they keep, and what they change is made of what was there before."""
    first, second = region(rng, values), region(rng, values)

    def change(a, b):
        new = first(a)
        return new, second(jnp.cumsum(new, 0).astype(x.dtype)) + a

    def exchange(a, b):
        return second(b), a

    choices = [change, exchange, lambda a, b: (a, b), lambda a, b: (a, first(b))]
    rng.shuffle(choices)
    chosen = choices[: rng.choice([2, 3])]
    return lax.fori_loop(0, 4, lambda i, c: lax.switch(i % len(chosen), chosen, *c), (x, x))[1]


@step
def sort(rng, values, x):
    return jnp.sort(x, rng.randrange(x.ndim))


@step
def normalise(rng, values, x):
    along = rng.randrange(x.ndim)
    return x - x.mean(along, keepdims=True) * lax.rsqrt(x.var(along, keepdims=True) + 0.1) if is_float(x) else None


@step
def pool(rng, values, x):
    if not is_float(x) or x.shape[-1] < 2:
        return None
    ones = (1,) * (x.ndim - 1)
    return lax.reduce_window(x, -np.inf, lax.max, (*ones, 2), (*ones, rng.choice([1, 2])), rng.choice(["SAME", "VALID"]))


def program(seed: int) -> tuple[Callable, list[np.ndarray]]:
    """A function that returns a tuple of arrays, and its arguments."""
    rng = random.Random(seed)
    shape = tuple(rng.choice(SIZES) for _ in range(rng.choice([1, 2, 2, 3, 3, 4])))
    while np.prod(shape) > MOST_ELEMENTS // 2:
        shape = shape[1:]
    data = np.random.default_rng(seed)
    arguments = [data.standard_normal(shape).astype(np.float32) for _ in range(2)]
    arguments.append(data.standard_normal((rng.choice(SIZES), rng.choice(SIZES))).astype(np.float32))
    arguments.append(data.integers(-20, 20, shape).astype(np.int32))
    count, kind, own = rng.randint(3, 14), rng.choice(["values", "values", "gradient", "batch"]), rng.randrange(1 << 30)

    def values_of(*given):
        steps = random.Random(own)
        values = list(given)
        for _ in range(count):
            x = steps.choice([v for v in values if v.ndim])
            made = steps.choice(STEPS)(steps, values, x)
            if made is not None and 0 < made.size <= MOST_ELEMENTS:
                values.append(made)
        made = values[len(given) :]
        steps.shuffle(made)
        return tuple(made[:3])

    def loss(*given):
        return sum((jnp.sin(v).mean() for v in values_of(*given) if is_float(v)), jnp.float32(0))

    if kind == "gradient":
        return jax.grad(loss, argnums=(0, 1, 2)), arguments
    if kind == "batch":
        return jax.vmap(values_of), [np.stack([a, -a]) for a in arguments]
    return values_of, arguments


def difference(seed: int) -> str | None:
    """How the card's results differ from those of `cpu`; None where they agree."""
    function, arguments = program(seed)
    results = [jax.tree.map(np.asarray, jax.jit(function)(*jax.device_put(arguments, jax.devices(name)[0]))) for name in ("cpu", "tt")]
    for i, (expected, got) in enumerate(zip(*results, strict=True)):
        if (got.shape, got.dtype) != (expected.shape, expected.dtype):
            return f"result {i} is {got.dtype}{list(got.shape)}, expected {expected.dtype}{list(expected.shape)}"
        error = np.abs(got.astype(np.float64) - expected)
        bound = 2e-3 * max(1.0, float(np.abs(expected).max(initial=0))) if is_float(expected) else 0
        if not (error <= bound).all():
            return (
                f"result {i}, {expected.dtype}{list(expected.shape)}: {(~(error <= bound)).sum()} elements differ, by up to {error.max()}"
            )
    return None


def main() -> None:
    first, count = int(sys.argv[1]), int(sys.argv[2])
    different = 0
    for seed in range(first, first + count):
        try:
            found = difference(seed)
        except Exception as error:  # of either platform: a result of its own
            found = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        if found is not None:
            different += 1
            print(f"{seed}: {found}", flush=True)
    print(f"{different} of {count} programs differ")


if __name__ == "__main__":
    main()
