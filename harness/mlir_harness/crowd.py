"""Many documents near many targets, decided level by level instead of pair by pair.

To a collapsed encoder all documents are near each other; to a lexical one, all are equal that
share no word with the query. A level is what targets of one query with one score have in common:
which documents score higher, and which tie, is looked up once for all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlir_harness.near import Counts, Members
from mlir_harness.types import BoolArray, DoubleArray, IntArray

_AT_ONCE = 256  # levels, with a chunk's documents near a core's cache


def decide_all(
    counts: Counts, members: Members, part: slice, targets: IntArray, columns: IntArray
) -> IntArray:
    """Score part of a pool exactly, and count the documents that tie with some targets.

    Args:
        counts: `tied` and `before` are changed in place.
        members: the pool's documents.
        part: places of some hundred of them.
        targets: (m,) int64 positions in the target list.
        columns: (m,) int64 their queries.

    Returns:
        How many documents score higher than each target and do not tie with it: (m,) int64.
    """
    vectors = members.vectors[members.rows[part]]
    scores = counts.queries.score_exact(vectors)
    margins = counts.queries.rounding * vectors.norms  # in units of the query's norm
    ties = counts.tie_order[members.documents[part]]  # ascending
    greater = np.empty(len(targets), np.int64)
    order = np.lexsort((counts.exact[targets], columns))
    exact, column = counts.exact[targets[order]], columns[order]
    fresh = np.append(True, (np.diff(exact) != 0) | (np.diff(column) != 0))
    while len(order):
        unsure = []
        for chosen, first in _levels(order, fresh):
            own = targets[chosen]
            query = columns[chosen[first]]
            level = _Level.of(
                scores[query] - counts.exact[own[first]][:, None],
                margins * counts.queries.norms[query][:, None],
                np.minimum.reduceat(counts.margin[own], first),
                np.maximum.reduceat(counts.margin[own], first),
            )
            of = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(own))))
            unsure.append(chosen[~level.sure[of]])
            chosen, own, of = (each[level.sure[of]] for each in (chosen, own, of))  # noqa: PLW2901
            rank = counts.tie_order[counts.targets[own]]
            place = np.searchsorted(ties, rank)
            itself = ties[np.minimum(place, len(ties) - 1)] == rank
            counts.before[members.pool, own] += level.tied[of, place]
            counts.tied[members.pool, own] += level.tied[of, -1] - itself
            greater[chosen] = level.higher[of]
        order = np.concatenate(unsure)
        fresh = np.ones(len(order), bool)  # each is a level of its own now, and then sure
    return greater


def _levels(order: IntArray, fresh: BoolArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Some levels at a time: their targets, and where each level begins among these."""
    starts = np.flatnonzero(fresh)
    edges = [*starts[::_AT_ONCE].tolist(), len(order)]
    for number, (low, high) in enumerate(itertools.pairwise(edges)):
        some = starts[number * _AT_ONCE : (number + 1) * _AT_ONCE]
        yield order[low:high], some - low


@dataclass(frozen=True, slots=True)
class _Level:
    """Where a chunk's documents stand to some levels.

    Attributes:
        higher: (levels,) int64 how many score higher.
        tied: (levels, documents + 1) int32 how many of the first documents tie.
        sure: (levels,) bool: all targets of the level tie with the same documents.
    """

    higher: IntArray
    tied: IntArray
    sure: BoolArray

    @classmethod
    def of(
        cls, gap: DoubleArray, margin: DoubleArray, least: DoubleArray, most: DoubleArray
    ) -> _Level:
        """Compare scores with levels.

        Args:
            gap: (levels, documents) how far documents score above each level.
            margin: (levels, documents) within which they tie, for the documents' sake.
            least, most: (levels,) within which they do for the targets' sake.
        """
        apart = np.abs(gap)
        ties = apart <= np.maximum(margin, least[:, None])
        sure = np.asarray(~((apart <= most[:, None]) & ~ties).any(axis=1), bool)
        tied = np.zeros((len(gap), gap.shape[1] + 1), np.int32)
        np.cumsum(ties, axis=1, out=tied[:, 1:])
        return cls(np.count_nonzero((gap > 0) & ~ties, axis=1), tied, sure)
