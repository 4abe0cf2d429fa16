"""Ranks from whole sorted pools, for queries with hundreds of relevant documents.

Counting the documents that are better than each relevant one (rank.py) costs as much per relevant
document as sorting costs per document; so where relevant documents are many, everything is sorted
once, and the places of a pool's members in that order tell the ranks in every pool. Both ways
give the same answer: scores are float64 inner products, equal to within rounding means tied, and
ties stand in the tie order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.near import settled
from mlir_harness.protocols import Vectors
from mlir_harness.rank import Answer, Corpus, Question
from mlir_harness.types import Array, DoubleArray, FloatArray, IntArray

MOST_DOCUMENTS = 1 << 20
_AT_ONCE = 1 << 23  # scores held at a time
_DOCUMENTS_AT_ONCE = 1 << 13  # converted to float64
_PLACE_BITS = 20  # of a sorting key
_CELL_BITS = 40  # of a sorting key, for the size of a score


@dataclass(frozen=True)
class Sorter:
    """All documents of a task, ready to be sorted; a document's place is its rank among ties.

    Attributes:
        documents: (documents,) int64 numbers, by place.
        ties: (documents,) int64 places, by number.
        vectors: by place, some thousands in each part.
        norms: (documents,) float64 of the vectors, by place.
        pools: places of the members of each pool.
    """

    documents: IntArray
    ties: IntArray
    vectors: Sequence[Vectors]
    norms: DoubleArray
    pools: Sequence[IntArray]

    @classmethod
    def of(cls, corpus: Corpus) -> Sorter:
        """Reads all vectors of a corpus of at most MOST_DOCUMENTS."""
        documents = np.argsort(corpus.ties)
        pools = [corpus.ties[pool] for pool in corpus.pools]
        vectors = corpus.take(documents)
        parts = [vectors[part] for part in _slices(len(documents), _DOCUMENTS_AT_ONCE)]
        return cls(documents, corpus.ties, parts, vectors.norms, pools)

    def queries_at_once(self, workers: int) -> int:
        """How many queries to ask at a time."""
        return max(1, _AT_ONCE // max(len(self.documents), 1) // workers)

    def block(self, queries: Vectors) -> Block:
        """Sort all documents for some queries."""
        scores = np.empty((len(queries), len(self.documents)), np.float64)
        columns = _slices(scores.shape[1], _DOCUMENTS_AT_ONCE)
        for part, vectors in zip(columns, self.vectors, strict=True):
            scores[:, part] = queries.score_exact(vectors)
        order, levels = _sorted(scores, queries, self.norms)
        where = np.empty_like(order)
        np.put_along_axis(where, order, np.arange(order.shape[1], dtype=order.dtype)[None], 1)
        return Block(self, queries, scores, order, levels, where)


@dataclass(frozen=True)
class Block:
    """All documents in the order of their scores, for some queries.

    Attributes:
        sorter: whose documents.
        queries: n vectors.
        scores: (n, documents) float64 by place.
        order: (n, documents) int32 places, best first.
        levels: (n, documents) int32 by position, ascending; tied ones share one. None: no ties.
        where: (n, documents) int32 positions, by place.
    """

    sorter: Sorter
    queries: Vectors
    scores: DoubleArray
    order: Array
    levels: Array | None
    where: Array

    def order_of(self, owner: IntArray, documents: IntArray) -> IntArray:
        """Entries, by query and then from the best to the worst document.

        Args:
            owner, documents: (t,) int64 queries and document numbers.
        """
        position = self.where[owner, self.sorter.ties[documents]]
        return np.argsort(owner * self.order.shape[1] + position)

    def answer(self, question: Question, k: int) -> Answer:
        """What `rank` answers; a pool that counts for some targets is counted for all.

        Args:
            question: about these queries; fast if their targets stand in the order of ranks.
            k: length of the top lists.
        """
        owner = np.repeat(np.arange(len(self.order)), np.diff(question.indptr))
        position = self.where[owner, self.sorter.ties[question.targets]].astype(np.int64)
        first, last = _level(self.levels, owner, position)
        tied = np.flatnonzero(last - first > 1)
        counts = np.zeros((3, len(self.sorter.pools), len(position)), np.int32)
        wanted = set(np.flatnonzero(question.counted.any(axis=0)).tolist())
        firsts = {}
        for number in sorted(wanted.union(*question.listed)):
            greater, before, ties = counts[:, number]
            members = np.sort(self.where[:, self.sorter.pools[number]], axis=1)
            firsts[number] = members[:, :k]
            below = _Below(members, self.order.shape[1])
            greater[:] = below.count(owner, position)
            if len(tied):
                at = owner[tied]
                better, upto = (below.count(at, edge[tied]) for edge in (first, last))
                own = below.count(at, position[tied] + 1) - greater[tied]  # is it a member?
                before[tied] = greater[tied] - better
                greater[tied], ties[tied] = better, upto - better - own
        top = {parts: self._top([firsts[part] for part in parts], k) for parts in question.listed}
        return Answer(counts[0].T, counts[1].T, counts[2].T, top)

    def _top(self, firsts: Sequence[Array], k: int) -> tuple[IntArray, FloatArray]:
        """The best k documents of a pool, from the first positions of its parts."""
        shown = np.sort(np.concatenate(firsts, axis=1), axis=1)[:, :k]
        places = np.take_along_axis(self.order, shown, 1)
        documents = np.full((len(self.order), k), -1, np.int64)
        values = np.full(documents.shape, -np.inf, np.float32)
        documents[:, : shown.shape[1]] = self.sorter.documents[places]
        values[:, : shown.shape[1]] = np.take_along_axis(self.scores, places, 1)
        return documents, values


class _Below:
    """How many members of a pool stand before a position of a query's order."""

    def __init__(self, members: Array, documents: int) -> None:
        """Take in ascending positions, (queries, members)."""
        self._stride = documents + 1
        self._starts = np.arange(len(members)) * members.shape[1]
        largest = len(members) * self._stride
        self._kind = np.dtype(np.int32 if largest < np.iinfo(np.int32).max else np.int64)
        shift = np.arange(len(members), dtype=self._kind)[:, None] * self._stride
        self._members = (members + shift).ravel()

    def count(self, query: IntArray, position: IntArray) -> IntArray:
        edge = (query * self._stride + position).astype(self._kind)
        counts: IntArray = np.searchsorted(self._members, edge) - self._starts[query]
        return counts


