"""What makes ranks worthless though nothing failed: ties, and vectors that are all zero."""

from __future__ import annotations

from statistics import fmean

from mlir_harness.results import CellResult
from mlir_harness.text import plain

_MUCH = 0.5  # a sound encoder stays far below it in one kind of settings at least


def note(cell: CellResult) -> str:
    """One line if most of a cell's ranks, or vectors, say nothing of its texts; else ""."""
    said = []
    texts = cell.details.get("texts", {})
    zero, unique = texts.get("zero", 0), texts.get("unique", 0)
    if unique and zero / unique > _MUCH:
        said.append(f"{zero:,} of {unique:,} vectors are all zero")
    tied = _tied(cell)
    if tied > _MUCH:
        said.append(
            f"{tied:.0%} of relevant documents tie with others: their ranks are left to chance"
        )
    return f"{plain(cell.encoder)} × {plain(cell.task)}: {'; '.join(said)}." if said else ""


def _tied(cell: CellResult) -> float:
    """Share of relevant documents that tie with others, in the kind of settings with the fewest.

    Words of one language are seldom found in another, so that BM25 ties nearly all across
    languages and is none the worse for it in one.
    """
    kinds: dict[str, list[float]] = {}
    for setting in cell.settings:
        kinds.setdefault(setting.kind, []).append(setting.tie_rate)
    return min(map(fmean, kinds.values()), default=0.0)
