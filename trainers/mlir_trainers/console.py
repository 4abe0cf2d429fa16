"""A training on the terminal: steps, losses, time left; in a log, a line at each validation."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_WIDTH = 160  # of lines that go to a file or a pipe


def console() -> Console:
    """Standard error, taking nothing for markup."""
    width = None if sys.stderr.isatty() else _WIDTH
    return Console(stderr=True, highlight=False, markup=False, emoji=False, width=width)


def printed() -> Console:
    """Standard output for tables, taking nothing for markup; wide unless it is a terminal."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width)


class Progressing:
    """A watch.Reporter that draws on standard error."""

    def __init__(self, drawn_on: Console) -> None:
        self._console = drawn_on
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=drawn_on,
            disable=not drawn_on.is_terminal,
        )
        self._task: TaskID | None = None
        self._steps = 0
        self._validation: float | None = None

    def __enter__(self) -> Progressing:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def note(self, message: str) -> None:
        self._console.print(message)

    def start(self, title: str, steps: int) -> None:
        self._steps, self._validation = steps, None
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(title, total=steps, losses="")
        if not self._console.is_terminal:
            self._console.print(f"{title}: {steps} steps")

    def step(self, done: int, loss: float | None, validation: float | None) -> None:
        shown = "  ".join(
            f"{name} {value:.3f}"
            for name, value in (("loss", loss), ("validation", validation))
            if value is not None
        )
        if self._task is not None:
            self._progress.update(self._task, completed=done, losses=shown)
        if not self._console.is_terminal and validation != self._validation:
            self._validation = validation
            self._console.print(f"  step {done} of {self._steps}: {shown}")
