"""The k best documents of every query, kept while blocks of scores stream by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlir_harness.types import Array, FloatArray, IntArray

_GROUP = 16  # rows of scores that share one maximum
_SPARE = 6  # kept beyond k, so that near ties at the k-th place can be settled exactly

TieKey = Callable[[IntArray], Array]


class Top:
    """Running top lists of one block of queries over one set of documents.

    Attributes:
        documents: (queries, k + spare) int64, -1 where there are fewer documents.
        scores: (queries, k + spare) float32, descending, -inf where there are fewer.
    """

    def __init__(self, queries: int, k: int) -> None:
        self.k = k
        width = k + _SPARE if k else 0
        self.documents: IntArray = np.full((queries, width), -1, np.int64)
        self.scores: FloatArray = np.full((queries, width), -np.inf, np.float32)

    def update(self, scores: FloatArray, documents: IntArray) -> None:
        """Take in a block: `scores` (documents, queries) float32, C order."""
        queries, width = self.scores.shape
        if not width or not len(scores):
            return
        floor = self.scores[:, -1]
        if np.isinf(floor).any():
            floor = np.maximum(floor, _bound(scores, width))
        flat = np.flatnonzero(scores > floor)
        row, query = np.divmod(flat, queries)
        kept, place = np.nonzero(self.documents >= 0)
        query = np.concatenate([kept, query])
        values = np.concatenate([self.scores[kept, place], scores.ravel()[flat]])
        chosen = np.concatenate([self.documents[kept, place], documents[row]])
        order = np.argsort(_descending(query, values))
        counts = np.bincount(query, minlength=queries)
        place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        order, place = order[place < width], place[place < width]
        query = query[order]
        self.scores[query, place] = values[order]
        self.documents[query, place] = chosen[order]


def _bound(scores: FloatArray, width: int) -> FloatArray:
    """Per column, a value just below which at most the `width` best lie: (queries,) float32.

    Rows are taken in groups; the width-th largest of the group maxima is a lower bound for
    the width-th largest score.
    """
    documents, queries = scores.shape
    groups = documents // _GROUP
    if groups < width:
        return np.full(queries, -np.inf, np.float32)
    maxima = scores[: groups * _GROUP].reshape(groups, _GROUP, queries).max(axis=1)
    bound = np.sort(np.ascontiguousarray(maxima.T), axis=1)[:, groups - width]
    below: FloatArray = np.nextafter(bound, np.float32(-np.inf), dtype=np.float32)
    return below


def _descending(query: IntArray, values: FloatArray) -> IntArray:
    """Integers that sort by query, then by falling value.

    The bits of a float32, as an integer, rise with it where it is positive and fall with it
    where it is negative.
    """
    bits = values.view(np.int32)
    bits = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return (query << 32) - bits
