"""Lists of an index beside the exact ones: rounding and ties make no difference, misses do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlir_harness import measures
from mlir_harness.indexing import agreement
from mlir_harness.indexing.agreement import Lists, Pairs
from mlir_harness.indexing.bench import Mapped
from mlir_harness.indexing.search import DEPTH
from mlir_harness.rank import Corpus, Question, rank
from mlir_harness.types import FloatArray, IntArray, Relevant
from mlir_harness.vectors import Dense

AP = measures.parse(f"AP@{DEPTH}")


@dataclass(frozen=True)
class Case:
    """Queries and documents in pools, among them equal and nearly equal vectors."""

    queries: Dense
    corpus: Corpus
    relevant: Relevant
    chance: np.random.Generator

    @property
    def pairs(self) -> Pairs:
        return Pairs.of(self.queries, self.corpus, 1.0)

    def exact(self) -> Lists:
        parts = []
        none = np.zeros(0, np.int64)
        indptr = np.zeros(len(self.queries) + 1, np.int64)
        for pool in self.corpus.pools:
            source = self.corpus.vectors.take(self.corpus.rows[pool])
            ties = np.argsort(np.argsort(self.corpus.ties[pool]))
            own = np.arange(len(pool))
            corpus = Corpus(Mapped(source.matrix), own, np.zeros_like(own), ties, [own])
            asked = Question(self.queries, indptr, none, none, np.zeros((1, 1), bool), [(0,)])
            (answer,) = rank([asked], corpus, k=DEPTH + 1)
            found, scores = answer.top[(0,)]
            parts.append(Lists.of(np.where(found >= 0, pool[found], -1), scores))
        return agreement.exact_lists(parts, self.relevant, self.pairs)

    def searched(self, score: FloatArray) -> list[Lists]:
        """The pools' first places by given scores (queries, documents), equal ones in any order."""
        parts = []
        for pool in self.corpus.pools:
            shuffled = self.chance.permutation(pool)
            order = np.argsort(-score[:, shuffled], axis=1, kind="stable")[:, :DEPTH]
            documents = shuffled[order]
            held = np.take_along_axis(score, documents, axis=1)
            short = DEPTH - documents.shape[1]
            parts.append(
                Lists.of(
                    np.pad(documents, ((0, 0), (0, short)), constant_values=-1),
                    np.pad(held, ((0, 0), (0, short)), constant_values=7.0),
                )
            )
        return parts


@st.composite
def cases(draw: st.DrawFn) -> Case:
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(
        st.lists(st.sampled_from([3, 99, 100, 101, 102, 160, 300]), min_size=1, max_size=3)
    )
    total, distinct = sum(sizes), draw(st.sampled_from([2, 30, 200, 1000]))
    dimension = draw(st.sampled_from([1, 8, 200]))

    def unit(rows: int) -> FloatArray:
        matrix = chance.normal(size=(rows, dimension))
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
        return matrix.astype(np.float32)

    queries, vectors = unit(4), unit(distinct)
    if draw(st.booleans()):  # all within a few roundings of each other
        vectors = (vectors[:1] + 1e-7 * chance.normal(size=vectors.shape)).astype(np.float32)
        vectors = np.minimum(np.maximum(vectors, -1), 1)
    rows = chance.integers(0, distinct, total)
    numbers = chance.permutation(total)
    pools = [np.sort(part) for part in np.split(numbers, np.cumsum(sizes)[:-1])]
    corpus = Corpus(Mapped(vectors), rows, np.zeros_like(rows), chance.permutation(total), pools)
    wanted = [np.sort(chance.choice(total, min(total, count), False)) for count in (1, 2, 11, 150)]
    indptr = np.cumsum([0, *map(len, wanted)])
    relevant = Relevant(indptr, np.concatenate(wanted), np.ones(indptr[-1], np.int64))
    return Case(Dense(queries), corpus, relevant, chance)


def average_precision(lists: Lists, relevant: Relevant) -> list[float]:
    """AP@100 as its definition reads."""
    values = []
    for row, (first, last) in enumerate(
        zip(relevant.indptr[:-1], relevant.indptr[1:], strict=True)
    ):
        wanted = set(relevant.documents[first:last].tolist())
        hits, total = 0, 0.0
        for place, document in enumerate(lists.documents[row, :DEPTH].tolist(), start=1):
            if document in wanted:
                hits += 1
                total += hits / place
        values.append(total / len(wanted))
    return values


