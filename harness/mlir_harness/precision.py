"""Cells computed in half precision beside the same cells in float32: what that cost and saved."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from mlir_harness import listing
from mlir_harness.results import CellResult, Lowered
from mlir_harness.text import plain

FULL = "fp32"
_IDENTITY = ("plugin", "revision", "similarity", "language_aware", "max_tokens")
_TIMED = 5.0  # seconds; what takes less says nothing of speed


def compared(cells: Sequence[CellResult], output: Path | None) -> list[CellResult]:
    """The cells; those computed in less than float32 say what that changed.

    Args:
        cells: of one run.
        output: where results are stored; what the run does not hold is looked up there.
    """
    return [_beside(cell, cells, output) for cell in cells]


def _beside(cell: CellResult, cells: Sequence[CellResult], output: Path | None) -> CellResult:
    precision = _precision(cell)
    if cell.status != "ok" or precision in ("", FULL):
        return cell
    stored: Iterator[CellResult] = listing.scored(output, cell.task) if output else iter(())
    for other in chain(cells, stored):
        if other.status == "ok" and _precision(other) == FULL and _same(cell, other):
            return replace(cell, lowered=_lowered(cell, other, precision))
    return replace(cell, lowered=Lowered(precision))


def _lowered(cell: CellResult, full: CellResult, precision: str) -> Lowered:
    measure = cell.main_measure
    changed = {
        group: means[measure] - full.summary[group][measure]
        for group, means in cell.summary.items()
        if "/" not in group and measure in means and measure in full.summary.get(group, {})
    }
    known = {group: change for group, change in changed.items() if not math.isnan(change)}
    return Lowered(precision, full.encoder, known, _speed(cell, full))


def _precision(cell: CellResult) -> str:
    return str(_part(_part(cell.details, "encoder"), "options").get("precision", ""))


def _same(cell: CellResult, other: CellResult) -> bool:
    """Whether the two differ in nothing but precision, as far as scores go."""
    prints = ("data", "protocol")
    if any(cell.fingerprints.get(name) != other.fingerprints.get(name) for name in prints):
        return False
    return _identity(cell) == _identity(other)


def _identity(cell: CellResult) -> list[Any]:
    encoder = _part(cell.details, "encoder")
    options = {key: value for key, value in _part(encoder, "options").items() if key != "precision"}
    return [options, *(encoder.get(key) for key in _IDENTITY)]


def _speed(cell: CellResult, full: CellResult) -> float | None:
    """Seconds to encode everything in float32, by seconds in this precision."""
    seconds = []
    for each in (cell, full):
        work, texts = _part(each.details, "work"), _part(each.details, "texts")
        if not texts.get("unique") or work.get("encoded") != texts["unique"]:
            return None  # some vectors were there already
        seconds.append(float(work.get("encode_seconds") or 0.0))
    same = all(cell.details.get(key) == full.details.get(key) for key in ("environment", "device"))
    return seconds[1] / seconds[0] if same and min(seconds) >= _TIMED else None


def _part(held: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of what a file said, which somebody may have edited."""
    part = held.get(name)
    return part if isinstance(part, Mapping) else {}


def note(cell: CellResult, short: Mapping[str, str]) -> str | None:
    """What a reader must know of a cell's precision, if anything; `short` names groups."""
    lowered = cell.lowered
    if lowered is None:
        return None
    name = plain(cell.encoder)
    if lowered.beside is None:
        option = shlex.quote(f"{name}.precision={FULL}")
        return (
            f"{name}: computed in {lowered.precision}. What that changes is shown here once there "
            f"are results in {FULL} too: --option {option}"
        )
    changes = ", ".join(
        f"{short.get(group, group)} {change:+.4f}" for group, change in lowered.difference.items()
    )
    other = "" if lowered.beside == cell.encoder else f" ({plain(lowered.beside)})"
    speed = "" if lowered.speed is None else f"; encoded {lowered.speed:.2f} times as fast"
    return (
        f"{name}: {lowered.precision} instead of {FULL}{other} changes {cell.main_measure} by "
        f"{changes or 'nothing known'}{speed}."
    )
