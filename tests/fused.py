"""What tests of fusion share: arrays, programs compiled for the card, and their listings."""

import re

import jax
import jax.numpy as jnp
import numpy as np

RNG = np.random.default_rng(0)
ALL = "assign_layouts,batch_chains,batch_reductions,fold_concatenates,fold_transposes,fuse_attention,fuse_epilogues,fuse_norms,fuse_parts,fuse_reductions,fuse_rows,fuse_turns,fuse_writes,hoist_invariants,hoist_products,hoist_steps,join_products,recompute,reduce_dots"


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def bf16(*shape):
    return f32(*shape).astype(jnp.bfloat16)


def f16(*shape):
    return f32(*shape).astype(np.float16)


def compiled(function, args, **options):
    args = jax.device_put(args, jax.devices("tt")[0])
    made = jax.jit(function, compiler_options=options or None).lower(*args).compile()
    return made, jax.tree.map(np.asarray, made(*args))


def programs(made):
    return len(re.findall(r"^ *program ", made.as_text(), re.MULTILINE))


def close(got, expected, tolerance):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1.0, np.abs(b).max()))


def body(made):
    text = made.as_text()
    return text[text.index("do (9 times)") :].split("\n  }\n")[0]
