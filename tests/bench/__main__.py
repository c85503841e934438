"""Prints the table: `python -m tests.bench [--rows a,b] [--runs N] [--json FILE]`. Medians, both platforms in turn in one process."""

import argparse
import json
import math
import resource
import statistics
import time

import jax

from tests.bench.rows import ROWS, Row

COMPILE_BAR, COMPILE_MEAN_BAR, MEAN_BAR = 0.3, 0.1, 0.8


class Side:
    """One row on one platform."""

    def __init__(self, function, arguments, platform):
        device = jax.devices(platform)[0]
        self.arguments = jax.device_put(arguments, device)
        lowered = jax.jit(function).lower(*self.arguments)
        start = time.perf_counter()
        self.compiled = lowered.compile()
        self.compile_seconds = time.perf_counter() - start
        self.seconds = []
        jax.block_until_ready(self.compiled(*self.arguments))

    def run(self):
        start = time.perf_counter()
        jax.block_until_ready(self.compiled(*self.arguments))
        self.seconds.append(time.perf_counter() - start)


def measure(row: Row, runs: int) -> dict:
    """The row's medians in seconds, or why `tt` refuses it."""
    function, arguments = row.make()
    sides = {}
    for platform in ("cpu", "tt"):
        try:
            sides[platform] = Side(function, arguments, platform)
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
        "gflops": row.flops / tt / 1e9,
    }


def verdict(row: Row, result: dict) -> str:
    if row.most_ms is not None:
        return "ok" if result["tt"] * 1e3 <= row.most_ms else "OVER"
    return "ok" if result["ratio"] <= row.bar else "OVER"


def geometric_mean(values) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", help="names, separated by commas")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", help="file for the figures")
    options = parser.parse_args()
    wanted = options.rows.split(",") if options.rows else [row.name for row in ROWS]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"unknown rows {sorted(unknown)}; there are {', '.join(row.name for row in ROWS)}")

    print(f"{'row':22}{'tt ms':>10}{'cpu ms':>10}{'ratio':>8}{'bar':>8}        {'compile tt':>11}{'cpu ms':>9}{'ratio':>7}{'GF/s':>8}")
    results = []
    for row in ROWS:
        if row.name not in wanted:
            continue
        result = measure(row, options.runs)
        results.append(result)
        if "error" in result:
            print(f"{row.name:22}refused: {result['error']}", flush=True)
            continue
        bar = f"{row.bar:.2f}" if row.bar is not None else f"{row.most_ms:.0f} ms"
        compile_ratio = result["compile_tt"] / result["compile_cpu"]
        gflops = f"{result['gflops']:8.0f}" if row.flops else ""
        print(
            f"{row.name:22}{result['tt'] * 1e3:10.3f}{result['cpu'] * 1e3:10.3f}{result['ratio']:8.2f}{bar:>8}  {verdict(row, result):6}"
            f"{result['compile_tt'] * 1e3:11.1f}{result['compile_cpu'] * 1e3:9.1f}{compile_ratio:7.2f}{gflops}",
            flush=True,
        )
    timed = [r for r in results if "ratio" in r]
    if timed:
        print(f"geometric mean: time {geometric_mean([r['ratio'] for r in timed]):.2f} (bar {MEAN_BAR}), ", end="")
        print(
            f"compile {geometric_mean([r['compile_tt'] / r['compile_cpu'] for r in timed]):.2f} (bar {COMPILE_MEAN_BAR}, each row {COMPILE_BAR})"
        )
    print(f"peak resident memory of this process, both platforms: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:.0f} MiB")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
