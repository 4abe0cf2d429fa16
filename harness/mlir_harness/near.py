"""Documents too close to a target to be told apart in float32, decided by exact scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlir_harness.protocols import Vectors
from mlir_harness.topk import Top
from mlir_harness.types import Array, DoubleArray, FloatArray, IntArray

_MANY = 64  # near documents per query of a piece above which all its pairs are scored exactly
_LOOKED_AT = 2048  # chunks searched at once, which bounds memory


class Counts(Protocol):
    """Where decided pairs are counted: arrays (targets, pools)."""

    queries: Vectors
    targets: IntArray
    exact: DoubleArray
    margin: DoubleArray
    tie_order: IntArray
    greater: Array
    before: Array
    tied: Array


@dataclass(frozen=True, slots=True)
class Stack:
    """Layers of targets, at most one per query and layer, compared with documents together.

    Attributes:
        columns: (m,) int64 queries of the block; None for all, in order.
        targets: (layers, m) int64 positions in the block's target list, -1 for none.
        edges: (2 * layers, m) float32. A score above edges[l] is certainly higher than the
            target's, one not above edges[layers + l] certainly lower; +inf where no target is.
    """

    columns: IntArray | None
    targets: IntArray
    edges: FloatArray


def stack(
    owner: IntArray,
    layers: Sequence[IntArray],
    exact: DoubleArray,
    error: DoubleArray,
) -> Stack:
    """Stack `layers` of targets.

    Args:
        owner: (t,) int64 the query of each target.
        layers: targets, ascending, at most one per query; later ones hold subsets of the
            first one's queries.
        exact: (t,) the targets' scores.
        error: (queries,) see `Vectors.score_error`.
    """
    columns = owner[layers[0]]
    targets = np.full((len(layers), len(columns)), -1, np.int64)
    edges = np.full((2 * len(layers), len(columns)), np.inf, np.float32)
    for layer, chosen in enumerate(layers):
        at = np.searchsorted(columns, owner[chosen])
        targets[layer, at] = chosen
        high = (exact[chosen] + error[owner[chosen]]).astype(np.float32)
        low = (exact[chosen] - error[owner[chosen]]).astype(np.float32)
        edges[layer, at] = np.nextafter(high, np.float32(np.inf))
        edges[len(layers) + layer, at] = np.nextafter(low, np.float32(-np.inf))
    return Stack(None if len(columns) == len(error) else columns, targets, edges)


@dataclass(frozen=True, slots=True)
class Suspects:
    """Where near documents are: for a query and its target, in the rows of one chunk.

    Attributes:
        columns, targets: (m,) int64 queries of the block, positions in its target list.
        low, high: (m,) float32; near scores lie above low and not above high.
        starts: (m,) int64 first row of the chunk.
        total: number of near documents in all of them.
    """

    columns: IntArray
    targets: IntArray
    low: FloatArray
    high: FloatArray
    starts: IntArray
    total: int

    @classmethod
    def find(cls, targets: Stack, near: Array, chunk: int) -> Suspects:
        """The nonzero places of `near` (chunks, layers, m), the number of near documents."""
        at, layer, column = np.nonzero(near)
        high, low = np.split(targets.edges, 2)
        return cls(
            column if targets.columns is None else targets.columns[column],
            targets.targets[layer, column],
            low[layer, column],
            high[layer, column],
            at * chunk,
            int(near[at, layer, column].sum(dtype=np.int64)),
        )

    def __getitem__(self, part: slice) -> Suspects:
        return Suspects(
            self.columns[part],
            self.targets[part],
            self.low[part],
            self.high[part],
            self.starts[part],
            self.total,
        )


@dataclass(frozen=True, slots=True)
class Members:
    """The documents of one pool in one piece of document vectors.

    Attributes:
        pool: its number.
        vectors: of the piece.
        rows: (n,) int64 positions in the piece.
        documents: (n,) int64 document numbers, in the tie order.
        by_number: (n,) int64 the places of the documents, by document number.
    """

    pool: int
    vectors: Vectors
    rows: IntArray
    documents: IntArray
    by_number: IntArray

    def places(self, documents: IntArray) -> IntArray:
        """Places of the given documents, -1 for those that are not here."""
        numbers = self.documents[self.by_number]
        found = np.minimum(np.searchsorted(numbers, documents), len(numbers) - 1)
        return np.where(numbers[found] == documents, self.by_number[found], -1)


def decide(
    counts: Counts, suspects: Suspects, scores: FloatArray, chunk: int, members: Members
) -> None:
    """Score near documents exactly and count them.

    Args:
        counts: changed in place.
        suspects: where to look.
        scores: (members, queries) float32.
        chunk: rows of `scores` per chunk.
        members: the pool's documents.
    """
    queries, vectors = counts.queries, members.vectors
    exact_scores = None
    if suspects.total > _MANY * scores.shape[1]:
        # A collapsed encoder puts everything near everything: one product serves all pairs.
        exact_scores = vectors[members.rows].score_exact(queries)
    for first in range(0, len(suspects.starts), _LOOKED_AT):
        columns, targets, rows = _locate(suspects[first : first + _LOOKED_AT], scores, chunk)
        documents = members.documents[rows]
        others = documents != counts.targets[targets]
        columns, targets, rows = columns[others], targets[others], rows[others]
        documents, places = documents[others], members.rows[rows]
        if exact_scores is not None:
            exact = exact_scores[rows, columns]
        else:
            exact = queries.score_pairs(columns, vectors, places)
        margin = queries.rounding * queries.norms[columns] * vectors.norms[places]
        _count(counts, targets, documents, exact, margin, members.pool)


def _locate(
    suspects: Suspects, scores: FloatArray, chunk: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Query, target and row of every near document."""
    rows = suspects.starts[:, None] + np.arange(chunk)
    np.minimum(rows, len(scores) - 1, out=rows)
    values = scores[rows, suspects.columns[:, None]]
    near = (values > suspects.low[:, None]) & (values <= suspects.high[:, None])
    near[rows != suspects.starts[:, None] + np.arange(chunk)] = False  # past the last row
    which, place = np.nonzero(near)
    return suspects.columns[which], suspects.targets[which], suspects.starts[which] + place


