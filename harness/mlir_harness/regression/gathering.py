"""Cells for a baseline or a check: evaluated now, or read from stored results."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from mlir_harness.errors import Exit, HarnessError, StoreError, UsageError
from mlir_harness.newest import newest
from mlir_harness.regression import cells
from mlir_harness.regression.cells import Cell
from mlir_harness.regression.checking import Found
from mlir_harness.results import CellResult
from mlir_harness.text import plain


class NothingStored(HarnessError):
    """A folder of results holds none."""

    exit_code = Exit.NOTHING_RAN


def evaluated(results: Iterable[CellResult], measures: Collection[str], *, variants: bool) -> Found:
    """What a run gave.

    Args:
        results: its cells.
        measures: to keep; () for each one's main measure.
        variants: keep settings of variants too.
    """
    held: list[Cell] = []
    failed: dict[tuple[str, str], str] = {}
    for result in results:
        reason = result.reason if result.status != "ok" else None
        if reason is None:
            try:
                held.append(cells.cell(result, measures, variants=variants))
            except StoreError as error:
                reason = result.reason or error.message
        if reason is not None:
            failed[result.encoder, result.task] = plain(reason, 300)
    return Found(held, failed)


def stored(folder: Path) -> list[CellResult]:
    """The newest scores of every cell in a folder of results.

    Args:
        folder: as --output names it.

    Raises:
        UsageError: there is no such folder, or two cells of it have one key.
        NothingStored: it holds no scores.
        StoreError: scores cannot be read, or are of a later version.
    """
    named = plain(str(folder), 300)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {named}", "Name one that --output named before.")
    found = list(newest(folder))
    if not found:
        raise NothingStored(
            f"no scores are stored in {named}", "mlir-harness run --output DIR puts some there."
        )
    return found
