"""Batches by token budget, and padding of ragged sequences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_encoders.batching import Ragged, batches

counts_of_texts = st.lists(st.integers(0, 600), max_size=200).map(
    lambda counts: np.array(counts, np.int64)
)
sequences_of_tokens = st.lists(st.lists(st.integers(0, 2**40), max_size=12), max_size=12)


@given(counts_of_texts, st.integers(1, 5_000))
def test_every_text_is_in_exactly_one_batch(counts, budget):
    rows = [row for batch in batches(counts, budget) for row in batch.tolist()]
    assert sorted(rows) == list(range(len(counts)))


@given(counts_of_texts, st.integers(1, 5_000))
def test_a_batch_keeps_to_the_budget_unless_it_is_one_text(counts, budget):
    for batch in batches(counts, budget):
        assert len(batch) == 1 or counts[batch].max() * len(batch) <= budget


@given(counts_of_texts, st.integers(1, 5_000))
def test_no_batch_could_take_the_next_text_too(counts, budget):
    found = list(batches(counts, budget))
    for batch in found[:-1]:
        assert max(1, counts[batch].max()) * (len(batch) + 1) > budget


@given(counts_of_texts, st.integers(1, 5_000), st.integers(0, 300))
def test_a_batch_ends_where_padding_would_cost_more_than_another_batch(counts, budget, call):
    def padding(rows):
        return int(max(1, counts[rows].max()) * len(rows) - counts[rows].sum())

    found = list(batches(counts, budget, call))
    assert sorted(row for batch in found for row in batch) == list(range(len(counts)))
    for batch, following in pairwise(found):
        longer = [*batch, following[0]]
        full = max(1, counts[batch].max()) * len(longer) > budget
        assert len(batch) == 1 or padding(batch) <= call  # an empty text alone is padded too
        assert full or padding(longer) > call


@given(counts_of_texts, st.integers(1, 5_000))
def test_the_longest_come_first_and_ties_keep_their_order(counts, budget):
    rows = [row for batch in batches(counts, budget) for row in batch.tolist()]
    assert rows == sorted(range(len(counts)), key=lambda row: (-counts[row], row))


@given(counts_of_texts, st.integers(1, 5_000))
def test_writing_by_rows_restores_the_order(counts, budget):
    restored = np.full(len(counts), -1, np.int64)
    for batch in batches(counts, budget):
        restored[batch] = counts[batch]
    np.testing.assert_array_equal(restored, counts)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="room for at least one token"):
        list(batches(np.array([3]), 0))


@given(sequences_of_tokens, st.booleans(), st.data())
def test_padding_keeps_every_sequence_and_fills_the_rest(sequences, left, data):
    ragged = Ragged.of(sequences)
    assert ragged.counts.tolist() == [len(sequence) for sequence in sequences]
    rows = data.draw(st.permutations(range(len(sequences))))
    chosen = np.array(rows[: data.draw(st.integers(0, len(rows)))], np.int64)
    padded, mask = ragged.padded(chosen, -7, left=left), ragged.mask(chosen, left=left)
    width = max((len(sequences[row]) for row in chosen), default=0)
    for row, tokens, held in zip(chosen, padded.tolist(), mask.tolist(), strict=True):
        sequence, gap = sequences[row], width - len(sequences[row])
        if left:
            assert tokens == [-7] * gap + sequence
            assert held == [0] * gap + [1] * len(sequence)
        else:
            assert tokens == sequence + [-7] * gap
            assert held == [1] * len(sequence) + [0] * gap
