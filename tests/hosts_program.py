"""What the processes of tests/test_hosts.py run: `python -m tests.hosts_program PROGRAM PROCESS PROCESSES PORT`."""

import functools
import gc
import os
import socket
import sys
import traceback

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax._src import distributed
from jax.experimental import io_callback, multihost_utils, serialize_executable
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

VALUES = np.arange(64, dtype=np.float32).reshape(8, 8)
CHECKS = {}


def check(function):
    CHECKS[function.__name__] = function
    return function


@functools.cache
def mesh(*shape):
    return Mesh(np.array(jax.devices()).reshape(shape or (-1,)), ("x", "y")[: max(len(shape), 1)])


def put(values, *axes, on=None):
    """An array of which each process gives its own pieces."""
    return jax.make_array_from_callback(values.shape, NamedSharding(on or mesh(), P(*axes)), lambda index: values[index])


def expect(array, values):
    """The pieces that this process has of an array are those of the values."""
    assert array.shape == values.shape, (array.shape, values.shape)
    assert array.addressable_shards
    for shard in array.addressable_shards:
        np.testing.assert_allclose(np.asarray(shard.data), values[shard.index], rtol=1e-6)


def free_port():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


def message_of(function):
    try:
        jax.block_until_ready(function())
    except Exception as error:
        return str(error)
    raise AssertionError("no error")


def mapped(function, x, out=None):
    """The function in shard_map; its result lies as the array does, unless something else is said."""
    on, out = x.sharding.mesh, x.sharding.spec if out is None else out
    return jax.jit(jax.shard_map(function, mesh=on, in_specs=x.sharding.spec, out_specs=out, check_vma=False))(x)


@check
def devices_of_all_processes_are_seen():
    assert [(d.id, d.process_index) for d in jax.devices()] == [(0, 0), (1, 0), (2, 1), (3, 1)]
    assert [d.id for d in jax.local_devices()] == [2 * jax.process_index(), 2 * jax.process_index() + 1]
    assert [d.local_hardware_id for d in jax.local_devices()] == [0, 1]
    assert jax.process_count() == 2
    assert str(jax.devices()[2]) == "TTDevice(id=2, process=1, arch=e150)"
    other = jax.devices()[2 - 2 * jax.process_index()]
    assert "addressable" in message_of(other.memory_stats)


@check
def local_programs_run_beside_global_ones():
    assert (jnp.arange(3.0) + jax.process_index()).device == jax.local_devices()[0]
    assert float(jax.jit(lambda x: x * 2)(jax.device_put(4.0, jax.local_devices()[1]))) == 8


@check
def arrays_are_made_of_what_each_process_has():
    rows = VALUES[4 * jax.process_index() :][:4]
    expect(jax.make_array_from_process_local_data(NamedSharding(mesh(), P("x")), rows), VALUES)
    expect(put(VALUES, None, "x"), VALUES)
    expect(jax.device_put(VALUES, NamedSharding(mesh(2, 2), P("y", "x"))), VALUES)
    whole = jax.device_put(VALUES, NamedSharding(mesh(), P()))
    np.testing.assert_array_equal(np.asarray(whole), VALUES)  # each process has all of it


@check
def jit_computes_on_pieces():
    x = put(VALUES, "x")
    expect(jax.jit(lambda x: (x - x.mean(0)) @ x.T)(x), (VALUES - VALUES.mean(0)) @ VALUES.T)
    np.testing.assert_array_equal(np.asarray(jax.jit(lambda x: x.sum())(x)), VALUES.sum())
    expect(jax.jit(lambda x: x + 1, out_shardings=NamedSharding(mesh(), P(None, "x")))(x), VALUES + 1)


