"""The layering check: every include and import looks down. `python tests/tools/floors.py` prints what does not, for pre-commit."""

import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent.parent
MAX_LINES = 600

# Folder -> the folders it may include from, besides its own. docs/architecture.md draws the picture.
_LIBTT = ("base", "emulator", "kernel_api", "metal", "tensor", "dnn")
CPP = {f"tt_lib/csrc/{floor}": _LIBTT[:i] for i, floor in enumerate(_LIBTT)} | {
    "tt_lib/csrc/bindings": ("base", "metal", "tensor", "dnn"),
    "pjrt_plugin/ir": ("base",),
    "pjrt_plugin/stablehlo": ("base", "ir"),
    "pjrt_plugin/passes": ("base", "ir"),
    "pjrt_plugin/lowering": ("base", "emulator", "metal", "dnn", "ir"),
    "pjrt_plugin/executable": ("base", "emulator", "metal", "ir", "stablehlo", "passes", "lowering"),
    "pjrt_plugin/pjrt": ("base", "emulator", "metal", "ir", "stablehlo", "executable"),
}
# Package -> the packages of ours it may import.
PYTHON = {"jax_tt": (), "tt_lib": (), "models": ("jax_tt", "tt_lib")}
OURS = ("jax_tt", "tt_lib", "models", "tests", "libs")

_INCLUDE = re.compile(r'^#include "(\w+)/[^"]+"', re.MULTILINE)
_PROCESS_ENDS = re.compile(r"\b(?:std::)?(abort|exit|_exit|terminate|assert)\s*\(")


def includes() -> list[str]:
    """C++ files that include from a floor they may not see."""
    found = []
    for folder, seen in CPP.items():
        for path in sorted((ROOT / folder).rglob("*.?pp")):
            own = pathlib.Path(folder).name
            for target in _INCLUDE.findall(path.read_text()):
                if target != own and target not in seen:
                    found.append(f"{path.relative_to(ROOT)} includes {target}/; it may see {', '.join(seen) or 'nothing'}")
    return found


def unlisted() -> list[str]:
    """Folders of C++ that the table above does not know."""
    folders = {str(p.parent.relative_to(ROOT)) for top in ("tt_lib/csrc", "pjrt_plugin") for p in (ROOT / top).rglob("*.cpp")}
    return [f"{folder} is not in the table of floors" for folder in sorted(folders) if not any(folder.startswith(known) for known in CPP)]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def imports() -> list[str]:
    """Python files that import one of our packages they may not."""
    found = []
    for package, seen in PYTHON.items():
        for path in sorted((ROOT / package).rglob("*.py")):
            if "compat" in path.parts:
                continue  # the documented name of tt_lib
            for node in ast.walk(ast.parse(path.read_text())):
                for name in _imported(node):
                    top = name.split(".")[0]
                    if top in OURS and top != package and top not in seen:
                        found.append(
                            f"{path.relative_to(ROOT)}:{node.lineno} imports {top}; it may see {', '.join(seen) or 'nothing of ours'}"
                        )
                    if name.startswith("jax._src") and path.name != "_jax_internals.py":
                        found.append(
                            f"{path.relative_to(ROOT)}:{node.lineno} imports {name}; private names of JAX belong in jax_tt/_jax_internals.py"
                        )
    return found


def house_rules() -> list[str]:
    """C++ files without a purpose line, too long, or that end the process."""
    found = []
    for top in ("tt_lib/csrc", "pjrt_plugin"):
        for path in sorted((ROOT / top).rglob("*.?pp")):
            lines = path.read_text().splitlines()
            name = path.relative_to(ROOT)
            if not lines[0].startswith("// "):
                found.append(f"{name} does not begin with a line that says what it is for")
            if len(lines) > MAX_LINES:
                found.append(f"{name} has {len(lines)} lines, at most {MAX_LINES}")
            for number, line in enumerate(lines, 1):
                if "static_assert" not in line and _PROCESS_ENDS.search(line.split("//")[0]):
                    found.append(f"{name}:{number} may end the process: {line.strip()}")
    return found


CHECKS = (includes, unlisted, imports, house_rules)

if __name__ == "__main__":
    broken = [line for check in CHECKS for line in check()]
    print("\n".join(broken))
    sys.exit(bool(broken))
