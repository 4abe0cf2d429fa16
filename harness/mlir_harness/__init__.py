"""A modular evaluation harness for multilingual information retrieval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlir_harness.api import Report, evaluate

__all__ = ["Report", "evaluate"]


def __getattr__(name: str) -> Any:
    """Load the public names when they are asked for: the command line must start at once."""
    if name in __all__:
        from mlir_harness import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