def _slices(total: int, size: int) -> Iterator[slice]:
    yield from (slice(start, start + size) for start in range(0, total, size))


def _level(levels: Array | None, owner: IntArray, position: IntArray) -> tuple[IntArray, IntArray]:
    """First position of the documents that tie with an entry, and the one past the last."""
    if levels is None:
        return position, position + 1
    stride = levels.shape[1]
    flat = (levels + np.arange(len(levels), dtype=np.int32)[:, None] * stride).ravel()
    wanted = flat[owner * stride + position]
    before = owner * stride
    return (
        np.searchsorted(flat, wanted, side="left") - before,
        np.searchsorted(flat, wanted, side="right") - before,
    )


def _sorted(
    scores: DoubleArray, queries: Vectors, norms: DoubleArray
) -> tuple[Array, Array | None]:
    """Places by falling score, ties in the tie order, and the levels that tied ones share.

    Scores become integers that hold a cell of scores and the place: sorting these is fast, and
    right where scores are equal or some cells apart. Where some lie closer they are put in order
    exactly.

    Args:
        scores: (queries, documents) float64, documents by place.
        queries: whose they are.
        norms: (documents,) float64 of the documents.

    Returns:
        order: (queries, documents) int32 places.
        levels: (queries, documents) int32 ascending; tied ones share one. None: no ties.
    """
    largest = queries.norms * norms.max(initial=0.0)
    width = largest * max(queries.rounding, 2.0**-_CELL_BITS)
    with np.errstate(divide="ignore"):
        cells = np.where(width > 0, -1.0 / width, 0.0)
    keys = np.floor(scores * cells[:, None]).astype(np.int64)
    keys <<= _PLACE_BITS
    keys += np.arange(scores.shape[1])
    keys.sort(axis=1)
    keys &= (1 << _PLACE_BITS) - 1
    step = np.take_along_axis(scores, keys, 1)
    step = step[:, :-1] - step[:, 1:]
    order = keys.astype(np.int32)
    new = np.ones(order.shape, bool)
    new[:, 1:] = step != 0
    close = step <= 2 * width[:, None]
    rows = np.flatnonzero((close & new[:, 1:]).any(axis=1))
    if len(rows):
        near = np.zeros((len(rows), order.shape[1]), bool)
        near[:, :-1] |= close[rows]
        near[:, 1:] |= close[rows]
        row, column = np.nonzero(near)
        row = rows[row]
        margin = queries.rounding * queries.norms[row] * norms[order[row, column]]
        exact = scores[row, order[row, column]]
        chosen, apart = settled(row, exact, margin, order[row, column])
        order[row, column] = order[row, column][chosen]
        new[row, column] = apart
    return order, None if new.all() else np.cumsum(new, axis=1, dtype=np.int32)