@given(cases())
@settings(max_examples=150)
def test_a_search_of_all_vectors_in_float32_agrees_with_the_exact_one(case: Case) -> None:
    exact = case.exact()
    documents = case.corpus.take(np.arange(len(case.corpus.rows))).matrix
    # Summed in another order than the exact search's.
    flat = np.einsum("qd,nd->qn", case.queries.matrix[:, ::-1], documents[:, ::-1])
    found = agreement.index_lists(
        case.searched(flat.astype(np.float32)), exact, case.relevant, case.pairs
    )
    assert (agreement.recall(found, exact) == 1).all()
    ranks = [agreement.ranked(lists, case.relevant) for lists in (found, exact)]
    np.testing.assert_array_equal(ranks[0].rank, ranks[1].rank)


@given(cases())
@settings(max_examples=60)
def test_the_exact_lists_are_the_best_of_all_pools_in_order(case: Case) -> None:
    exact = case.exact()
    total = len(case.corpus.rows)
    scores = case.queries.score_exact(case.corpus.take(np.arange(total)))
    for row, documents in enumerate(exact.documents):
        listed = documents[documents >= 0]
        assert len(listed) == min(total, DEPTH + 1)
        assert len(set(listed.tolist())) == len(listed)
        left = np.setdiff1d(np.arange(total), listed)
        if len(left):
            assert scores[row, listed].min() >= scores[row, left].max() - 1e-6


@given(cases(), st.sampled_from([0.02, 0.3, 3.0]))
@settings(max_examples=60)
def test_a_search_by_estimates_has_the_recall_and_measure_of_its_lists(
    case: Case, noise: float
) -> None:
    exact = case.exact()
    total = len(case.corpus.rows)
    truth = case.queries.score_exact(case.corpus.take(np.arange(total)))
    guessed = (truth + noise * case.chance.normal(size=truth.shape)).astype(np.float32)
    parts = case.searched(guessed)
    found = agreement.index_lists(parts, exact, case.relevant, case.pairs)
    shares = agreement.recall(found, exact)
    for row in range(len(truth)):
        held = found.documents[row][found.documents[row] >= 0]
        assert len(set(held.tolist())) == len(held) == min(total, DEPTH)
        # Whatever ties with the last place of the exact list counts as found.
        edge = np.sort(truth[row])[-min(total, DEPTH)] - 4 * case.pairs.error[row]
        merged = Lists.merged(parts).documents[row]
        hits = (truth[row, merged[merged >= 0]] >= edge).sum()
        assert shares[row] <= hits / min(total, DEPTH) + 1e-12
        certain = truth[row, merged[merged >= 0]] > edge + 8 * case.pairs.error[row]
        assert shares[row] >= certain.sum() / min(total, DEPTH) - 1e-12
    for lists in (found, exact):
        ranked = agreement.ranked(lists, case.relevant)
        values = measures.per_query(AP, ranked)
        np.testing.assert_allclose(values, average_precision(lists, case.relevant), atol=1e-12)


def test_a_search_that_found_nothing_has_no_recall() -> None:
    exact = Lists(np.arange(6).reshape(2, 3), np.zeros((2, 3)))
    nothing = Lists(np.full((2, 3), -1), np.full((2, 3), -np.inf))
    assert agreement.recall(nothing, exact).tolist() == [0, 0]
    short = Lists(np.array([[2, 9, -1], [3, 4, 5]]), np.zeros((2, 3)))
    np.testing.assert_allclose(agreement.recall(short, exact), [1 / 3, 1])


def test_an_estimate_is_taken_as_it_is() -> None:
    """A high or an equal estimate counts, even where the exact score is lower."""
    vectors = np.array([[1, 0], [0.5, 0]], np.float32)
    rows = np.arange(2)
    corpus = Corpus(Mapped(vectors), rows, np.zeros_like(rows), rows[::-1], [rows])
    pairs = Pairs.of(Dense(np.array([[1, 0]], np.float32)), corpus, 1.0)
    relevant = Relevant(np.array([0, 1]), np.array([0]), np.array([1]))
    for scores, first in (((0.7, 0.8), 1), ((0.7, 0.7), 1), ((1.0, 0.5), 0)):
        given_lists = Lists(np.array([[0, 1]]), np.array([scores]))
        assert agreement.settled(given_lists, relevant, pairs).documents[0, 0] == first


def test_only_relevant_documents_of_the_pools_count() -> None:
    relevant = Relevant(np.array([0, 2, 3, 5]), np.array([1, 7, 3, 0, 8]), np.ones(5, np.int64))
    pools: list[IntArray] = [np.array([0, 1]), np.array([7, 9]), np.zeros(0, np.int64)]
    rows, own = agreement.within(relevant, pools)
    assert rows.tolist() == [0, 2]
    assert own.documents.tolist() == [1, 7, 0]
    assert own.indptr.tolist() == [0, 2, 3]