@check
def collectives_go_between_processes():
    x = put(VALUES, "x")
    blocks = VALUES.reshape(4, 2, 8)
    expect(mapped(lambda x: lax.psum(x, "x"), x, P()), blocks.sum(0))
    expect(mapped(lambda x: lax.pmax(x, "x"), x, P()), blocks.max(0))
    expect(mapped(lambda x: lax.pmean(x, "x"), x, P()), blocks.mean(0))
    expect(mapped(lambda x: lax.all_gather(x, "x"), x, P()), blocks)
    expect(mapped(lambda x: lax.psum_scatter(x, "x", scatter_dimension=1, tiled=True), x, P(None, "x")), blocks.sum(0))
    expect(mapped(lambda x: lax.all_to_all(x, "x", 1, 0, tiled=True), x, P(None, "x")), VALUES)
    expect(mapped(lambda x: lax.ppermute(x, "x", [(i, (i + 1) % 4) for i in range(4)]), x), np.roll(VALUES, 2, 0))
    expect(mapped(lambda x: x + lax.axis_index("x"), x), (blocks + np.arange(4).reshape(4, 1, 1)).reshape(8, 8))


@check
def collectives_within_groups():
    groups = [[0, 2], [1, 3]]  # each across both processes
    sums = np.stack([VALUES.reshape(4, 2, 8)[groups[card % 2]].sum(0) for card in range(4)])
    expect(mapped(lambda x: lax.psum(x, "x", axis_index_groups=groups), put(VALUES, "x")), sums.reshape(8, 8))
    expect(mapped(lambda x: lax.psum(x, "x"), put(VALUES, "x", "y", on=mesh(2, 2)), P(None, "y")), VALUES[:4] + VALUES[4:])
    expect(mapped(lambda x: lax.psum(x, "y"), put(VALUES, "x", "y", on=mesh(2, 2)), P("x")), VALUES[:, :4] + VALUES[:, 4:])


@check
def some_of_the_cards_in_any_order():
    for ids in ([2, 1], [3, 0, 1]):
        x = put(VALUES[: 2 * len(ids)], "x", on=Mesh(np.array(jax.devices())[ids], "x"))
        expect(jax.jit(lambda x: x - x.sum(0))(x), VALUES[: 2 * len(ids)] - VALUES[: 2 * len(ids)].sum(0))


@check
def programs_of_one_process_only():
    for process in range(2):
        on = Mesh([d for d in jax.devices() if d.process_index == process], "x")
        x = jax.make_array_from_callback((8, 8), NamedSharding(on, P("x")), lambda index: VALUES[index], dtype=np.float32)
        y = jax.jit(lambda x: x - x.sum(0))(x)  # both processes call, one runs
        assert len(y.addressable_shards) == (2 if process == jax.process_index() else 0)


@check
def loops_and_branches_with_collectives():
    x = put(VALUES, "x")

    def loop(x):
        return lax.fori_loop(0, 5, lambda i, x: lax.ppermute(x, "x", [(i, (i + 1) % 4) for i in range(4)]), x)

    expect(mapped(loop, x), np.roll(VALUES, 2, 0))

    def branch(x):
        return lax.cond(lax.psum(x, "x").sum() > 0, lambda x: lax.psum(x, "x"), lambda x: x, x)

    expect(mapped(branch, x, P()), VALUES.reshape(4, 2, 8).sum(0))


@check
def every_process_gets_the_same_bits():
    values = np.random.default_rng(0).normal(size=(4, 1000)).astype(np.float32)
    total = mapped(lambda x: lax.psum(x, "x"), put(values, "x"), P())
    np.testing.assert_array_equal(np.asarray(total)[0], values[0] + values[1] + values[2] + values[3])  # in the order of the cards


@check
def large_arrays_go_both_ways():
    values = np.arange(4 << 20, dtype=np.int32).reshape(4, -1)  # 4 MiB for each card
    expect(mapped(lambda x: lax.ppermute(x, "x", [(i, (i + 2) % 4) for i in range(4)]), put(values, "x")), np.roll(values, 2, 0))


@check
def many_runs_are_under_way_at_once():
    x = put(VALUES, "x")
    step = jax.jit(lambda x: x - x.mean(0) + 1)
    for _ in range(50):
        x = step(x)
    expect(x, VALUES - VALUES.mean(0) + 1)


