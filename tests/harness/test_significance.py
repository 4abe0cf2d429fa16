"""Sign flips, intervals and Holm's correction, held against other programs and slow sums."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mlir_harness.comparing.significance import (
    Drops,
    enough,
    holm,
    holm_levels,
    intervals,
    two_sided,
)
from mlir_harness.comparing.sums import Sums

VALUES = st.floats(-1, 1, allow_subnormal=False)


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_few_clusters_are_flipped_in_every_way(values: list[float]) -> None:
    patterns = list(itertools.product((1, -1), repeat=len(values)))
    flipped = [sum(s * v for s, v in zip(signs, values, strict=True)) for signs in patterns]
    least = abs(sum(values)) - 1e-9
    expected = np.mean([abs(each) >= least for each in flipped])
    (found,) = two_sided(np.array([values]))
    sure = np.mean([abs(each) >= least + 2e-9 for each in flipped])  # but for near ties
    assert sure <= found <= expected


@pytest.mark.parametrize("shift", [0.0, 0.02, 0.05])
def test_paired_tests_of_scipy_agree_where_each_query_is_a_cluster(shift: float) -> None:
    generator = np.random.default_rng(1)
    before = generator.random(300)
    after = np.clip(before + generator.normal(shift, 0.2, 300), 0, 1)
    differences = after - before
    (found,) = two_sided(differences[None] / 300, draws=50_000)
    theirs = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=50_000,
        rng=np.random.default_rng(2),
    ).pvalue
    assert found == pytest.approx(theirs, abs=0.01)
    assert found == pytest.approx(stats.ttest_rel(after, before).pvalue, abs=0.02)
    less = Drops.of(differences[None] / 300, np.full((1, 300), 1 / 300), draws=50_000)
    assert less.p()[0] == pytest.approx(
        stats.ttest_rel(after, before, alternative="less").pvalue, abs=0.02
    )
    upper = less.upper(np.array([0.05]))[0]
    theirs = stats.ttest_1samp(differences, 0).confidence_interval(0.9).high
    assert upper == pytest.approx(theirs, abs=0.002)


@given(
    st.lists(VALUES, min_size=2, max_size=20),
    st.sampled_from([0.01, 0.05, 0.2, 0.5]),
    st.randoms(use_true_random=False),
)
def test_the_interval_ends_below_nought_exactly_where_the_test_rejects(
    values: list[float], level: float, random: object
) -> None:
    shares = np.array([random.random() + 0.1 for _ in values])  # type: ignore[attr-defined]
    drops = Drops.of(np.array([values]), (shares / shares.sum())[None], draws=999)
    assert (drops.upper(np.array([level]))[0] < 0) == (drops.p()[0] <= level)


@given(st.lists(VALUES, min_size=2, max_size=9))
def test_the_end_is_where_a_shifted_test_begins_to_reject(values: list[float]) -> None:
    shares = np.full(len(values), 1 / len(values))
    end = Drops.of(np.array([values]), shares[None]).upper(np.array([0.3]))[0]
    if np.isinf(end):
        return
    for shift, rejected in ((1e-6, True), (-1e-6, False)):
        moved = np.array([values]) - (end + shift) * shares
        assert (Drops.of(moved, shares[None]).p()[0] <= 0.3) == rejected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    rejected, adjusted, _, _ = multipletests(p, 0.05, "holm")
    found = holm(np.array(p))
    assert found == pytest.approx(adjusted)
    assert ((found <= 0.05) == rejected).all()


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=12))
def test_each_is_tested_at_the_level_of_its_step(p: list[float]) -> None:
    values = np.array(p)
    near = np.abs(holm(values) - 0.05) < 1e-9
    levels = holm_levels(values)
    assert ((values <= levels) == (holm(values) <= 0.05))[~near].all()
    assert levels.min() >= 0.05 / len(p) - 1e-12
    assert levels.max() <= 0.05


def test_the_least_p_of_a_family_can_be_significant() -> None:
    for tests in (1, 6, 200):
        draws = enough(tests)
        assert holm(np.full(tests, 1 / (draws + 1)))[0] <= 0.05 / 20 * 1.01


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    clusters = np.tile(np.repeat(np.arange(60), 3), 2)
    of = np.repeat([0, 1], 180)
    groups = [np.array([True, False]), np.array([True, True])]
    held = np.zeros(2)
    for trial in range(200):
        values = generator.normal(0, 0.1, 60)[clusters] + generator.normal(0.3, 0.1, 360)
        ends = intervals(Sums.of(values[None], of, clusters), groups, draws=400, seed=trial)
        held += (ends[:, 0, 0] <= 0.3) & (ends[:, 0, 1] >= 0.3)
    assert (held / 200 > 0.9).all()
    assert (held / 200 < 0.985).all()


def test_contributions_add_up_to_the_macro_average() -> None:
    generator = np.random.default_rng(3)
    of = np.concatenate([np.arange(3), generator.integers(3, size=97)])
    clusters = np.concatenate([np.arange(10), generator.integers(10, size=90)])
    values = generator.normal(size=(2, 100))
    found = Sums.of(values, of, clusters)
    macro = [np.mean([row[of == s].mean() for s in range(3)]) for row in values]
    contributions, units = found.contributions()
    assert contributions.sum(axis=1) == pytest.approx(macro)
    assert found.means() == pytest.approx(macro)
    assert units.sum() == pytest.approx(1)
