"""The floors of docs/architecture.md: every include and import looks down, and the house rules that a machine can check."""

import pytest

from tests.tools import floors


@pytest.mark.parametrize("check", floors.CHECKS, ids=lambda check: check.__name__)
def test_floors(check):
    assert check() == []


def test_the_check_finds_what_looks_up(tmp_path, monkeypatch):
    (tmp_path / "tt_lib/csrc/base").mkdir(parents=True)
    (tmp_path / "pjrt_plugin/ir").mkdir(parents=True)
    (tmp_path / "tt_lib/csrc/base/a.cpp").write_text('#include "metal/device.hpp"\nvoid f() { std::abort(); }\n')
    (tmp_path / "tt_lib/b.py").write_text("import models.digits_cnn\nfrom jax._src import core\n")
    (tmp_path / "pjrt_plugin/other").mkdir()
    (tmp_path / "pjrt_plugin/other/c.cpp").write_text("// A file.\n")
    monkeypatch.setattr(floors, "ROOT", tmp_path)
    assert floors.includes() == ["tt_lib/csrc/base/a.cpp includes metal/; it may see nothing"]
    assert floors.unlisted() == ["pjrt_plugin/other is not in the table of floors"]
    assert [line.split(";")[0] for line in floors.imports()] == ["tt_lib/b.py:1 imports models", "tt_lib/b.py:2 imports jax._src"]
    assert [line.split(" ")[0] for line in floors.house_rules()] == ["tt_lib/csrc/base/a.cpp", "tt_lib/csrc/base/a.cpp:2"]
