"""How far the lists of an index agree with those of the exact search, rounding left aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlir_harness.measures import Ranked
from mlir_harness.protocols import Vectors
from mlir_harness.rank import Corpus, Lookup
from mlir_harness.search import DEPTH
from mlir_harness.types import BoolArray, DoubleArray, FloatArray, IntArray, Relevant
from mlir_harness.vectors import Dense

_SPARE = 28  # places beyond DEPTH, so that near ties at the end are settled exactly


@dataclass(frozen=True, slots=True)
class Lists:
    """What was found for some queries.

    Attributes:
        documents: (n, m) int64 document numbers, -1 for none.
        scores: (n, m) float64, -inf for none; falling, but for near ties.
    """

    documents: IntArray
    scores: DoubleArray

    @classmethod
    def of(cls, documents: IntArray, scores: FloatArray) -> Lists:
        """Lists as a search gave them; what it scored where there is no document does not count."""
        return cls(documents, np.where(documents >= 0, scores.astype(np.float64), -np.inf))

    def rows(self, chosen: IntArray) -> Lists:
        """The lists of some of the queries."""
        return Lists(self.documents[chosen], self.scores[chosen])

    @classmethod
    def merged(cls, parts: Sequence[Lists], width: int = DEPTH) -> Lists:
        """The best `width` of lists over disjoint documents, by score."""
        documents = np.concatenate([part.documents for part in parts], axis=1)
        scores = np.concatenate([part.scores for part in parts], axis=1)
        return cls(documents, scores).by_score().cut(width)

    def by_score(self) -> Lists:
        order = np.argsort(-self.scores, axis=1, kind="stable")
        return self._in(order)

    def _in(self, order: IntArray) -> Lists:
        return Lists(
            np.take_along_axis(self.documents, order, axis=1),
            np.take_along_axis(self.scores, order, axis=1),
        )

    def cut(self, width: int) -> Lists:
        return Lists(self.documents[:, :width], self.scores[:, :width])


@dataclass(frozen=True)
class Pairs:
    """Exact scores of chosen pairs, and how far float32 ones may be off.

    Attributes:
        queries: n vectors.
        corpus: all documents.
        error: (n,) float64, of an inner product summed in float32 in any order.
    """

    queries: Vectors
    corpus: Corpus
    error: DoubleArray

    @classmethod
    def of(cls, queries: Dense, corpus: Corpus, longest: float) -> Pairs:
        """Pairs of `queries` and a corpus whose longest vector has the norm `longest`."""
        terms = queries.matrix.shape[1] + 2  # Higham 2002, section 3.1
        return cls(queries, corpus, terms * 2.0**-24 * longest * queries.norms)

    def exact(self, rows: IntArray, documents: IntArray) -> tuple[DoubleArray, DoubleArray]:
        """Scores of queries[rows[i]] and documents[i], and within what they count as equal."""
        held = Lookup(self.corpus, [documents])
        places = held.rows(documents)
        margin = self.queries.rounding * self.queries.norms[rows] * held.vectors.norms[places]
        return self.queries.score_pairs(rows, held.vectors, places), margin


def exact_lists(parts: Sequence[Lists], pairs: Pairs) -> Lists:
    """The exact search's first DEPTH + 1 places over several parts."""
    return settled(Lists.merged(parts, DEPTH + 1 + _SPARE), pairs).cut(DEPTH + 1)


def index_lists(parts: Sequence[Lists], exact: Lists, pairs: Pairs) -> Lists:
    """The first DEPTH places over several indexes, as comparable with `exact` as can be.

    Documents that tie stand in the harness's order of ties, also at the last place, where an
    index cannot know which of them to return.
    """
    return settled(_stand_in(Lists.merged(parts), exact, pairs), pairs)


def settled(lists: Lists, pairs: Pairs) -> Lists:
    """Put ties in the tie order.

    Scores that are right to rounding in float32 are replaced by exact ones where neighbours are
    near: so an index that stores vectors as they are ranks as the exact search does. A score that
    an index only estimates stays as it is.
    """
    lists = lists.by_score()
    documents, scores = lists.documents, lists.scores.copy()
    with np.errstate(invalid="ignore"):
        close = scores[:, :-1] - scores[:, 1:] <= 2 * pairs.error[:, None]
    crowded = np.zeros(documents.shape, bool)
    crowded[:, :-1] |= close
    crowded[:, 1:] |= close
    rows, places = np.nonzero(crowded & (documents >= 0))
    exact, near = pairs.exact(rows, documents[rows, places])
    given = scores[rows, places]
    scores[rows, places] = np.where(np.abs(exact - given) <= pairs.error[rows], exact, given)
    margin = np.zeros(scores.shape)
    margin[rows, places] = near
    order = np.argsort(-scores, axis=1, kind="stable")
    lists, margin = Lists(documents, scores)._in(order), np.take_along_axis(margin, order, axis=1)
    with np.errstate(invalid="ignore"):
        tied = lists.scores[:, :-1] - lists.scores[:, 1:] <= np.maximum(
            margin[:, :-1], margin[:, 1:]
        )
    level = np.zeros(scores.shape, np.int64)
    np.cumsum(~tied, axis=1, out=level[:, 1:])
    total = len(pairs.corpus.ties) + 1
    ties = np.where(lists.documents >= 0, pairs.corpus.ties[lists.documents], total - 1)
    return lists._in(np.argsort(level * total + ties, axis=1, kind="stable"))


