"""Bounds of differences: seeds and clusters are resampled, and macro averages computed anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.comparing.sums import Sums
from mlir_trainers.reproduce.intervals import ENOUGH_SEEDS, bounds, replicates, spread


@st.composite
def drawn(draw):
    """Per-query values with their settings and clusters, and how often each thing is drawn."""
    seeds = draw(st.integers(1, 4))
    count = draw(st.integers(1, 3))
    clusters = draw(st.integers(1, 4))
    # Each setting and each cluster has a query at least.
    places = [(s, draw(st.integers(0, clusters - 1))) for s in range(count)]
    places += [(draw(st.integers(0, count - 1)), c) for c in range(clusters)]
    values = draw(
        st.lists(
            st.lists(
                st.floats(-1, 1, allow_subnormal=False), min_size=len(places), max_size=len(places)
            ),
            min_size=seeds,
            max_size=seeds,
        )
    )
    times = st.integers(0, 3)
    of_seeds = draw(st.lists(times, min_size=seeds, max_size=seeds).filter(any))
    of_clusters = draw(st.lists(times, min_size=clusters, max_size=clusters).filter(any))
    return np.array(values), np.array(places), of_seeds, of_clusters


def slow(values, places, of_seeds, of_clusters):
    """The same, by making the list of all values that were drawn."""
    means = []
    for setting in np.unique(places[:, 0]):
        held = [
            values[seed, row]
            for seed, seed_times in enumerate(of_seeds)
            for row, (of, cluster) in enumerate(places)
            if of == setting
            for _ in range(seed_times * of_clusters[cluster])
        ]
        if held:
            means.append(np.mean(held))
    return np.mean(means) if means else 0.0


@given(drawn())
def test_a_replicate_is_the_macro_average_of_all_that_was_drawn(case):
    values, places, of_seeds, of_clusters = case
    table = Sums.of(values, places[:, 0], places[:, 1])
    (found,) = replicates(table, np.array([of_seeds]), np.array([of_clusters]))
    assert found == pytest.approx(slow(values, places, of_seeds, of_clusters), abs=1e-12)


@given(drawn())
def test_everything_drawn_once_is_the_macro_average_itself(case):
    values, places, _, _ = case
    table = Sums.of(values, places[:, 0], places[:, 1])
    seeds, _, clusters = table.sums.shape
    (found,) = replicates(table, np.ones((1, seeds)), np.ones((1, clusters)))
    assert found == pytest.approx(table.means().mean(), abs=1e-12)


def simulated(generator, seeds, *, between_seeds, between_clusters=0.05):
    """Differences whose true mean is nought: 40 clusters of 3 queries in 4 settings."""
    clusters = np.tile(np.repeat(np.arange(40), 3), 4)
    of = np.repeat(np.arange(4), 120)
    values = generator.normal(0, between_seeds, (seeds, 1))
    values = values + generator.normal(0, between_clusters, 40)[clusters]
    values = values + generator.normal(0, 0.1, (seeds, len(clusters)))
    return Sums.of(values, of, clusters)


@pytest.mark.parametrize("between_seeds", [0.0, 0.01, 0.05])
def test_each_bound_fails_in_about_a_twentieth_of_simulated_experiments(between_seeds):
    generator = np.random.default_rng(7)
    found = [
        bounds(simulated(generator, 5, between_seeds=between_seeds), draws=400, seed=number)
        for number in range(500)
    ]
    below = np.mean([lower > 0 for lower, _ in found])
    above = np.mean([upper < 0 for _, upper in found])
    # Three standard errors of a share of 0.05 in 500 are 0.03; being too careful is no fault.
    assert max(below, above) <= 0.08


def test_that_simulation_finds_bounds_that_take_queries_for_independent():
    generator = np.random.default_rng(7)
    misses = 0
    for number in range(200):
        held = simulated(generator, 1, between_seeds=0)
        alone = held.sums.shape[1] * held.sums.shape[2]
        apart = Sums(  # every cell a cluster of its own
            np.zeros((1, held.sums.shape[1], alone)), np.zeros((held.sums.shape[1], alone))
        )
        for place, (setting, cluster) in enumerate(np.ndindex(*held.counts.shape)):
            apart.sums[0, setting, place] = held.sums[0, setting, cluster]
            apart.counts[setting, place] = held.counts[setting, cluster]
        lower, upper = bounds(apart, draws=300, seed=number)
        misses += lower > 0 or upper < 0
    assert misses / 200 > 0.15  # of 0.1


def test_few_seeds_are_not_resampled():
    generator = np.random.default_rng(1)
    apart = simulated(generator, ENOUGH_SEEDS - 1, between_seeds=5.0)
    assert bounds(apart) == bounds(apart.pooled())
    lower, upper = bounds(apart)
    assert upper - lower < 0.1


def test_enough_seeds_are_resampled():
    generator = np.random.default_rng(1)
    lower, upper = bounds(simulated(generator, ENOUGH_SEEDS, between_seeds=5.0))
    assert upper - lower > 3


def test_the_same_seed_gives_the_same_bounds():
    held = simulated(np.random.default_rng(1), 5, between_seeds=0.01)
    assert bounds(held, seed=3) == bounds(held, seed=3) != bounds(held, seed=4)


def test_many_draws_in_blocks_are_as_good_as_one_block():
    held = simulated(np.random.default_rng(1), 5, between_seeds=0.01)
    found = bounds(held, draws=20_000, seed=1)
    assert found == pytest.approx(bounds(held, draws=20_000, seed=2), abs=1e-3)


def test_one_seed_has_no_deviation():
    assert np.isnan(spread([0.5]))
    assert spread([0.0, 1.0]) == pytest.approx(0.5**0.5)
