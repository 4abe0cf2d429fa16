"""Documents too close to a target to be told apart in float32, decided by exact scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlir_harness.chunks import Chunk
from mlir_harness.protocols import Vectors
from mlir_harness.topk import Top
from mlir_harness.types import Array, BoolArray, DoubleArray, FloatArray, IntArray

_MANY = 32  # near pairs per query of a chunk


class Counts(Protocol):
    """Where decided pairs are counted: arrays (pools, targets)."""

    queries: Vectors
    targets: IntArray
    exact: DoubleArray
    margin: DoubleArray
    tie_order: IntArray
    greater: Array
    before: Array
    tied: Array


@dataclass(frozen=True, slots=True)
class Members:
    """The documents of one pool in one piece of document vectors.

    Attributes:
        pool: its number.
        vectors: of the piece.
        rows: (n,) int64 positions in the piece.
        documents: (n,) int64 document numbers, in the tie order.
    """

    pool: int
    vectors: Vectors
    rows: IntArray
    documents: IntArray


@dataclass(frozen=True, slots=True)
class Near:
    """Pairs of targets and documents that are too close to call.

    Attributes:
        targets: (m,) int64 positions in the target list.
        columns: (m,) int64 the targets' queries.
        places: (m,) int64 the documents, as positions in the pool's members.
    """

    targets: IntArray
    columns: IntArray
    places: IntArray

    @classmethod
    def runs(
        cls,
        chunk: Chunk,
        first: int,
        runs: tuple[IntArray, IntArray, IntArray, IntArray],
    ) -> Near:
        """The documents in runs of sorted positions of a chunk.

        Args:
            chunk: sorted scores of the members from `first` on.
            first: place of the chunk's first document.
            runs: targets, columns, starts and lengths, (m,) int64 each.
        """
        targets, columns, starts, lengths = runs
        index = np.repeat(np.arange(len(targets)), lengths)
        before = (np.cumsum(lengths) - lengths)[index]
        position = starts[index] + np.arange(len(index)) - before
        return cls(targets[index], columns[index], first + chunk.places(columns[index], position))

    @classmethod
    def join(cls, parts: Sequence[Near]) -> Near:
        return cls(
            np.concatenate([part.targets for part in parts]),
            np.concatenate([part.columns for part in parts]),
            np.concatenate([part.places for part in parts]),
        )


def many(pairs: int, queries: int) -> bool:
    """Whether one product of a chunk's vectors is cheaper than scoring its near pairs apart.

    So it is for a collapsed encoder, which puts everything near everything, and for a lexical
    one, to which all documents without a word of the query are equal.
    """
    return pairs > _MANY * queries


def decide(counts: Counts, members: Members, near: Near) -> None:
    """Score near documents exactly and count them.

    Args:
        counts: changed in place.
        members: the pool's documents.
        near: what to decide.
    """
    queries, vectors = counts.queries, members.vectors
    others = members.documents[near.places] != counts.targets[near.targets]
    targets, columns, places = near.targets[others], near.columns[others], near.places[others]
    rows = members.rows[places]
    exact = queries.score_pairs(columns, vectors, rows)
    margin = queries.rounding * queries.norms[columns] * vectors.norms[rows]
    _count(counts, targets, members.documents[places], exact, margin, members.pool)


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
    np.add.at(counts.greater[pool], targets[(difference > 0) & ~tied], 1)
    if tied.any():
        targets, documents = targets[tied], documents[tied]
        first = counts.tie_order[documents] < counts.tie_order[counts.targets[targets]]
        np.add.at(counts.tied[pool], targets, 1)
        np.add.at(counts.before[pool], targets[first], 1)


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
            close = np.abs(np.diff(top.scores, axis=1)) <= 4 * top.grain[:, None]
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
            order, _ = settled(self.query, exact, margin, self.ties[at])
            documents, scores = documents.copy(), scores.copy()
            documents[at] = self.crowded[order]
            scores[at] = exact[order]
        return documents[:, : self.k], scores[:, : self.k]


def settled(
    query: IntArray, exact: DoubleArray, margin: DoubleArray, ties: Array
) -> tuple[IntArray, BoolArray]:
    """Order entries by query, then falling score, then, where scores are equal, the tie order.

    Args:
        query: (m,) int64.
        exact: (m,) float64 scores.
        margin: (m,) float64 within it of each other scores are equal.
        ties: (m,) ranks in the tie order.

    Returns:
        order: (m,) int64 the entries in order.
        apart: (m,) bool, by place in that order: not equal to the entry before it.
    """
    order = np.lexsort((-exact, query))
    step = exact[order[:-1]] - exact[order[1:]]
    apart = np.ones(len(order), bool)
    apart[1:] = step > np.maximum(margin[order[:-1]], margin[order[1:]])
    apart[1:] |= query[order[:-1]] != query[order[1:]]
    return order[np.lexsort((ties[order], np.cumsum(apart)))], apart
