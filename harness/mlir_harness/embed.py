"""Every text encoded once: collections become vectors, shard by shard, through the cache."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from mlir_harness import fingerprint
from mlir_harness.cache import SHARD, Cache, Damaged, Shard
from mlir_harness.errors import EncoderError, HarnessError, StoreError
from mlir_harness.protocols import Context, Encoder, EncoderInfo
from mlir_harness.text import plain
from mlir_harness.types import Collection, IntArray, Role
from mlir_harness.vectors import Dense, as_vectors

_ROOM = 1.05  # disk space asked for, in times the vectors' size


class Watcher(Protocol):
    """Is told how encoding goes on."""

    def texts(self, done: int, tokens: int) -> None:
        """`done` more texts have vectors; `tokens` of them were read just now (0: cached)."""
        ...

    def note(self, message: str) -> None:
        """Something the user should know and need not act on."""
        ...


@dataclass(frozen=True, slots=True)
class Need:
    """One shard of unique texts of one collection.

    Attributes:
        collection: where the texts come from.
        rows: (n,) int64 rows of the texts in the collection.
        shard: where their vectors are stored.
    """

    collection: Collection
    rows: IntArray
    shard: Shard

    def texts(self) -> list[str]:
        return [self.collection.texts[row] for row in self.rows.tolist()]


@dataclass(frozen=True)
class Shelf:
    """The vectors of one role's unique texts, read from shards when they are wanted.

    Attributes:
        needs: shards in row order.
        rows: language -> (texts,) int64 vector row of each text; equal texts share a row.
        starts: (shards + 1,) int64 first vector row of each shard, and the end.
    """

    needs: tuple[Need, ...]
    rows: Mapping[str, IntArray]
    starts: IntArray

    def __len__(self) -> int:
        return int(self.starts[-1])

    def blocks(self) -> Iterator[tuple[int, Dense]]:
        for start, need in zip(self.starts[:-1].tolist(), self.needs, strict=True):
            yield start, _reread(need.shard)

    def take(self, rows: IntArray) -> Dense:
        """The vectors in `rows`, in that order; reads each shard at most once."""
        order = np.argsort(rows, kind="stable")
        ends = np.searchsorted(rows[order], self.starts)
        matrix = np.zeros((0, 0), np.float32)
        for need, start, first, last in zip(
            self.needs, self.starts[:-1], ends[:-1], ends[1:], strict=True
        ):
            if first < last:
                held = _reread(need.shard).matrix
                if not matrix.size:
                    matrix = np.zeros((len(rows), held.shape[1]), np.float32)
                at = order[first:last]
                matrix[at] = held[rows[at] - start]
        return Dense(matrix)


def _reread(shard: Shard) -> Dense:
    try:
        return shard.read()[0]
    except (FileNotFoundError, Damaged) as error:
        raise StoreError(
            f"cached vectors changed while they were in use: {shard.path} ({error})",
            "Run the command again; the missing part is encoded anew.",
        ) from error


@dataclass
class Tally:
    """What encoding took: part of a result's timings."""

    texts: int = 0
    unique: int = 0
    encoded: int = 0
    characters: int = 0
    tokens: int = 0
    truncated: int = 0
    notes: list[str] = field(default_factory=list)


def shelve(
    collections: Sequence[Collection], role: Role, instruction: str, info: EncoderInfo, cache: Cache
) -> Shelf:
    """Lay out the unique texts of one role in shards; encodes nothing.

    Within a language a text is encoded once. An encoder that ignores languages also shares
    the vector of a text that several languages have, so that such documents tie exactly.
    """
    needs: list[Need] = []
    hashes: list[IntArray] = []
    local: list[IntArray] = []
    for collection in collections:
        hashed = fingerprint.text_hashes(collection.texts)
        first, row_of = _distinct(hashed)
        local.append(row_of)
        hashes.append(hashed[first])
        for start in range(0, len(first), SHARD):
            rows = first[start : start + SHARD]
            texts = [collection.texts[row] for row in rows.tolist()]
            context = Context(role, [collection.language] * len(texts), instruction)
            shard = cache.shard(texts, context, by_language=info.language_aware)
            needs.append(Need(collection, rows, shard))
    offsets = np.cumsum([0, *map(len, hashes)])
    shared = np.arange(offsets[-1])
    if not info.language_aware and hashes:
        first, row_of = _distinct(np.concatenate(hashes))
        shared = first[row_of]
    rows_of = {
        collection.language: shared[offset + rows]
        for collection, rows, offset in zip(collections, local, offsets[:-1].tolist(), strict=True)
    }
    starts = np.cumsum([0, *(len(need.rows) for need in needs)]).astype(np.int64)
    return Shelf(tuple(needs), rows_of, starts)


