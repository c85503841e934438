"""Common operations of JAX, by family: how `tt` stands beside `cpu` outside the table."""

import jax
import jax.numpy as jnp
import jax.scipy as jsp
import numpy as np
from jax import lax

from tests.bench.parts import KEY, always, below, conv, drawn, f32, layer_norm, normal, row

VECTOR, MATRIX, IMAGES = normal(1 << 20), normal(1024, 1024), normal(8, 56, 56, 64)

ELEMENTWISE = [
    row("relu", jax.nn.relu, VECTOR),
    row("add_bf16", lambda x, y: x + y, normal(1 << 20, dtype=jnp.bfloat16), normal(1 << 20, dtype=jnp.bfloat16)),
    row("bias_relu", lambda x, bias: jax.nn.relu(x + bias), MATRIX, normal(1024)),
    row("bias_col", lambda x, factors: x * factors[:, None], MATRIX, normal(1024)),
    row("sin_cos", lambda x: jnp.sin(x) + jnp.cos(x), VECTOR),
    row("pow", lambda x: jnp.abs(x) ** 1.7, VECTOR),
    row("div", lambda x, y: x / y, VECTOR, VECTOR),
    row("sqrt", lambda x: jnp.sqrt(jnp.abs(x)), VECTOR),
    row("log1p", lambda x: jnp.log1p(jnp.abs(x)), VECTOR),
    row("erf", jsp.special.erf, VECTOR),
    row("sigmoid", jax.nn.sigmoid, VECTOR),
    row("softplus", jax.nn.softplus, VECTOR),
    row("gelu_grad", jax.grad(lambda x: jax.nn.gelu(x).sum()), VECTOR),
    row("where", lambda x, y: jnp.where(x > 0, x, y), MATRIX, MATRIX),
    row("clip", lambda x: jnp.clip(x, -1, 1), VECTOR),
    row("isnan", jnp.nan_to_num, VECTOR),
    row("cast_i8", lambda x: (x * 10).astype(jnp.int8), VECTOR),
    row("cast_bf16", lambda x: x.astype(jnp.bfloat16), VECTOR),
    row("int_ops", lambda x: ((x * 3 + 1) % 7) ^ (x >> 2), below(1000, 1 << 20)),
    row("popcount", lax.population_count, below(1 << 30, 1 << 20)),
    row("complex_mul", lambda x, y: (x + 1j * y) * (y - 1j * x), normal(1 << 18), normal(1 << 18)),
    row("polyval", lambda x: jnp.polyval(jnp.arange(8.0), x), normal(1 << 18)),
]

REDUCTIONS = [
    row("sum_all", jnp.sum, MATRIX),
    row("sum0", lambda x: x.sum(0), MATRIX),
    row("sum1", lambda x: x.sum(1), MATRIX),
    row("sum_mid", lambda x: x.sum(1), normal(64, 64, 256)),
    row("sum_01", lambda x: x.sum((0, 1)), normal(256, 256, 64)),
    row("f64like_sum", lambda x: jnp.sum(x.astype(jnp.float32) * 2), normal(1 << 20, dtype=jnp.bfloat16)),
    row("mean_var", lambda x: (x.mean(), x.var()), MATRIX),
    row("std0", lambda x: x.std(0), MATRIX),
    row("max1", lambda x: x.max(1), MATRIX),
    row("argmax1", lambda x: x.argmax(1), MATRIX),
    row("argmax0", lambda x: x.argmax(0), MATRIX),
    row("all", lambda x: (x > -9).all(), MATRIX),
    row("bool_any", lambda x: jnp.any(x > 3, axis=1), MATRIX),
    row("count", lambda x: jnp.count_nonzero(x > 0), MATRIX),
    row("prod", lambda x: (1 + x * 1e-4).prod(1), MATRIX),
    row("trace", jnp.trace, MATRIX),
    row("norm_rows", lambda x: jnp.linalg.norm(x, axis=-1), MATRIX),
    row("norm3", lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True), normal(65536, 3)),
    row("logsumexp", lambda x: jax.nn.logsumexp(x, -1), MATRIX),
    row("softmax1000", jax.nn.softmax, normal(256, 1000)),
    row("log_softmax0", lambda x: jax.nn.log_softmax(x, 0), MATRIX),
    row("softmax_attn", jax.nn.softmax, normal(8, 12, 128, 128)),
    row("layernorm", lambda x: (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5), normal(8, 128, 768)),
    row("ln_grad", jax.grad(lambda x: (layer_norm(x, 1e-5) ** 3).sum()), normal(1024, 768)),
    row(
        "rmsnorm_bf16",
        lambda x: (x * lax.rsqrt((x.astype(jnp.float32) ** 2).mean(-1, keepdims=True) + 1e-5)).astype(jnp.bfloat16),
        normal(8, 128, 768, dtype=jnp.bfloat16),
    ),
    row("batchnorm", lambda x: (x - x.mean((0, 1, 2))) * lax.rsqrt(x.var((0, 1, 2)) + 1e-5), IMAGES),
    row("gap", lambda x: x.mean((1, 2)), IMAGES),
]

