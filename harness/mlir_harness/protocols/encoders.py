"""What an encoder is, and what it may do besides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, runtime_checkable

from mlir_harness.types import (
    Array,
    Collection,
    DoubleArray,
    FloatArray,
    IntArray,
    Role,
)

UNTRAINED = "none"  # as EncoderInfo.training: nothing was learnt from any text


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
        training: the absolute path of the folder that holds a record of its training texts (see
            mlir_harness.contamination); UNTRAINED if there were none; "" if nothing is known. In
            no fingerprint.
        exact: True if a text has the same vector, to the last bit, whatever the other texts of a
            call, the number of threads and the device. Any fall of its scores is then a change
            for the worse, and none is noise. In no fingerprint.
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
    training: str = ""
    exact: bool = False


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
class Trainable(Protocol):
    """An encoder whose weights lie in a folder, from which training can begin."""

    @property
    def weights(self) -> str:
        """The folder, as transformers or sentence-transformers reads it; holds safetensors."""
        ...


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
