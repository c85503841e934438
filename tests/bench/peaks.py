"""What the host can do at most: the measure beside the benchmark's rows."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).with_name("host_peaks.cpp")


def host_peaks() -> dict[str, float] | None:
    """Peaks of all threads: `fma` (f32) and `bf16` in GFLOP/s, `memory` in GB/s read and written; None without a C++ compiler."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "host_peaks")
        subprocess.run([compiler, "-std=c++20", "-O3", "-march=native", "-pthread", str(SOURCE), "-o", program], check=True)
        return json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