MOVEMENT = [
    row("concat0", lambda x, y: jnp.concatenate([x, y], 0), MATRIX, MATRIX),
    row("concat1", lambda x, y: jnp.concatenate([x, y], 1), MATRIX, MATRIX),
    row("stack_last", lambda x, y: jnp.stack([x, y], -1), MATRIX, MATRIX),
    row("split", lambda x: [part * 2 for part in jnp.split(x, 4, 1)], MATRIX),
    row("pad", lambda x: jnp.pad(x, 3), MATRIX),
    row("pad_edge", lambda x: jnp.pad(x, 3, mode="edge"), MATRIX),
    row("pad_reflect", lambda x: jnp.pad(x, 3, mode="reflect"), MATRIX),
    row("rev", lambda x: x[::-1], MATRIX),
    row("rev1", lambda x: x[:, ::-1], MATRIX),
    row("stride2", lambda x: x[::2, ::2] * 1, MATRIX),
    row("tile", lambda x: jnp.tile(x, (2, 2)), normal(512, 512)),
    row("repeat", lambda x: jnp.repeat(x, 2, 1), normal(1024, 512)),
    row("bcast", lambda x: jnp.broadcast_to(x[:, None], (1024, 8, 128)) * 1, normal(1024, 128)),
    row("roll", lambda x: jnp.roll(x, 7, 1), MATRIX),
    row("tril", jnp.tril, MATRIX),
    row("diag", jnp.diag, MATRIX),
    row("eye_where", lambda x: jnp.where(jnp.eye(1024, dtype=bool), x, 0), MATRIX),
    row("flip_t", lambda x: x.T[::-1], MATRIX),
    row("swap02", lambda x: x.transpose(2, 1, 0), normal(64, 64, 256)),
    row("nchw", lambda x: x.transpose(0, 3, 1, 2), IMAGES),
    row("heads", lambda x: x.reshape(8, 128, 12, 64).transpose(0, 2, 1, 3), normal(8, 128, 768)),
    row("slice_dyn", lambda x, i: lax.dynamic_slice(x, (i, i), (512, 512)), MATRIX, always(np.int32(100))),
    row("dus", lambda x, update, i: lax.dynamic_update_slice(x, update, (i, 0)), MATRIX, normal(64, 1024), always(np.int32(100))),
    row("onehot", lambda i: jax.nn.one_hot(i, 1000), below(1000, 1024)),
    row("iota", lambda x: x + jnp.arange(1 << 20, dtype=jnp.float32), VECTOR),
    row("linspace", lambda x: jnp.linspace(0.0, 1.0, 1 << 20) * x, always(np.float32(2))),
]


def ascending(n):
    return lambda seed: np.sort(f32(n, seed=seed))


def mean_cross_entropy(logits, labels):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()


INDEXING = [
    row("take_rows", lambda x, i: x[i], normal(30000, 256), below(30000, 4096)),
    row("take_cols", lambda x, i: x[:, i], MATRIX, below(1024, 512)),
    row("take_along", lambda x, i: jnp.take_along_axis(x, i, 1), MATRIX, below(1024, 1024, 16)),
    row("gather_el", lambda x, i: x[i], VECTOR, below(1 << 20, 1 << 18)),
    row("xent_gather", lambda x, i: x[jnp.arange(1024), i], MATRIX, below(1024, 1024)),
    row("xent", jax.grad(mean_cross_entropy), normal(1024, 1000), below(1000, 1024)),
    row("embedding_grad", jax.grad(lambda x, i: (x[i] ** 2).sum()), normal(30000, 64), below(30000, 2048)),
    row("scatter_add_rows", lambda x, i, rows: x.at[i].add(rows), normal(30000, 256), below(30000, 4096), normal(4096, 256)),
    row("scatter_set_el", lambda x, i, values: x.at[i].set(values), VECTOR, below(1 << 20, 1 << 16), normal(1 << 16)),
    row("segment_sum", lambda x, i: jax.ops.segment_sum(x, i, 1000), normal(65536, 16), below(1000, 65536)),
    row("bincount", lambda i: jnp.bincount(i, length=256), below(256, 1 << 18)),
    row("searchsorted", lambda edges, x: jnp.searchsorted(edges, x), ascending(4096), normal(65536)),
    row("histogram", lambda x: jnp.histogram(x, 64)[0], normal(1 << 18)),
    row("nonzero", lambda x: jnp.nonzero(x > 0, size=1000)[0], normal(1 << 18)),
    row("unique", lambda i: jnp.unique(i, size=256), below(256, 1 << 16)),
    row("interp", jnp.interp, normal(1 << 18), ascending(256), normal(256)),
]

