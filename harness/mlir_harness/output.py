"""What a run prints: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console

from mlir_harness import details, failures, formats, tables
from mlir_harness.errors import Exit, StoreError
from mlir_harness.exporting import latex
from mlir_harness.indexing import search_table
from mlir_harness.text import plain

if TYPE_CHECKING:
    from mlir_harness.comparing.marks import Marks
    from mlir_harness.plan import PlannedCell
    from mlir_harness.references import Source
    from mlir_harness.results import CellResult

_WIDTH = 160  # of tables that go to a file or a pipe


def take_stdout() -> IO[str]:
    """Standard output for results alone.

    From now on whatever plugins, libraries and their child processes print to file descriptor
    1 goes to standard error.
    """
    try:
        sys.stdout.flush()
        kept = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    except (OSError, ValueError):
        return sys.stdout  # replaced by something that is no file
    return open(kept, "w", encoding=sys.stdout.encoding, errors="backslashreplace")  # noqa: PTH123


def console(stream: IO[str]) -> Console:
    """A console that takes nothing for markup; wide unless it is a terminal."""
    width = None if "COLUMNS" in os.environ else _WIDTH
    if width and stream.isatty():
        try:
            width = os.get_terminal_size(stream.fileno()).columns or None
        except OSError:
            width = None
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width)


class Output:
    """Standard output in one of the formats; a reader that went away is no error.

    `sources` are those of published figures, to be shown beside results.
    """

    def __init__(
        self,
        stream: IO[str],
        form: str,
        *,
        details: bool = False,
        sources: Sequence[Source] = (),
    ) -> None:
        self._stream = stream
        self._form = form
        self._details = details
        self._sources = sources

    def show(self, held: Mapping[str, Any], *drawn: Any) -> None:
        """What is `held` as JSON, or as it is `drawn` for people."""
        if self._form == "json":
            self._write(f"{json.dumps(held, indent=1)}\n")
        else:
            self._print(*drawn)

    def cells(self, cells: Sequence[CellResult], marks: Marks | None = None) -> None:
        if self._form == "json":
            self._write(f"{formats.as_json(cells, self._sources, marks)}\n")
        elif self._form == "csv":
            self._write(formats.as_csv(cells, self._sources))
        elif self._form == "markdown":
            self._write(formats.as_markdown(cells, self._sources, marks))
        elif self._form == "latex":
            self._write(latex.as_latex(cells, marks))
        elif any(cell.status == "ok" for cell in cells):
            self._print(tables.summary(cells, self._sources, marks))
            if any(cell.search is not None and cell.search.summary for cell in cells):
                self._print("", search_table.summary(cells))
            if self._details:
                self._print("", details.details(cells))

    def plan(self, planned: Sequence[PlannedCell], failed: Sequence[CellResult]) -> None:
        if self._form == "json":
            self._write(f"{formats.plan_as_json(planned, failed)}\n")
        elif planned:
            self._print(tables.planned(planned))

    def text(self, text: str) -> None:
        """As it is."""
        self._write(text)

    def lines(self, lines: Iterable[str]) -> None:
        self._write("".join(f"{line}\n" for line in lines))

    def _print(self, *parts: Any) -> None:
        drawn = console(self._stream)
        with drawn.capture() as captured:
            for part in parts:
                drawn.print(part)
        text = captured.get()
        if not drawn.is_terminal:
            text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
        self._write(text)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:
            # What is left in the buffer goes nowhere, or closing would raise once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not isinstance(error, BrokenPipeError):
                raise StoreError(
                    f"cannot write to standard output: {error.strerror}",
                    "The results are stored; the same command prints them again.",
                ) from error


def report(cells: Iterable[CellResult], errors: Console, *, debug: bool) -> None:
    """What did not work, why, and what to do."""
    troubled = [cell for cell in cells if cell.reason or _search_failed(cell)]
    if any(cell.reason for cell in troubled):
        errors.print(failures.failures(troubled), soft_wrap=True)  # so that commands can be copied
    if any(_search_failed(cell) for cell in troubled):
        errors.print(search_table.failures(troubled), soft_wrap=True)
    if debug:
        for cell in troubled:
            traces = [cell.details.get("traceback", ""), cell.search and cell.search.traceback]
            for line in (line for trace in traces for line in str(trace or "").splitlines()):
                errors.print(plain(line, 1000), soft_wrap=True)


def _search_failed(cell: CellResult) -> bool:
    return cell.search is not None and cell.search.reason is not None


def exit_code(done: int, cells: Iterable[CellResult]) -> Exit:
    """Of a run that was neither interrupted nor called in a wrong way.

    Args:
        done: cells that did, or could, what was asked.
        cells: those that did not among them.
    """
    if not done:
        return Exit.NOTHING_RAN
    failed = any(
        _search_failed(cell)
        or (cell.reason and (cell.status != "unavailable" or cell.details.get("wanted", True)))
        for cell in cells
    )
    return Exit.SOME_FAILED if failed else Exit.OK
