"""Marks of the main table: better or worse than a baseline, and whether that is significant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlir_harness.comparing import table
from mlir_harness.comparing.compare import Difference, Pair, by_kind
from mlir_harness.comparing.formats import as_row
from mlir_harness.comparing.significance import LEVEL
from mlir_harness.errors import HarnessError, UsageError
from mlir_harness.results import CellResult
from mlir_harness.text import did_you_mean, plain

_Key = tuple[str, str]  # task and split


@dataclass(frozen=True)
class Marks:
    """How the encoders of a run differ from one of them, by kind of settings.

    Attributes:
        baseline: its name.
        differences: (task, split, encoder, kind, measure) -> the difference.
        notes: (task, split) -> how to read the marks, or why there are none.
    """

    baseline: str
    differences: Mapping[tuple[str, str, str, str, str], Difference]
    notes: Mapping[_Key, str]

    def difference(self, cell: CellResult, kind: str, measure: str) -> Difference | None:
        """Of a cell in a kind of settings; None of the baseline, and where nothing was tested."""
        return self.differences.get((cell.task, cell.split, cell.encoder, kind, measure))

    def mark(self, cell: CellResult, kind: str, measure: str) -> str:
        """What stands before a value: ▲ or ▼, and † if significant."""
        found = self.difference(cell, kind, measure)
        return "" if found is None else table.mark(found)

    def of(self, cell: CellResult) -> dict[str, Any] | None:
        """All that was found of a cell, by kind of settings; None of the baseline."""
        own = cell.task, cell.split, cell.encoder
        found = {key[3]: each for key, each in self.differences.items() if key[:3] == own}
        if not found:
            return None
        return {
            "baseline": self.baseline,
            "measure": next(key[4] for key in self.differences if key[:3] == own),
            "kinds": {kind: as_row(each) for kind, each in found.items()},
        }

    def note(self, cell: CellResult) -> str:
        """What a reader of the table with this cell must know."""
        return self.notes.get((cell.task, cell.split), "")


def known_baseline(name: str, encoders: Sequence[str]) -> None:
    """Raise UsageError if the baseline is none of the run's encoders."""
    if name not in encoders:
        raise UsageError(
            f"the baseline {plain(name)} is none of the encoders of this run",
            did_you_mean(name, list(encoders)),
        )


def marks(cells: Sequence[CellResult], baseline: str, *, seed: int = 0) -> Marks:
    """Test the encoders of a run against one of them.

    Args:
        cells: all of the run.
        baseline: the name of an encoder.
        seed: of resampling.
    """
    differences: dict[tuple[str, str, str, str, str], Difference] = {}
    notes: dict[_Key, str] = {}
    for key in dict.fromkeys((cell.task, cell.split) for cell in cells):
        own = {c.encoder: c for c in cells if (c.task, c.split) == key and c.status == "ok"}
        if baseline not in own:
            notes[key] = f"No marks: {plain(baseline)}, the baseline, has no scores here."
            continue
        others = [name for name in own if name != baseline]
        if not others:
            continue
        pairs = [Pair(own[baseline], own[name], (baseline, name)) for name in others]
        try:
            found = by_kind(pairs, seed=seed)
        except HarnessError as error:  # the table is shown all the same
            notes[key] = f"No marks: {error.message}"
            continue
        for each in found.main:
            group = str(each.group)
            differences[*key, each.names[1], group, found.measure] = each
        notes[key] = (
            f"▲ better, ▼ worse than {plain(baseline)}; † p ≤ {LEVEL:.2f} after Holm's "
            f"correction for {len(found.main)} tests on {plain(found.measure)}."
        )
    return Marks(baseline, differences, notes)
