"""A vote of the nearest documents: majority, then summed score, then the nearest."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.neighbours import accuracy


def vote(classes: list[int], scores: list[float]) -> int:
    """The definition, one query at a time."""
    votes = Counter(classes)
    sums: dict[int, float] = defaultdict(float)
    for each, score in zip(classes, scores, strict=True):
        sums[each] += score
    return max(votes, key=lambda each: (votes[each], sums[each], -classes.index(each)))


@given(st.data())
def test_votes_are_those_of_the_definition(data: st.DataObject) -> None:
    k = data.draw(st.sampled_from([1, 3, 5]))
    found = data.draw(st.integers(1, 7))
    classes = data.draw(st.lists(st.integers(0, 3), min_size=found, max_size=found))
    # Quarters: sums are exact, so that equal sums are equal.
    values = data.draw(st.lists(st.integers(-8, 8), min_size=found, max_size=found))
    scores = sorted((value / 4 for value in values), reverse=True)
    expected = vote(classes[:k], scores[:k])
    neighbours = np.array([classes])
    for own in range(4):
        right = accuracy(np.array([own]), neighbours, np.array([scores], np.float32), k)
        assert right.tolist() == [float(own == expected)]


@pytest.mark.parametrize(
    ("neighbours", "scores", "winner"),
    [
        ([1, 2, 2, 1, 3], [0.9, 0.8, 0.7, 0.1, 0.1], 2),  # two each: the higher sum
        ([1, 2, 2, 1, 3], [0.75, 0.5, 0.5, 0.25, 0.1], 1),  # equal sums: the nearest
        ([1, 2, 2, -1, -1], [0.9, 0.1, 0.1, -np.inf, -np.inf], 2),  # a pool of three
        ([3, -1, -1, -1, -1], [-0.5, -np.inf, -np.inf, -np.inf, -np.inf], 3),
    ],
)
def test_ties(neighbours: list[int], scores: list[float], winner: int) -> None:
    right = accuracy(
        np.arange(4), np.array([neighbours] * 4), np.array([scores] * 4, np.float32), 5
    )
    assert right.tolist() == [float(own == winner) for own in range(4)]


def test_no_documents_name_no_class() -> None:
    nobody = np.full((2, 5), -1)
    right = accuracy(np.array([0, 1]), nobody, np.full((2, 5), -np.inf, np.float32), 5)
    assert right.tolist() == [0.0, 0.0]
