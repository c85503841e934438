"""Programs of several processes, each with cards of its own: what they run is in tests/hosts_program.py."""

import functools
import os
import pathlib
import subprocess
import sys

import pytest

from tests import hosts_program

ROOT = pathlib.Path(__file__).parent.parent


def run(program, cards=(2, 2), timeout=120, **environment):
    """Runs a program in as many processes as there are numbers of cards: the output of each, with 'exit N' at its end."""
    port = hosts_program.free_port()
    processes = []
    for process, count in enumerate(cards):
        command = [sys.executable, "-m", "tests.hosts_program", program, str(process), str(len(cards)), str(port)]
        variables = {**os.environ, "JAX_PLATFORMS": "tt,cpu", "JAX_TT_NUM_DEVICES": str(count), "JAX_TT_HOSTS_TIMEOUT": "60"}
        for name, value in environment.items():
            variables[name] = value[process] if isinstance(value, tuple) else value
        processes.append(subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    try:
        return [f"{process.communicate(timeout=timeout)[0]}\nexit {process.returncode}" for process in processes]
    finally:
        for process in processes:
            process.kill()


@functools.cache
def checked():
    return run("all_checks")


@pytest.mark.parametrize("name", hosts_program.CHECKS)
def test_two_processes_with_two_cards_each(name):
    for output in checked():
        assert f"passed {name}" in output, output


def test_processes_have_different_numbers_of_cards():
    for output in run("cards_of_different_numbers", cards=(1, 2, 3)):
        assert "sum 66.0" in output
        assert output.endswith("exit 0"), output


def test_arrays_move_between_processes_where_jax_has_a_port_for_that():
    for output in run("arrays_move_between_processes"):
        assert "moved" in output and output.endswith("exit 0"), output


def test_a_process_that_dies_fails_the_runs_of_the_others():
    survivor, dead = run("a_process_dies")
    assert dead.endswith("exit 3"), dead
    assert "process 1 (" in survivor, survivor
    assert "is gone: " in survivor.split("again:")[1], survivor
    assert survivor.endswith("exit 0")


def test_processes_that_run_different_programs_hear_of_both():
    first, second = run("programs_differ")
    for output in (first, second):
        assert output.count("all processes must run the same programs in the same order") >= 2, output
        assert "sum 2016.0" in output  # the order is right again
    assert "another program of that name" in first


def test_a_process_that_stays_away_is_not_waited_for_without_end():
    waiting, _ = run("a_process_stays_away", JAX_TT_HOSTS_TIMEOUT="2")
    assert "from which nothing has come for 2 s; where it needs longer to get there, set JAX_TT_HOSTS_TIMEOUT" in waiting, waiting


def test_processes_with_other_cards_are_refused():
    for output in run("the_client_fails", JAX_TT_ARCH=("e150", "e75")):
        assert "set JAX_TT_ARCH alike for all processes" in output, output


def test_a_timeout_that_is_no_number_is_refused():
    for output in run("the_client_fails", JAX_TT_HOSTS_TIMEOUT="soon"):
        assert 'JAX_TT_HOSTS_TIMEOUT is "soon", expected a number of seconds' in output, output


def test_an_address_that_others_cannot_reach_is_named():
    first, second = run("the_client_fails", JAX_TT_HOSTS_ADDRESS=("127.0.0.77:x", "localhost"), JAX_TT_HOSTS_TIMEOUT="3")
    assert "[hosts] process 1 reaches process 0 at none of its addresses:" in second, second
    assert "[hosts] process 1 has not called for 3 s" in first, first
