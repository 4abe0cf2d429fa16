"""What `evaluate` gives: the cells of a run as frames, JSON, lines and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlir_harness import references
from mlir_harness.results import CellResult
from mlir_harness.text import plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Report:
    """The cells of a run.

    Attributes:
        cells: encoder by encoder; failed ones say why in `reason` and `hint`.
        sources: of published figures that tables and JSON show beside them.
    """

    cells: tuple[CellResult, ...]
    sources: tuple[references.Source, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """One row per cell and setting, a column per measure. Needs pandas."""
        import pandas as pd

        from mlir_harness.formats import rows

        return pd.DataFrame(rows(self.cells))

    def to_json(self) -> str:
        """What `mlir-harness run --format json` prints."""
        from mlir_harness.formats import as_json

        return as_json(self.cells, self.sources)

    def __repr__(self) -> str:
        """A line for each cell; `rich.print` draws the tables of the command line."""
        return "\n".join(map(_line, self.cells)) or "no cells"

    def __rich__(self) -> Any:
        from rich.console import Group

        from mlir_harness import failures, tables
        from mlir_harness.indexing import search_table

        shown = [tables.summary(self.cells, self.sources), search_table.summary(self.cells)]
        failed = [module.failures(self.cells) for module in (failures, search_table)]
        return Group(*shown, *failed)

    def _repr_html_(self) -> str:
        from html import escape

        summaries = [
            {"encoder": cell.encoder, "task": cell.task, "status": cell.status} | _means(cell)
            for cell in self.cells
        ]
        names = list(dict.fromkeys(name for row in summaries for name in row))
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(row.get(name, ''))}</td>" for name in names) + "</tr>"
            for row in summaries
        )
        return f"<table><tr>{head}</tr>{body}</table>"


def _line(cell: CellResult) -> str:
    """What became of a cell, in a line."""
    sample = " (sample data)" if cell.sample else ""
    held = [f"{name} {value}" for name, value in _means(cell).items()]
    means = [each for each in held if "/" not in each] or held  # variants only where all are
    told = ", ".join(means) if means else f"{cell.status}: {plain(cell.reason or '')}"
    return f"{plain(cell.encoder)} × {plain(cell.task)}{sample}: {told}"


def _means(cell: CellResult) -> dict[str, str]:
    """The main measure by group of settings."""
    return {
        f"{group} {name}": f"{value:.3f}"
        for group, means in cell.summary.items()
        for name, value in means.items()
        if name == cell.main_measure and value is not None
    }
