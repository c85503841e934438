"""Flax models train on the card as they do on `cpu`: the same losses and the same weights after a few steps, within stated bounds."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

STEPS = 4
RNG = np.random.default_rng(0)


class Mlp(nn.Module):
    dtype: Any

    @nn.compact
    def __call__(self, x):
        x = nn.gelu(nn.Dense(32, dtype=self.dtype)(x))
        return nn.Dense(10, dtype=self.dtype)(nn.tanh(nn.Dense(32, dtype=self.dtype)(x)))


class Cnn(nn.Module):
    dtype: Any

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(8, (3, 3), dtype=self.dtype)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=False, momentum=0.9, dtype=self.dtype)(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.relu(nn.Conv(16, (3, 3), strides=2, dtype=self.dtype)(x))
        return nn.Dense(10, dtype=self.dtype)(nn.avg_pool(x, (2, 2)).reshape(x.shape[0], -1))


class Lstm(nn.Module):
    dtype: Any

    @nn.compact
    def __call__(self, x):
        x = nn.RNN(nn.OptimizedLSTMCell(16, dtype=self.dtype))(x)
        x = nn.RNN(nn.LSTMCell(16, dtype=self.dtype), reverse=True, keep_order=True)(x)
        return nn.Dense(10, dtype=self.dtype)(x[:, -1])


class Transformer(nn.Module):
    """One block over tokens, and the embedding once more as the last layer."""

    dtype: Any

    @nn.compact
    def __call__(self, tokens):
        embedding = nn.Embed(10, 16, dtype=self.dtype)
        x = embedding(tokens) + nn.Embed(12, 16, dtype=self.dtype)(jnp.arange(12))
        mask = nn.make_causal_mask(tokens)
        h = nn.LayerNorm(dtype=self.dtype)(x)
        h = nn.MultiHeadDotProductAttention(4, dropout_rate=0.1, deterministic=False, dtype=self.dtype)(h, mask=mask)
        x = x + nn.Dropout(0.1, deterministic=False)(h)
        h = nn.gelu(nn.Dense(32, dtype=self.dtype)(nn.LayerNorm(dtype=self.dtype)(x)))
        x = x + nn.Dropout(0.1, deterministic=False)(nn.Dense(16, dtype=self.dtype)(h))
        return embedding.attend(nn.LayerNorm(dtype=self.dtype)(x))[:, -1]


@dataclasses.dataclass(frozen=True)
class Case:
    model: Callable[..., nn.Module]
    x: np.ndarray
    optimizer: optax.GradientTransformation


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


# Adam divides by the root of the gradient's square: without a floor, noise in a gradient of nearly nothing becomes a step of full size.
CASES = {
    "mlp, sgd": Case(Mlp, f32(16, 20), optax.sgd(0.1)),
    "mlp, adam": Case(Mlp, f32(16, 20), optax.adam(1e-2, eps=1e-3)),
    "mlp, adamw": Case(Mlp, f32(16, 20), optax.adamw(1e-2, eps=1e-3, weight_decay=0.1)),
    "cnn with batch norm, sgd with momentum": Case(Cnn, f32(8, 12, 12, 3), optax.sgd(0.1, momentum=0.9, nesterov=True)),
    "lstm, adam with clipped gradients": Case(Lstm, f32(8, 6, 5), optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2, eps=1e-3))),
    "transformer, adamw": Case(Transformer, RNG.integers(0, 10, (8, 12)), optax.adamw(optax.cosine_decay_schedule(1e-2, STEPS), eps=1e-3)),
}


# XLA's code for `cpu` runs a few times: it need not be the fastest. The card passes over options of XLA.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@functools.cache
def initial(name):
    """The variables of a case, on the host: the same for both devices and element types."""
    case = CASES[name]
    init = jax.jit(case.model(jnp.float32).init, compiler_options=QUICKLY)
    with jax.default_device(jax.devices("cpu")[0]):
        return jax.device_get(init({"params": jax.random.key(1), "dropout": jax.random.key(2)}, case.x))


def train(platform, name, dtype):
    """The losses of STEPS steps and the variables after them, as numpy arrays."""
    device, case = jax.devices(platform)[0], CASES[name]
    model = case.model(dtype)

    @functools.partial(jax.jit, compiler_options=QUICKLY)
    def step(variables, state, key, x, y):
        def loss(params):
            rest = {name: value for name, value in variables.items() if name != "params"}
            logits, updated = model.apply({"params": params, **rest}, x, mutable=list(rest), rngs={"dropout": key})
            return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), y).mean(), updated

        (value, updated), gradients = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        updates, state = case.optimizer.update(gradients, state, variables["params"])
        return {"params": optax.apply_updates(variables["params"], updates), **updated}, state, value

    losses = []
    with jax.default_device(device):
        variables, x, y = jax.device_put((initial(name), case.x, np.arange(len(case.x)) % 10), device)
        state = jax.jit(case.optimizer.init)(variables["params"])
        for key in jax.random.split(jax.random.key(3), STEPS):
            variables, state, value = step(variables, state, key, x, y)
            assert value.devices() == {device}
            losses.append(float(value))
    return losses, jax.tree.map(np.asarray, variables)


def distance(a, b):
    """How far apart two trees are, in parts of what lies between them and nothing."""
    pairs = list(zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))
    return np.sqrt(sum(np.sum((x - y) ** 2) for x, y in pairs) / sum(np.sum(y**2) for _, y in pairs))


# loss, weights: parts of what `cpu` has
BOUNDS = {"float32": (1e-5, 1e-5), "bfloat16": (1e-2, 1e-2)}


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", CASES)
def test_training_goes_as_on_cpu(name, dtype):
    losses, variables = train("tt", name, dtype)
    expected_losses, expected = train("cpu", name, dtype)
    loss_bound, weight_bound = BOUNDS[dtype]
    np.testing.assert_allclose(losses, expected_losses, rtol=loss_bound)
    assert distance(variables, expected) <= weight_bound
    assert losses[-1] < losses[0]