SORTING = [
    row("sort1", lambda x: jnp.sort(x, -1), MATRIX),
    row("argsort1", lambda x: jnp.argsort(x, -1), MATRIX),
    row("sort0", lambda x: jnp.sort(x, 0), normal(1024, 256)),
    row("sort_small", lambda x: jnp.sort(x, -1), normal(65536, 16)),
    row("topk_lm", lambda x: lax.top_k(x, 50), normal(8, 50257)),
    row("topk_small", lambda x: lax.top_k(x, 5), normal(256, 1000)),
    row("median", lambda x: jnp.median(x, 0), normal(1024, 256)),
]

PREFIXES = [
    row("cummax", lambda x: lax.cummax(x, 1), MATRIX),
    row("cumprod", lambda x: jnp.cumprod(x * 0.1 + 1, 1), normal(512, 512)),
    row("logcumsumexp", lambda x: lax.cumlogsumexp(x, 1), normal(512, 512)),
    row("assoc_scan", lambda x: lax.associative_scan(jnp.add, x), normal(65536)),
    row("i64cumsum", jnp.cumsum, below(10, 1 << 18)),
]

RANDOM = [
    row("rand_uniform", drawn(lambda key: jax.random.uniform(key, (1 << 20,))), always(KEY)),
    row("rand_bern", drawn(lambda key: jax.random.bernoulli(key, 0.5, (1 << 20,))), always(KEY)),
    row("dropout", drawn(lambda key, x: jnp.where(jax.random.bernoulli(key, 0.9, x.shape), x / 0.9, 0)), always(KEY), MATRIX),
    row("rand_cat", drawn(jax.random.categorical), always(KEY), normal(64, 50257)),
    row("rand_perm", drawn(lambda key: jax.random.permutation(key, 65536)), always(KEY)),
    row("rand_gamma", drawn(lambda key: jax.random.gamma(key, 2.0, (4096,))), always(KEY)),
    row("rand_randint", drawn(lambda key: jax.random.randint(key, (1 << 18,), 0, 100)), always(KEY)),
]

PRODUCTS = [
    row("mm256", jnp.matmul, normal(256, 256), normal(256, 256)),
    row("mm_512", jnp.matmul, normal(512, 512), normal(512, 512)),
    row("mm_odd", jnp.matmul, normal(333, 217), normal(217, 511)),
    row("mm_tall", jnp.matmul, normal(8192, 16), normal(16, 16)),
    row("mm_i32", jnp.matmul, below(10, 256, 256), below(10, 256, 256)),
    row("gram", lambda x: x.T @ x, normal(8192, 32)),
    row("mv", jnp.matmul, MATRIX, normal(1024)),
    row("vm", lambda x, y: y @ x, MATRIX, normal(1024)),
    row("dot", jnp.matmul, VECTOR, VECTOR),
    row("outer", jnp.outer, normal(1024), normal(1024)),
    row("kron", jnp.kron, normal(32, 32), normal(32, 32)),
    row("bmm", jnp.matmul, normal(96, 128, 64), normal(96, 64, 128)),
    row("bmm_small", jnp.matmul, normal(4096, 4, 4), normal(4096, 4, 4)),
    row("einsum_bhqk", lambda q, k: jnp.einsum("bqhd,bkhd->bhqk", q, k), normal(8, 128, 12, 64), normal(8, 128, 12, 64)),
]


