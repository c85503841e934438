"""Prints times beside JAX's `cpu` backend: `python -m tests.bench [--set SET] [--rows a,b] [--runs N] [--json FILE] [--[no-]memory]`.

Of the sets, `table` (the default) has the rows with bars. `operations` has common operations of JAX, `programs` small programs: they have
no bars, and are listed as they are measured and then by ratio.

Medians, both platforms in turn in one process. Each timed run follows one of the same platform that is not timed, in which the other's
threads stop looking out for more work. The table's compile times are medians too, of modules that differ in their names: no cache knows
them. Beside them the host's peaks, and the fraction of its peak that `tt` reaches. The other sets have the number of kernel programs; those
in the body of a loop count once. Memory is the most that is resident in a process of its own, on each platform, that runs the row.
"""

import argparse
import json
import math
import pathlib
import re
import statistics
import subprocess
import sys
import time

import jax

from tests.bench.operations import OPERATIONS
from tests.bench.parts import Row
from tests.bench.peaks import host_peaks
from tests.bench.programs import PROGRAMS
from tests.bench.rows import ROWS
from tests.fused import programs

SETS = {"table": ROWS, "operations": OPERATIONS, "programs": PROGRAMS}

COMPILE_BAR, COMPILE_MEAN_BAR, MEAN_BAR, MEMORY_BAR = 0.3, 0.1, 0.8, 1.5


def renamed(function, number):
    def same(*arguments):
        return function(*arguments)

    same.__name__ = f"row_{number}"  # the module's
    return same


class Side:
    """One row on one platform."""

    def __init__(self, function, arguments, platform, compiles=1):
        device = jax.devices(platform)[0]
        self.arguments = jax.device_put(arguments, device)
        compile_seconds = []
        while len(compile_seconds) < compiles and sum(compile_seconds) < 1:
            lowered = jax.jit(renamed(function, len(compile_seconds))).lower(*self.arguments)
            start = time.perf_counter()
            self.compiled = lowered.compile()
            compile_seconds.append(time.perf_counter() - start)
        self.compile_seconds = statistics.median(compile_seconds)
        self.seconds = []
        jax.block_until_ready(self.compiled(*self.arguments))

    def run(self):
        jax.block_until_ready(self.compiled(*self.arguments))
        start = time.perf_counter()
        jax.block_until_ready(self.compiled(*self.arguments))
        self.seconds.append(time.perf_counter() - start)


def measure(row: Row, runs: int, compiles: int) -> dict:
    """The row's medians in seconds, or why a platform refuses it."""
    function, arguments = row.make()
    sides = {}
    for platform in ("cpu", "tt"):
        try:
            sides[platform] = Side(function, arguments, platform, compiles)
        except Exception as error:  # a row that cannot run is a result of its own
            return {"name": row.name, "error": f"{platform}: {(str(error).strip() or repr(error)).splitlines()[-1]}"}
    first = time.perf_counter()
    sides["cpu"].run()
    sides["tt"].run()
    once = time.perf_counter() - first
    for _ in range(max(3, min(runs, int(4 / once)))):
        for side in sides.values():
            side.run()
    tt, cpu = (statistics.median(sides[p].seconds[1:]) for p in ("tt", "cpu"))
    return {
        "name": row.name,
        "tt": tt,
        "cpu": cpu,
        "ratio": tt / cpu,
        "compile_tt": sides["tt"].compile_seconds,
        "compile_cpu": sides["cpu"].compile_seconds,
        "giga_per_second": row.work / tt / 1e9,
        "programs": programs(sides["tt"].compiled),
    }


def resident(row: Row, name_of_set: str, platform: str) -> float:
    """MiB of resident memory at the most, in a process of its own that runs the row three times."""
    command = [sys.executable, "-m", "tests.bench", "--only-on", platform, "--set", name_of_set, "--rows", row.name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def run_only(row: Row, platform: str) -> None:
    side = Side(*row.make(), platform)
    for _ in range(3):
        side.run()
    status = pathlib.Path("/proc/self/status").read_text()  # getrusage would count the parent's memory before exec
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert peak is not None
    print(int(peak[1]) / 2**10)


def verdict(row: Row, result: dict) -> str:
    if row.most_ms is not None:
        return "ok" if result["tt"] * 1e3 <= row.most_ms else "OVER"
    return "ok" if result["ratio"] <= row.bar else "OVER"


def geometric_mean(values) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values))


