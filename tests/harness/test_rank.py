"""Ranks and top lists are those of a full sort by float64 scores, whatever the blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_cases import (
    KINDS,
    Case,
    assert_ranks_are_exact,
    assert_same_answers,
    assert_top_lists_are_exact,
    case,
    exact_scores,
    uneven,
    vectors,
)

from mlir_harness.errors import EncoderError
from mlir_harness.rank import Answer, Question
from mlir_harness.types import Array, FloatArray, IntArray
from mlir_harness.vectors import Dense, as_dense, as_vectors


# Deterministic: two of many random near ties may lie closer than float64 tells apart.
@settings(max_examples=120, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(KINDS),
    documents=st.integers(1, 70),
    dimension=st.integers(1, 20),
    k=st.sampled_from([0, 1, 5, 10, 100]),
    query_block=st.sampled_from([1, 3, 97, None]),
    document_block=st.sampled_from([1, 7, 97, 10_000]),
    shards=st.integers(1, 7),
)
def test_ranks_and_top_lists_are_those_of_a_full_sort(
    *,
    seed: int,
    kind: str,
    documents: int,
    dimension: int,
    k: int,
    query_block: int | None,
    document_block: int,
    shards: int,
) -> None:
    this = case(seed, kind, documents=documents, dimension=dimension, k=k)
    answers = this.answers(
        uneven(seed, len(this.matrix), shards),
        query_block=query_block,
        document_block=document_block,
        workers=1,
    )
    assert_ranks_are_exact(this, answers)
    if k:
        assert_top_lists_are_exact(this, answers)


@pytest.mark.parametrize("kind", KINDS)
def test_many_documents_and_queries_are_ranked_exactly(kind: str) -> None:
    this = case(7, kind, documents=700, queries=20, dimension=32)
    answers = this.answers(workers=2)
    assert_ranks_are_exact(this, answers)
    assert_top_lists_are_exact(this, answers)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_do_not_change_a_rank(kind: str) -> None:
    this = case(11, kind, documents=120, queries=110, dimension=48)
    whole = this.answers(query_block=10_000, document_block=10_000)
    for query_block in (1, 97, 10_000):
        for document_block in (1, 97, 10_000):
            if query_block == document_block == 1:
                continue  # slow, and seen elsewhere
            options = {"query_block": query_block, "document_block": document_block}
            assert_same_answers(this.answers(**options), whole)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shards", [1, 3, 7])
def test_shards_do_not_change_a_rank(kind: str, shards: int) -> None:
    this = case(12, kind, documents=300, queries=30, dimension=48)
    sizes = uneven(shards, len(this.matrix), shards)
    assert_same_answers(this.answers(sizes), this.answers())


@pytest.mark.parametrize("kind", KINDS)
def test_threads_do_not_change_a_rank(kind: str) -> None:
    this = case(13, kind, documents=300, queries=60, dimension=48)
    options = {"query_block": 7, "document_block": 97}
    one, three = (this.answers(workers=workers, **options) for workers in (1, 3))
    assert_same_answers(one, three)
    for a, b in zip(one, three, strict=True):
        for p, (documents, scores) in a.top.items():
            np.testing.assert_array_equal(b.top[p][0], documents)
            np.testing.assert_array_equal(b.top[p][1], scores)


def simple(
    queries: FloatArray, matrix: FloatArray, targets: IntArray, per_query: int, **changes: object
) -> Case:
    """One question over one pool of all documents, one document per vector, keys descending."""
    question = Question(
        queries=Dense(np.asarray(queries, np.float32)),
        indptr=np.arange(len(queries) + 1) * per_query,
        targets=np.asarray(targets, np.int64),
        group=np.zeros(len(targets), np.int64),
        counted=np.ones((1, 1), np.bool_),
        listed=[(0,)],
    )
    everything = np.arange(len(matrix))
    base = Case(
        np.asarray(matrix, np.float32), everything, (everything,), (question,), everything[::-1]
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def ranks(answer: Answer) -> list[int]:
    """Rank of every target in the first pool."""
    return (1 + answer.greater + answer.before)[:, 0].tolist()


@pytest.mark.parametrize("vector", [[0.0, 0.0, 0.0], [0.6, -0.8, 0.1], [1.0, 1.0, 1.0]])
@pytest.mark.parametrize("documents", [3, 90, 600])
def test_a_collapsed_encoder_ranks_by_the_tie_order(vector: list[float], documents: int) -> None:
    targets = np.array([0, documents // 2, documents - 1])
    this = simple(
        np.tile(vector, (2, 1)), np.tile(vector, (documents, 1)), np.tile(targets, 2), len(targets)
    )
    (answer,) = this.answers()
    assert ranks(answer) == [documents - target for target in targets] * 2
    assert (answer.tied == documents - 1).all()


@pytest.mark.parametrize("documents", [40, 600])
def test_many_ties_of_vectors_of_all_lengths_are_each_decided(documents: int) -> None:
    """What counts as equal depends on lengths: of the target, and of each other document."""
    rng = np.random.default_rng(documents)
    matrix = np.zeros((documents, 12))
    matrix[:, 0] = 1
    matrix[:, 1] = rng.integers(-8, 8, documents) * 2.0**-49  # told apart by short vectors
    matrix[:, 2] = rng.choice([0, 0, 3, 100], documents)  # the query knows nothing of this
    query = np.zeros((3, 12))
    query[:, :2] = 1
    targets = np.sort(rng.choice(documents, 30, replace=False))
    this = simple(query, matrix, np.tile(targets, 3), 30)
    (answer,) = answers = this.answers()
    assert_ranks_are_exact(this, answers)
    assert 0 < answer.tied.min() < answer.tied.max()


def test_equal_texts_tie_and_stand_in_the_tie_order() -> None:
    # Documents 0, 2 and 4 share a vector that comes second after document 3.
    vector_rows = np.array([0, 1, 0, 2, 0])
    matrix = [[0.1, 0.7, 0.3], [0.0, 0.0, 0.1], [0.2, 0.9, 0.5]]
    this = simple(
        np.array([[0.3, 0.5, 0.7]]),
        np.array(matrix),
        np.arange(5),
        5,
        vector_rows=vector_rows,
        pools=(np.arange(5),),
        keys=np.array([3, 0, 2, 4, 1]),
    )
    (answer,) = this.answers()
    assert ranks(answer) == [4, 5, 3, 1, 2]
    assert answer.tied[:, 0].tolist() == [2, 0, 2, 0, 2]
    assert answer.top[0,][0][0, :5].tolist() == [3, 4, 2, 0, 1]


def test_scores_that_float32_cannot_tell_apart_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    base = rng.normal(size=200) / 14
    matrix = (base * (1 + 1e-7 * rng.normal(size=(6, 200)))).astype(np.float32)
    query = rng.normal(size=(1, 200)).astype(np.float32) / np.float32(14)
    scores = exact_scores(query, matrix)[0]
    assert np.ptp(scores) < Dense(query).score_error(Dense(matrix))[0]
    (answer,) = simple(query, matrix, np.arange(6), 6).answers()
    assert ranks(answer) == (1 + np.argsort(np.argsort(-scores))).tolist()
    assert answer.top[0,][0][0, :6].tolist() == np.argsort(-scores).tolist()


def test_groups_count_in_their_own_pools_only() -> None:
    this = simple(
        np.array([[1.0]]),
        np.array([[5.0], [4.0], [3.0], [2.0], [1.0]]),
        np.array([2, 4]),
        2,
        pools=(np.array([0, 2, 4]), np.array([0, 1, 3])),
    )
    question = replace(
        this.questions[0],
        group=np.array([0, 1]),
        counted=np.array([[True, False], [True, True]]),
        listed=[(1,)],
    )
    (answer,) = replace(this, questions=(question,)).answers()
    assert answer.greater.tolist() == [[1, 0], [2, 3]]  # document 4 need not be in a pool to
    assert list(answer.top) == [(1,)]  # be compared with it


def test_a_longer_document_in_a_later_block_widens_what_counts_as_near() -> None:
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(40, 30)).astype(np.float32)
    matrix[20:] = matrix[:20] * (1 + 1e-7 * rng.normal(size=(20, 30)))
    matrix[30] *= 1e4
    this = simple(rng.normal(size=(5, 30)), matrix, np.tile(np.arange(8), 5), 8)
    assert_ranks_are_exact(this, this.answers([20, 5, 5, 10], document_block=4))


def test_a_relevant_document_within_k_stands_at_its_rank_in_the_top_list() -> None:
    this = case(21, "near", documents=50, queries=40)
    everywhere = [
        replace(
            each,
            counted=np.ones_like(each.counted),
            listed=[(pool,) for pool in range(len(this.pools))],
        )
        for each in this.questions
    ]
    this = replace(this, questions=tuple(everywhere), k=60)
    found = 0
    for question, answer in zip(this.questions, this.answers(), strict=True):
        places = 1 + answer.greater + answer.before
        for i in range(len(question.queries)):
            for t in range(question.indptr[i], question.indptr[i + 1]):
                for p in np.flatnonzero([question.targets[t] in pool for pool in this.pools]):
                    assert answer.top[int(p),][0][i, places[t, p] - 1] == question.targets[t]
                    found += 1
    assert found > 20


def test_no_top_lists_if_k_is_zero() -> None:
    this = case(5, "normal", k=0)
    for answer in this.answers():
        assert all(documents.shape[1] == 0 for documents, _ in answer.top.values())


def test_no_questions_have_no_answers() -> None:
    assert replace(case(5, "normal"), questions=()).answers() == []


def test_a_question_without_queries_has_an_empty_answer() -> None:
    this = simple(np.zeros((0, 3)), np.ones((4, 3)), np.zeros(0), 1)
    (answer,) = this.answers()
    assert answer.greater.shape == (0, 1)


def test_a_collapsed_encoder_with_equal_components_ranks_by_the_tie_order() -> None:
    for query, document in ((0.0608, 0.0867), (0.0333, 0.0656), (0.0895, 0.097)):
        queries, matrix = np.full((40, 384), query), np.full((300, 384), document)
        (answer,) = simple(queries, matrix, np.arange(40), 1).answers()
        assert (answer.tied == 299).all()


def test_a_collapsed_encoder_lists_by_the_tie_order() -> None:
    (answer,) = simple(np.ones((2, 4)), np.ones((100, 4)), np.array([3, 4]), 1).answers()
    assert answer.top[0,][0].tolist() == [list(range(99, 89, -1))] * 2


def test_ties_of_large_scores_have_the_same_order_in_ranks_and_top_lists() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(size=16) * np.exp(2 * rng.normal(size=16)) * 30
    for _ in range(20):
        matrix = np.stack([rng.permutation(base) for _ in range(5)])
        (answer,) = simple(np.full((1, 16), 7.3), matrix, np.arange(5), 5).answers()
        assert answer.top[0,][0][0, :5].tolist() == np.argsort(ranks(answer)).tolist()


def test_the_unit_of_vectors_does_not_change_a_rank() -> None:
    rng = np.random.default_rng(8)
    base = rng.normal(size=32)
    matrix = (base * (1 + 1e-7 * rng.normal(size=(20, 32)))).astype(np.float32)
    queries = rng.normal(size=(5, 32)).astype(np.float32)
    found = [
        ranks(simple(queries * unit, matrix * unit, np.arange(5), 1).answers()[0])
        for unit in np.float32([1, 2**-8, 2**-12])
    ]
    assert found[0] == found[1] == found[2]


def test_equal_long_vectors_tie_where_their_scores_cancel_out() -> None:
    rng = np.random.default_rng(9)
    half = 100 * rng.normal(size=100) * np.exp(3 * rng.normal(size=100))
    query = 100 * rng.normal(size=(3, 100)) * np.exp(3 * rng.normal(size=(3, 100)))
    order = rng.permutation(200)
    vector = np.concatenate([half, half])[order]
    queries = np.concatenate([query, -query], axis=1)[:, order]
    (answer,) = simple(queries, np.tile(vector, (300, 1)), np.arange(3), 1).answers()
    assert (answer.tied == 299).all()


@pytest.mark.parametrize("kind", KINDS)
def test_fast_scores_lie_within_their_error_of_exact_ones(kind: str) -> None:
    rng = np.random.default_rng(6)
    prototypes = rng.normal(size=(5, 96)).astype(np.float32)
    queries, documents = (Dense(vectors(rng, kind, rows, prototypes)) for rows in (30, 50))
    exact = exact_scores(queries.matrix, documents.matrix)
    assert (
        np.abs(queries.score(documents) - exact).max(axis=1) <= queries.score_error(documents)
    ).all()
    scale = max(1.0, np.abs(exact).max())
    np.testing.assert_allclose(queries.score_exact(documents), exact, atol=1e-12 * scale)
    pairs = queries.score_pairs(np.arange(30), documents, np.arange(30))
    np.testing.assert_array_equal(pairs, np.diagonal(exact[:, :30]))


def test_normalised_rows_have_length_one_unless_they_are_zero() -> None:
    matrix = np.array([[3, 4], [0, 0], [1e-30, 0]], np.float32)
    expected = np.array([[0.6, 0.8], [0, 0], [1, 0]], np.float32)
    np.testing.assert_allclose(Dense(matrix).normalised().matrix, expected, rtol=1e-6)


@pytest.mark.parametrize("value", [np.ones((2, 3), np.float64), np.ones((2, 3), np.float16)])
def test_arrays_become_float32(value: Array) -> None:
    assert as_dense(value, 2).matrix.dtype == np.float32
    assert as_dense(value.tolist(), 2).matrix.shape == (2, 3)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.ones((3, 4)), "shape"),
        (np.ones(2), "shape"),
        ([[1.0], [1.0, 2.0]], "different lengths"),
        (np.array([["a"], ["b"]]), "ndarray of text, not numbers"),
        (["one", "two"], "list of text, not numbers"),
        (None, "returned None, not numbers"),
        ([[1.0], [None]], r"list of objects .NoneType among them., not numbers"),
        ({"vectors": 1}, "returned dict, not numbers"),
    ],
)
def test_what_is_no_matrix_of_the_texts_is_refused(value: object, said: str) -> None:
    with pytest.raises(EncoderError, match=said):
        as_dense(value, 2)


def test_vectors_stay_as_they_are_if_there_is_one_for_each_text() -> None:
    dense = Dense(np.ones((2, 3), np.float32))
    assert as_vectors(dense, 2) is dense
    assert as_vectors(np.ones((2, 3)), 2).matrix.shape == (2, 3)
    with pytest.raises(EncoderError, match="2 vectors for 5 texts"):
        as_vectors(dense, 5)


@pytest.mark.parametrize("k", [200, 2000])
def test_long_lists_are_those_of_a_full_sort(k: int) -> None:
    this = case(5, "normal", documents=2500, queries=4, dimension=24, k=k)
    assert_top_lists_are_exact(
        this, this.answers([2400, len(this.matrix) - 2400] if len(this.matrix) > 2400 else ())
    )
