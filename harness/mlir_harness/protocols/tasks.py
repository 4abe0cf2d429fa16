"""What a task is, and what it may do besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from mlir_harness.types import Retrieval, Role


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What the person who runs a task may choose.

    Attributes:
        split: "" for the task's default.
        languages: query and document languages to keep; empty for all of the task's.
        data: "real" never falls back, "sample" takes the bundled sample, "auto" takes the sample
            where the real files are not on this machine and no folder was given.
        data_dir: a folder given by the user, with the task's files or a folder of its name;
            None: the task looks in $MLIR_HARNESS_DATA and below `cache_dir`.
        cache_dir: where fetched files lie (data/<task>) and what a task prepared from files too
            large for memory (corpora); None:
            $MLIR_HARNESS_CACHE, else the user's cache folder.
        strict: what is usually counted and noted, such as judgements of unknown documents, is
            an error.
        download: files that are missing may be fetched.
        extra: `--option TASK.key=value` pairs.
    """

    split: str = ""
    languages: tuple[str, ...] = ()
    data: Literal["auto", "real", "sample"] = "auto"
    data_dir: str | None = None
    cache_dir: str | None = None
    strict: bool = False
    download: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What a task says of itself.

    Attributes:
        version: part of the protocol fingerprint; raised when scores may change.
        languages: BCP-47 tags, in the order tables show them.
        splits: the first is the default; "" if there is none, and `load` then says which to name.
        measures: ir_measures names, main measure first.
        depth: how many top documents per query to keep with the results.
        folder: name of the folder that holds its files; "" for the task's own name.
        instruction: handed to encoders that follow instructions.
        parallel: a query's relevant documents of different languages say the same, so that
            language bias can be read off their ranks.
        translated: roles whose texts of one id say the same in every language, so that a model
            that was trained on one of them has seen them all.
        citation, licence, description: for people.
    """

    version: str
    languages: tuple[str, ...]
    measures: tuple[str, ...]
    splits: tuple[str, ...] = ("test",)
    depth: int = 10
    folder: str = ""
    instruction: str = ""
    parallel: bool = True
    translated: tuple[Role, ...] = ()
    citation: str = ""
    licence: str = ""
    description: str = ""

    @property
    def main_measure(self) -> str:
        return self.measures[0]


@runtime_checkable
class Task(Protocol):
    """Says which texts are queries, which are documents, and which pairs are relevant."""

    @property
    def info(self) -> TaskInfo: ...

    def load(self, options: TaskOptions) -> Retrieval:
        """Read the data; raises DataError naming file and place, or Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Count:
    """A published figure beside the one found: "sentences (th)", 852, 852."""

    what: str
    expected: int
    found: int


@runtime_checkable
class Reads(Protocol):
    """A task whose splits are read from files of their own.

    Without it, every file that can be downloaded counts as needed.
    """

    def reads(self, options: TaskOptions) -> Sequence[str]:
        """Paths, below the task's folder, of the files that `load` reads of what was published."""
        ...


@runtime_checkable
class Published(Protocol):
    """A task whose sizes were published; `mlir-harness data verify` compares."""

    def published(self, retrieval: Retrieval, options: TaskOptions) -> Sequence[Count]:
        """What the publication says of the languages and the split that were loaded.

        Args:
            retrieval: what `load` returned; nothing is published of a sample.
            options: what `load` was given.
        """
        ...
