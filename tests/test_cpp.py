"""The C++ floor tests, built with AddressSanitizer and UndefinedBehaviorSanitizer from this checkout and run."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
MINUTE = 60


def _tool(name: str) -> str:
    """A build tool of this environment's wheels, else of the machine."""
    beside = pathlib.Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.fail(f"{name} is missing; `pip install '.[test]'` brings it")
    return found


def _run(*command: str, minutes: int, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=minutes * MINUTE, check=False, **options)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def binary(tmp_path_factory) -> pathlib.Path:
    build = pathlib.Path(os.environ.get("JAX_TT_TEST_BUILD") or tmp_path_factory.mktemp("sanitized"))
    _run(
        _tool("cmake"),
        "-S",
        str(ROOT),
        "-B",
        str(build),
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={_tool('ninja')}",
        "-DTT_BUILD_PYTHON=OFF",
        "-DTT_BUILD_TESTS=ON",
        "-DTT_SANITIZE=ON",
        minutes=2,
    )
    _run(_tool("cmake"), "--build", str(build), "--target", "tt_tests", "-j2", minutes=40)
    return build / "tt_tests"


def test_floor_tests_pass_under_sanitizers(binary):
    shared = ROOT.parent / "shared"
    environment = {"JAX_TT_SHARED": str(shared)} | dict(os.environ) if shared.is_dir() else dict(os.environ)
    for run in ("1", "2"):  # of a small program, after which its kernels are not needed any more
        print(_run(str(binary), minutes=20, env=environment | {"JAX_TT_RECORD_RUN": run}))
