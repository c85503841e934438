"""`jax.experimental.pallas` on the card.

Where it can be seen that the steps of a kernel's grid do not depend on each other, they are computed at once: the kernel is mapped over the
blocks of its operands, which are views of whole arrays, and the compiler makes programs of what comes out. Grid dimensions along which an
output is visited again, as in the sum over k of a product, are a loop. All other kernels run as JAX's interpreter for HLO says: step by
step.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jax_tt import _jax_internals
from jax_tt._jax_internals import mlir

_MOST_STEPS = 1 << 16  # of a grid whose index maps are evaluated
_MOST_BYTES = 1 << 30  # of a value of all steps that are computed at once


def register(platform: str) -> None:
    """Lowers `pallas_call` for the platform; pallas itself is imported when somebody uses it."""
    _jax_internals.add_platform_rule("pallas_call", platform, _lower)


def _lower(ctx: mlir.LoweringRuleContext, *operands: Any, **params: Any) -> Any:
    params.pop("interpret", None)  # JAX has looked at it
    grid = _Grid.of(**params)
    if grid is not None:
        try:
            return mlir.lower_fun(grid.run, multiple_results=True)(ctx, *operands)
        except NotImplementedError:  # a primitive that cannot be mapped
            pass
    step_by_step = functools.partial(_jax_internals.pallas().interpret, **params)
    return mlir.lower_fun(step_by_step, multiple_results=True)(ctx, *operands)


class _Unknown(Exception):
    """The grid cannot be computed at once."""


@dataclasses.dataclass(frozen=True)
class _Blocks:
    """How the blocks of an array lie in it, and which of them a step of the grid sees.

    `along[a]` is the grid dimension that moves the block along dimension `a` of the array, or None; `indices[a]` are its positions there.
    """

    shape: tuple[int, ...]
    dtype: Any
    block: tuple[int, ...]
    squeezed: tuple[bool, ...]
    along: tuple[int | None, ...]
    indices: tuple[np.ndarray, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Blocks along each dimension of the array."""
        return tuple(-(-size // block) for size, block in zip(self.shape, self.block, strict=True))

    @property
    def seen(self) -> tuple[int, ...]:
        """The shape of a block as the kernel sees it."""
        return tuple(size for size, squeezed in zip(self.block, self.squeezed, strict=True) if not squeezed)

    def axes(self, order: Sequence[int]) -> list[int]:
        """Grid dimensions that move the block, in this order."""
        return [d for d in order if d in self.along]

    def covers(self) -> bool:
        """Whether each block is seen once."""
        return all(sorted(at) == list(range(count)) for at, count in zip(self.indices, self.counts, strict=True))

    def split(self, x: Any, order: Sequence[int]) -> Any:
        """An axis for each grid dimension that moves the block, in this order, then those of a block."""
        padding = [(0, count * block - size) for count, block, size in zip(self.counts, self.block, self.shape, strict=True)]
        if any(high for _, high in padding):
            x = jnp.pad(x, padding, constant_values=_jax_internals.pallas().uninitialized((), self.dtype))
        rank = len(self.shape)
        x = x.reshape([size for pair in zip(self.counts, self.block, strict=True) for size in pair])
        x = x.transpose([*range(0, 2 * rank, 2), *range(1, 2 * rank, 2)])
        for a, (at, count) in enumerate(zip(self.indices, self.counts, strict=True)):
            if not np.array_equal(at, np.arange(count)):
                x = jnp.take(x, at, axis=a)
        moved = [self.along.index(d) for d in self.axes(order)]
        still = [a for a in range(rank) if self.along[a] is None]
        x = x.transpose([*moved, *still, *range(rank, 2 * rank)])
        return x.reshape([x.shape[i] for i in range(len(moved))] + list(self.seen))

    def join(self, x: Any, order: Sequence[int]) -> Any:
        """What `split` took apart, if each block is seen once."""
        rank, axes = len(self.shape), self.axes(order)
        x = x.reshape([*x.shape[: len(axes)], *[1] * (rank - len(axes)), *self.block])
        moved = [self.along.index(d) for d in axes]
        still = [a for a in range(rank) if self.along[a] is None]
        x = x.transpose([*np.argsort([*moved, *still]).tolist(), *range(rank, 2 * rank)])
        for a, (at, count) in enumerate(zip(self.indices, self.counts, strict=True)):
            if not np.array_equal(at, np.arange(count)):
                x = jnp.take(x, np.argsort(at), axis=a)
        x = x.transpose([i for a in range(rank) for i in (a, rank + a)])
        x = x.reshape([count * block for count, block in zip(self.counts, self.block, strict=True)])
        return x[tuple(slice(size) for size in self.shape)]


@dataclasses.dataclass(frozen=True)
class _Grid:
    """A kernel with the dimensions of its grid that are computed at once, and those that are a loop."""

    sizes: tuple[int, ...]
    at_once: tuple[int, ...]
    loop: tuple[int, ...]
    inputs: tuple[_Blocks, ...]
    outputs: tuple[_Blocks, ...]
    scratch: tuple[Any, ...]
    kernel: Any
    hidden: tuple[int, ...]  # dimensions that the kernel does not know of: those of a vmap around it
    names: tuple[Any, ...]  # of the dimensions, where they have some
    starts: dict[int, int]  # outputs that start as an input

    @classmethod
    def of(cls, *, jaxpr: Any, grid_mapping: Any, input_output_aliases: Any, compiler_params: Any, mesh: Any, debug: bool, **_: Any):
        """None: step by step."""
        pallas = _jax_internals.pallas()
        try:
            if debug or mesh is not None or grid_mapping.local_grid_env is not None:
                raise _Unknown
            if grid_mapping.num_index_operands or grid_mapping.num_dynamic_grid_bounds:
                raise _Unknown
            sizes = tuple(grid_mapping.grid)
            if math.prod(sizes) <= 1 or not pallas.writes_only_outputs(jaxpr, grid_mapping.num_inputs):
                raise _Unknown
            blocks = [_blocks_of(mapping, sizes) for mapping in grid_mapping.block_mappings]
            inputs, outputs = tuple(blocks[: grid_mapping.num_inputs]), tuple(blocks[grid_mapping.num_inputs :])
            if not outputs or not all(output.covers() for output in outputs):
                raise _Unknown
            starts = {output: source for source, output in input_output_aliases}
            if not all(_same(inputs[source], outputs[output]) for output, source in starts.items()):
                raise _Unknown
            free = {d for d in range(len(sizes)) if all(d in output.along for output in outputs)}
            if grid_mapping.scratch_avals:  # lasts from step to step, unless the kernel says that it does not matter
                hidden = set(grid_mapping.vmapped_dims)
                known = [d for d in range(len(sizes)) if d not in hidden]
                free &= hidden | {d for d, kind in zip(known, _semantics(compiler_params), strict=False) if kind == "parallel"}
            names = grid_mapping.grid_names or (None,) * len(sizes)
            at_once = tuple(d for d in sorted(free) if sizes[d] > 1)
            while at_once and math.prod(sizes[d] for d in at_once) * pallas.largest_value(jaxpr) > _MOST_BYTES:
                at_once = at_once[1:]
            if not at_once or pallas.has_inner_loops(jaxpr) or any(name is not None and d not in at_once for d, name in enumerate(names)):
                raise _Unknown
            kernel, constants, scratch = pallas.discharge(jaxpr, (), grid_mapping)
            if any(jax.dtypes.issubdtype(aval.dtype, jax.dtypes.extended) for aval in grid_mapping.scratch_avals):
                raise _Unknown
        except _Unknown:
            return None
        loop = tuple(d for d in range(len(sizes)) if d not in at_once)
        kernel = functools.partial(pallas.evaluate, kernel, constants)
        return cls(sizes, at_once, loop, inputs, outputs, tuple(scratch), kernel, tuple(grid_mapping.vmapped_dims), tuple(names), starts)

    def run(self, *arrays: Any) -> list[Any]:
        """The results. In arrays of blocks, dimensions of the loop come first, then those that are computed at once, then a block's."""
        uninitialized = _jax_internals.pallas().uninitialized
        order = [*self.loop, *self.at_once]
        counts, places = [self.sizes[d] for d in self.loop], [self.sizes[d] for d in self.at_once]
        inputs = [x.split(array, order) for x, array in zip(self.inputs, arrays, strict=True)]
        scratch = [uninitialized((*places, *aval.shape), aval.dtype) for aval in self.scratch]
        shapes = [[self.sizes[d] for d in output.axes(order)] + list(output.seen) for output in self.outputs]
        outputs = [uninitialized(shape, output.dtype) for shape, output in zip(shapes, self.outputs, strict=True)]
        for output, source in self.starts.items():
            outputs[output] = inputs[source]
        step_of_all = self._mapped()

        def step(state: Any) -> Any:
            n, outputs, scratch = state
            at = dict(zip(self.loop, _unravel(n, counts), strict=True))
            starts = [[at[d] for d in x.axes(self.loop)] for x in (*self.inputs, *self.outputs)]
            blocks = [_pick(x, start) for x, start in zip((*inputs, *outputs), starts, strict=True)]
            made = step_of_all([at[d] for d in self.loop], [*blocks, *scratch])
            placed = [_place(x, start, y) for x, start, y in zip(outputs, starts[len(inputs) :], made, strict=False)]
            return n + 1, placed, made[len(outputs) :]

        steps, start = math.prod(counts), (jnp.int32(0), outputs, scratch)
        with jax.enable_checks(False):  # of JAX 0.10.2, which refuse the calls that its own discharge of loops makes
            _, outputs, _ = step(start) if steps == 1 else lax.while_loop(lambda state: state[0] < steps, step, start)
        return [output.join(x, order) for output, x in zip(self.outputs, outputs, strict=True)]

    def _mapped(self) -> Any:
        """A step of the loop, at all places at once: takes its place in the loop, and blocks and scratch; gives outputs and scratch."""
        function: Any = self._step
        for d in reversed(self.at_once):
            refs = [0 if d in x.along else None for x in (*self.inputs, *self.outputs)] + [0] * len(self.scratch)
            in_axes = (None, [0 if e == d else None for e in self.at_once], refs)
            function = jax.vmap(function, in_axes=in_axes, out_axes=0, axis_name=self.names[d])
        ids = [jnp.arange(self.sizes[d], dtype=jnp.int32) for d in self.at_once]
        return lambda at, refs: function(at, ids, refs)

    def _step(self, at: Sequence[Any], ids: Sequence[Any], refs: Sequence[Any]) -> list[Any]:
        place = dict(zip((*self.loop, *self.at_once), (*at, *ids), strict=True))
        axes = [(place[d], size) for d, size in enumerate(self.sizes) if d not in self.hidden]
        with _jax_internals.pallas().grid_env(axes):
            return self.kernel(*refs)[len(self.inputs) :]


def _unravel(n: Any, counts: Sequence[int]) -> list[Any]:
    """The place that is number `n` in row-major order; where only one dimension has more than one, its own number."""
    places = []
    for i, count in enumerate(counts):
        after = math.prod(counts[i + 1 :])
        if count == 1:
            places.append(jnp.int32(0))
        else:
            place = n if after == 1 else lax.div(n, jnp.int32(after))
            places.append(place if math.prod(counts[:i]) == 1 else lax.rem(place, jnp.int32(count)))
    return places


def _pick(x: Any, start: Sequence[Any]) -> Any:
    for i in start:
        x = lax.dynamic_index_in_dim(x, i, 0, keepdims=False)
    return x


def _place(x: Any, start: Sequence[Any], block: Any) -> Any:
    if not start:
        return block
    return lax.dynamic_update_slice(x, block[(None,) * len(start)], (*start, *[0] * block.ndim))


def _same(a: _Blocks, b: _Blocks) -> bool:
    """Whether each step of the grid sees the same place of both."""
    if (a.shape, a.block, a.squeezed, a.along) != (b.shape, b.block, b.squeezed, b.along):
        return False
    return all(np.array_equal(x, y) for x, y in zip(a.indices, b.indices, strict=True))


def _semantics(compiler_params: Any) -> list[str]:
    """What a kernel says of the dimensions of its grid: "parallel", "arbitrary"."""
    kinds = getattr(compiler_params, "dimension_semantics", None) or ()
    return [str(getattr(kind, "value", kind)).lower() for kind in kinds]


def _blocks_of(mapping: Any, sizes: tuple[int, ...]) -> _Blocks:
    kinds = [_jax_internals.pallas().block_size(dim) for dim in mapping.block_shape]
    if mapping.transforms or any(kind is None for kind in kinds):
        raise _Unknown
    positions = _positions(mapping.index_map_jaxpr, sizes)
    along, indices = tuple(d for d, _ in positions), tuple(at for _, at in positions)
    moving = [d for d in along if d is not None]
    if len(moving) != len(set(moving)):
        raise _Unknown
    shape = tuple(mapping.array_aval.shape)
    blocks = _Blocks(shape, mapping.array_aval.dtype, tuple(k[0] for k in kinds), tuple(k[1] for k in kinds), along, indices)
    if 0 in shape or any(at.min() < 0 or at.max() >= count for at, count in zip(indices, blocks.counts, strict=True)):
        raise _Unknown
    return blocks


def _positions(index_map: Any, sizes: tuple[int, ...]) -> list[tuple[int | None, np.ndarray]]:
    """For each result of an index map the dimension of the grid that it depends on, and what it is along that."""
    variables = index_map.jaxpr.invars
    positions: list[tuple[int | None, np.ndarray]] = []
    for result in index_map.jaxpr.outvars:
        d = next((d for d, variable in enumerate(variables) if variable is result), None)
        if hasattr(result, "val"):
            positions.append((None, np.array([result.val])))
        elif d is not None:
            positions.append((d if sizes[d] > 1 else None, np.arange(sizes[d])))
        else:
            return [_position(table) for table in _tables(index_map, sizes)]
    return positions


def _tables(index_map: Any, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """What an index map gives at each step of the grid, an array over the grid for each result."""
    if math.prod(sizes) > _MOST_STEPS:
        raise _Unknown
    with jax.ensure_compile_time_eval():
        steps = (step.reshape(-1) for step in np.indices(sizes, dtype=np.int32))
        return [np.asarray(x).reshape(sizes) for x in jax.vmap(_jax_internals.core.jaxpr_as_fun(index_map))(*steps)]


def _position(table: np.ndarray) -> tuple[int | None, np.ndarray]:
    moving = [d for d in range(table.ndim) if np.any(table != table.take([0], axis=d))]
    if not moving:
        return None, table.reshape(-1)[:1]
    if len(moving) > 1:
        raise _Unknown
    return moving[0], np.moveaxis(table, moving[0], 0).reshape(table.shape[moving[0]], -1)[:, 0]
