"""The programs of tests/payloads as JAX sends them: `python -m tests.tools.payloads` writes NAME.mlirbc beside each NAME.mlir."""

import pathlib

from jax.extend.mlir import ir
from jax.interpreters import mlir
from jaxlib.mlir.dialects import stablehlo

FOLDER = pathlib.Path(__file__).parent.parent / "payloads"
VERSION = "1.13.7"  # the one that the plugin asks JAX for


def payload(text: str) -> bytes:
    """MLIR bytecode with VHLO inside."""
    with mlir.make_ir_context():
        return stablehlo.serialize_portable_artifact(ir.Module.parse(text), VERSION)


def as_printed(text: str) -> str:
    """The text as MLIR prints it, with locations if it has any."""
    with mlir.make_ir_context():
        return ir.Module.parse(text).operation.get_asm(enable_debug_info="loc(" in text)


def programs() -> list[pathlib.Path]:
    return sorted(FOLDER.glob("*.mlir"))


if __name__ == "__main__":
    for path in programs():
        path.with_suffix(".mlirbc").write_bytes(payload(path.read_text()))
