"""Documents too close to a target to be told apart in float32, decided by exact scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlir_harness.protocols import Vectors
from mlir_harness.topk import TieKey, Top
from mlir_harness.types import Array, DoubleArray, FloatArray, IntArray

_EXACT_TIE = 1e-12  # float64 scores closer than this times the norms are equal
_MANY = 64  # near documents per query of a piece above which all its pairs are scored exactly
_LOOKED_AT = 2048  # chunks searched at once, which bounds memory


class Counts(Protocol):
    """Where decided pairs are counted: arrays (targets, pools)."""

    queries: Vectors
    targets: IntArray
    exact: DoubleArray
    tie_key: TieKey
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
    owner: IntArray, layers: Sequence[IntArray], exact: DoubleArray, error: float, queries: int
) -> Stack:
    """Stack `layers` of targets.

    Args:
        owner: (t,) int64 the query of each target.
        layers: targets, ascending, at most one per query; later ones hold subsets of the
            first one's queries.
        exact: (t,) the targets' scores.
        error: see `Vectors.score_error`.
        queries: number of queries in the block.
    """
    columns = owner[layers[0]]
    targets = np.full((len(layers), len(columns)), -1, np.int64)
    edges = np.full((2 * len(layers), len(columns)), np.inf, np.float32)
    for layer, chosen in enumerate(layers):
        at = np.searchsorted(columns, owner[chosen])
        targets[layer, at] = chosen
        high = (exact[chosen] + error).astype(np.float32)
        low = (exact[chosen] - error).astype(np.float32)
        edges[layer, at] = np.nextafter(high, np.float32(np.inf))
        edges[len(layers) + layer, at] = np.nextafter(low, np.float32(-np.inf))
    return Stack(None if len(columns) == queries else columns, targets, edges)


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
        rows: (n,) int64 positions in the piece, ascending.
        documents: (n,) int64 document numbers.
    """

    pool: int
    rows: IntArray
    documents: IntArray


def decide(
    counts: Counts,
    suspects: Suspects,
    scores: FloatArray,
    chunk: int,
    piece: Vectors,
    members: Members,
) -> None:
    """Score near documents exactly and count them.

    Args:
        counts: changed in place.
        suspects: where to look.
        scores: (members, queries) float32.
        chunk: rows of `scores` per chunk.
        piece: the document vectors that `members.rows` points into.
        members: the pool's documents.
    """
    exact_scores = None
    if suspects.total > _MANY * scores.shape[1]:
        # A collapsed encoder puts everything near everything: one product serves all pairs.
        exact_scores = piece[members.rows].score_exact(counts.queries)
    for first in range(0, len(suspects.starts), _LOOKED_AT):
        columns, targets, rows = _locate(suspects[first : first + _LOOKED_AT], scores, chunk)
        others = members.documents[rows] != counts.targets[targets]
        columns, targets, rows = columns[others], targets[others], rows[others]
        if exact_scores is not None:
            exact = exact_scores[rows, columns]
        else:
            exact = counts.queries[columns].score_pairs(piece[members.rows[rows]])
        _count(counts, targets, members.documents[rows], exact, members.pool)


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
    counts: Counts, targets: IntArray, documents: IntArray, exact: DoubleArray, pool: int
) -> None:
    """Count documents whose exact scores against their targets' are known."""
    reference = counts.exact[targets]
    tied = np.abs(exact - reference) <= _EXACT_TIE * np.maximum(1.0, np.abs(reference))
    higher = targets[(exact > reference) & ~tied]
    np.add.at(counts.greater[:, pool], higher, 1)
    if tied.any():
        targets, documents = targets[tied], documents[tied]
        keys = counts.tie_key(np.concatenate([documents, counts.targets[targets]]))
        first = keys[: len(documents)] < keys[len(documents) :]
        np.add.at(counts.tied[:, pool], targets, 1)
        np.add.at(counts.before[:, pool], targets[first], 1)


def settle(
    top: Top,
    queries: Vectors,
    take: Callable[[IntArray], Vectors],
    tie_key: TieKey,
    error: float,
) -> None:
    """Order near ties of a finished top list exactly, then cut it to its k places.

    Exact unless more documents crowd the k-th place, within rounding error, than the list
    keeps in reserve.

    Args:
        top: changed in place: `documents` and `scores` become (queries, ≤ k).
        take: document numbers -> vectors.
        error: see `Vectors.score_error`.
    """
    scores = top.scores.astype(np.float64)
    with np.errstate(invalid="ignore"):
        close = scores[:, :-1] - scores[:, 1:] <= 2 * error
    crowded = np.zeros(scores.shape, bool)
    crowded[:, :-1] |= close
    crowded[:, 1:] |= close
    crowded &= top.documents >= 0
    query, place = np.nonzero(crowded)
    if len(query):
        documents = top.documents[query, place]
        unique, inverse = np.unique(documents, return_inverse=True)
        exact = queries[query].score_pairs(take(unique)[inverse])
        # Scores equal to float64 rounding must compare equal for the tie order to decide.
        scores[query, place] = np.round(exact, 12)
        order = np.lexsort((tie_key(unique)[inverse], -scores[query, place], query))
        top.documents[query, place] = documents[order]
        scores[query, place] = scores[query, place][order]
    top.documents = top.documents[:, : top.k]
    top.scores = scores[:, : top.k].astype(np.float32)