@check
def donated_arrays_are_reused():
    x = put(VALUES, "x")
    expect(jax.jit(lambda x: x + x.sum(), donate_argnums=0)(x), VALUES + VALUES.sum())
    assert x.is_deleted()


@check
def gradients_of_a_batch_in_pieces():
    rng = np.random.default_rng(1)
    w, x, y = (rng.normal(size=shape).astype(np.float32) for shape in ((8, 4), (16, 8), (16, 4)))
    gradient = jax.grad(lambda w, x, y: ((jnp.tanh(x @ w) - y) ** 2).mean())
    got = jax.jit(gradient)(put(w), put(x, "x"), put(y, "x"))
    np.testing.assert_allclose(np.asarray(got), jax.jit(gradient)(w, x, y), rtol=1e-4, atol=1e-6)


@check
def multihost_utils_work():
    mine = np.arange(3) + 10 * jax.process_index()
    np.testing.assert_array_equal(multihost_utils.process_allgather(mine), [[0, 1, 2], [10, 11, 12]])
    np.testing.assert_array_equal(multihost_utils.process_allgather(put(VALUES, "x"), tiled=True), VALUES)
    np.testing.assert_array_equal(multihost_utils.broadcast_one_to_all(mine), [0, 1, 2])
    multihost_utils.sync_global_devices("here")
    multihost_utils.assert_equal({"a": np.ones(3)}, "unequal")
    assert "unequal" in message_of(lambda: multihost_utils.assert_equal(mine, "unequal"))
    local = multihost_utils.global_array_to_host_local_array(put(VALUES, "x"), mesh(), P("x"))
    np.testing.assert_array_equal(local, VALUES[4 * jax.process_index() :][:4])


@check
def callbacks_of_a_card_are_called_by_its_process():
    seen = []

    def record(index, x):
        seen.append(int(index))
        return x + 1

    def body(x):
        return jax.pure_callback(record, jax.ShapeDtypeStruct(x.shape, x.dtype), lax.axis_index("x"), lax.psum(x, "x"))

    expect(mapped(body, put(VALUES, "x"), P()), VALUES.reshape(4, 2, 8).sum(0) + 1)
    assert sorted(seen) == [d.id for d in jax.local_devices()], seen


@check
def callbacks_on_whole_arrays_are_called_by_the_first_process():
    seen = []

    def record(x):
        seen.append(x.copy())
        return x * 3

    x = put(VALUES, "x")
    expect(jax.jit(lambda x: io_callback(record, jax.ShapeDtypeStruct(x.shape, x.dtype), x))(x), VALUES * 3)
    jax.jit(lambda x: jax.debug.callback(seen.append, x.sum()))(x)
    jax.effects_barrier()
    assert [np.shape(value) for value in seen] == ([(8, 8), ()] if jax.process_index() == 0 else []), seen


@check
def a_callback_that_fails_fails_the_run_everywhere():
    def fail(x):
        if jax.process_index() == 1:
            raise ValueError("no such luck")
        return x

    def body(x):
        return lax.psum(jax.pure_callback(fail, jax.ShapeDtypeStruct(x.shape, x.dtype), x), "x")

    message = message_of(lambda: mapped(body, put(VALUES, "x"), P()))
    assert "no such luck" in message
    assert jax.process_index() == 1 or "process 1 (" in message, message
    expect(mapped(lambda x: lax.psum(x, "x"), put(VALUES, "x"), P()), VALUES.reshape(4, 2, 8).sum(0))  # the next run is none the worse


