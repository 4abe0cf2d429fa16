"""Where vectors lie: the unique texts of one role in shards, and each text's row in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlir_harness import files, fingerprint
from mlir_harness.cache import SHARD, Cache, Damaged, Shard
from mlir_harness.errors import StoreError
from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.types import Collection, IntArray, Role, pick
from mlir_harness.vectors import Stored, assembled

_ROOM = 1.05  # disk space asked for, in times the vectors' size


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
        return pick(self.collection.texts, self.rows)


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

    def blocks(self) -> Iterator[tuple[int, Stored]]:
        for start, need in zip(self.starts[:-1].tolist(), self.needs, strict=True):
            yield start, _reread(need.shard)

    def take(self, rows: IntArray) -> Stored:
        """The vectors in `rows`, in that order; reads each shard at most once."""
        return assembled(self._parts(rows), len(rows))

    def _parts(self, rows: IntArray) -> Iterator[tuple[IntArray, Stored]]:
        """From each shard that has some of `rows`: their places in it, and their vectors."""
        order = np.argsort(rows, kind="stable")
        ends = np.searchsorted(rows[order], self.starts)
        for need, start, first, last in zip(
            self.needs, self.starts[:-1], ends[:-1], ends[1:], strict=True
        ):
            at = order[first:last]
            if len(at) or (not len(rows) and need is self.needs[0]):  # none have a kind, too
                yield at, _reread(need.shard)[rows[at] - start]


def _reread(shard: Shard) -> Stored:
    try:
        return shard.read()[0]
    except (FileNotFoundError, Damaged) as error:
        raise StoreError(
            f"cached vectors changed while they were in use: {shard.path} ({error})",
            "Run the command again; the missing part is encoded anew.",
        ) from error


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
            texts = pick(collection.texts, rows)
            context = Context(role, [collection.language] * len(texts), instruction)
            shard = cache.shard(texts, context, by_language=info.language_aware)
            needs.append(Need(collection, rows, shard))
    offsets = np.cumsum([0, *map(len, hashes)])
    shared = np.arange(offsets[-1])
    if not info.language_aware and len(hashes) > 1:
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


def missing_bytes(shelf: Shelf, dimension: int) -> int:
    """Bytes that the vectors not yet cached will take."""
    texts = sum(len(need.rows) for need in shelf.needs if not need.shard.exists())
    return texts * dimension * 4


def check_room(needed: int, folder: Path) -> None:
    """Raise StoreError if the disk cannot hold vectors of `needed` bytes."""
    hint = "Free some space, or name another folder with --cache-dir."
    files.check_room(int(needed * _ROOM), folder, "the vectors", hint)
