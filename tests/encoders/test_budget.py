"""Batches that fit into memory: halved when it runs out, grown to what is free."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlir_encoders import device
from mlir_encoders.batching import longest_first
from mlir_encoders.budget import Budget, fitting, within
from mlir_harness.errors import EncoderError

lengths_of_texts = st.lists(st.integers(1, 60), min_size=1, max_size=80).map(
    lambda lengths: np.array(lengths, np.int64)
)


class Room:
    """Memory for so many tokens, of which each takes 10 bytes."""

    def __init__(self, lengths, tokens: int) -> None:
        self.lengths, self.tokens = lengths, tokens
        self.batches: list[int] = []
        self.released = 0

    def work(self, rows):
        padded = int(self.lengths[rows].max()) * len(rows)
        self.batches.append(padded)
        if padded > self.tokens:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.lengths[rows]

    def watch(self) -> None: ...

    def used(self):
        return 10 * self.batches[-1], 10 * self.tokens

    def ran_out(self, error) -> bool:
        return device.ran_out(error)

    def release(self) -> None:
        self.released += 1


def run(lengths, room, budget, notes=None):
    note = [].append if notes is None else notes.append
    return list(within(lengths, budget, room.work, room, note))


@given(lengths_of_texts, st.integers(60, 400), st.integers(1, 2_000))
def test_every_text_comes_once_and_the_longest_first_whatever_fits(lengths, tokens, asked):
    done = run(lengths, Room(lengths, tokens), Budget.fixed(asked))
    rows = np.concatenate([rows for rows, _ in done])
    np.testing.assert_array_equal(rows, longest_first(lengths))
    np.testing.assert_array_equal(np.concatenate([made for _, made in done]), lengths[rows])


@given(lengths_of_texts, st.integers(60, 400), st.integers(1, 2_000))
def test_what_did_not_fit_is_never_tried_again(lengths, tokens, asked):
    room, notes = Room(lengths, tokens), []
    run(lengths, room, Budget.fixed(asked), notes)
    tried = [size for size in room.batches if size > tokens]
    assert tried == sorted(set(tried), reverse=True)
    assert all(2 * later <= earlier for earlier, later in pairwise(tried))
    assert len(notes) == room.released == len(tried)


def test_a_batch_is_tried_again_in_halves_and_the_user_is_told():
    lengths, notes = np.full(64, 10, np.int64), []
    room, budget = Room(lengths, 200), Budget.fixed(640)
    run(lengths, room, budget, notes)
    assert room.batches == [640, 320, 160, 160, 160, 160]
    assert notes == [
        "memory ran out with 640 tokens a batch: going on with 320",
        "memory ran out with 320 tokens a batch: going on with 160",
    ]
    room.batches.clear()
    run(lengths, room, budget, notes)  # the next texts start where these ended
    assert room.batches == [160] * 4


def test_a_single_text_that_does_not_fit_is_an_error_that_says_what_to_do():
    lengths = np.array([5, 61, 5], np.int64)
    with pytest.raises(EncoderError, match="single text of 61 tokens") as caught:
        run(lengths, Room(lengths, 60), Budget.fixed(100))
    assert "max_tokens" in caught.value.hint


def test_other_errors_are_not_taken_for_memory():
    lengths = np.array([5, 6], np.int64)

    def work(rows):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        list(within(lengths, Budget.fixed(100), work, Room(lengths, 60), print))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: not enough memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
    ids=["cuda", "windows", "linux", "cublas", "python"],
)
def test_running_out_of_memory_has_many_names(error):
    assert device.ran_out(error)


def test_what_torch_really_says_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert device.ran_out(caught.value)


def test_a_first_batch_tells_how_many_tokens_fit():
    lengths = np.full(300, 10, np.int64)
    room = Room(lengths, 1_000)
    run(lengths, room, Budget.found(most=32_768, trial=100))
    assert room.batches == [100, 700, 700, 700, 700, 100]  # 0.7 of what is free


def test_no_more_than_is_worth_it_is_taken_of_a_large_memory():
    lengths = np.full(300, 10, np.int64)
    room = Room(lengths, 10**9)
    run(lengths, room, Budget.found(most=1_000, trial=100))
    assert room.batches == [100, 1_000, 1_000, 900]


def test_longer_texts_are_measured_anew_and_shorter_ones_are_not():
    budget, short, long = (
        Budget.found(most=1_000, trial=100),
        np.full(200, 10, np.int64),
        np.full(100, 20, np.int64),
    )
    for lengths, first in ((short, 100), (short, 1_000), (long, 100), (short, 1_000)):
        room = Room(lengths, 10**9)
        run(lengths, room, budget)
        assert room.batches[0] == first


def test_a_measured_budget_that_proves_too_large_stays_down():
    lengths = np.full(300, 10, np.int64)
    budget = Budget.found(most=1_000, trial=100)
    run(lengths, Room(lengths, 10**9), budget)
    smaller = Room(lengths, 300)  # somebody else took memory meanwhile
    run(lengths, smaller, budget)
    assert smaller.batches == [1_000, 500] + [250] * 12
    longer = np.full(20, 30, np.int64)
    run(longer, room := Room(longer, 300), budget)
    assert room.batches == [240, 240, 120]


@given(
    st.integers(1, 10_000),
    st.integers(0, 10**9),
    st.integers(0, 10**11),
    st.integers(10_000, 10**6),
)
def test_the_budget_is_at_least_what_fitted_at_most_what_is_wanted_and_grows_with_memory(
    padded, used, free, most
):
    found = fitting(padded, used, free, most)
    assert padded <= found <= most
    assert fitting(padded, used, 2 * free, most) >= found
    if padded < found < most:
        assert found * used <= free * padded


def test_no_texts_are_no_batches():
    none = np.zeros(0, np.int64)
    assert run(none, Room(none, 60), Budget.found(100, 10)) == []