@check
def what_goes_between_hosts_takes_modelled_time():
    def cycles(devices):
        on = Mesh(np.array(devices), "x")
        x = jax.ShapeDtypeStruct((2, 1 << 18), np.float32, sharding=NamedSharding(on, P("x")))
        program = jax.jit(jax.shard_map(lambda x: lax.psum(x, "x"), mesh=on, in_specs=P("x"), out_specs=P())).lower(x).compile()
        return program.cost_analysis()["cycles"], program.as_text()

    within, text = cycles(jax.local_devices())
    assert "between hosts" not in text
    between, text = cycles(jax.devices()[1:3])
    assert "1048576 bytes between hosts" in text
    assert abs(between - within - (20e-6 + 2**20 / 12.5e9) * 1.2e9) <= 1, (between, within)
    assert len(set(multihost_utils.process_allgather(np.float32(between)))) == 1


@check
def compiled_programs_are_serialized():
    x = put(VALUES, "x")
    compiled = jax.jit(lambda x: x - x.sum(0)).lower(x).compile()
    expect(serialize_executable.deserialize_and_load(*serialize_executable.serialize(compiled))(x), VALUES - VALUES.sum(0))


@check
def arrays_are_not_moved_to_devices_of_other_processes():
    other = jax.devices()[2 - 2 * jax.process_index()]
    assert "ross-host" in message_of(lambda: jax.device_put(jax.device_put(VALUES, jax.local_devices()[0]), other))


def all_checks():
    for name, function in CHECKS.items():
        try:
            function()
            print("passed", name, flush=True)
        except Exception:
            print("failed", name, traceback.format_exc(), flush=True)


def arrays_move_between_processes():
    jax.config.update("jax_cross_host_transfer_socket_address", f"127.0.0.1:{free_port()}")  # JAX's own server
    here, there = (Mesh([d for d in jax.devices() if d.process_index == process], "x") for process in range(2))
    for axes in (("x",), (None, "x"), ()):
        x = jax.device_put(VALUES, NamedSharding(here, P(*axes)))
        y = jax.device_put(x, NamedSharding(there, P(*axes)))
        for shard in jax.jit(lambda y: y + 1)(y).addressable_shards:
            np.testing.assert_array_equal(np.asarray(shard.data), VALUES[shard.index] + 1)
    multihost_utils.sync_global_devices("moved")
    print("moved", flush=True)


def cards_of_different_numbers():
    """Each process has one more card than the one before."""
    assert len(jax.devices()) == sum(range(1, jax.process_count() + 1))
    x = put(np.arange(12.0, dtype=np.float32).reshape(6, 2), "x")
    print("sum", np.asarray(jax.jit(lambda x: x.sum())(x)), flush=True)


def a_process_dies():
    x = put(VALUES, "x")
    step = jax.jit(lambda x: x - x.mean(0))
    jax.block_until_ready(step(x))
    if jax.process_index() == 1:
        os._exit(3)
    print(message_of(lambda: step(x)), flush=True)
    print("again:", message_of(lambda: step(x)), flush=True)
    os._exit(0)  # JAX's own service would end this process too


def programs_differ():
    x = put(VALUES, "x")
    first = jax.jit(lambda x: x.sum())
    second = jax.jit(lambda x: x.max(0))
    first.lower(x).compile()
    for step in (first, second) if jax.process_index() == 0 else (second, first):
        print(message_of(lambda step=step: step(x)), flush=True)
    print("sum", np.asarray(first(x)), flush=True)


def a_process_stays_away():
    x = put(VALUES, "x")
    store = distributed.global_state.client
    if jax.process_index() == 1:
        store.blocking_key_value_get("has failed", 60_000)
        return
    print(message_of(lambda: jax.jit(lambda x: x.sum())(x)), flush=True)
    store.key_value_set("has failed", "yes")


def the_client_fails():
    print(message_of(lambda: jax.devices("tt")), flush=True)
    os._exit(0)


if __name__ == "__main__":
    program, process, processes, port = sys.argv[1], *map(int, sys.argv[2:])
    jax.distributed.initialize(f"localhost:{port}", processes, process)
    globals()[program]()
    mesh.cache_clear()  # JAX's service waits some seconds for clients that are still there
    gc.collect()
