"""Exports of scores alone: tables for papers, mteb's result files, the metadata of a card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from mlir_harness import formats
from mlir_harness.comparing.marks import Marks
from mlir_harness.errors import DataError, UsageError
from mlir_harness.exporting import card, export_file, export_folder, latex, mteb
from mlir_harness.results import CellResult
from mlir_harness.text import plain

Form: TypeAlias = Literal["csv", "latex", "markdown", "card", "mteb"]

_MARKDOWN = f"{export_file.BEGINNINGS['markdown']} -->\n\n"
_UNREAD = "Name another file with -o, or print the metadata with -o -."


def check(form: Form, place: Path | None, encoders: Sequence[str], *, force: bool) -> None:
    """See that an export of this form may be written, before anything is computed for it.

    Args:
        form: what is to be written.
        place: the file, of `mteb` the folder; None for standard output.
        encoders: as they were asked for.
        force: whether something else may be replaced.

    Raises:
        UsageError: it may not, or encoders are missing or too many.
        DataError: a card is there whose metadata cannot be read.
    """
    if not encoders:
        raise UsageError(f"--to {form} is of scores", "Name encoders with --encoders.")
    if form == "mteb":
        assert place is not None  # noqa: S101  the caller has seen to it
        export_folder.check(place, form, force=force)
    elif form == "card":
        _check_one(encoders)
        card.merged(_card(place), "", [])
    elif place is not None:
        export_file.check(place, form, force=force)


def write(
    form: Form,
    place: Path | None,
    cells: Sequence[CellResult],
    marks: Marks | None = None,
    *,
    force: bool,
) -> str:
    """Write the cells that have scores; returns what is left for standard output.

    Args:
        form, place, force: see `check`.
        cells: all of a run.
        marks: what stands at values in tables.

    Raises:
        UsageError, DataError: see `check`.
        StoreError: a file cannot be written.
    """
    scored = [cell for cell in cells if cell.status == "ok"]
    if form == "mteb":
        assert place is not None  # noqa: S101
        mteb.write(place, scored, force=force)
    else:
        text = _text(form, place, scored, marks)
        if place is None:
            return text
        if form != "card":
            export_file.check(place, form, force=force)
        export_file.write(place, text)
    return "".join(f"{_line(cell, place)}\n" for cell in scored)


def _text(form: Form, place: Path | None, cells: Sequence[CellResult], marks: Marks | None) -> str:
    if form == "csv":
        return formats.as_csv(cells)
    if form == "markdown":
        return f"{_MARKDOWN}{formats.as_markdown(cells, marks=marks)}"
    if form == "latex":
        return latex.as_latex(cells, marks)
    _check_one([*dict.fromkeys(cell.encoder for cell in cells)])
    return card.merged(_card(place), plain(cells[0].encoder), card.results(cells))


def _check_one(encoders: Sequence[str]) -> None:
    if len(encoders) > 1:
        raise UsageError(
            f"a card is of one encoder, not of {len(encoders)}", "Write a card for each."
        )


def _card(place: Path | None) -> str:
    try:
        return "" if place is None else export_file.read(place).decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{plain(str(place))} is no text in UTF-8", _UNREAD) from error


def _line(cell: CellResult, place: Path) -> str:
    sample = " (sample data)" if cell.sample else ""
    return plain(f"{cell.encoder} · {cell.task} · {cell.split}{sample}, in {place}", 600)
