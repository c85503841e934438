"""The plugin as JAX sees it: devices, donation, memory, errors, life and death of the process."""

import os
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jax_tt


@pytest.fixture
def card():
    return jax.devices("tt")[0]


def run_python(code, **environment):
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)


def test_device(card):
    assert card.platform == "tt"
    assert card.device_kind == "Grayskull e150"
    assert card.num_compute_cores == 108


def test_beside_cpu(card):
    x = np.arange(10, dtype=np.float32)
    on_card = jax.jit(lambda x: x + 1)(jax.device_put(x, card))
    on_cpu = jax.jit(lambda x: x + 1)(jax.device_put(x, jax.devices("cpu")[0]))
    assert on_card.devices() == {card}
    np.testing.assert_array_equal(on_card, on_cpu)


def test_platform_variable_and_clean_exit():
    done = run_python("import jax; print(jax.devices()[0].platform, jax.jit(lambda x: x + 1)(1.0))", JAX_PLATFORMS="tt")
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["tt", "2.0"], "")


def test_other_backends_work_without_a_card():
    code = """
import jax
print(jax.devices()[0].platform, jax.jit(lambda x: x + 1)(1.0))
try:
    jax.devices("tt")
except RuntimeError as error:
    print("refused:", 'unknown card "n300", expected "e150" or "e75"' in str(error))
"""
    done = run_python(code, JAX_TT_ARCH="n300", JAX_PLATFORMS="")
    assert (done.returncode, done.stdout.split()) == (0, ["cpu", "2.0", "refused:", "True"]), done.stderr
    assert 'the tt card cannot be created, JAX goes on without it: INVALID_ARGUMENT: [device] unknown card "n300"' in done.stderr
    asked = run_python("import jax; jax.devices()", JAX_TT_ARCH="n300", JAX_PLATFORMS="tt")
    assert asked.returncode == 1 and "Unable to initialize backend 'tt'" in asked.stderr


def test_shardings_on_one_device(card):
    mesh = jax.sharding.Mesh(np.array([card]), ("x",))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
    x = jax.device_put(jnp.arange(4.0), sharding)
    constrained = jax.jit(lambda a: jax.lax.with_sharding_constraint(a * 2, sharding) + 1)(x)
    np.testing.assert_array_equal(constrained, [1, 3, 5, 7])
    mapped = jax.jit(jax.shard_map(lambda a: a * 2, mesh=mesh, in_specs=sharding.spec, out_specs=sharding.spec))(x)
    np.testing.assert_array_equal(mapped, [0, 2, 4, 6])

    def collectives(a):
        gathered = jax.lax.all_gather(a, "x", tiled=True)
        return jax.lax.psum(a, "x") + jax.lax.pmax(gathered, "x") + jax.lax.psum_scatter(a, "x", tiled=True)

    summed = jax.jit(jax.shard_map(collectives, mesh=mesh, in_specs=sharding.spec, out_specs=sharding.spec))(x)
    np.testing.assert_array_equal(summed, [0, 3, 6, 9])


def test_one_device_sends_to_itself_or_receives_zeros(card):
    mesh = jax.sharding.Mesh(np.array([card]), ("x",))
    x = jax.device_put(jnp.arange(4.0), card)

    def run(function):
        spec = jax.sharding.PartitionSpec("x")
        return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=spec, out_specs=spec))(x)

    np.testing.assert_array_equal(run(lambda a: jax.lax.ppermute(a, "x", [(0, 0)])), [0, 1, 2, 3])
    np.testing.assert_array_equal(run(lambda a: jax.lax.ppermute(a, "x", [])), [0, 0, 0, 0])


def test_donation_reuses_and_deletes(card):
    x = jax.device_put(np.ones(100_000, np.float32), card) * 1
    before = x.unsafe_buffer_pointer()
    y = jax.jit(lambda x: x + 1, donate_argnums=0)(x)
    assert x.is_deleted()
    assert y.unsafe_buffer_pointer() == before
    np.testing.assert_array_equal(y, 2)


def test_an_array_is_donated_while_a_queued_program_still_reads_it():
    code = """
import jax, numpy as np
large = jax.device_put(np.ones((2048, 2048), np.float32), jax.devices("tt")[0])
busy = jax.jit(lambda a: a @ a @ a)
x = jax.jit(lambda a: a[:1024, :1024] + 0)(large)
reads, takes = jax.jit(lambda x: x + 1), jax.jit(lambda x: x * 3, donate_argnums=0)
jax.block_until_ready((busy(large), reads(x), takes(reads(x))))
busy(large)
y = reads(x)
z = takes(x)
print(float(y[0, 0]), float(z[0, 0]))
"""
    assert run_python(code).stdout == "2.0 3.0\n"


