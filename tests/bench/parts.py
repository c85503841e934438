"""What the benchmark's rows are made of: the row itself, inputs, and models and their training steps."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
      name: as the command line selects it.
      bar: greatest allowed ratio of the medians, tt over cpu; None where the bar is not a ratio.
      make: returns the function and its host arguments.
      work: of one run, where a fraction of the host's peak makes sense: floating-point operations, or bytes read and written.
      peak: which one: "fma", "bf16" (operations) or "memory" (bytes).
      most_ms: greatest allowed median on tt, in milliseconds, where the bar is absolute.
    """

    name: str
    bar: float | None
    make: Callable[[], tuple[Callable, tuple]]
    work: float = 0
    peak: str | None = None
    most_ms: float | None = None


def f32(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def bf16(*shape):
    return f32(*shape).astype(jnp.bfloat16)


def i32(high, *shape):
    return np.random.default_rng(1).integers(0, high, shape).astype(np.int32)


def labels(n):
    return i32(10, n)


KEY = np.array([1, 2], np.uint32)


def drawn(draw):
    """`draw` with the words of its key, such as `KEY`, as the first argument."""
    return lambda key, *arguments: draw(jax.random.wrap_key_data(key), *arguments)


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-6)


def conv(x, w):
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def initialised(model, *inputs):
    """Parameters as host arrays, made on the cpu backend."""
    with jax.default_device(jax.devices("cpu")[0]):
        return jax.tree.map(np.asarray, model.init(jax.random.key(0), *inputs))


def forward(model, x):
    return model.apply, (initialised(model, x), x)


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def train_step(model, x, targets, loss=cross_entropy):
    """One step of Adam on `loss` of the model's outputs and the targets."""
    parameters = initialised(model, x)
    optimizer = optax.adam(1e-3)
    state = jax.tree.map(np.asarray, optimizer.init(parameters))

    def step(parameters, state, x, targets):
        value, gradients = jax.value_and_grad(lambda p: loss(model.apply(p, x), targets))(parameters)
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    return step, (parameters, state, x, targets)
