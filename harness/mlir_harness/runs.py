"""Which of the stored cells are asked for, and how they are shown."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from rich.cells import cell_len, set_cell_size

from mlir_harness.listing import Told
from mlir_harness.results import CellResult, finite
from mlir_harness.tables import SHORT
from mlir_harness.text import cell as csv_cell
from mlir_harness.text import plain

SCHEMA = 1
_PRINTS = ("data", "protocol", "encoder")
_COLUMNS = (
    *("written", "encoder", "task", "split", "data", "status", "reason", "measure"),
    *SHORT,
    *(f"{name}_fingerprint" for name in _PRINTS),
    "folder",
)
_HEADINGS = ("written", "encoder", "task", "data", "fingerprints", "scores, and folder below")
_LONGEST = 40  # characters of a name that people see
_DIGITS = 6  # of a fingerprint, for people


@dataclass(frozen=True)
class Wanted:
    """Which stored cells are asked for.

    Attributes:
        encoders, tasks: patterns such as "tiny-*", of which one must fit; () for all.
        since: a date with a time zone; None for all.
        status: "ok" or "error" (whatever has no scores); "" for both.
        data: "real" or "sample"; "" for both.
        newest: of an encoder, task and split, the newest of those that fit alone.
    """

    encoders: Sequence[str] = ()
    tasks: Sequence[str] = ()
    since: datetime | None = None
    status: str = ""
    data: str = ""
    newest: bool = False

    def of(self, cells: Iterable[tuple[Told, CellResult]]) -> Iterator[tuple[Told, CellResult]]:
        """Those of `cells`, which come newest first, that are asked for."""
        seen = set()
        for told, cell in cells:
            key = (cell.encoder, cell.task, cell.split)
            if self._fits(told, cell) and not (self.newest and key in seen):
                seen.add(key)
                yield told, cell

    def _fits(self, told: Told, cell: CellResult) -> bool:
        return (
            _fits(cell.encoder, self.encoders)
            and _fits(cell.task, self.tasks)
            and (self.since is None or told.written >= self.since.timestamp() * 1e9)
            and self.status in ("", "ok" if cell.status == "ok" else "error")
            and self.data in ("", "sample" if cell.sample else "real")
        )


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


def record(told: Told, cell: CellResult) -> dict[str, Any]:
    """A stored cell as one flat row; times are in UTC."""
    values = (
        _moment(told).isoformat(timespec="seconds"),
        *(cell.encoder, cell.task, cell.split),
        "sample" if cell.sample else "real",
        *(cell.status, cell.reason, cell.main_measure),
        *(_mean(cell, kind) for kind in SHORT),
        *(cell.fingerprints.get(name) for name in _PRINTS),
        str(cell.folder),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def as_json(cells: Sequence[tuple[Told, CellResult]]) -> str:
    """One object with all records."""
    held = {"schema": SCHEMA, "runs": [record(*each) for each in cells]}
    return f"{json.dumps(finite(held), indent=1)}\n"


def as_csv(cells: Sequence[tuple[Told, CellResult]]) -> str:
    """A row per record; cells that a spreadsheet would take for formulas are quoted."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    rows = [finite(record(*each)) for each in cells]
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(
            [csv_cell(value) if isinstance(value, str) else value for value in row.values()]
        )
    return written.getvalue()


def lines(cells: Sequence[tuple[Told, CellResult]]) -> Iterator[str]:
    """Two lines per cell, newest first: scores or why there are none, and the folder.

    Not a table of rich's, which takes seconds for thousands of rows.
    """
    rows = [_HEADINGS, *(_row(*each) for each in cells)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    shown = ["  ".join(map(set_cell_size, row, widths)).rstrip() for row in rows]
    yield shown[0]
    yield "─" * cell_len(shown[0])
    for line, (_, cell) in zip(shown[1:], cells, strict=True):
        yield line
        yield f"    {plain(str(cell.folder), 400)}"
    yield "  Fingerprints of data, protocol and encoder: rows compare if the first two agree."


def _row(told: Told, cell: CellResult) -> tuple[str, ...]:
    prints = (cell.fingerprints.get(name, "–")[:_DIGITS] for name in _PRINTS)
    return (
        _moment(told).astimezone().strftime("%Y-%m-%d %H:%M"),
        plain(cell.encoder, _LONGEST),
        plain(f"{cell.task} · {cell.split}" if cell.split else cell.task, _LONGEST),
        "sample" if cell.sample else "real",
        plain(" ".join(prints)),
        _scores(cell),
    )


def _scores(cell: CellResult) -> str:
    if cell.status != "ok":
        return plain(f"{cell.status}: {cell.reason or 'unknown'}")
    means = [
        f"{short} {_mean(cell, kind):.3f}"
        for kind, short in SHORT.items()
        if not math.isnan(_mean(cell, kind))
    ]
    return plain(f"{cell.main_measure} {' '.join(means)}")


def _mean(cell: CellResult, kind: str) -> float:
    """Of the main measure; NaN where the cell has none."""
    return cell.summary.get(kind, {}).get(cell.main_measure, math.nan)


def _moment(told: Told) -> datetime:
    return datetime.fromtimestamp(told.written / 1e9, UTC)
