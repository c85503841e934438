"""Trains a Flax CNN on scikit-learn's handwritten digits, on the `tt` device, from plain `jax.jit` code.

python -m models.digits_cnn [--epochs N] [--platform tt]
"""

import argparse
import time

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tqdm import tqdm

import jax_tt

REQUIRED_ACCURACY = 0.97
CLASSES = 10
BATCH = 128


class DigitsCNN(nn.Module):
    """Images [N, 8, 8, 1] -> logits [N, 10]."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(32, (3, 3))(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Conv(64, (3, 3))(x))
        x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(128)(x))
        return nn.Dense(CLASSES)(x)


def load():
    """Digits as (train images, train labels, test images, test labels), pixels in [0, 1]."""
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[..., None]
    labels = digits.target.astype(np.int32)
    train_x, test_x, train_y, test_y = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
    return train_x, train_y, test_x, test_y


def train(epochs: int, platform: str):
    """Trains; returns (device, test accuracy, wall seconds)."""
    device = jax.devices(platform)[0]
    train_x, train_y, test_x, test_y = load()
    model = DigitsCNN()
    optimizer = optax.adam(2e-3)

    def loss_of(params, x, y):
        return optax.softmax_cross_entropy(model.apply(params, x), jax.nn.one_hot(y, CLASSES)).mean()

    @jax.jit
    def step(params, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(params, x, y)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, loss

    @jax.jit
    def correct(params, x, y):
        return jnp.sum(jnp.argmax(model.apply(params, x), axis=-1) == y)

    start = time.perf_counter()
    with jax.default_device(device):
        params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
        state = jax.jit(optimizer.init)(params)
        order = np.random.default_rng(0)
        batches = len(train_x) // BATCH
        with tqdm(total=epochs * batches, desc=f"training on {device}", unit="step") as bar:
            for _ in range(epochs):
                for batch in order.permutation(len(train_x))[: batches * BATCH].reshape(batches, BATCH):
                    params, state, loss = step(params, state, train_x[batch], train_y[batch])
                    bar.update()
                bar.set_postfix(loss=f"{float(loss):.4f}")
        accuracy = float(correct(params, test_x, test_y)) / len(test_x)
    return device, accuracy, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--platform", default=jax_tt.PLATFORM)
    options = parser.parse_args()
    device, accuracy, seconds = train(options.epochs, options.platform)
    report = jax_tt.report()
    print(f"device            {device.device_kind} ({device})")
    print(f"test accuracy     {accuracy:.4f} (required {REQUIRED_ACCURACY})")
    print(f"kernel programs   {report.programs_compiled} compiled, {report.programs_run} run")
    print(f"card time         {report.modelled_seconds:.3f} s modelled, {seconds:.1f} s on this host")
    if accuracy < REQUIRED_ACCURACY:
        raise SystemExit(f"the model reached {accuracy:.4f}, below {REQUIRED_ACCURACY}")


if __name__ == "__main__":
    main()
