"""Which StableHLO operations the card runs, found by compiling one of each; `python -m tests.tools.support` renews the page."""

import dataclasses
import pathlib
import re
import textwrap

import jax
from jax.extend import backend
from jax.extend.mlir import ir
from jax.interpreters import mlir
from jaxlib import xla_client
from jaxlib.mlir.dialects import _stablehlo_ops_gen as dialect

from tests.cases.stablehlo import ARGUMENTS, FLOATS, LEFT_OUT, PART, PROGRAMS, TYPES

PAGE = pathlib.Path(__file__).parent.parent.parent / "docs/stablehlo_support.md"
BEGIN, END = "<!-- begin: written by `python -m tests.tools.support` -->\n", "<!-- end -->\n"
_WIDTHS = {"f64": 64, "f32": 32, "bf16": 16, "f16": 16, "f4E2M1FN": 4}


@dataclasses.dataclass
class Support:
    """What became of one operation: the element types that it was compiled with, and those that were refused, with the reason."""

    lowered: list[str] = dataclasses.field(default_factory=list)
    refused: dict[str, str] = dataclasses.field(default_factory=dict)


def _width(element: str) -> int:
    return _WIDTHS.get(element) or (8 if element.startswith("f8") else int(element.strip("ui")))


def _typed(text: str, element: str) -> str:
    part = element.removeprefix("complex<").removesuffix(">")
    zero = "(0.0, 0.0)" if part != element else "0" if element.strip("ui").isdigit() else "0.0"
    unsigned = element if part != element else f"ui{_width(element)}"
    bits = "none" if part != element or element == "i1" else str(_width(element))  # "none" is nothing that MLIR reads
    for name, value in (("$T", element), ("$F", element), ("$R", part), ("$U", unsigned), ("$0", zero), ("$B", bits)):
        text = text.replace(name, value)
    return text


def program(operation: str, element: str) -> str | None:
    """A module that returns what the operation yields; None where StableHLO does not have it in that element type."""
    body = PROGRAMS[operation]
    used = [name for name in ARGUMENTS if re.search(rf"%{name}\b", body)]
    arguments = ", ".join(f"%{name}: {ARGUMENTS[name]}" for name in used)

    def text(results: str, returned: str) -> str:
        return _typed(f"func.func @main({arguments}){results} {{\n{body}\nreturn{returned}\n}}\n{PART}", element)

    try:
        module = ir.Module.parse(text("", ""))  # owns all that is read from it
        body_operations = list(module.body.operations[0].regions[0].blocks[0].operations)
        results = [str(result.type) for result in body_operations[-2].results]
        names = ["%r"] if len(results) == 1 else [f"%r#{i}" for i in range(len(results))]
        whole = text(f" -> ({', '.join(results)})", f" {', '.join(names)} : {', '.join(results)}")
        ir.Module.parse(whole)
        return whole
    except ir.MLIRError:
        return None


def _elements(operation: str) -> tuple[str, ...]:
    body = PROGRAMS[operation]
    return TYPES if "$T" in body else FLOATS if "$F" in body else ("f32",)


def support(operation: str) -> Support:
    """Compiles the operation in every element type; within an MLIR context."""
    client = backend.get_backend("tt")
    found = Support()
    for element in _elements(operation):
        text = program(operation, element)
        if text is None:
            continue
        try:
            client.compile_and_load(text, xla_client.DeviceList(tuple(client.local_devices())), xla_client.CompileOptions())
            found.lowered.append(element)
        except jax.errors.JaxRuntimeError as error:
            found.refused[element] = str(error)
    assert found.lowered or found.refused, f"the program of {operation} is not valid in any element type"
    return found


def dialect_operations() -> set[str]:
    """The operations that jaxlib knows."""
    names = (getattr(entry, "OPERATION_NAME", "") for entry in vars(dialect).values())
    return {name.removeprefix("stablehlo.") for name in names if name}


def _reason(error: str) -> str:
    """What the plugin said about the last operation that it listed."""
    last = error.strip().splitlines()[-1].strip()
    if last.startswith("vhlo."):
        return "not read"
    said = re.fullmatch(r"stablehlo\.\w+ at -:\d+(?:: (.*))?", last)
    if said is None:
        return last
    return "not lowered" if not said[1] or said[1].startswith("on tensor<") else said[1]


def _short(element: str) -> str:
    return {"complex<f32>": "c64", "complex<f64>": "c128"}.get(element, element)


def tables() -> str:
    """The generated part of the page."""
    everywhere: list[str] = []
    rows: dict[tuple[str, str], list[str]] = {}
    with mlir.make_ir_context():
        found = {operation: support(operation) for operation in sorted(PROGRAMS)}
    for operation, its in found.items():
        name, _, how = operation.partition(" ")
        shown = f"`{name}` {how}".strip()
        if not its.refused:
            everywhere.append(shown)
        where = ", ".join(_short(element) for element in its.refused) if its.lowered else "all"
        for reason in dict.fromkeys(_reason(error) for error in its.refused.values()):
            rows.setdefault((reason, where), []).append(shown)
    for operation, reason in LEFT_OUT.items():
        rows.setdefault((reason, "all"), []).append(f"`{operation}`")
    lowered = textwrap.fill(f"Lowered, in every element type that StableHLO gives them: {', '.join(everywhere)}.", 140)
    lines = [lowered, "", "| refused | element types | why |", "|---|---|---|"]
    lines += [f"| {', '.join(names)} | {where} | {reason} |" for (reason, where), names in sorted(rows.items())]
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with its generated part renewed."""
    head, rest = text.split(BEGIN)
    return head + BEGIN + tables() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
