"""The rows of the benchmark: what is measured, and the time ratio tt/cpu that each must not exceed."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.bench.parts import KEY, Row, bf16, conv, drawn, f32, forward, i32, initialised, labels, layer_norm, train_step


def matmul(make, n):
    return lambda: (lambda x, y: x @ y, (make(n, n), make(n, n)))


class Mlp(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (512, 512):
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(10)(x)


class Cnn(nn.Module):
    @nn.compact
    def __call__(self, x):
        for width in (32, 64):
            x = nn.max_pool(nn.relu(nn.Conv(width, (3, 3))(x)), (2, 2), (2, 2))
        x = nn.relu(nn.Dense(256)(x.reshape(x.shape[0], -1)))
        return nn.Dense(10)(x)


class BertLayer(nn.Module):
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x):
        width = x.shape[-1]
        x = nn.LayerNorm(dtype=self.dtype)(x + nn.SelfAttention(12, dtype=self.dtype)(x))
        return nn.LayerNorm(dtype=self.dtype)(x + nn.Dense(width, dtype=self.dtype)(nn.gelu(nn.Dense(4 * width, dtype=self.dtype)(x))))


class Lstm(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.RNN(nn.LSTMCell(128))(x)


def bert(dtype, gradient):
    def make():
        model, x = BertLayer(dtype), f32(8, 128, 768).astype(dtype)
        parameters = initialised(model, x)
        if not gradient:
            return model.apply, (parameters, x)
        return jax.grad(lambda p, x: (model.apply(p, x).astype(jnp.float32) ** 2).mean()), (parameters, x)

    return make


def gpt2_decode():
    """One token through 12 layers of width 768, attending to a cache of 1024."""
    layers, width, heads, length = 12, 768, 12, 1024
    weights = {name: f32(layers, width, columns) * 0.02 for name, columns in (("qkv", 3 * width), ("out", width), ("up", 4 * width))}
    weights["down"] = f32(layers, 4 * width, width) * 0.02

    def step(weights, cache, x, position):
        for i in range(layers):
            qkv = layer_norm(x) @ weights["qkv"][i]
            q, k, v = (part.reshape(heads, width // heads) for part in jnp.split(qkv, 3))
            cache = lax.dynamic_update_slice(cache, jnp.stack([k, v])[None, :, :, None], (i, 0, 0, position, 0))
            scores = jnp.einsum("hd,hld->hl", q, cache[i, 0]) / np.sqrt(width // heads).astype(np.float32)
            scores = jnp.where(jnp.arange(length) <= position, scores, -1e9)
            x = x + jnp.einsum("hl,hld->hd", jax.nn.softmax(scores), cache[i, 1]).reshape(width) @ weights["out"][i]
            x = x + jax.nn.gelu(layer_norm(x) @ weights["up"][i]) @ weights["down"][i]
        return cache, x

    return step, (weights, f32(layers, 2, heads, length, width // heads), f32(width), np.int32(77))


ROWS = [
    Row("matmul_bf16_1024", 0.65, matmul(bf16, 1024), 2 * 1024**3, "bf16"),
    Row("matmul_bf16_2048", 0.65, matmul(bf16, 2048), 2 * 2048**3, "bf16"),
    Row("matmul_f32_1024", 1.15, matmul(f32, 1024), 2 * 1024**3, "fma"),
    Row("matvec_bf16", 0.25, lambda: (lambda x, y: x @ y, (bf16(8, 2048), bf16(2048, 8192))), 2 * 2048 * 8192, "memory"),
    Row("eltwise_f32_4m", 1.3, lambda: (lambda x, y: jnp.tanh(x) * jnp.exp(y) + x, (f32(4 << 20), f32(4 << 20))), 12 << 22, "memory"),
    Row("gelu_bf16_4m", 0.6, lambda: (jax.nn.gelu, (bf16(4 << 20),)), 4 << 22, "memory"),
    Row("softmax_8192x128", 1.3, lambda: (jax.nn.softmax, (f32(8192, 128),)), 8 * 8192 * 128, "memory"),
    Row("layer_norm_1024x768", 1.5, lambda: (layer_norm, (f32(1024, 768),)), 8 * 1024 * 768, "memory"),
    Row("transpose_reduce", 1.0, lambda: (lambda x: x.T.sum(1), (f32(2048, 2048),)), 4 * 2048**2, "memory"),
    Row(
        "embedding",
        1.0,
        lambda: (lambda x, i: x[i], (f32(30000, 768), i32(30000, 4096))),
        8 * 4096 * 768,
        "memory",
    ),
    Row("sort_1m", 0.3, lambda: (jnp.sort, (f32(1 << 20),))),
    Row("cumsum_1m", 0.5, lambda: (jnp.cumsum, (f32(1 << 20),))),
    Row("normal_1m", 1.0, lambda: (drawn(lambda key: jax.random.normal(key, (1 << 20,))), (KEY,))),
    Row("conv_3x3", 0.8, lambda: (conv, (f32(8, 56, 56, 64), f32(3, 3, 64, 64))), 2 * 8 * 56**2 * 9 * 64**2, "fma"),
    Row("max_pool", 0.8, lambda: (lambda x: nn.max_pool(x, (2, 2), (2, 2)), (f32(8, 112, 112, 64),)), 5 * 8 * 112**2 * 64, "memory"),
    Row("mlp_train", 0.8, lambda: train_step(Mlp(), f32(256, 784), labels(256))),
    Row("cnn_train", 0.8, lambda: train_step(Cnn(), f32(64, 28, 28, 1), labels(64))),
    Row("bert_f32", 1.1, bert(jnp.float32, False)),
    Row("bert_bf16", 0.6, bert(jnp.bfloat16, False)),
    Row("bert_f32_train", 1.1, bert(jnp.float32, True)),
    Row("bert_bf16_train", 0.6, bert(jnp.bfloat16, True)),
    Row("gpt2_decode", 1.0, gpt2_decode),
    Row("lstm_128", 0.8, lambda: forward(Lstm(), f32(16, 128, 64))),
    Row("while_10000", None, lambda: (lambda x: lax.fori_loop(0, 10000, lambda i, c: c * 1.0001 + 1, x), (np.float32(1),)), most_ms=3.0),
    Row("tiny", 1.2, lambda: (lambda x: x + 1, (f32(4),))),
]
