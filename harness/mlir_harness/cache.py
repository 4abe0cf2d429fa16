"""The cache of encoded texts: one safetensors shard per few thousand texts, checked on reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import xxhash

from mlir_harness import files, fingerprint
from mlir_harness.protocols import Context
from mlir_harness.text import described
from mlir_harness.types import Array
from mlir_harness.vectors import Stored, from_tensors

SHARD = 4096  # texts; what a killed run repeats at most
_HINT = "Free some space, or name another folder with --cache-dir."


class Damaged(Exception):
    """A shard that cannot be trusted; the texts are encoded again."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Where the vectors of a few thousand texts are, or will be.

    Attributes:
        path: named by encoder, context and the texts themselves.
        texts: how many.
    """

    path: Path
    texts: int

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one process encodes a shard; the others wait and read."""
        path = self.path.with_suffix(".lock")
        with files.locked("vectors", path, _HINT):
            yield
            if self.exists():  # from here on nobody waits for it: a lock file less per shard
                with suppress(OSError):
                    path.unlink()

    def exists(self) -> bool:
        return self.path.exists()

    def read(self) -> tuple[Stored, int]:
        """The vectors and how many texts were truncated.

        Raises:
            FileNotFoundError: not encoded yet.
            Damaged: size, checksum, shape or values are not what was written.
        """
        try:
            with safetensors.safe_open(self.path, framework="numpy") as stored:
                header = stored.metadata() or {}
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            truncated = int(header["truncated"])
        except FileNotFoundError:
            raise
        except Exception as error:  # safetensors' own error class has no stable home
            raise Damaged(described(error)) from error
        if header.get("checksum") != self._checksum(tensors, truncated):
            raise Damaged("its checksum does not match")
        try:
            vectors = from_tensors(tensors)
        except ValueError as error:
            raise Damaged(described(error)) from error
        if len(vectors) != self.texts:
            raise Damaged(f"it holds {len(vectors)} vectors for {self.texts} texts")
        return vectors, truncated

    def write(self, vectors: Stored, truncated: int) -> None:
        """Store vectors; raises StoreError if the disk is full or read-only."""
        tensors = dict(vectors.tensors())
        header = {"checksum": self._checksum(tensors, truncated), "truncated": str(truncated)}
        content = safetensors.numpy.save(tensors, metadata=header)
        with files.writing("vectors", self.path, _HINT):
            files.replace_file(self.path, content)

    def _checksum(self, tensors: dict[str, Array], truncated: int) -> str:
        """Covers the shard's name too: a file copied to another's place is noticed."""
        name = f"{self.path.parents[1].name}/{self.path.stem}"
        state = xxhash.xxh3_128(f"{name}:{truncated}".encode())
        for tensor in sorted(tensors):
            state.update(f"{tensor}:{tensors[tensor].dtype}:{tensors[tensor].shape}".encode())
            state.update(np.ascontiguousarray(tensors[tensor]).data)
        return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Cache:
    """The shards of one encoder.

    Attributes:
        folder: the cache's root.
        encoder: the encoder's fingerprint.
        corpus: fingerprint of the documents that the encoder is fitted to, "" if it is to none.
    """

    folder: Path
    encoder: str
    corpus: str = ""

    @property
    def home(self) -> Path:
        return self.folder / "vectors" / self.encoder

    def shard(self, texts: Sequence[str], context: Context, *, by_language: bool) -> Shard:
        """The shard that holds these texts in this context.

        Args:
            texts: at most a few thousand.
            context: role and instruction count, languages only if `by_language`.
            by_language: the encoder treats languages differently.
        """
        parts = {"role": context.role.value, "instruction": context.instruction}
        if by_language:
            parts["languages"] = fingerprint.of_texts("languages", {}, context.languages)
        if self.corpus:
            parts["corpus"] = self.corpus
        name = fingerprint.of_texts("shard", parts, texts)
        return Shard(self.home / name[:2] / f"{name}.safetensors", len(texts))