def _count(
    counts: Counts,
    targets: IntArray,
    documents: IntArray,
    exact: DoubleArray,
    margin: DoubleArray,
    pool: int,
) -> None:
    """Count documents whose exact scores, to within `margin`, are known."""
    difference = exact - counts.exact[targets]
    tied = np.abs(difference) <= np.maximum(margin, counts.margin[targets])
    np.add.at(counts.greater[:, pool], targets[(difference > 0) & ~tied], 1)
    if tied.any():
        targets, documents = targets[tied], documents[tied]
        first = counts.tie_order[documents] < counts.tie_order[counts.targets[targets]]
        np.add.at(counts.tied[:, pool], targets, 1)
        np.add.at(counts.before[:, pool], targets[first], 1)


@dataclass(frozen=True, slots=True)
class List:
    """Top lists whose near ties are not in order yet.

    Attributes:
        k: places that count.
        documents: (queries, k + spare) int64 document numbers, -1 for none.
        scores: (queries, k + spare) float32, -inf for none.
        ties: (queries, k + spare) int64 ranks in the tie order.
        query, place: (m,) int64 where the scores of neighbours are near.
    """

    k: int
    documents: IntArray
    scores: FloatArray
    ties: IntArray
    query: IntArray
    place: IntArray

    @classmethod
    def of(cls, top: Top, by_tie: IntArray) -> List:
        """The lists of `top`; `by_tie` holds the document numbers in the tie order."""
        documents = np.where(top.ties >= 0, by_tie[top.ties], -1)
        with np.errstate(invalid="ignore"):
            close = np.abs(np.diff(top.scores, axis=1)) <= 2 * top.grain[:, None]
        crowded = np.zeros(documents.shape, bool)
        crowded[:, :-1] |= close
        crowded[:, 1:] |= close
        query, place = np.nonzero(crowded & (documents >= 0))
        return cls(top.k, documents, top.scores, top.ties, query, place)

    @property
    def crowded(self) -> IntArray:
        """Documents whose vectors `settled` needs, some of them repeatedly: (m,)."""
        return self.documents[self.query, self.place]

    def settled(
        self, queries: Vectors, vectors: Vectors, rows: Callable[[IntArray], IntArray]
    ) -> tuple[IntArray, FloatArray]:
        """The first k places, near ties in their exact order.

        Exact unless more documents crowd the k-th place, within rounding error and across the
        edge of a cell, than the lists keep in reserve.

        Args:
            queries: of the lists.
            vectors: of documents.
            rows: document numbers -> rows of `vectors`.

        Returns:
            documents: (queries, k) int64, -1 for none.
            scores: (queries, k) float32.
        """
        documents, scores = self.documents, self.scores
        if len(self.query):
            at = self.query, self.place
            found = rows(self.crowded)
            exact = queries.score_pairs(self.query, vectors, found)
            margin = queries.rounding * queries.norms[self.query] * vectors.norms[found]
            order = _settled(self.query, exact, margin, self.ties[at])
            documents, scores = documents.copy(), scores.copy()
            documents[at] = self.crowded[order]
            scores[at] = exact[order]
        return documents[:, : self.k], scores[:, : self.k]


def _settled(query: IntArray, exact: DoubleArray, margin: DoubleArray, ties: IntArray) -> IntArray:
    """Order by query, then falling score, then, where scores are equal, rank in the tie order."""
    order = np.lexsort((-exact, query))
    step = exact[order[:-1]] - exact[order[1:]]
    apart = step > np.maximum(margin[order[:-1]], margin[order[1:]])
    level = np.concatenate([[0], np.cumsum(apart | (query[order[:-1]] != query[order[1:]]))])
    return order[np.lexsort((ties[order], level))]
