"""What a plugin author writes: encoders and tasks, and what the harness asks of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self, runtime_checkable

from mlir_harness.types import (
    Array,
    Collection,
    DoubleArray,
    FloatArray,
    IntArray,
    Retrieval,
    Role,
)


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """What an encoder says of itself; everything that can change a vector is named here.

    Attributes:
        revision: changes whenever vectors may change: a weights hash, a commit, a version.
        options: the settings that vectors depend on (prompts, pooling, precision ...);
            part of the encoder's fingerprint. Batch sizes, devices and threads do not belong.
        similarity: "cosine" (the harness normalises) or "dot".
        language_aware: True if the same text may get another vector in another language.
            Where it is False, equal texts of different languages share one vector.
        dimension: length of a vector; None if unknown before the weights load.
        max_tokens: longer texts are truncated by the encoder; None if it never truncates.
        languages: BCP-47 tags it was made for; empty means any or unknown.
        licence: SPDX id or a few words.
        description: one line for people.
    """

    revision: str
    options: Mapping[str, str] = field(default_factory=dict)
    similarity: Literal["cosine", "dot"] = "cosine"
    language_aware: bool = False
    dimension: int | None = None
    max_tokens: int | None = None
    languages: tuple[str, ...] = ()
    licence: str = ""
    description: str = ""


def _silent(texts: int, tokens: int, truncated: int) -> None:
    """Nobody watches."""


def _unheard(message: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Context:
    """What is known about the texts of one `encode` call. Grows without breaking plugins.

    Attributes:
        role: queries or documents.
        languages: one BCP-47 tag per text.
        instruction: the task's, for models that follow instructions.
        progress: an encoder may call it after each batch with the number of texts done, of
            tokens read, and of texts that were truncated since the last call.
        note: an encoder may tell the user what went otherwise than was asked, and still went well.
    """

    role: Role
    languages: Sequence[str]
    instruction: str = ""
    progress: Callable[[int, int, int], None] = _silent
    note: Callable[[str], None] = _unheard


@runtime_checkable
class Vectors(Protocol):
    """Encoded texts, dense or sparse; row i belongs to texts[i]."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | IntArray) -> Self: ...

    def tensors(self) -> Mapping[str, Array]:
        """The arrays that a cache shard stores, by name."""
        ...

    def score(self, documents: Self) -> FloatArray:
        """All pairs, fast: float32 (len(self), len(documents)), higher is more similar."""
        ...

    def score_pairs(self, rows: IntArray, documents: Self, places: IntArray) -> DoubleArray:
        """Chosen pairs, exactly: of self[rows[i]] and documents[places[i]], (len(rows),) float64.

        Depends on the two vectors alone (never on blocks, threads or other pairs), to within
        float64 rounding. This is the score that ranks are defined by.
        """
        ...

    def score_exact(self, documents: Self) -> DoubleArray:
        """All pairs as `score_pairs` defines them: float64 (len(self), len(documents))."""
        ...

    def score_error(self, documents: Self) -> DoubleArray:
        """How far entries of `score` lie from `score_pairs` at most, by row: (len(self),)."""
        ...

    @property
    def norms(self) -> DoubleArray:
        """Euclidean norms: (len(self),) float64."""
        ...

    @property
    def rounding(self) -> float:
        """How far `score_pairs` of equal pairs may lie apart, in units of both norms."""
        ...


@runtime_checkable
class Encoder(Protocol):
    """Turns texts into vectors. Its factory is cheap; weights load at the first `encode`.

    The factory takes keyword options and raises `Unavailable(reason, command)` when weights
    or packages are missing. The encoder applies its own prompts and truncates.
    """

    @property
    def info(self) -> EncoderInfo: ...

    def encode(self, texts: Sequence[str], context: Context) -> Vectors | Array:
        """Encode `texts`: an array (n, dimension), row i for texts[i], finite, deterministic.

        float64 arrays and torch tensors are converted; [] gives (0, dimension).
        """
        ...


@runtime_checkable
class Counts(Protocol):
    """An encoder that can count its tokens cheaply, without loading weights."""

    def tokens(self, texts: Sequence[str], context: Context) -> IntArray:
        """Tokens per text before truncation, prompts included: (n,) int64."""
        ...


@runtime_checkable
class Closes(Protocol):
    """An encoder that holds memory or processes; freed before the next one loads."""

    def close(self) -> None: ...


@runtime_checkable
class Fits(Protocol):
    """An encoder whose vectors depend on all the documents (BM25 counts in how many a word is)."""

    def fit(self, documents: Sequence[Collection]) -> Encoder:
        """An encoder for these documents and for queries to them; the receiver is not changed.

        Args:
            documents: of one task, a collection per language. Their content is part of the key
                that vectors are cached under.
        """
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """The packages that an encoder needs and that cannot be installed beside the harness.

    Attributes:
        requirements: PEP 508, pinned: "laserembeddings[zh,ja]==1.1.2".
        python: the version of the interpreter, 3.11 or later: "3.11".
    """

    requirements: tuple[str, ...]
    python: str


@runtime_checkable
class Isolated(Protocol):
    """A factory whose encoders work in a process, and with packages, of their own.

    The factory itself is called in both: here for `info`, there to encode. Its module imports
    what `environment` brings only when it encodes.
    """

    @property
    def environment(self) -> Environment: ...


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
        cache_dir: where fetched files lie (data/<task>), and what a task prepared from large ones
            (corpora); None: $MLIR_HARNESS_CACHE, else the user's cache folder.
        strict: what is otherwise noted, such as judgements of unknown documents, is an error.
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
class Download:
    """A file that a task or an encoder is made of, and where it comes from.

    Attributes:
        url: https://…, or, of the Hugging Face hub, hf://OWNER/NAME@REVISION/PATH for a model and
            hf://datasets/OWNER/NAME@REVISION/PATH for a data set; all name one revision.
        path: where it lies, below the plugin's folder; of an archive, "" or the folder that its
            members are unpacked into.
        members: of an archive (zip, tar): member -> path below `path`; a member may stand
            for what ends in it. Nothing else is unpacked. None for an ordinary file.
        size: bytes to announce, as far as is known.
        sha256: of the file as published; "" is recorded at the first download.
    """

    url: str
    path: str
    members: Mapping[str, str] | None = None
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """A published figure beside the one found: "sentences (th)", 852, 852."""

    what: str
    expected: int
    found: int


@runtime_checkable
class Fetches(Protocol):
    """A plugin whose files can be downloaded; `mlir-harness fetch` asks it what.

    Of tasks, the task itself is asked. Of encoders it is the factory, which is given the folder as
    `files` and raises Unavailable where one is missing; a run that names the encoder fetches it
    and calls again. Its `licence`, if it has one, is shown first.
    """

    def downloads(self, languages: tuple[str, ...]) -> Sequence[Download]:
        """The files of these languages; () for all, as encoders are always asked."""
        ...


@runtime_checkable
class Finishes(Protocol):
    """An encoder's factory whose downloaded files need work before they can be used."""

    def finish(self, files: str) -> None:
        """Do it, once all files have come into the folder `files`.

        Called whenever they are found complete, by one process at a time: quick where it has
        been done, whole again where it was killed.

        Raises:
            Unavailable: it cannot be done here.
        """
        ...


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
