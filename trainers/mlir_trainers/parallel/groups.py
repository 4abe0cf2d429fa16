"""Which rows share a source or a text: numbers that are equal for rows that must part."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from unicodedata import normalize

import numpy as np
import xxhash

from mlir_harness.types import IntArray

_BUCKETS = 16  # files that keys are spread over; one is held at a time


def key_of_passage(text: str) -> int:
    """The same for the same passage, whatever its language, case, Unicode form or margins."""
    return xxhash.xxh3_64_intdigest(_bare(text).encode())


def key_of_question(text: str) -> int:
    """The same for the same question: what answers it in one row answers it in the other."""
    return xxhash.xxh3_64_intdigest(f"\1{_bare(text)}".encode())


def key_of_source(dataset: int, source: str) -> int:
    """The same for the same source of the same data set."""
    return xxhash.xxh3_64_intdigest(f"\0{dataset}\0{source}".encode())


def _bare(text: str) -> str:
    return normalize("NFKC", text).casefold().strip().strip("\ufeff")


class Keys:
    """Keys of rows, kept on disk: eight bytes a row is all that stays in memory.

    Two different texts have one key with a probability of 10⁻³ in all for a hundred million
    texts; their rows would then never share a batch, which does no harm.
    """

    def __init__(self, folder: Path) -> None:
        """Open files in `folder`.

        Raises:
            OSError: they cannot be made.
        """
        self._held = ExitStack()
        self._paths = [folder / f"keys-{number}" for number in range(_BUCKETS)]
        self._files = [self._held.enter_context(path.open("wb")) for path in self._paths]

    def __enter__(self) -> Keys:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def add(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Keep (key, row) pairs: rows of one key belong together.

        Raises:
            OSError: no room on the disk.
        """
        both = np.array(list(pairs), np.uint64).reshape(-1, 2)
        bucket = both[:, 0] % _BUCKETS
        for number, file in enumerate(self._files):
            file.write(both[bucket == number].tobytes())

    def groups(self, rows: int) -> IntArray:
        """The group of each row, (rows,) int64: the first row that it belongs together with.

        The files are removed. Holds a bucket at a time, and 24 bytes a row.

        Raises:
            OSError: they cannot be written or read.
        """
        self._held.close()
        group = np.arange(rows)
        for path in self._paths:
            both = np.fromfile(path, np.uint64).reshape(-1, 2)
            path.unlink()
            order = np.argsort(both[:, 0], kind="stable")
            both = both[order]
            same = both[1:, 0] == both[:-1, 0]
            places = both[:, 1].astype(np.int64)
            group = joined(group, places[1:][same], places[:-1][same])
        return group


def joined(group: IntArray, one: IntArray, other: IntArray) -> IntArray:
    """Groups after rows `one[i]` and `other[i]` were found to belong together.

    Args:
        group: (rows,) int64 the first row of each row's group.
        one, other: (n,) int64 rows.

    Returns:
        (rows,) int64.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = group[one], group[other]
    apart = one != other
    if not apart.any():
        return group
    nodes, ends = np.unique(np.concatenate([one[apart], other[apart]]), return_inverse=True)
    half = len(ends) // 2
    links = coo_array(
        (np.ones(half, np.int8), (ends[:half], ends[half:])), shape=(len(nodes), len(nodes))
    )
    count, part = connected_components(links, directed=False)
    first = np.full(count, len(group))
    np.minimum.at(first, part, nodes)
    now = np.arange(len(group))
    now[nodes] = first[part]
    return now[group]
