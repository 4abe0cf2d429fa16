"""Batches are what the method says: their languages, their sources, their number, their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from mlir_harness.errors import DataError, UsageError
from mlir_trainers.batching import mixture
from mlir_trainers.batching.pools import largest_batch
from mlir_trainers.batching.sampler import Composition, HybridBatches
from mlir_trainers.parallel.carve import carve, held
from mlir_trainers.parallel.data import DataSet, ParallelData

NAMES = ("ar", "de", "en", "hi", "th")


def data(present: Any, group: Any, sizes: Sequence[int], monolingual: Sequence[bool] = ()) -> Any:
    """Parallel data without texts: what a sampler looks at."""
    present, group = np.array(present, bool), np.array(group, np.int64)
    names, start, datasets = NAMES[: present.shape[1]], 0, []
    for number, size in enumerate(sizes):
        rows = slice(start, start + size)
        datasets.append(
            DataSet(
                f"set-{number}",
                start,
                start + size,
                {
                    name: held(present[rows, place], group[rows])
                    for place, name in enumerate(names)
                    if present[rows, place].any()
                },
                held(present[rows].sum(1) >= 2, group[rows]),
                size,
                monolingual[number] if monolingual else True,
            )
        )
        start += size
    return ParallelData(Path(), names, tuple(datasets), [], [], present, group, "print")


def full(*sizes: int, languages: int = 3, **more: Any) -> ParallelData:
    """Data sets in which every row has all languages and a source of its own."""
    rows = sum(sizes)
    made: ParallelData = data(np.ones((rows, languages)), np.arange(rows), sizes, **more)
    return made


def decoded(batch: Sequence[int], languages: int) -> Any:
    """Rows, query languages, passage languages: (n,) each."""
    index = np.array(batch)
    return index // languages**2, index // languages % languages, index % languages


@st.composite
def parallel(draw: st.DrawFn) -> tuple[ParallelData, int]:
    """Data with gaps and shared sources, and a batch size that it can fill."""
    languages = draw(st.integers(2, 5))
    size = draw(st.integers(2, 6))
    sizes = draw(st.lists(st.integers(1, 30), min_size=1, max_size=3))
    rows = sum(sizes) + 2 * size * languages
    sizes[0] += 2 * size * languages
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    present = random.random((rows, languages)) < draw(st.floats(0.1, 1.0))
    # Enough rows of different sources that have all languages, so that batches can be filled.
    present[: 2 * size] = True
    group = random.integers(0, rows, rows) + rows
    group[: 2 * size] = np.arange(2 * size)
    present[~present.any(1), 0] = True
    made: ParallelData = data(present, group, sizes)
    return made, size


@given(parallel(), st.floats(0, 1), st.integers(0, 5))
@settings(max_examples=150)
def test_every_batch_is_whole_present_and_of_different_sources(
    drawn: tuple[ParallelData, int], alpha: float, seed: int
) -> None:
    found, size = drawn
    batches = HybridBatches(found, size, alpha, seed=seed)
    everything = list(batches)
    assert len(everything) == len(batches) == found.ids // size
    for batch in everything:
        rows, asked, answered = decoded(batch, len(found.languages))
        assert len(rows) == size
        assert len(set(found.group[rows].tolist())) == size
        assert found.present[rows, asked].all()
        assert found.present[rows, answered].all()
        mono = (asked == answered).all() and len(set(asked.tolist())) == 1
        cross = (asked != answered).all()
        assert mono or cross
        assert not (alpha == 1 and cross)
        assert not (alpha == 0 and mono)


@given(parallel(), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=30)
def test_seed_and_epoch_decide_the_batches(
    drawn: tuple[ParallelData, int], seed: int, epoch: int
) -> None:
    def made(seed: int, epoch: int) -> list[list[int]]:
        batches = HybridBatches(drawn[0], drawn[1], 0.5, seed=seed)
        batches.set_epoch(epoch)
        drawn_twice = list(batches), list(batches)
        assert drawn_twice[0] == drawn_twice[1]
        return drawn_twice[0]

    assert made(seed, epoch) == made(seed, epoch)
    if len(made(seed, epoch)) > 4:
        assert made(seed, epoch) != made(seed + 1, epoch)
        assert made(seed, epoch) != made(seed, epoch + 1)


def test_monolingual_batches_draw_the_language_first_then_data_sets_by_their_rows() -> None:
    """A language that only a small data set has comes as often as any other."""
    rows = 4000
    present = np.zeros((rows, 3), bool)
    present[:, 2] = True
    present[3000:, 1] = True
    present[:40, 0] = True  # in the first data set
    found = data(present, np.arange(rows), (3000, 1000))
    kinds: Counter[tuple[str, str]] = Counter()

    def seen(batch: Composition) -> None:
        ((query, _), count) = next(iter(batch.pairs.items()))
        assert count == 10
        kinds[query, batch.pool] += 1

    for epoch in range(10):
        batches = HybridBatches(found, 10, 1.0, seed=1, observe=seen)
        batches.set_epoch(epoch)
        list(batches)
    total = sum(kinds.values())
    assert total == 4000
    languages = [sum(n for (name, _), n in kinds.items() if name == each) for each in NAMES[:3]]
    assert chisquare(languages).pvalue > 1e-4
    of_en = [kinds["en", "set-0"], kinds["en", "set-1"]]
    assert chisquare(of_en, np.array([0.75, 0.25]) * sum(of_en)).pvalue > 1e-4
    assert kinds["ar", "set-1"] == kinds["de", "set-0"] == 0


def test_cross_lingual_batches_draw_data_sets_by_crossing_rows_then_any_ordered_pair() -> None:
    rows = 3000
    present = np.ones((rows, 3), bool)
    present[1000:2000, 1:] = False  # one language: cannot cross
    found = data(present, np.arange(rows), (2000, 1000))
    pools: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    mixed = 0

    def seen(batch: Composition) -> None:
        nonlocal mixed
        pools[batch.pool] += 1
        pairs.update(batch.pairs)
        mixed += len(batch.pairs) > 1

    for epoch in range(10):
        batches = HybridBatches(found, 10, 0.0, seed=3, observe=seen)
        batches.set_epoch(epoch)
        list(batches)
    assert mixed == sum(pools.values()) == 3000
    assert chisquare([pools["set-0"], pools["set-1"]]).pvalue > 1e-4
    assert set(pairs) == set(permutations(NAMES[:3], 2))
    assert chisquare(list(pairs.values())).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.8])
def test_alpha_is_the_share_of_monolingual_batches(alpha: float) -> None:
    kinds: Counter[str] = Counter()
    found = full(20_000)
    list(HybridBatches(found, 10, alpha, observe=lambda batch: kinds.update([batch.kind])))
    assert (
        chisquare([kinds["mono"], kinds["cross"]], [alpha * 2000, (1 - alpha) * 2000]).pvalue > 1e-4
    )


def test_every_row_comes_once_before_any_comes_again() -> None:
    found = full(100)
    rows = [row for batch in HybridBatches(found, 10, 0.0) for row in decoded(batch, 3)[0].tolist()]
    assert sorted(rows) == list(range(100))


def test_a_row_that_would_share_a_source_waits_for_the_next_batch() -> None:
    found = data(np.ones((40, 2)), np.arange(40) % 20, (40,))
    rows = [row for batch in HybridBatches(found, 20, 0.0) for row in decoded(batch, 2)[0].tolist()]
    assert sorted(rows) == list(range(40))


def test_processes_that_share_batches_all_get_as_many() -> None:
    found = full(1000)
    assert len(HybridBatches(found, 10, 0.5)) == 100
    assert len(HybridBatches(found, 10, 0.5, processes=3)) == 99
    assert (
        list(HybridBatches(found, 10, 0.5, processes=3)) == list(HybridBatches(found, 10, 0.5))[:99]
    )


def test_small_data_sets_are_drawn_together() -> None:
    found = full(500, 6, 7)
    pools: Counter[str] = Counter()
    for epoch in range(20):
        batches = HybridBatches(found, 10, 0.5, observe=lambda batch: pools.update([batch.pool]))
        batches.set_epoch(epoch)
        list(batches)
    assert set(pools) == {"set-0", "set-1+set-2"}


def test_parallel_sentences_are_drawn_across_languages_only() -> None:
    found = full(200, 200, monolingual=(True, False))
    pools: Counter[tuple[str, str]] = Counter()

    def seen(batch: Composition) -> None:
        pools[batch.kind, batch.pool] += 1

    list(HybridBatches(found, 10, 0.5, observe=seen))
    assert set(pools) == {("mono", "set-0"), ("cross", "set-0"), ("cross", "set-1")}
    with pytest.raises(DataError, match="nothing to learn within a language"):
        HybridBatches(full(200, monolingual=(False,)), 10, 0.5)


def test_a_language_of_parallel_sentences_alone_is_drawn_across_languages_alone() -> None:
    present = np.ones((400, 3), bool)
    present[:200, 0] = False
    found = data(present, np.arange(400), (200, 200), (True, False))
    languages: dict[str, set[str]] = {"mono": set(), "cross": set()}

    def seen(batch: Composition) -> None:
        languages[batch.kind].update(*batch.pairs)

    list(HybridBatches(found, 8, 0.5, observe=seen))
    assert languages == {"mono": {"de", "en"}, "cross": {"ar", "de", "en"}}


@given(parallel(), st.floats(0, 1), st.lists(st.booleans(), min_size=3, max_size=3))
@settings(max_examples=60)
def test_the_largest_batch_fits_and_no_larger_one(
    drawn: tuple[ParallelData, int], alpha: float, monolingual: list[bool]
) -> None:
    found = drawn[0]
    datasets = [
        replace(each, monolingual=kind)
        for each, kind in zip(found.datasets, monolingual, strict=False)
    ]
    found = replace(found, datasets=tuple(datasets))
    size = largest_batch(found, alpha, at_most=1000)
    if size:
        HybridBatches(found, size, alpha)
    with pytest.raises(DataError):
        HybridBatches(found, size + 1, alpha)


def test_what_is_carved_out_shares_no_source_with_the_rest() -> None:
    found = data(np.ones((300, 2)), np.arange(300) % 50, (100, 200))
    rest, carved = carve(found, 0.2)
    assert rest.ids + carved.ids == 300
    assert carved.ids == 60
    drawn = [
        {
            int(found.group[row])
            for batch in HybridBatches(each, 5, 0.5)
            for row in decoded(batch, 2)[0]
        }
        for each in (rest, carved)
    ]
    assert len(drawn[0]) > 35
    assert len(drawn[1]) == 10
    assert not drawn[0] & drawn[1]
    assert carve(found, 0.2)[1].group.tolist() == carved.group.tolist()
    with pytest.raises(DataError, match="leaves nothing"):
        carve(found, 0.001)


def test_batches_that_cannot_be_filled_are_refused() -> None:
    with pytest.raises(DataError, match="less than one batch of 100"):
        HybridBatches(full(99), 100, 0.5)
    with pytest.raises(DataError, match="of 4 sources"):
        HybridBatches(data(np.ones((100, 2)), np.arange(100) % 4, (100,)), 5, 0.0)
    few = np.ones((100, 2), bool)
    few[5:, 0] = False
    with pytest.raises(DataError, match="ar has passages of 5 sources"):
        HybridBatches(data(few, np.arange(100), (100,)), 6, 0.5)
    assert len(HybridBatches(data(few, np.arange(100), (100,)), 5, 0.0)) == 20
    with pytest.raises(UsageError, match="pairs across languages need two"):
        HybridBatches(full(100, languages=1), 10, 0.5)
    assert len(HybridBatches(full(100, languages=1), 10, 1.0)) == 10


def test_alpha_has_names_and_bounds() -> None:
    assert [mixture.alpha(each) for each in ("mono", "hybrid", "cross", 0.25, "0.25")] == [
        1.0,
        0.5,
        0.0,
        0.25,
        0.25,
    ]
    for wrong in (-0.1, 1.1, float("nan"), "most"):
        with pytest.raises(UsageError, match="alpha is"):
            mixture.alpha(wrong)


def test_ids_left_out_shorten_the_epoch() -> None:
    found = full(100)
    fewer = replace(found, datasets=(replace(found.datasets[0], ids=50),))
    assert len(HybridBatches(fewer, 10, 0.5)) == 5
