"""How far the lists of an index agree with those of the exact search, rounding left aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlir_harness.indexing.search import DEPTH
from mlir_harness.measures import Ranked
from mlir_harness.protocols import Vectors
from mlir_harness.rank import Corpus, Lookup
from mlir_harness.types import BoolArray, DoubleArray, FloatArray, IntArray, Relevant
from mlir_harness.vectors import Dense

_PLACE_BITS = 9  # of a sorting key, for a place in two lists
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

    @classmethod
    def merged(cls, parts: Sequence[Lists], width: int = DEPTH) -> Lists:
        """The best `width` of lists over disjoint documents, by score."""
        documents = np.concatenate([part.documents for part in parts], axis=1)
        scores = np.concatenate([part.scores for part in parts], axis=1)
        return cls(documents, scores).by_score().cut(width)

    def by_score(self) -> Lists:
        """The same in the order of their scores."""
        return self.in_order(np.argsort(-self.scores, axis=1, kind="stable"))

    def with_scores(self, scores: DoubleArray) -> Lists:
        return Lists(self.documents, scores)

    def in_order(self, order: IntArray) -> Lists:
        return Lists(
            np.take_along_axis(self.documents, order, axis=1),
            np.take_along_axis(self.scores, order, axis=1),
        )

    def cut(self, width: int) -> Lists:
        """The first places."""
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


def exact_lists(parts: Sequence[Lists], relevant: Relevant, pairs: Pairs) -> Lists:
    """The exact search's first DEPTH + 1 places over several parts.

    Args:
        parts: of the exact search, DEPTH + 1 places each, in the harness's order.
        relevant: see `settled`.
        pairs: of the same queries.
    """
    if len(parts) == 1:
        return parts[0].cut(DEPTH + 1)
    return settled(Lists.merged(parts, DEPTH + 1 + _SPARE), relevant, pairs).cut(DEPTH + 1)


def index_lists(parts: Sequence[Lists], exact: Lists, relevant: Relevant, pairs: Pairs) -> Lists:
    """The first DEPTH places over several indexes, as comparable with `exact` as can be.

    Documents that tie stand in the harness's order of ties, also at the last place, where an
    index cannot know which of them to return.
    """
    return settled(_stand_in(Lists.merged(parts), exact, pairs), relevant, pairs)


def settled(lists: Lists, relevant: Relevant, pairs: Pairs) -> Lists:
    """Put ties in the tie order, where a relevant document is among them.

    Where neighbours are near, scores that are right to rounding in float32 are replaced by exact
    ones: so an index that stores vectors as they are ranks as the exact search does. A score
    that an index only estimates stays as it is. Among others the order counts for nothing.
    """
    lists = lists.by_score()
    documents, scores = lists.documents, lists.scores.copy()
    with np.errstate(invalid="ignore"):
        close = scores[:, :-1] - scores[:, 1:] <= 2 * pairs.error[:, None]
    rows, places = np.nonzero(_with_any(close, _is_relevant(lists, relevant)))
    exact, near = pairs.exact(rows, documents[rows, places])
    given = scores[rows, places]
    scores[rows, places] = np.where(np.abs(exact - given) <= pairs.error[rows], exact, given)
    margin = np.zeros(scores.shape)
    margin[rows, places] = near
    order = np.argsort(-scores, axis=1, kind="stable")
    lists, margin = lists.with_scores(scores).in_order(order), np.take_along_axis(margin, order, 1)
    with np.errstate(invalid="ignore"):
        step = lists.scores[:, :-1] - lists.scores[:, 1:]
    tied = step <= np.maximum(margin[:, :-1], margin[:, 1:])
    total = len(pairs.corpus.ties) + 1
    ties = np.where(lists.documents >= 0, pairs.corpus.ties[lists.documents], total - 1)
    return lists.in_order(np.argsort(_runs(tied) * total + ties, axis=1, kind="stable"))


def _runs(close: BoolArray) -> IntArray:
    """Numbers the runs in each row of neighbours that are close: (n, m - 1) -> (n, m)."""
    runs = np.zeros((len(close), close.shape[1] + 1), np.int64)
    np.cumsum(~close, axis=1, out=runs[:, 1:])
    return runs


def _with_any(close: BoolArray, marked: BoolArray) -> BoolArray:
    """The places (n, m) in runs of two or more of which at least one is marked."""
    runs = _runs(close) + np.arange(len(close))[:, None] * marked.shape[1]
    sizes = np.bincount(runs.ravel(), minlength=marked.size)
    some = np.zeros(marked.size, bool)
    some[runs[marked]] = True
    within: BoolArray = (some & (sizes > 1))[runs]
    return within


def _is_relevant(lists: Lists, relevant: Relevant) -> BoolArray:
    """Which documents of lists (n, m) are relevant to their query."""
    total = max(lists.documents.max(initial=0), relevant.documents.max(initial=0)) + 2
    owner = np.repeat(np.arange(len(relevant)), np.diff(relevant.indptr))
    wanted = np.sort(relevant.documents + owner * total)
    keys = lists.documents + np.arange(len(lists.documents))[:, None] * total
    place = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    found: BoolArray = (wanted[place] == keys) & (lists.documents >= 0)
    return found


def _stand_in(found: Lists, exact: Lists, pairs: Pairs) -> Lists:
    """Found documents that tie with the exact search's last place count as those of its list.

    As many as were found beyond its list take the names of those that are missing from it.
    """
    if exact.documents.shape[1] <= DEPTH:
        return found
    edge, slack = exact.scores[:, DEPTH - 1], 2 * pairs.error
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero(edge - exact.scores[:, DEPTH] <= slack + pairs.error)
    listed, held = exact.documents[rows, :DEPTH], found.documents[rows]
    extra, place = np.nonzero(~_shared(held, listed) & (held >= 0))
    score, _ = pairs.exact(rows[extra], held[extra, place])
    near = score >= (edge - slack)[rows[extra]]
    extra, place, score = extra[near], place[near], score[near]
    low = exact.scores[rows, :DEPTH] <= (edge + slack)[rows, None]
    lacking, column = np.nonzero(low & ~_shared(listed, held))
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
    """Which documents (n, m) stand in the same row of `others` (n, k); -1 stands nowhere."""
    width = documents.shape[1]
    both = np.concatenate([documents, others], axis=1)
    keys = np.sort((both << _PLACE_BITS) + np.arange(both.shape[1]), axis=1)
    held, place = keys >> _PLACE_BITS, keys & ((1 << _PLACE_BITS) - 1)
    twice = (held[:, :-1] == held[:, 1:]) & (place[:, :-1] < width) & (held[:, :-1] >= 0)
    shared = np.zeros(documents.shape, bool)
    rows, at = np.nonzero(twice)
    shared[rows, place[rows, at]] = True
    return shared


def recall(found: Lists, exact: Lists) -> DoubleArray:
    """Share of the exact search's first places that were found: (n,) float64."""
    listed = exact.documents[:, :DEPTH]
    hits = _shared(listed, found.documents).sum(axis=1)
    shares: DoubleArray = hits / np.maximum((listed >= 0).sum(axis=1), 1)
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
