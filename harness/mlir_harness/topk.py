"""The k best documents of every query, kept while pieces of scores stream by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlir_harness.types import FloatArray, IntArray

_GROUP = 8  # rows of scores that share one maximum
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
        grain: (queries,) float32 width of a cell, at least 2**-17 of any score; may grow.
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
        for part in parts:
            joined._merge(part.scores, part.ties)
        return joined

    def update(self, scores: FloatArray, ties: IntArray) -> None:
        """Take in a piece.

        Args:
            scores: (documents, queries) float32, C order.
            ties: (documents,) int64 ranks in the tie order, ascending.
        """
        width = self.scores.shape[1]
        if not width or not scores.size:
            return
        rows = self._candidates(scores)
        values = scores[rows, np.arange(len(rows))[:, None]]
        best = self._first(values, width)
        rows = np.take_along_axis(rows, best, axis=1)
        self._merge(np.take_along_axis(values, best, axis=1), ties[rows])

    def _merge(self, scores: FloatArray, ties: IntArray) -> None:
        """Take in candidates (queries, m), m at most the length of the lists."""
        width = self.scores.shape[1]
        if scores.shape[1] == width and not (self.ties >= 0).any():
            self.scores, self.ties = scores, ties
            return
        merged = np.concatenate([self.scores, scores], axis=1)
        held = np.concatenate([self.ties, ties], axis=1)
        keys = ~self._cells(merged).astype(np.int64) << (63 - _CELL_BITS)
        keys += (held << _PLACE_BITS) + np.arange(merged.shape[1])
        keys.sort(axis=1)
        best = keys[:, :width] & ((1 << _PLACE_BITS) - 1)
        self.scores = np.take_along_axis(merged, best, axis=1)
        self.ties = np.take_along_axis(held, best, axis=1)

    def _candidates(self, scores: FloatArray) -> IntArray:
        """Rows (queries, m), ascending, among which are all that can enter the lists.

        Rows are taken in groups, and the groups with the best maxima, the earlier first where
        cells are equal, hold the best rows: a row elsewhere is beaten by one in each of them.
        """
        documents, queries = scores.shape
        width = self.scores.shape[1]
        groups = documents // _GROUP
        if groups <= width:
            return np.broadcast_to(np.arange(documents), (queries, documents))
        whole = groups * _GROUP
        maxima = scores[:whole].reshape(groups, _GROUP, queries).max(axis=1)
        floor = self.scores.min(axis=1) - self.grain
        hopeful = int((maxima > floor).sum(axis=0).max(initial=0))
        best = self._first(np.ascontiguousarray(maxima.T), min(width, hopeful))
        best.sort(axis=1)
        rows = (best[:, :, None] * _GROUP + np.arange(_GROUP)).reshape(queries, -1)
        if whole < documents:
            rest = np.broadcast_to(np.arange(whole, documents), (queries, documents - whole))
            rows = np.concatenate([rows, rest], axis=1)
        return rows

    def _first(self, scores: FloatArray, first: int) -> IntArray:
        """Places (queries, first) of the best of each row; of equal cells, the earlier.

        Cell and place are packed into one integer: short rows of integers are sorted many
        times faster than their places.
        """
        keys = self._cells(scores)
        np.left_shift(~keys, _PLACE_BITS, out=keys)
        keys += np.arange(scores.shape[1], dtype=np.int32)
        keys.sort(axis=1)
        places: IntArray = (keys[:, :first] & ((1 << _PLACE_BITS) - 1)).astype(np.int64)
        return places

    def _cells(self, scores: FloatArray) -> NDArray[np.int32]:
        """The cell of each score, (queries, m) int32; higher scores have higher cells."""
        least = np.float32(-(2 ** (_CELL_BITS - 2)))
        cells = np.maximum(scores * (1 / self.grain)[:, None], least)
        return np.floor(cells, out=cells).astype(np.int32)