def test_what_a_thread_passes_to_a_program_is_not_overwritten_by_one_that_another_thread_donates_it_to(card):
    reads = jax.jit(lambda x: [x + 0, *[jnp.full((300, 1000), i, jnp.float32) for i in range(100)]])  # its results are allocated first
    takes = jax.jit(lambda x: x * 3, donate_argnums=0)
    ones = jax.device_put(np.ones((64, 1024), np.float32), card)
    jax.block_until_ready((reads(ones), takes(ones + 0)))
    seen = []

    def read(x, started):
        started.set()
        try:
            seen.append(float(reads(x)[0].max()))
        except (RuntimeError, ValueError):  # donated already
            seen.append(1.0)

    for turn in range(40):
        x, started = (ones + 0).block_until_ready(), threading.Event()
        thread = threading.Thread(target=read, args=(x, started))
        thread.start()
        started.wait()
        time.sleep(turn * 1e-4)
        takes(x)
        thread.join()
    assert seen == [1.0] * 40


def test_a_copy_is_made_of_the_array_and_not_of_what_takes_it_over():
    code = """
import jax, numpy as np
cards = jax.devices("tt")
make = jax.jit(lambda a, b: b + a @ a @ a)
takes = jax.jit(lambda x: x * 3, donate_argnums=0)
a = jax.device_put(np.eye(2048, dtype=np.float32), cards[1])
b = jax.device_put(np.ones((2048, 2048), np.float32), cards[1])
jax.block_until_ready((make(a, b), takes(jax.device_put(b + 1, cards[0]))))
for _ in range(5):
    x = jax.device_put(make(a, b), cards[0])  # not there yet
    copy = jax.device_put(x, cards[2])
    takes(x)
    np.testing.assert_array_equal(copy, np.asarray(a) + 1)
print("done")
"""
    assert run_python(code, JAX_TT_NUM_DEVICES="3").stdout == "done\n"


def test_a_callback_does_not_overwrite_what_the_queue_has_to_read():
    code = """
import time, jax, jax.numpy as jnp, numpy as np
a = jax.device_put(jnp.eye(2048), jax.devices("tt")[0])
x = jax.device_put(jnp.ones((1024, 1024)), jax.devices("tt")[0])
busy, reads = jax.jit(lambda a: a @ a @ a), jax.jit(lambda x: x + 1)
takes = jax.jit(lambda x: x * 3, donate_argnums=0)
jax.block_until_ready((busy(a), reads(x), takes(reads(x))))

def callback(v):
    time.sleep(0.3)
    callback.result = takes(x)
    return v

f = jax.jit(lambda a: jax.pure_callback(callback, jax.ShapeDtypeStruct((), jnp.float32), (a @ a @ a)[0].sum())).lower(a).compile()
jax.block_until_ready(a)
result = f(a)
busy(a)
y = reads(x)
print(float(result), float(y[0, 0]), float(callback.result[0, 0]))
"""
    assert run_python(code).stdout == "1.0 2.0 3.0\n"


def test_whoever_runs_ahead_of_the_queue_waits_for_memory(card):
    step = jax.jit(lambda x: x * 2)
    x = jnp.ones((8192, 8192), device=card)  # 256 MB: 60 of them are more than the card has
    for _ in range(60):
        x = step(x)
    assert float(x[0, 0]) == 2.0**60


def test_a_callback_that_is_queued_when_the_interpreter_ends_is_made():
    code = """
import time, jax, jax.numpy as jnp, numpy as np

def slow(x):
    time.sleep(0.3)
    return x + 1

a = jax.device_put(np.eye(2048, dtype=np.float32), jax.devices("tt")[0])
f = jax.jit(lambda a: jax.pure_callback(slow, jax.ShapeDtypeStruct(a.shape, a.dtype), a @ a))
f(a).block_until_ready()
y = f(a)
print("end")
"""
    done = run_python(code)
    assert done.stdout == "end\n" and done.returncode == 0


def test_threads_that_go_on_to_call_back_do_not_keep_the_process():
    code = """
import threading, time, jax, jax.numpy as jnp, numpy as np
slow = lambda v: (time.sleep(0.01), np.asarray(v))[1]
f = jax.jit(lambda x: jax.pure_callback(slow, jax.ShapeDtypeStruct(x.shape, x.dtype), x))
x = jax.device_put(jnp.ones((64, 64)), jax.devices("tt")[0])
f(x).block_until_ready()
def work():
    while True: f(x).block_until_ready()
for _ in range(4): threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print("end", flush=True)
"""
    assert "end" in run_python(code).stdout  # in time; the interpreter kills its threads wherever they are, which may be an abort


def test_donation_leaves_host_memory_alone(card):
    host = np.ones(100_000, np.float32)
    jax.jit(lambda x: x + 1, donate_argnums=0)(jax.device_put(host, card)).block_until_ready()
    np.testing.assert_array_equal(host, 1)


def test_double_donation_is_refused(card):
    x = jax.device_put(np.ones(8, np.float32), card)
    with pytest.raises(Exception, match="donates argument 0, but the same array is also argument 1"):
        jax.jit(lambda a, b: (a + 1, b * 2), donate_argnums=0)(x, x)


