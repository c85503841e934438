"""Prints the table: `python -m tests.bench [--rows a,b] [--runs N] [--json FILE] [--no-memory]`.

Medians, both platforms in turn in one process. Compile times are medians too, of modules that differ in their names: no cache knows them. Each timed run follows one of the same platform that is not timed, in which the other's threads
stop looking out for more work. Beside them the host's peaks, the fraction of its peak that `tt` reaches, and the resident memory that the
same row needs in a process of its own on each platform.
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

from tests.bench.parts import Row
from tests.bench.peaks import host_peaks
from tests.bench.rows import ROWS

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


def measure(row: Row, runs: int) -> dict:
    """The row's medians in seconds, or why `tt` refuses it."""
    function, arguments = row.make()
    sides = {}
    for platform in ("cpu", "tt"):
        try:
            sides[platform] = Side(function, arguments, platform, compiles=7)
        except Exception as error:  # a row that cannot run is a result of its own
            return {"name": row.name, "error": f"{platform}: {str(error).strip().splitlines()[-1]}"}
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
    }


def resident(row: Row, platform: str) -> float:
    """MiB of resident memory at the most, in a process of its own that runs the row three times."""
    command = [sys.executable, "-m", "tests.bench", "--only-on", platform, "--rows", row.name]
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
    bar = f"{row.bar:.2f}" if row.bar is not None else f"{row.most_ms:.0f} ms"
    text = f"{row.name:20}{result['tt'] * 1e3:9.3f}{result['cpu'] * 1e3:9.3f}{result['ratio']:7.2f}{bar:>7}  {verdict(row, result):5}"
    text += f"{result['compile_tt'] * 1e3:8.1f}{result['compile_cpu'] * 1e3:8.1f}{result['compile_tt'] / result['compile_cpu']:6.2f}"
    if "memory_tt" in result:
        text += f"{result['memory_tt']:7.0f}{result['memory_cpu']:7.0f}{result['memory_tt'] / result['memory_cpu']:6.2f}"
    if row.peak is not None:
        text += f"{result['giga_per_second']:8.0f} {'GB/s' if row.peak == 'memory' else 'GF/s'}"
        if peaks is not None:
            text += f"{result['giga_per_second'] / peaks[row.peak]:5.0%} of {row.peak}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", help="names, separated by commas")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", help="file for the figures")
    parser.add_argument("--no-memory", action="store_true", help="without the processes that measure memory")
    parser.add_argument("--only-on", choices=("tt", "cpu"), help="runs one row there and prints its resident memory in MiB")
    options = parser.parse_args()
    wanted = options.rows.split(",") if options.rows else [row.name for row in ROWS]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"unknown rows {sorted(unknown)}; there are {', '.join(row.name for row in ROWS)}")
    rows = [row for row in ROWS if row.name in wanted]
    if options.only_on:
        for row in rows:
            run_only(row, options.only_on)
        return

    peaks = host_peaks()
    if peaks is not None:
        print(
            "peaks of this host: "
            + ", ".join(f"{name} {value:.0f} {'GB/s' if name == 'memory' else 'GF/s'}" for name, value in peaks.items())
        )
    memory = "" if options.no_memory else f"{'tt MiB':>7}{'cpu':>7}{'ratio':>6}"
    print(f"{'row':20}{'tt ms':>9}{'cpu ms':>9}{'ratio':>7}{'bar':>7}       {'compile':>8}{'cpu ms':>8}{'ratio':>6}{memory}")
    results = []
    for row in rows:
        result = measure(row, options.runs)
        if "error" not in result and not options.no_memory:
            result |= {f"memory_{platform}": resident(row, platform) for platform in ("tt", "cpu")}
        results.append(result)
        print(show(row, result, peaks), flush=True)
    timed = [r for r in results if "ratio" in r]
    if timed:
        compile_mean = geometric_mean([r["compile_tt"] / r["compile_cpu"] for r in timed])
        print(f"geometric mean: time {geometric_mean([r['ratio'] for r in timed]):.2f} (bar {MEAN_BAR}), ", end="")
        print(f"compile {compile_mean:.2f} (bar {COMPILE_MEAN_BAR}, each row {COMPILE_BAR})", end="")
        if not options.no_memory:
            print(
                f", memory {geometric_mean([r['memory_tt'] / r['memory_cpu'] for r in timed]):.2f} (bar {MEMORY_BAR} on each row)", end=""
            )
        print()
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"peaks": peaks, "rows": results}, file, indent=1)


if __name__ == "__main__":
    main()