def conv1d(x, w):
    return lax.conv_general_dilated(x, w, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"))


CONVOLUTIONS = [
    row("conv1d", conv1d, normal(16, 512, 64), normal(5, 64, 64)),
    row("conv1x1", conv, normal(8, 28, 28, 256), normal(1, 1, 256, 64)),
    row("conv_stem", lambda x, w: conv(x, w, (2, 2)), normal(4, 224, 224, 3), normal(7, 7, 3, 64)),
    row("depthwise", lambda x, w: conv(x, w, groups=64), IMAGES, normal(3, 3, 1, 64)),
    row("conv_nchw", lambda x, w: lax.conv_general_dilated(x, w, (1, 1), "SAME"), normal(8, 64, 28, 28), normal(64, 64, 3, 3)),
    row("conv_t", lambda x, w: lax.conv_transpose(x, w, (2, 2), "SAME"), normal(8, 14, 14, 64), normal(3, 3, 64, 32)),
    row("convolve1", jnp.convolve, normal(65536), normal(64)),
]


def max_pool(x, size, padding):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, 2, 2, 1), padding)


WINDOWS = [
    row("maxpool3", lambda x: max_pool(x, 3, "SAME"), IMAGES),
    row("maxpool_grad", jax.grad(lambda x: (max_pool(x, 2, "VALID") ** 2).sum()), IMAGES),
    row("avgpool", lambda x: lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4, IMAGES),
    row("resize", lambda x: jax.image.resize(x, (8, 112, 112, 16), "bilinear"), normal(8, 56, 56, 16)),
]


def positive_definite(n):
    def make(seed):
        x = f32(n, n, seed=seed)
        return x @ x.T + n * np.eye(n, dtype=np.float32)

    return make


LINEAR_ALGEBRA = [
    row("chol", jnp.linalg.cholesky, positive_definite(128)),
    row("solve", jnp.linalg.solve, positive_definite(128), normal(128, 4)),
    row("inv", jnp.linalg.inv, positive_definite(128)),
    row("qr", jnp.linalg.qr, normal(128, 128)),
    row("eigh", jnp.linalg.eigh, positive_definite(128)),
    row("svd", jnp.linalg.svd, normal(64, 64)),
    row("det", jnp.linalg.det, normal(64, 64)),
    row("expm", jsp.linalg.expm, normal(64, 64, scale=0.1)),
]

TRANSFORMS = [
    row("fft", lambda x: jnp.abs(jnp.fft.fft(x)), normal(64, 1024)),
    row("fft_odd", lambda x: jnp.abs(jnp.fft.fft(x)), normal(64, 1000)),
    row("rfft2", lambda x: jnp.abs(jnp.fft.rfft2(x)), normal(256, 256)),
]


def recurrence(weights, x):
    return lax.scan(lambda state, y: (jnp.tanh(state @ weights + y), state), x[0], x)[0]


def newton(x):
    """The square root of 2, from as many guesses as `x` has elements."""
    return lax.while_loop(lambda x: jnp.abs(x * x - 2.0).max() > 1e-6, lambda x: x - (x * x - 2) / (2 * x), x)


def double_or_decrement(condition, x):
    return lax.cond(condition, lambda x: x * 2, lambda x: x - 1, x)


CONTROL_FLOW = [
    row("fori_mat", lambda x: lax.fori_loop(0, 50, lambda i, x: jnp.tanh(x @ x * 0.01), x), normal(64, 64)),
    row("scan_sum", lambda x: lax.scan(lambda total, y: (total + y, total * 2), x[0], x), normal(256, 256)),
    row("scan_long", lambda x: lax.scan(lambda mean, y: (mean * 0.9 + y, mean), 0.0, x), normal(4096)),
    row("gru_scan", recurrence, normal(64, 64, scale=0.1), normal(128, 16, 64)),
    row("rk4", lambda x: lax.fori_loop(0, 100, lambda i, x: x + 0.01 * (-x + jnp.sin(x)), x), normal(1000)),
    row("while_newton", newton, lambda seed: np.abs(f32(1000, seed=seed)) + 1),
    row("cond", lambda x: double_or_decrement(x.sum() > 0, x), MATRIX),
    row("vmap_cond", jax.vmap(lambda x: double_or_decrement(x[0] > 0, x)), MATRIX),
    row("map", lambda x: lax.map(lambda y: jnp.sin(y).sum(), x), normal(64, 1024)),
]

THE_REST = [
    row("cross", jnp.cross, normal(65536, 3), normal(65536, 3)),
    row("cdist", lambda x, y: ((x[:, None] - y[None]) ** 2).sum(-1), normal(512, 64), normal(512, 64)),
]

OPERATIONS = [
    *ELEMENTWISE,
    *REDUCTIONS,
    *MOVEMENT,
    *INDEXING,
    *SORTING,
    *PREFIXES,
    *RANDOM,
    *PRODUCTS,
    *CONVOLUTIONS,
    *WINDOWS,
    *LINEAR_ALGEBRA,
    *TRANSFORMS,
    *CONTROL_FLOW,
    *THE_REST,
]
