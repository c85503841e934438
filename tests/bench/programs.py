"""Small programs of JAX, by family: networks and their training, estimation, simulations, linear algebra, derivatives."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.bench.parts import Row, f32, forward, i32, labels, normal, row, squared_error, train_step


class Mlp(nn.Module):
    widths: tuple[int, ...] = (64, 64, 10)

    @nn.compact
    def __call__(self, x):
        for width in self.widths[:-1]:
            x = nn.tanh(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


class LeNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        for features in (6, 16):
            x = nn.avg_pool(nn.relu(nn.Conv(features, (5, 5))(x)), (2, 2), (2, 2))
        x = x.reshape(x.shape[0], -1)
        for width in (120, 84):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(10)(x)


class Gpt(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(256, 64)(tokens) + self.param("positions", nn.initializers.normal(0.02), (tokens.shape[1], 64))
        mask = nn.make_causal_mask(tokens)
        for _ in range(2):
            x = x + nn.SelfAttention(4)(nn.LayerNorm()(x), mask)
            x = x + nn.Dense(64)(nn.gelu(nn.Dense(256)(nn.LayerNorm()(x))))
        return nn.Dense(256)(nn.LayerNorm()(x))


class Gru(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(10)(nn.RNN(nn.GRUCell(32))(x)[:, -1])


class ResNet(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(16, (3, 3))(x)
        for _ in range(2):
            inner = nn.relu(nn.GroupNorm(4)(nn.Conv(16, (3, 3))(x)))
            x = nn.relu(x + nn.GroupNorm(4)(nn.Conv(16, (3, 3))(inner)))
        return nn.Dense(10)(x.mean((1, 2)))


def tiny_gpt():
    tokens = i32(256, 8, 32)
    return train_step(Gpt(), tokens, tokens)


def logistic_descent(points, targets):
    def step(i, weights):
        return weights - 0.1 * points.T @ (jax.nn.sigmoid(points @ weights) - targets) / len(targets)

    return lax.fori_loop(0, 100, step, jnp.zeros(20))


def sgd_epoch(weights, inputs, targets):
    def step(weights, batch):
        x, y = batch
        gradients = jax.grad(lambda weights: squared_error(jnp.tanh(x @ weights[0]) @ weights[1], y))(weights)
        return jax.tree.map(lambda weight, gradient: weight - 0.01 * gradient, weights, gradients), 0.0

    return lax.scan(step, weights, (inputs, targets))[0]


def ctc_gradient(logits, tokens):
    def loss(logits):
        return optax.ctc_loss(logits, jnp.zeros(logits.shape[:2]), tokens, jnp.zeros(tokens.shape)).mean()

    return jax.grad(loss)(logits)


def initial_weights(seed):
    return f32(16, 32, seed=seed) * 0.1, f32(32, 1, seed=seed) * 0.1


def coins(*shape, dtype):
    return lambda seed: (f32(*shape, seed=seed) > 0).astype(dtype)


NETWORKS = [
    Row("mlp_small", None, lambda: train_step(Mlp(), f32(32, 16), labels(32))),
    Row("mlp_fwd1", None, lambda: forward(Mlp(), f32(1, 16))),
    Row("lenet16", None, lambda: train_step(LeNet(), f32(16, 28, 28, 1), labels(16))),
    Row("tiny_gpt", None, tiny_gpt),
    Row("tiny_gpt_fwd", None, lambda: forward(Gpt(), i32(256, 8, 32))),
    Row("gru32", None, lambda: train_step(Gru(), f32(16, 20, 8), labels(16))),
    Row("resnet_small", None, lambda: train_step(ResNet(), f32(16, 32, 32, 3), labels(16))),
    Row("vae", None, lambda: train_step(Mlp((128, 64, 16, 64, 128, 784)), f32(64, 784), f32(64, 784, seed=1), squared_error)),
    row("logreg_gd", logistic_descent, normal(200, 20), coins(200, dtype=np.float32)),
    row("sgd_epoch", sgd_epoch, initial_weights, normal(20, 32, 16), normal(20, 32, 1)),
    row("ctc", ctc_gradient, normal(4, 50, 20), lambda seed: 1 + i32(19, 4, 10, seed=seed)),
    row(
        "attn_causal",
        lambda q, k, v: jax.nn.dot_product_attention(q, k, v, is_causal=True),
        normal(2, 256, 8, 32),
        normal(2, 256, 8, 32),
        normal(2, 256, 8, 32),
    ),
]


def kmeans(points, centres):
    def step(i, centres):
        distances = ((points[:, None] - centres[None]) ** 2).sum(-1)
        members = jax.nn.one_hot(distances.argmin(1), 8)
        return (members.T @ points) / (members.sum(0)[:, None] + 1e-6)

    return lax.fori_loop(0, 10, step, centres)


def gaussian_process(points, values, queries):
    def kernel(a, b):
        return jnp.exp(-0.5 * ((a[:, None] - b[None]) ** 2).sum(-1))

    factor = jnp.linalg.cholesky(kernel(points, points) + 1e-2 * jnp.eye(len(points)))
    return kernel(queries, points) @ jax.scipy.linalg.cho_solve((factor, True), values)


def kalman(observations):
    transition = jnp.eye(4) + jnp.eye(4, k=2) * 0.1
    observe = jnp.eye(2, 4)
    process_noise, noise = jnp.eye(4) * 0.01, jnp.eye(2) * 0.1

    def step(carry, observation):
        state, covariance = carry
        state = transition @ state
        covariance = transition @ covariance @ transition.T + process_noise
        innovation = observe @ covariance @ observe.T + noise
        gain = jnp.linalg.solve(innovation, observe @ covariance).T
        state = state + gain @ (observation - observe @ state)
        covariance = (jnp.eye(4) - gain @ observe) @ covariance
        return (state, covariance), state

    return lax.scan(step, (jnp.zeros(4), jnp.eye(4)), observations)[1]


ESTIMATION = [
    row("kmeans", kmeans, normal(1000, 4), normal(8, 4)),
    row("gp", gaussian_process, normal(128, 3), normal(128), normal(64, 3)),
    row("kalman", kalman, normal(100, 2)),
]


def nbody(positions, velocities):
    def step(i, carry):
        positions, velocities = carry
        offsets = positions[None] - positions[:, None]
        squares = (offsets**2).sum(-1) + 0.01
        velocities = velocities + 0.01 * (offsets / (squares**1.5)[..., None]).sum(1)
        return positions + 0.01 * velocities, velocities

    return lax.fori_loop(0, 20, step, (positions, velocities))


def life(cells):
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]

    def step(i, cells):
        neighbours = sum(jnp.roll(cells, shift, (0, 1)) for shift in shifts)
        return ((neighbours == 3) | ((cells == 1) & (neighbours == 2))).astype(cells.dtype)

    return lax.fori_loop(0, 50, step, cells)


def mandelbrot(points):
    def step(i, carry):
        z, turns = carry
        z = jnp.where(turns == i, z * z + points, z)
        return z, turns + ((jnp.abs(z) < 2) & (turns == i))

    return lax.fori_loop(0, 50, step, (jnp.zeros_like(points), jnp.zeros(points.shape, jnp.int32)))[1]


def leapfrog(positions, momenta):
    slope = jax.grad(lambda x: 0.5 * (x**2).sum() + jnp.sin(x).sum())

    def step(i, carry):
        positions, momenta = carry
        momenta = momenta - 0.05 * slope(positions)
        positions = positions + 0.1 * momenta
        return positions, momenta - 0.05 * slope(positions)

    return lax.fori_loop(0, 50, step, (positions, momenta))


def complex_normal(*shape):
    return lambda seed: f32(*shape, seed=seed) + np.complex64(1j) * f32(*shape, seed=seed + 1)


SIMULATIONS = [
    row("nbody", nbody, normal(64, 3), normal(64, 3)),
    row("life", life, coins(128, 128, dtype=np.int32)),
    row("mandel", mandelbrot, complex_normal(256, 256)),
    row("hmc", leapfrog, normal(1000), normal(1000)),
]


def power_iteration(matrix, vector):
    def step(i, vector):
        product = matrix @ vector
        return product / jnp.linalg.norm(product)

    return lax.fori_loop(0, 30, step, vector)


def conjugate_gradients(matrix, vector):
    return jax.scipy.sparse.linalg.cg(lambda x: matrix @ (matrix.T @ x) + x, vector, maxiter=20)[0]


def near_identities(count, n):
    """Matrices that are `n` times the identity, and noise."""
    return lambda seed: f32(count, n, n, seed=seed) + n * np.eye(n, dtype=np.float32)


LINEAR_ALGEBRA = [
    row("power_iter", power_iteration, normal(256, 256), normal(256)),
    row("cg", conjugate_gradients, normal(128, 128, scale=1 / 11), normal(128)),
    row("vmap_solve", jax.vmap(jnp.linalg.solve), near_identities(64, 8), normal(64, 8, 1)),
]

DERIVATIVES = [
    row("jacobian", jax.jacfwd(lambda x: jnp.tanh(x @ x.T).sum(1)), normal(16, 16)),
    row("hessian", jax.hessian(lambda x: (jnp.sin(x) ** 2).sum() * x.prod()), normal(20)),
]

PROGRAMS = [*NETWORKS, *ESTIMATION, *SIMULATIONS, *LINEAR_ALGEBRA, *DERIVATIVES]