def _stand_in(found: Lists, exact: Lists, pairs: Pairs) -> Lists:
    """Found documents that tie with the exact search's last place count as those of its list.

    As many as were found beyond its list take the names of those that are missing from it.
    """
    if exact.documents.shape[1] <= DEPTH:
        return found
    edge, slack = exact.scores[:, DEPTH - 1], 2 * pairs.error
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(edge - exact.scores[:, DEPTH] <= slack + pairs.error)
    if not len(rows):
        return found
    listed = exact.documents[rows, :DEPTH]
    extra, place = np.nonzero(~_shared(found.documents[rows], listed))
    held = found.documents[rows[extra], place] >= 0
    extra, place = extra[held], place[held]
    score, _ = pairs.exact(rows[extra], found.documents[rows[extra], place])
    near = score >= edge[rows[extra]] - slack[rows[extra]]
    extra, place, score = extra[near], place[near], score[near]
    low = exact.scores[rows, :DEPTH] <= (edge + slack)[rows, None]
    lacking, column = np.nonzero(low & ~_shared(listed, found.documents[rows]))
    # The first of one query's with the first of its others, the second with the second ...
    _, one, other = np.intersect1d(
        _numbered(extra), _numbered(lacking), assume_unique=True, return_indices=True
    )
    at = rows[extra[one]], place[one]
    as_listed = rows[lacking[other]], column[other]
    documents, scores = found.documents.copy(), found.scores.copy()
    right = np.abs(score[one] - scores[at]) <= pairs.error[at[0]]
    documents[at] = exact.documents[as_listed]
    scores[at] = np.where(right, exact.scores[as_listed], scores[at])
    return Lists(documents, scores)


def _numbered(rows: IntArray) -> IntArray:
    """A key for each entry of an ascending array: its value, and how often it came before."""
    before = np.arange(len(rows)) - np.searchsorted(rows, rows)
    return rows * (DEPTH + 1) + before


def _shared(documents: IntArray, others: IntArray) -> BoolArray:
    """Which documents (n, m) stand in the same row of `others` (n, k)."""
    if not documents.size or not others.size:
        return np.zeros(documents.shape, bool)
    step = np.arange(len(documents))[:, None] * (max(documents.max(), others.max()) + 2)
    return np.isin(documents + step, others + step)


def recall(found: Lists, exact: Lists) -> DoubleArray:
    """Share of the exact search's first places that were found: (n,) float64."""
    listed = exact.documents[:, :DEPTH]
    hits = _shared(listed, found.documents) & (listed >= 0)
    shares: DoubleArray = hits.sum(axis=1) / np.maximum((listed >= 0).sum(axis=1), 1)
    return shares


def ranked(lists: Lists, relevant: Relevant) -> Ranked:
    """Where the relevant documents stand in the first DEPTH places, for measures with a cutoff.

    Args:
        lists: of n queries.
        relevant: of the same queries, one or more each; `documents` are document numbers.
    """
    documents = lists.documents[:, :DEPTH]
    total = max(documents.max(initial=0), relevant.documents.max(initial=0)) + 2
    keys = (documents + np.arange(len(documents))[:, None] * total).ravel()
    order = np.argsort(keys)
    owner = np.repeat(np.arange(len(relevant)), np.diff(relevant.indptr))
    wanted = relevant.documents + owner * total
    place = np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)
    there = keys[order[place]] == wanted
    rank = np.where(there, order[place] % documents.shape[1] + 1, DEPTH + 1)
    by_rank = np.lexsort((rank, owner))
    nothing = np.zeros(len(rank), np.int64)
    return Ranked(
        query_language="",
        languages=("",),
        pool_size=DEPTH,
        queries=np.arange(len(relevant)),
        indptr=relevant.indptr,
        rank=rank[by_rank],
        mid_rank=rank[by_rank].astype(np.float64),
        tied=nothing.astype(bool),
        grade=relevant.grades[by_rank],
        language=nothing,
    )


def within(relevant: Relevant, pools: Sequence[IntArray]) -> tuple[IntArray, Relevant]:
    """The queries with relevant documents in a setting's pools, and these documents.

    Args:
        relevant: of all queries of a language.
        pools: ascending document numbers, disjoint.

    Returns:
        (n,) int64 rows of the queries, and the relevant documents of these.
    """
    inside = np.zeros(len(relevant.documents), bool)
    for pool in pools:
        if len(pool):
            place = np.minimum(np.searchsorted(pool, relevant.documents), len(pool) - 1)
            inside |= pool[place] == relevant.documents
    owner = np.repeat(np.arange(len(relevant)), np.diff(relevant.indptr))[inside]
    rows, counts = np.unique(owner, return_counts=True)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    kept = replace(
        relevant,
        indptr=indptr,
        documents=relevant.documents[inside],
        grades=relevant.grades[inside],
    )
    return rows, kept
