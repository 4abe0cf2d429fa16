"""Running top lists hold what a full sort would put first, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlir_harness.chunks import CHUNK, Chunk, Scale
from mlir_harness.near import List
from mlir_harness.topk import Top
from mlir_harness.types import DoubleArray, FloatArray, IntArray
from mlir_harness.vectors import Dense


def listed(scores: FloatArray, numbers: IntArray, k: int, sizes: list[int]) -> Top:
    """Top lists after `scores` (documents, queries) came in blocks of the given sizes."""
    top = Top(scores.shape[1], k)
    error = np.maximum(np.abs(scores).max(axis=0, initial=0) / 2**17, 1e-38)
    start = 0
    for size in sizes:
        block = slice(start, start + size)
        order = np.argsort(numbers[block])
        update(top, scores[block][order], numbers[block][order], error)
        start += size
    return top


def update(top: Top, scores: FloatArray, ties: IntArray, error: DoubleArray) -> None:
    """Take in `scores` (documents, queries) of documents in the tie order."""
    for start in range(0, len(scores), CHUNK):
        chunk = Chunk.of(np.ascontiguousarray(scores[start : start + CHUNK].T), Scale.of(error))
        places, values = chunk.best(top.width)
        top.update(values, np.where(places >= 0, ties[start + places], -1), error)


def assert_holds_the_best(top: Top, scores: FloatArray, numbers: IntArray) -> None:
    """The scores are the best, and every document is there once, with its score."""
    documents, queries = scores.shape
    places = min(documents, top.scores.shape[1])
    best = -np.sort(-scores, axis=0)[:places].T
    np.testing.assert_array_equal(top.scores[:, :places], best)
    assert np.isneginf(top.scores[:, places:]).all()
    assert (top.ties[:, places:] == -1).all()
    row_of = {number: row for row, number in enumerate(numbers.tolist())}
    for query in range(queries):
        found = top.ties[query, :places].tolist()
        assert len(set(found)) == places
        rows = [row_of[number] for number in found]
        np.testing.assert_array_equal(scores[rows, query], best[query])


@settings(max_examples=80)
@given(
    seed=st.integers(0, 10_000),
    distinct=st.sampled_from([1, 3, 50, 30_000]),
    queries=st.integers(1, 5),
    sizes=st.lists(st.integers(0, 300), min_size=1, max_size=4),
    k=st.integers(1, 12),
)
def test_lists_hold_the_best_scores_of_all_blocks(
    seed: int, distinct: int, queries: int, sizes: list[int], k: int
) -> None:
    rng = np.random.default_rng(seed)
    shape = sum(sizes), queries
    scores = (rng.integers(-distinct, distinct + 1, shape) / distinct).astype(np.float32)
    numbers = rng.permutation(2 * sum(sizes))[: sum(sizes)]
    assert_holds_the_best(listed(scores, numbers, k, sizes), scores, numbers)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("magnitude", [1e-30, 1.0, 1e30])
def test_order_holds_for_scores_of_any_sign_and_size(sign: int, magnitude: float) -> None:
    rng = np.random.default_rng(1)
    scores = (sign * magnitude * rng.random((500, 3))).astype(np.float32)
    numbers = np.arange(500)
    assert_holds_the_best(listed(scores, numbers, 5, [200, 300]), scores, numbers)


def test_best_documents_may_all_stand_together() -> None:
    # Groups of rows share a bound; here one group holds all that must be kept.
    scores = np.linspace(1, 0, 640, dtype=np.float32)[:, None]
    numbers = np.arange(640)
    assert_holds_the_best(listed(scores, numbers, 10, [640]), scores, numbers)


def test_nothing_is_kept_if_k_is_zero() -> None:
    top = listed(np.ones((5, 2), np.float32), np.arange(5), 0, [5])
    assert top.ties.shape == top.scores.shape == (2, 0)


def settled(
    queries: FloatArray, matrix: FloatArray, keys: IntArray, k: int
) -> tuple[IntArray, FloatArray]:
    """Top lists of all rows of `matrix`, near ties settled."""
    asked, documents = Dense(np.float32(queries)), Dense(np.float32(matrix))
    places = np.argsort(np.argsort(keys))
    by_tie = np.argsort(places)
    top = Top(len(asked), k)
    error = asked.score_error(documents)
    update(top, asked.score(documents).T[by_tie], np.arange(len(by_tie)), error)
    return List.of(top, by_tie).settled(asked, documents, lambda numbers: numbers)


def test_equal_scores_are_put_in_the_tie_order() -> None:
    matrix = np.array([[1.0], [3.0], [2.0], [2.0], [2.0], [1.0]])
    documents, scores = settled(np.array([[1.0], [-1.0]]), matrix, np.array([5, 0, 3, 1, 2, 4]), 6)
    assert documents.tolist() == [[1, 3, 4, 2, 5, 0], [5, 0, 3, 4, 2, 1]]
    assert scores.tolist() == [[3, 2, 2, 2, 1, 1], [-1, -1, -2, -2, -2, -3]]


def test_ties_across_the_last_place_are_settled_before_the_cut() -> None:
    matrix = np.array([[2.0], [1.0], [1.0], [1.0], [1.0]])
    documents, _ = settled(np.array([[1.0]]), matrix, np.array([9, 4, 3, 2, 1]), 2)
    assert documents.tolist() == [[0, 4]]


@pytest.mark.parametrize("seed", range(5))
def test_near_ties_are_settled_by_exact_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    base = np.repeat(rng.normal(size=(8, 100)), 4, axis=0)
    matrix = (base * (1 + 1e-7 * rng.normal(size=base.shape))).astype(np.float32)
    queries = rng.normal(size=(6, 100)).astype(np.float32)
    exact = queries.astype(np.float64) @ matrix.T.astype(np.float64)
    documents, _ = settled(queries, matrix, rng.permutation(32), 10)
    np.testing.assert_array_equal(documents, np.argsort(-exact, axis=1)[:, :10])


def test_lists_longer_than_the_pool_end_in_nothing() -> None:
    documents, scores = settled(np.array([[1.0]]), np.array([[1.0], [2.0]]), np.arange(2), 4)
    assert documents.tolist() == [[1, 0, -1, -1]]
    assert scores.tolist() == [[2, 1, -np.inf, -np.inf]]
