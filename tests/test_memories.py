"""Arrays in memory of the host: `memory_kind="pinned_host"` of shardings, `jax.device_put` inside programs, offloaded activations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name
from jax.experimental.xla_metadata import set_xla_metadata
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

CARDS = jax.devices("tt")
TT = CARDS[0]
DEVICE, HOST = (SingleDeviceSharding(TT, memory_kind=kind) for kind in ("device", "pinned_host"))


def ramp(*dims):
    return np.arange(np.prod(dims), dtype=np.float32).reshape(dims) / 8


def kind(x):
    return x.sharding.memory_kind


def test_the_memories_of_a_card():
    assert [memory.kind for memory in TT.addressable_memories()] == ["device", "pinned_host"]
    assert TT.default_memory().kind == "device"
    with pytest.raises(ValueError, match="unpinned_host"):
        SingleDeviceSharding(TT, memory_kind="unpinned_host")


@pytest.mark.parametrize("size", [3, 200_000])
def test_arrays_move_between_memories(size):
    x = ramp(size)
    host = jax.device_put(x, HOST)
    card = jax.device_put(host, DEVICE)
    back = jax.device_put(card, HOST)
    for array, expected in ((host, "pinned_host"), (card, "device"), (back, "pinned_host"), (jax.device_put(back, HOST), "pinned_host")):
        assert kind(array) == expected
        np.testing.assert_array_equal(array, x)


def test_arrays_of_the_host_take_no_memory_of_the_card():
    def in_use():
        return TT.memory_stats()["bytes_in_use"]

    before = in_use()
    host = jax.device_put(ramp(1 << 20), HOST)
    made = jax.jit(lambda x: jax.device_put(x, DEVICE) * 2, out_shardings=HOST)(host)
    made.block_until_ready()
    assert in_use() == before and kind(made) == "pinned_host"
    card = jax.device_put(made, DEVICE)
    assert in_use() == before + 4 * 2**20
    np.testing.assert_array_equal(card, 2 * ramp(1 << 20))


def test_arguments_results_and_values_in_between():
    @functools.partial(jax.jit, out_shardings=(DEVICE, HOST))
    def f(on_host, on_card):
        moved = jax.device_put(on_host, jax.memory.Space.Device)
        sums = moved + on_card
        away = jax.device_put(sums * 2, jax.memory.Space.Host)
        return jax.device_put(away, jax.memory.Space.Device) - moved, away

    x, y = ramp(64, 128), ramp(64, 128)[::-1]
    arguments = jax.device_put(x, HOST), jax.device_put(y, DEVICE)
    compiled = f.lower(*arguments).compile()
    text = compiled.as_text()
    assert "parameter 0 : tensor<64x128xf32> in pinned_host" in text and "result 1 : tensor<64x128xf32> in pinned_host" in text
    first, second = compiled(*arguments)
    assert (kind(first), kind(second)) == ("device", "pinned_host")
    np.testing.assert_array_equal(first, 2 * (x + y) - x)
    np.testing.assert_array_equal(second, 2 * (x + y))
    memory = compiled.memory_analysis()
    assert memory.argument_size_in_bytes == memory.host_argument_size_in_bytes == x.nbytes
    assert memory.output_size_in_bytes == memory.host_output_size_in_bytes == x.nbytes


def test_the_way_over_pcie_takes_its_time():
    def cycles(sharding):
        x = jax.ShapeDtypeStruct((1 << 20,), np.float32, sharding=sharding)
        return jax.jit(lambda x: jax.device_put(x, DEVICE) + 1, out_shardings=DEVICE).lower(x).compile().cost_analysis()["cycles"]

    bytes_per_cycle = 32e9 / 1.2e9
    assert cycles(HOST) > 4 * 2**20 / bytes_per_cycle > cycles(DEVICE)


def test_offloaded_activations():
    policy = jax.checkpoint_policies.save_and_offload_only_these_names(
        names_which_can_be_saved=[], names_which_can_be_offloaded=["hidden"], offload_src="device", offload_dst="pinned_host"
    )

    def loss(w, x):
        for _ in range(3):
            x = jnp.sin(checkpoint_name(x @ w, "hidden"))
        return (x**2).sum()

    w, x = np.random.default_rng(0).standard_normal((2, 32, 32)).astype(np.float32) / 4
    expected = jax.jit(jax.value_and_grad(loss))(*jax.device_put((w, x), jax.devices("cpu")[0]))
    offloaded = jax.jit(jax.value_and_grad(jax.checkpoint(loss, policy=policy)))
    got = offloaded(*jax.device_put((w, x), TT))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    compiled = offloaded.lower(*jax.device_put((w, x), TT)).compile()
    assert compiled.memory_analysis().host_temp_size_in_bytes >= 2 * w.nbytes
    assert "4096 bytes in pinned_host" in compiled.as_text()


def test_an_optimizer_state_on_the_host_is_updated_in_place():
    @functools.partial(jax.jit, donate_argnums=0, out_shardings=HOST)
    def update(state, gradient):
        return jax.device_put(jax.device_put(state, DEVICE) * 0.5 + gradient, HOST)

    state = jax.device_put(ramp(1000), HOST)
    expected = ramp(1000)
    for _ in range(3):
        before, state = state, update(state, jax.device_put(np.ones(1000, np.float32), DEVICE))
        expected = expected * np.float32(0.5) + 1
        assert before.is_deleted() and kind(state) == "pinned_host"
    np.testing.assert_array_equal(state, expected)


@pytest.mark.skipif(len(CARDS) < 4, reason="needs four cards: JAX_TT_NUM_DEVICES")
def test_pieces_on_several_hosts_sides():
    mesh = Mesh(np.array(CARDS[:4]), "x")
    card = NamedSharding(mesh, PartitionSpec("x"))
    host = card.with_memory_kind("pinned_host")
    x = jax.device_put(ramp(64, 8), host)

    @functools.partial(jax.jit, out_shardings=(host, card))
    def f(x):
        y = jax.device_put(x, card)
        return jax.device_put(y @ y.T, host), y.sum(1)

    first, second = f(x)
    assert first.addressable_shards[1].data.sharding.memory_kind == "pinned_host" and kind(second) == "device"
    np.testing.assert_allclose(first, ramp(64, 8) @ ramp(64, 8).T, rtol=1e-5)
    np.testing.assert_allclose(second, ramp(64, 8).sum(1), rtol=1e-6)


def test_memories_that_there_are_not():
    def f(x):
        return jax.ffi.ffi_call("annotate_device_placement", jax.ShapeDtypeStruct(x.shape, x.dtype))(x)

    x = jax.device_put(ramp(4), TT)
    with pytest.raises(jax.errors.JaxRuntimeError, match="expected one of each and the attribute _xla_buffer_placement"):
        jax.jit(f)(x)
    with set_xla_metadata(_xla_buffer_placement="attic"), pytest.raises(jax.errors.JaxRuntimeError) as error:
        jax.jit(lambda x: f(x))(x)
    assert '[memory] there is no memory "attic", expected "device" or "pinned_host"' in str(error.value)
