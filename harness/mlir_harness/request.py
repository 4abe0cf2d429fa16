"""What to evaluate and how, and who is told of the progress."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, get_args

from mlir_harness import embed, files, scoring
from mlir_harness.errors import UsageError
from mlir_harness.fetching import download
from mlir_harness.measures import Gain
from mlir_harness.text import did_you_mean, plain
from mlir_harness.types import SettingKind

KINDS = {
    "mono": SettingKind.MONOLINGUAL,
    "cross": SettingKind.CROSS_LINGUAL,
    "multi": SettingKind.MULTILINGUAL,
}
TIMEOUT = 1800.0
Ties: TypeAlias = Literal["hash", "trec"]
Data: TypeAlias = Literal["auto", "real", "sample"]


@dataclass(frozen=True)
class Request:
    """What to evaluate and how; the command line and `evaluate()` both make one.

    Attributes:
        encoders, tasks: names (see registry.resolve); "all" for everything ready here.
        languages: BCP-47 tags to keep; () for all.
        settings: of "mono", "cross", "multi"; () for all.
        split: "" for the task's default.
        data: see protocols.TaskOptions.
        data_dir: folder with the tasks' files, or with one folder per task.
        strict: see protocols.TaskOptions.
        download: fetch the files of tasks asked for by name that are not here, and those of
            encoders that "all" brings in; for encoders asked for by name they always are.
        output, cache_dir: where results and vectors go; None for no results, default cache.
        fresh: compute again what is stored.
        options: plugin name or label -> its options.
        offered: options for every encoder that knows them (device, precision, token_budget).
        ties, gain, depth: see scoring.Scoring; depth None for the task's own.
        search: "exact", or an approximate search to compare with it (see search.parse).
        weights: name or label of an encoder -> the folder with its weights.
        checkpoints: where trained encoders are looked for; None for $MLIR_HARNESS_CHECKPOINTS,
            else the folder `checkpoints`.
        isolate: every encoder works in a process of its own.
        timeout: seconds that an isolated encoder may go without finishing a batch.
    """

    encoders: Sequence[str]
    tasks: Sequence[str]
    languages: Sequence[str] = ()
    settings: Sequence[str] = ()
    split: str = ""
    data: Data = "auto"
    data_dir: str | None = None
    strict: bool = False
    download: bool = False
    output: Path | None = None
    cache_dir: Path | None = None
    fresh: bool = False
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    offered: Mapping[str, Any] = field(default_factory=dict)
    ties: Ties = "hash"
    gain: Gain = "linear"
    depth: int | None = None
    search: str = "exact"
    weights: Mapping[str, str] = field(default_factory=dict)
    checkpoints: Path | None = None
    isolate: bool = False
    timeout: float = TIMEOUT

    def checked(self) -> Request:
        """The same with absolute paths, which stay right if a plugin changes the folder.

        Raises:
            UsageError: a setting, ties or gain is unknown, or depth too small.
        """
        for what, names, known in (
            ("kind of setting", self.settings, [*KINDS]),
            ("source of data", [self.data], [*get_args(Data)]),
            ("order of ties", [self.ties], [*get_args(Ties)]),
            ("gain", [self.gain], [*get_args(Gain)]),
        ):
            for name in names:
                if name not in known:
                    raise UsageError(f"unknown {what} {plain(name)!r}", did_you_mean(name, known))
        if self.data == "sample" and self.data_dir is not None:
            raise UsageError(
                "--data sample and --data-dir exclude each other", "Leave one of them out."
            )
        if not self.timeout > 0:
            raise UsageError(
                f"a time-out of {self.timeout} seconds", "Give seconds, more than none."
            )
        if self.depth is not None and self.depth < scoring.LANGUAGES_CUTOFF:
            raise UsageError(
                f"a depth of {self.depth} is too small",
                f"Keep {scoring.LANGUAGES_CUTOFF} documents per query or more.",
            )
        return replace(
            self,
            data_dir=None if self.data_dir is None else str(_absolute(Path(self.data_dir))),
            output=None if self.output is None else _absolute(self.output),
            cache_dir=_absolute(self.cache_dir or files.cache_folder()),
            weights={name: str(_absolute(Path(where))) for name, where in self.weights.items()},
            checkpoints=_absolute(self.checkpoints or files.checkpoint_folder()),
        )


def _absolute(path: Path) -> Path:
    """An absolute path; ~ is the home of a user, where there is such a user."""
    return files.expanded(path).absolute()


class Watcher(embed.Watcher, download.Watcher, Protocol):
    """Is told what is going on; the command line draws it, the library is silent."""

    def start(self, what: str, total: int) -> None:
        """A step begins; `total` texts are ahead, 0 if it cannot be counted."""
        ...

    def stop(self) -> None:
        """The step ended."""
        ...


class Silent:
    """A watcher that draws nothing; what is about to be downloaded it says to the log."""

    def announce(self, message: str) -> None:
        # Without a configuration, Python shows warnings of a log on standard error.
        logging.getLogger("mlir_harness").warning(plain(message, 400))

    def start(self, what: str, total: int) -> None: ...
    def stop(self) -> None: ...
    def transfer(self, what: str, done: int, total: int | None) -> None: ...
    def received(self, count: int) -> None: ...
    def texts(self, done: int, tokens: int) -> None: ...
    def note(self, message: str) -> None: ...