def test_out_of_memory_names_asked_and_free(card):
    too_much = jax.jit(lambda x: jnp.broadcast_to(x, (3_000_000_000,)) + 1)
    with pytest.raises(Exception, match=r"RESOURCE_EXHAUSTED.*asked for 12000000000 bytes, free \d+ of 8589934592"):
        too_much(jax.device_put(np.float32(1), card)).block_until_ready()
    assert float(jax.jit(lambda x: x + 1)(jax.device_put(np.float32(1), card))) == 2


def test_memory_stats(card):
    before = card.memory_stats()["bytes_in_use"]
    x = jax.device_put(np.ones(1 << 20, np.float32), card)
    stats = card.memory_stats()
    assert stats["bytes_in_use"] - before == x.nbytes
    assert stats["bytes_limit"] == 8 << 30


def test_cost_and_memory_analysis(card):
    with jax.default_device(card):
        compiled = jax.jit(lambda x, y: x @ y).lower(np.ones((256, 256), np.float32), np.ones((256, 256), np.float32)).compile()
    cost = compiled.cost_analysis()
    assert cost["flops"] == 2 * 256**3
    assert cost["cycles"] > 0 and cost["seconds"] > 0 and cost["bytes accessed"] >= 3 * 256 * 256 * 4
    memory = compiled.memory_analysis()
    assert memory.argument_size_in_bytes == 2 * 256 * 256 * 4
    assert memory.output_size_in_bytes == 256 * 256 * 4


def test_text_shows_kernel_programs(card):
    with jax.default_device(card):
        compiled = jax.jit(lambda x: jnp.tanh(x) * 2).lower(np.ones(5000, np.float32)).compile()
    text = compiled.as_text()
    for expected in ("program tanh_tile+mul_binary_tile on 2 cores", "cb 0", "reader eltwise_reader", "tanh_tile r0"):
        assert expected in text


def test_unsupported_operations_are_listed_at_once(card):
    def program(x):
        call = jax.ffi.ffi_call("nobodys_call", jax.ShapeDtypeStruct(x.shape, x.dtype))
        return call(x) + call(x + 1)

    with pytest.raises(Exception, match=r'(?s)2 operations are not supported on tt yet:.*stablehlo.custom_call.*"nobodys_call"'):
        jax.jit(program)(jax.device_put(np.ones(4, np.float32), card))


def test_zero_size(card):
    x = jax.device_put(np.zeros((0, 3), np.float32), card)
    assert jax.jit(lambda x: x + 1)(x).shape == (0, 3)


def test_same_bits_on_any_number_of_threads():
    code = (
        "import jax, numpy as np; x = np.random.default_rng(0).standard_normal((300, 400)).astype(np.float32);"
        "d = jax.devices('tt')[0]; f = jax.jit(lambda x: jax.nn.softmax(x @ x.T).sum(0));"
        "print(np.asarray(f(jax.device_put(x, d))).tobytes().hex()[:4000])"
    )
    one, two = (run_python(code, JAX_TT_NUM_THREADS=n).stdout for n in "12")
    assert one == two and len(one) > 1000


def test_same_decompositions_and_transforms_on_any_instruction_set():
    code = (
        "import hashlib, jax, numpy as np; from jax import numpy as jnp;"
        "x = np.random.default_rng(0).standard_normal((2, 9, 75, 75)).astype(np.float32); d = jax.devices('tt')[0];"
        "functions = [jnp.linalg.eigh, jnp.linalg.svd, jnp.linalg.inv, jnp.fft.fft, lambda x: jnp.linalg.cholesky(x @ x.mT.conj() + 9 * jnp.eye(75))];"
        "results = [f(jax.device_put(z, d)) for f in functions for z in (x[0], x[0] + 1j * x[1])];"
        "results += [jnp.fft.rfft(jax.device_put(x[..., :70], d)), jnp.fft.irfft(results[6])];"
        "print(*[hashlib.sha256(np.asarray(r).tobytes()).hexdigest() for r in jax.tree.leaves(results)])"
    )
    portable, best = run_python(code, JAX_TT_SIMD="portable").stdout, run_python(code).stdout
    assert portable == best and len(portable) > 1000


def test_report_counts_programs(card):
    before = jax_tt.report()
    jax.jit(lambda x: jnp.sin(x) * 3)(jax.device_put(np.ones(77, np.float32), card)).block_until_ready()
    after = jax_tt.report()
    assert after.programs_compiled > before.programs_compiled
    assert after.programs_run > before.programs_run
    assert after.modelled_seconds > before.modelled_seconds


def test_arrays_and_programs_say_how_elements_lie():
    x = jax.device_put(np.ones((3, 4), np.float32), jax.devices("tt")[0])
    compiled = jax.jit(lambda x: x.T).lower(x).compile()
    assert x.format.layout.major_to_minor == (0, 1)
    assert compiled.output_formats.layout.major_to_minor == (0, 1)
    assert (compiled.out_info.shape, compiled.out_info.dtype) == ((4, 3), np.float32)
