"""Sorting whole pools gives the ranks and top lists that counting gives."""

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
    assert_top_lists_are_exact,
    case,
)

from mlir_harness.order import Sorter
from mlir_harness.rank import Answer


def sorted_answers(this: Case) -> list[Answer]:
    sorter = Sorter.of(this.corpus())
    return [sorter.block(each.queries).answer(each, this.k) for each in this.questions]


def counting_everything(this: Case) -> Case:
    """Sorting counts every pool for every target."""
    asked = [replace(each, counted=np.ones_like(each.counted)) for each in this.questions]
    return replace(this, questions=tuple(asked))


# Deterministic: two of many random near ties may lie closer than float64 tells apart.
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(KINDS),
    documents=st.integers(1, 70),
    dimension=st.integers(1, 20),
    k=st.sampled_from([1, 5, 10, 100]),
)
def test_ranks_and_top_lists_are_those_of_a_full_sort(
    *, seed: int, kind: str, documents: int, dimension: int, k: int
) -> None:
    this = counting_everything(case(seed, kind, documents=documents, dimension=dimension, k=k))
    answers = sorted_answers(this)
    assert_ranks_are_exact(this, answers)
    assert_top_lists_are_exact(this, answers)


@pytest.mark.parametrize("kind", KINDS)
def test_many_documents_of_many_dimensions(kind: str) -> None:
    this = counting_everything(case(7, kind, documents=2000, queries=5, dimension=300))
    answers = sorted_answers(this)
    assert_ranks_are_exact(this, answers)
    assert_top_lists_are_exact(this, answers)


def test_a_list_over_several_pools_is_that_of_their_union() -> None:
    this = counting_everything(case(3, "normal", documents=50))
    halves = np.arange(25), np.arange(25, 50)
    asked = replace(this.questions[0], listed=[(0, 1)], counted=np.ones((9, 2), bool))
    split = replace(this, pools=halves, questions=(asked,))
    alone = replace(asked, listed=[(0,)], counted=np.ones((9, 1), bool))
    whole = replace(this, pools=(np.arange(50),), questions=(alone,))
    (one,), (other,) = sorted_answers(split), sorted_answers(whole)
    np.testing.assert_array_equal(one.top[0, 1][0], other.top[(0,)][0])


def test_entries_stand_from_the_best_to_the_worst_document() -> None:
    this = case(5, "integers", documents=40)
    sorter = Sorter.of(this.corpus())
    asked = this.questions[0]
    block = sorter.block(asked.queries)
    owner = np.repeat(np.arange(len(asked.queries)), np.diff(asked.indptr))
    order = block.order_of(owner, asked.targets)
    moved = replace(asked, targets=asked.targets[order], group=asked.group[order])
    answer = block.answer(moved, 1)
    ranks = (answer.greater + answer.before)[:, 0]
    for query in range(len(asked.queries)):
        own = ranks[owner[order] == query]
        assert (np.diff(own) > 0).all()
