"""Strings in memory-mapped Arrow files: sequences that are read where they lie, never held."""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlir_harness.types import IntArray

_AT_ONCE = 4096  # strings made by one step of an iteration


class Column(Sequence[str]):
    """One column over the record batches of any number of files.

    A slice is a list: take some thousands at a time. An iteration makes that many and lets
    them go again.
    """

    def __init__(self, chunks: Sequence[Any]) -> None:
        """`chunks` are Arrow arrays of large strings without nulls."""
        self._chunks = [chunk for chunk in chunks if len(chunk)]
        self._starts = [0, *np.cumsum([len(chunk) for chunk in self._chunks], dtype=int).tolist()]

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if not isinstance(place, slice):
            row = range(len(self))[place]  # negative places, and IndexError
            number = bisect_right(self._starts, row) - 1
            return str(self._chunks[number][row - self._starts[number]].as_py())
        start, stop, step = place.indices(len(self))
        if step != 1:
            return self.take(np.arange(start, stop, step))
        found: list[str] = []
        number = bisect_right(self._starts, start) - 1
        while start < stop:
            first = self._starts[number]
            end = min(stop, self._starts[number + 1])
            found += self._chunks[number].slice(start - first, end - start).to_pylist()
            start, number = end, number + 1
        return found

    def __iter__(self) -> Iterator[str]:
        for chunk in self._chunks:
            for start in range(0, len(chunk), _AT_ONCE):
                yield from chunk.slice(start, _AT_ONCE).to_pylist()

    def take(self, rows: IntArray) -> list[str]:
        """The strings in `rows` (n,), which are not negative, in that order."""
        rows = np.asarray(rows, np.int64)
        if not len(rows):
            return []
        if rows.min() < 0 or rows.max() >= len(self):
            raise IndexError(f"rows outside 0..{len(self) - 1}")
        numbers = np.searchsorted(self._starts, rows, side="right") - 1
        order = np.argsort(numbers, kind="stable")  # chunk by chunk
        found = np.empty(len(rows), object)
        edges = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        for first, last in zip(edges, [*edges[1:], len(rows)], strict=True):
            at = order[first:last]
            number = int(numbers[at[0]])
            inside = pa.array(rows[at] - self._starts[number])
            found[at] = self._chunks[number].take(inside).to_pylist()
        strings: list[str] = found.tolist()
        return strings

    def find(self, wanted: Sequence[str]) -> IntArray:
        """The row of each string of `wanted` (n,), which are distinct; -1 where there is none."""
        rows = np.full(len(wanted), -1, np.int64)
        known = pa.array(list(wanted), pa.large_string())
        for start, chunk in zip(self._starts[:-1], self._chunks, strict=True):
            places = pc.index_in(chunk, value_set=known)
            held = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
            found = places.take(pa.array(held)).to_numpy(zero_copy_only=False)
            fresh = rows[found] < 0
            rows[found[fresh]] = start + held[fresh]
        return rows


def opened(file: Path) -> Any:
    """An Arrow file's reader over the mapped file, whose pages are read when they are wanted.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is empty, cut short, or no Arrow file.
    """
    with file.open("rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))


def columns(readers: Sequence[Any], *names: str) -> tuple[Column, ...]:
    """The columns `names` over all record batches of `readers`, in order."""
    batches = [
        reader.get_batch(number)
        for reader in readers
        for number in range(reader.num_record_batches)
    ]
    return tuple(Column([batch.column(name) for batch in batches]) for name in names)