def _distinct(hashes: IntArray) -> tuple[IntArray, IntArray]:
    """First row of each distinct hash, in order, and for each row the place of its hash."""
    if not len(hashes):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (hashes[order[1:]] != hashes[order[:-1]]).any(axis=1)
    group = np.cumsum(fresh) - 1
    first = order[fresh]  # the sort is stable: the first of equal hashes leads its group
    place = np.empty(len(first), np.int64)
    place[np.argsort(first)] = np.arange(len(first))
    row_of = np.empty(len(order), np.int64)
    row_of[order] = place[group]
    return np.sort(first), row_of


def fill(
    shelf: Shelf,
    role: Role,
    instruction: str,
    encoder: Callable[[], Encoder],
    info: EncoderInfo,
    watcher: Watcher,
    tally: Tally,
) -> None:
    """Encode every shard of `shelf` that is not cached.

    Args:
        shelf: from `shelve`.
        role, instruction: for the encoder.
        encoder: called when the first missing shard is met.
        info: the encoder's.
        watcher: told of progress.
        tally: added to.

    Raises:
        EncoderError: the encoder raised, or returned what its contract forbids.
        StoreError: vectors cannot be written.
    """
    tally.texts += sum(len(rows) for rows in shelf.rows.values())
    width: int | None = None
    for need in shelf.needs:
        tally.unique += len(need.rows)
        vectors, truncated = _cached(need.shard, watcher, tally)
        if vectors is None:
            with need.shard.lock():
                vectors, truncated = _cached(need.shard, watcher, tally)  # another may have won
                if vectors is None:
                    vectors, truncated = _encode(
                        need, role, instruction, encoder(), info, watcher, tally
                    )
                    need.shard.write(vectors, truncated)
                else:
                    watcher.texts(len(need.rows), 0)
        else:
            watcher.texts(len(need.rows), 0)
        tally.truncated += truncated
        if width is not None and vectors.matrix.shape[1] != width:
            raise EncoderError(
                f"returned {vectors.matrix.shape[1]} dimensions where it returned {width} before",
                "All vectors of an encoder must have the same dimension.",
            )
        width = vectors.matrix.shape[1]


def _cached(shard: Shard, watcher: Watcher, tally: Tally) -> tuple[Dense | None, int]:
    try:
        return shard.read()
    except FileNotFoundError:
        return None, 0
    except Damaged as error:
        message = f"cached vectors {shard.path.name} are damaged ({error}): encoding them again"
        if message not in tally.notes:
            tally.notes.append(message)
            watcher.note(message)
        return None, 0


def _encode(
    need: Need,
    role: Role,
    instruction: str,
    encoder: Encoder,
    info: EncoderInfo,
    watcher: Watcher,
    tally: Tally,
) -> tuple[Dense, int]:
    texts = need.texts()
    reported = truncated_texts = 0

    def progress(done: int, tokens: int, truncated: int) -> None:
        nonlocal reported, truncated_texts
        done = min(done, len(texts) - reported)
        reported += done
        truncated_texts += truncated
        tally.tokens += tokens
        watcher.texts(done, tokens)

    language = need.collection.language
    context = Context(role, [language] * len(texts), instruction, progress)
    try:
        answer = encoder.encode(texts, context)
    except HarnessError:
        raise
    except MemoryError as error:
        raise EncoderError(
            f"ran out of memory on {len(texts)} texts ({language})",
            "Lower --token-budget, or choose a smaller model.",
        ) from error
    except Exception as error:
        raise EncoderError(
            f"raised {type(error).__name__} on {len(texts)} {role.value} texts ({language}): "
            f"{plain(str(error))}",
            "Run again with --debug for the traceback.",
        ) from error
    vectors = as_vectors(answer, len(texts))
    bad = ~np.isfinite(vectors.matrix).all(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        name = need.collection.ids[int(need.rows[row])]
        raise EncoderError(
            f"returned NaN or infinite values for {int(bad.sum())} of {len(texts)} texts, first "
            f"for {role.value} {plain(name)} ({language}): {plain(texts[row], 60)!r}",
            "Half precision is a common cause: try --precision fp32.",
        )
    watcher.texts(len(texts) - reported, 0)
    tally.encoded += len(texts)
    tally.characters += sum(map(len, texts))
    return (vectors.normalised() if info.similarity == "cosine" else vectors), truncated_texts


def missing_bytes(shelf: Shelf, dimension: int) -> int:
    """Bytes that the vectors not yet cached will take."""
    texts = sum(len(need.rows) for need in shelf.needs if not need.shard.exists())
    return texts * dimension * 4


def check_room(needed: int, folder: Path) -> None:
    """Raise StoreError, before anything starts, if the disk cannot hold `needed` bytes."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed * _ROOM > free:
        raise StoreError(
            f"the vectors need {needed / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB free",
            "Free some space, or name another folder with --cache-dir.",
        )
