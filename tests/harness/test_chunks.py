"""Sorted chunks answer as a plain look at all scores does."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mlir_harness.chunks import CHUNK, Chunk, Scale


@settings(max_examples=100)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(1, 6),
    documents=st.integers(1, CHUNK),
    levels=st.sampled_from([1, 5, 10**6]),
)
def test_certain_scores_are_counted_and_the_others_are_found(
    seed: int, queries: int, documents: int, levels: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-levels, levels + 1, (queries, documents)) / levels).astype(np.float32)
    error = rng.uniform(2**-17, 2**-10, queries)
    scale = Scale.of(error)
    chunk = Chunk.of(scores, scale)
    rows = np.repeat(np.arange(queries), 4)
    exact = rng.choice([-1.0, 0.0, 0.3, 1.0], len(rows)) + rng.normal(size=len(rows)) * 1e-4
    first, last = scale.band(exact, rows)
    higher, until = chunk.count(first, rows), chunk.count(last, rows)
    for row, target, start, stop in zip(rows, exact, higher, until, strict=True):
        places = chunk.places(np.full(documents, row), np.arange(documents))
        ordered = scores[row, places].astype(np.float64)
        assert (ordered[:start] > target + error[row]).all()
        assert (ordered[stop:] < target - error[row]).all()
        # The band is no wider than it must be: up to two cells of a quarter on either side.
        assert (np.abs(ordered[start:stop] - target) <= 1.51 * error[row]).all()


def test_a_row_ends_where_its_documents_end() -> None:
    scores = np.array([[0.5, -0.5, 0.25]], np.float32)
    chunk = Chunk.of(scores, Scale.of(np.array([2.0**-16])))
    places, values = chunk.best(6)
    assert places[0, :3].tolist() == [0, 2, 1]
    assert values[0, :3].tolist() == [0.5, 0.25, -0.5]
    assert (places[0, 3:] == -1).all()
    assert chunk.at(np.array([0]), np.array([99])).tolist() == [np.iinfo(np.int32).max]


def test_equal_scores_stay_in_the_order_of_their_documents() -> None:
    scores = np.zeros((2, 100), np.float32)
    for error in (0.0, 1e-5):
        places, _ = Chunk.of(scores, Scale.of(np.full(2, error))).best(10)
        assert places.tolist() == [list(range(10))] * 2
