"""The benchmark: a name selects one row; rows of each set are measured and printed, and refusals, too."""

import collections
import json

import jax.numpy as jnp
import pytest

from tests.bench.__main__ import SETS, main
from tests.bench.parts import normal, row


def test_each_name_is_of_one_row():
    names = collections.Counter(row.name for rows in SETS.values() for row in rows)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name, rows", [("table", "tiny"), ("operations", "relu,clip"), ("programs", "hmc")])
def test_rows_of_each_set_are_measured_and_printed(name, rows, tmp_path, capsys):
    file = tmp_path / "figures.json"
    main(["--set", name, "--rows", rows, "--runs", "3", "--no-memory", "--json", str(file)])
    header, *printed, mean = capsys.readouterr().out.splitlines()
    results = json.loads(file.read_text())["rows"]
    assert [result["name"] for result in results] == rows.split(",")
    assert all(result["ratio"] > 0 and result["programs"] > 0 for result in results)
    assert header.startswith("row ") and mean.startswith("geometric mean: time ")
    order = [line.split()[0] for line in printed if line]
    by_ratio = [result["name"] for result in sorted(results, key=lambda result: -result["ratio"])]
    assert order == rows.split(",") + ([] if name == "table" else ["by", "row", *by_ratio])


def test_a_refusal_is_printed(monkeypatch, capsys):
    def refused(x):
        raise NotImplementedError("not\nthis one")

    monkeypatch.setitem(SETS, "operations", [row("bad", refused, normal(4)), row("good", jnp.tanh, normal(4))])
    main(["--set", "operations", "--runs", "3"])
    printed = capsys.readouterr().out
    assert printed.count("bad                 refused: cpu: this one\n") == 2 and "geometric mean" in printed
