"""The compiled core. What is in it stands in csrc/bindings, and in its docstrings."""

from typing import Any

def __getattr__(name: str) -> Any: ...
