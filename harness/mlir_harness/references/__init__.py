"""Published figures, their sources and protocols, and beside which results they may stand."""

from mlir_harness.references.held import (
    EVERY,
    Figure,
    Source,
    System,
    Table,
    chosen,
    sources,
)
from mlir_harness.references.matching import Match, Refusal, Value, match

__all__ = [
    "EVERY",
    "Figure",
    "Match",
    "Refusal",
    "Source",
    "System",
    "Table",
    "Value",
    "chosen",
    "match",
    "sources",
]
