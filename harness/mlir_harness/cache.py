"""The cache of encoded texts: one safetensors shard per few thousand texts, checked on reading."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import xxhash

from mlir_harness import files, fingerprint
from mlir_harness.protocols import Context
from mlir_harness.text import plain
from mlir_harness.types import Array
from mlir_harness.vectors import Dense

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

    def lock(self) -> AbstractContextManager[None]:
        """Only one process encodes a shard; the others wait and read."""
        with files.writing("vectors", self.path.parent, _HINT):
            return files.locked(self.path.with_suffix(".lock"))

    def exists(self) -> bool:
        return self.path.exists()

    def read(self) -> tuple[Dense, int]:
        """The vectors and how many texts were truncated.

        Raises:
            FileNotFoundError: not encoded yet.
            Damaged: size, checksum, shape or values are not what was written.
        """
        try:
            with safetensors.safe_open(self.path, framework="numpy") as stored:
                header = stored.metadata() or {}
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            truncated = int(header.get("truncated", 0))
        except FileNotFoundError:
            raise
        except Exception as error:  # safetensors' own error class has no stable home
            raise Damaged(f"{type(error).__name__}: {plain(str(error))}") from error
        matrix = tensors.get("matrix")
        if header.get("checksum") != _checksum(tensors) or matrix is None:
            raise Damaged("its checksum does not match")
        if matrix.ndim != 2 or len(matrix) != self.texts or matrix.dtype != np.float32:
            raise Damaged(f"it holds {matrix.dtype} {matrix.shape} for {self.texts} texts")
        return Dense(matrix), truncated

    def write(self, vectors: Dense, truncated: int) -> None:
        """Store vectors; raises StoreError if the disk is full or read-only."""
        tensors = dict(vectors.tensors())
        header = {"checksum": _checksum(tensors), "truncated": str(truncated)}
        content = safetensors.numpy.save(tensors, metadata=header)
        with files.writing("vectors", self.path, _HINT):
            files.replace_file(self.path, content)


def _checksum(tensors: dict[str, Array]) -> str:
    state = xxhash.xxh3_128()
    for name in sorted(tensors):
        state.update(f"{name}:{tensors[name].dtype}:{tensors[name].shape}".encode())
        state.update(np.ascontiguousarray(tensors[name]).data)
    return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Cache:
    """The shards of one encoder.

    Attributes:
        folder: the cache's root.
        encoder: the encoder's fingerprint.
    """

    folder: Path
    encoder: str

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
        name = fingerprint.of_texts("shard", parts, texts)
        return Shard(self.home / name[:2] / f"{name}.safetensors", len(texts))

    def sweep(self) -> None:
        """Delete unfinished files that dead processes left."""
        if self.home.exists():
            for folder in self.home.iterdir():
                files.sweep(folder)
