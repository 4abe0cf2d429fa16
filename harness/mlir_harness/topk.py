"""The k best documents of every query, kept while chunks of scores stream by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlir_harness.types import DoubleArray, FloatArray, IntArray

_SPARE = 6  # kept beyond k, so that near ties at the k-th place can be settled exactly
_PLACE_BITS = 12  # of a sorting key, for a place in a row
_CELL_BITS = 20  # of a sorting key, for a cell of scores


class Top:
    """Running top lists of one block of queries over one set of documents.

    Scores are compared in cells of `grain`, within which the tie order decides: so documents
    whose scores differ by less than rounding are in the tie order already.

    Attributes:
        ties: (queries, k + spare) int64 ranks in the tie order, -1 where there are no documents.
        scores: (queries, k + spare) float32, falling from cell to cell, -inf where there are none.
        grain: (queries,) float32 width of a cell, at least 2**-18 of any score; may grow.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        self.grain: FloatArray = np.full(queries, np.finfo(np.float32).tiny, np.float32)
        width = k + _SPARE if k else 0
        self.ties: IntArray = np.full((queries, width), -1, np.int64)
        self.scores: FloatArray = np.full((queries, width), -np.inf, np.float32)

    @classmethod
    def union(cls, parts: Sequence[Top]) -> Top:
        """The lists over all documents of several lists over disjoint documents."""
        joined = cls(len(parts[0].grain), parts[0].k)
        joined.grain = np.max([part.grain for part in parts], axis=0)
        step = max((1 << _PLACE_BITS) // max(joined.width, 1) - 1, 1)
        for start in range(0, len(parts), step):
            some = parts[start : start + step]
            joined._merge(
                np.concatenate([part.scores for part in some], axis=1),
                np.concatenate([part.ties for part in some], axis=1),
            )
        return joined

    @property
    def width(self) -> int:
        """Places of the lists, spare ones included."""
        return int(self.scores.shape[1])

    def update(self, scores: FloatArray, ties: IntArray, error: DoubleArray) -> None:
        """Take in candidates: of every document set, at least its best `width`.

        Args:
            scores: (queries, m) float32, -inf for none.
            ties: (queries, m) int64 ranks in the tie order, -1 for none.
            error: (queries,) of the scores.
        """
        if self.width and scores.shape[1]:
            self.grain = np.maximum(self.grain, error.astype(np.float32))
            if (scores.max(axis=1) > self.scores[:, -1] - 2 * self.grain).any():
                self._merge(scores, ties)

    def _merge(self, scores: FloatArray, ties: IntArray) -> None:
        """Take in candidates (queries, m)."""
        merged = np.concatenate([self.scores, scores], axis=1)
        held = np.concatenate([self.ties, ties], axis=1)
        keys = ~self._cells(merged).astype(np.int64) << (63 - _CELL_BITS)
        keys += (held << _PLACE_BITS) + np.arange(merged.shape[1])
        keys.sort(axis=1)
        best = keys[:, : self.width] & ((1 << _PLACE_BITS) - 1)
        self.scores = np.take_along_axis(merged, best, axis=1)
        self.ties = np.take_along_axis(held, best, axis=1)

    def _cells(self, scores: FloatArray) -> NDArray[np.int32]:
        """The cell of each score, (queries, m) int32; higher scores have higher cells."""
        least = np.float32(-(2 ** (_CELL_BITS - 1)) + 1)
        cells = np.maximum(scores * (1 / self.grain)[:, None], least)
        return np.floor(cells, out=cells).astype(np.int32)
