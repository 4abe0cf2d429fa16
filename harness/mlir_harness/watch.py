"""Progress bars on a terminal: texts, tokens per second, time left; nothing elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mlir_harness.text import plain


class TokenSpeed(ProgressColumn):
    """Tokens per second of a step, where the encoder counts them."""

    def render(self, task: Task) -> Text:
        tokens = task.fields.get("tokens", 0)
        seconds = task.finished_time or task.elapsed
        if not tokens or not seconds:
            return Text("")
        return Text(f"{tokens / seconds:,.0f} tokens/s")


class Bars:
    """A runner.Watcher that draws on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TokenSpeed(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._step: TaskID | None = None
        self._tokens = 0

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, what: str, total: int) -> None:
        self.stop()
        self._tokens = 0
        if self._console.is_terminal:
            self._step = self._progress.add_task(plain(what, 80), total=total or None, tokens=0)

    def stop(self) -> None:
        if self._console.is_terminal and self._step is not None:
            self._progress.remove_task(self._step)
            self._step = None

    def texts(self, done: int, tokens: int) -> None:
        if self._console.is_terminal and self._step is not None:
            self._tokens += tokens
            self._progress.update(self._step, advance=done, tokens=self._tokens)

    def note(self, message: str) -> None:
        self._console.print(Text(plain(message, 400)), style="dim", highlight=False)
