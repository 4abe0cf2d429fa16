"""Progress bars on a terminal: texts or bytes, speed, time left; nothing elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from mlir_harness.text import plain


class Amount(ProgressColumn):
    """Texts done of all, or bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._texts, self._bytes = MofNCompleteColumn(), DownloadColumn()

    def render(self, task: Task) -> Text:
        return (self._bytes if task.fields.get("bytes") else self._texts).render(task)


class Speed(ProgressColumn):
    """Tokens per second of a step, where the encoder counts them, or bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = TransferSpeedColumn()

    def render(self, task: Task) -> Text:
        if task.fields.get("bytes"):
            return self._bytes.render(task)
        tokens = task.fields.get("tokens", 0)
        seconds = task.finished_time or task.elapsed
        if not tokens or not seconds:
            return Text("")
        return Text(f"{tokens / seconds:,.0f} tokens/s")


class Bars:
    """A request.Watcher that draws on standard error."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            Amount(),
            Speed(),
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

    @property
    def drawn(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self._console.is_terminal

    def retitle(self, what: str) -> None:
        """The step goes on, with something else."""
        if self.drawn and self._step is not None:
            self._progress.update(self._step, description=plain(what, 80))

    def stop(self) -> None:
        if self._console.is_terminal and self._step is not None:
            self._progress.remove_task(self._step)
            self._step = None

    def transfer(self, what: str, done: int, total: int | None) -> None:
        self.stop()
        if self._console.is_terminal:
            self._step = self._progress.add_task(
                plain(what, 80), total=total, completed=done, bytes=True
            )

    def received(self, count: int) -> None:
        if self._console.is_terminal and self._step is not None:
            self._progress.update(self._step, advance=count)

    def texts(self, done: int, tokens: int) -> None:
        if self._console.is_terminal and self._step is not None:
            self._tokens += tokens
            self._progress.update(self._step, advance=done, tokens=self._tokens)

    def announce(self, message: str) -> None:
        self._console.print(Text(plain(message, 400)), highlight=False)

    def note(self, message: str) -> None:
        self._console.print(Text(plain(message, 400)), style="dim", highlight=False)
