"""Scores of a few hundred documents, sorted query by query, to count in and to pick from.

Each score becomes one integer: its cell (how many quarters of the error bound it lies from zero,
negated so that high scores come first) and the place of its document. Rows of up to 512 such
integers are sorted by vector instructions, faster than scores are compared with a handful of
thresholds, and a sorted row answers every question: how many documents score higher, which
are near, which are best.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlir_harness.types import DoubleArray, FloatArray, IntArray

CHUNK = 512  # documents; longer rows are sorted by slower means
_PLACES = 9  # bits that hold a place
_END = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True)
class Scale:
    """How scores become cells.

    Attributes:
        error: (queries,) float64 how far a score may be off; the width of four cells.
        cells: (queries,) float32 minus the cells in a score of 1; 0 (one cell for
            all scores) where they are too small for that.
    """

    error: DoubleArray
    cells: FloatArray

    @classmethod
    def of(cls, error: DoubleArray) -> Scale:
        """The scale for scores that are off by at most `error`, and at most 2**18 times it."""
        with np.errstate(divide="ignore", over="ignore"):
            cells = (-4.0 / error).astype(np.float32)
        return cls(error, np.where(np.isfinite(cells), cells, np.float32(0)))

    def band(self, exact: DoubleArray, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Keys that bound what is near to scores known exactly.

        Args:
            exact: (t,) scores in float64.
            rows: (t,) the queries they belong to.

        Returns:
            first: (t,) keys below it are certainly higher scores.
            last: (t,) keys from it on are certainly lower scores.
        """
        high = np.nextafter((exact + self.error[rows]).astype(np.float32), np.float32(np.inf))
        low = np.nextafter((exact - self.error[rows]).astype(np.float32), np.float32(-np.inf))
        first, last = (
            np.clip(edge * self.cells[rows], -(2.0**21), 2.0**21).astype(np.int64)
            for edge in (high, low)
        )
        return first << _PLACES, (last + 1) << _PLACES


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sorted scores of some queries for at most CHUNK documents.

    Attributes:
        keys: (queries, width) int32, ascending; width is a power of two, surplus is at the end.
        scores: (queries, documents) float32, unsorted.
    """

    keys: NDArray[np.int32]
    scores: FloatArray

    @classmethod
    def of(cls, scores: FloatArray, scale: Scale) -> Chunk:
        """Sort scores; equal cells stay in the order of the columns."""
        queries, documents = scores.shape
        width = 1 << max(documents - 1, 0).bit_length()
        keys = np.empty((queries, width), np.int32)
        keys[:, documents:] = _END
        # Truncation towards zero is as monotone as the floor, and saves a pass.
        cells = (scores * scale.cells[:, None]).astype(np.int32)
        np.left_shift(cells, _PLACES, out=cells)
        np.add(cells, np.arange(documents, dtype=np.int32), out=keys[:, :documents])
        keys.sort(axis=1)
        return cls(keys, scores)

    def count(self, below: IntArray, rows: IntArray) -> IntArray:
        """How many keys of row rows[i] are less than below[i]: (t,) int64."""
        width = self.keys.shape[1]
        flat, start = self.keys.ravel(), rows * width
        edge = np.minimum(below, _END).astype(np.int32)
        found = start.copy()  # binary search, all targets in step; the width is a power of two
        step = width // 2
        while step:
            found += (flat[found + (step - 1)] < edge) * step
            step //= 2
        found += flat[found] < edge
        counts: IntArray = found - start
        return counts

    def at(self, rows: IntArray, columns: IntArray) -> NDArray[np.int32]:
        """The keys at sorted positions `columns` of `rows`; the largest one past the end."""
        width = self.keys.shape[1]
        held = self.keys[rows, np.minimum(columns, width - 1)]
        return np.where(columns < width, held, np.int32(_END))

    def places(self, rows: IntArray, columns: IntArray) -> IntArray:
        """The documents at sorted positions `columns` of `rows`, as columns of `scores`."""
        return (self.keys[rows, columns] & (CHUNK - 1)).astype(np.int64)

    def best(self, width: int) -> tuple[IntArray, FloatArray]:
        """The first `width` of each row: columns of `scores`, -1 for none, and scores."""
        keys = self.keys[:, :width]
        places = (keys & (CHUNK - 1)).astype(np.int64)
        missing = keys == _END
        values = self.scores[np.arange(len(keys))[:, None], np.where(missing, 0, places)]
        return np.where(missing, -1, places), np.where(missing, np.float32(-np.inf), values)
