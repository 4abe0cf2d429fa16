"""The newest scores in a folder of results, to compare or to hold against a baseline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mlir_harness.errors import StoreError, UsageError
from mlir_harness.results import CellResult, dated, read_cell
from mlir_harness.text import plain


def newest(root: Path) -> Iterator[CellResult]:
    """The newest scores of every encoder, task and split, of real data and of the sample.

    Args:
        root: as --output names it.

    Raises:
        UsageError: two folders hold the same cell.
        StoreError: the newest scores of an encoder on a task cannot be read, so that older ones
            would stand for them; or results are of a later version.
    """
    homes: dict[tuple[str, str, str, bool], Path] = {}
    for _, path in dated(root.glob("*/*/*/manifest.json")):
        cell, home = read_cell(path.parent), path.parent.parent
        if cell is None:
            if home not in homes.values():
                raise StoreError(
                    f"the scores in {plain(str(path.parent), 300)} cannot be read",
                    "Evaluate again, or remove that folder.",
                )
            continue
        key = cell.task, cell.split, cell.encoder, cell.sample
        if key not in homes:
            homes[key] = home
            yield cell
        elif homes[key] != home:
            sample = ", sample data" if cell.sample else ""
            raise UsageError(
                plain(f"two cells are of {cell.encoder} × {cell.task} ({cell.split}{sample})", 300)
                + f": {plain(str(homes[key]), 300)} and {plain(str(home), 300)}",
                "Remove the one that is not meant.",
            )