def show(row: Row, result: dict, peaks: dict[str, float] | None) -> str:
    if "error" in result:
        return f"{row.name:20}refused: {result['error']}"
    memory = ""
    if "memory_tt" in result:
        memory = f"{result['memory_tt']:7.0f}{result['memory_cpu']:7.0f}{result['memory_tt'] / result['memory_cpu']:6.2f}"
    if not row.has_bar:
        return f"{row.name:20}{result['tt'] * 1e6:10.1f}{result['cpu'] * 1e6:10.1f}{result['ratio']:7.2f}{result['programs']:9}{memory}"
    bar = f"{row.bar:.2f}" if row.bar is not None else f"{row.most_ms:.0f} ms"
    text = f"{row.name:20}{result['tt'] * 1e3:9.3f}{result['cpu'] * 1e3:9.3f}{result['ratio']:7.2f}{bar:>7}  {verdict(row, result):5}"
    text += f"{result['compile_tt'] * 1e3:8.1f}{result['compile_cpu'] * 1e3:8.1f}{result['compile_tt'] / result['compile_cpu']:6.2f}"
    text += memory
    if row.peak is not None:
        text += f"{result['giga_per_second']:8.0f} {'GB/s' if row.peak == 'memory' else 'GF/s'}"
        if peaks is not None:
            text += f"{result['giga_per_second'] / peaks[row.peak]:5.0%} of {row.peak}"
    return text


def means(timed: list[dict], bars: bool) -> str:
    def mean(figure, other):
        return geometric_mean([result[figure] / result[other] for result in timed])

    text = f"geometric mean: time {mean('tt', 'cpu'):.2f}"
    if bars:
        text += f" (bar {MEAN_BAR}), compile {mean('compile_tt', 'compile_cpu'):.2f} (bar {COMPILE_MEAN_BAR}, each row {COMPILE_BAR})"
    if "memory_tt" in timed[0]:
        text += f", memory {mean('memory_tt', 'memory_cpu'):.2f}" + (f" (bar {MEMORY_BAR} on each row)" if bars else "")
    return text


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--set", choices=SETS, default="table", help="the rows to choose from (default: table)")
    parser.add_argument("--rows", help="names, separated by commas")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument(
        "--memory", action=argparse.BooleanOptionalAction, help="measure memory, in more processes (default: of the table only)"
    )
    parser.add_argument("--only-on", choices=("tt", "cpu"), help="runs one row there and prints its resident memory in MiB")
    options = parser.parse_args(arguments)
    table = options.set == "table"
    memory = table if options.memory is None else options.memory
    names = [row.name for row in SETS[options.set]]
    wanted = options.rows.split(",") if options.rows else names
    unknown = set(wanted) - set(names)
    if unknown:
        parser.error(f"unknown rows {sorted(unknown)}; there are {', '.join(names)}")
    rows = [row for row in SETS[options.set] if row.name in wanted]
    if options.only_on:
        for row in rows:
            run_only(row, options.only_on)
        return

    peaks = host_peaks() if any(row.peak for row in rows) else None
    if peaks is not None:
        print(
            "peaks of this host: "
            + ", ".join(f"{name} {value:.0f} {'GB/s' if name == 'memory' else 'GF/s'}" for name, value in peaks.items())
        )
    if table:
        header = f"{'row':20}{'tt ms':>9}{'cpu ms':>9}{'ratio':>7}{'bar':>7}       {'compile':>8}{'cpu ms':>8}{'ratio':>6}"
    else:
        header = f"{'row':20}{'tt us':>10}{'cpu us':>10}{'ratio':>7}{'programs':>9}"
    if memory:
        header += f"{'tt MiB':>7}{'cpu':>7}{'ratio':>6}"
    print(header)
    results = []
    for row in rows:
        result = measure(row, options.runs, compiles=7 if table else 1)
        if "error" not in result and memory:
            result |= {f"memory_{platform}": resident(row, options.set, platform) for platform in ("tt", "cpu")}
        results.append(result)
        print(show(row, result, peaks), flush=True)
    if not table:
        print(f"\nby ratio:\n{header}")
        for row, result in sorted(zip(rows, results, strict=True), key=lambda pair: pair[1].get("ratio", 0.0), reverse=True):
            print(show(row, result, peaks))
    timed = [result for result in results if "ratio" in result]
    if timed:
        print(means(timed, bars=table))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"peaks": peaks, "rows": results}, file, indent=1)


if __name__ == "__main__":
    main()
