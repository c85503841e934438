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
      bar: greatest allowed ratio of the medians, tt over cpu; None where the bar is not a ratio, or there is none.
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

    @property
    def has_bar(self) -> bool:
        return self.bar is not None or self.most_ms is not None


def row(name, function, *inputs) -> Row:
    """A row without a bar. Each input is a function of its position, which is its seed."""
    return Row(name, None, lambda: (function, tuple(make(position) for position, make in enumerate(inputs))))


def f32(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def bf16(*shape):
    return f32(*shape).astype(jnp.bfloat16)


def i32(high, *shape, seed=1):
    return np.random.default_rng(seed).integers(0, high, shape).astype(np.int32)


def labels(n):
    return i32(10, n)


def normal(*shape, scale=1, dtype=np.float32):
    """An input of `row`: normally distributed."""
    return lambda seed: (f32(*shape, seed=seed) * scale).astype(dtype)


def below(high, *shape):
    """An input of `row`: integers from 0 to `high`, which is left out."""
    return lambda seed: i32(high, *shape, seed=seed)


def always(value):
    """An input of `row`: this value."""
    return lambda seed: value


KEY = np.array([1, 2], np.uint32)


def drawn(draw):
    """`draw` with the words of its key, such as `KEY`, as the first argument."""
    return lambda key, *arguments: draw(jax.random.wrap_key_data(key), *arguments)


def layer_norm(x, epsilon=1e-6):
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + epsilon)


def conv(x, w, strides=(1, 1), groups=1):
    return lax.conv_general_dilated(x, w, strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups)


def initialised(model, *inputs):
    """Parameters as host arrays, made on the cpu backend."""
    with jax.default_device(jax.devices("cpu")[0]):
        return jax.tree.map(np.asarray, model.init(jax.random.key(0), *inputs))


def forward(model, x):
    return model.apply, (initialised(model, x), x)


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def squared_error(outputs, targets):
    return ((outputs - targets) ** 2).mean()


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
