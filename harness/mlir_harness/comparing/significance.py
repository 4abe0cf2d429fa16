"""Whether differences are more than chance: sign flips of clusters, intervals, Holm's correction.

The paired randomization test of Smucker et al. (2007, "A comparison of statistical significance
tests for information retrieval evaluation", doi:10.1145/1321440.1321528) with clusters in the
place of queries: if there is no difference, the sign of what a cluster adds to it is a coin's.

Tests take contributions, (series, clusters): what each cluster adds to a difference, so that a
row adds up to it (see `Sums.contributions`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.comparing import sums
from mlir_harness.comparing.sums import Sums
from mlir_harness.types import BoolArray, DoubleArray

DRAWS = 10_000
LEVEL = 0.05
_FEW = 13  # clusters up to which every pattern of signs is tried instead of random ones
_ROUNDING = 1e-12  # relative; a pattern that gives the same sum in another order is a tie


def two_sided(contributions: DoubleArray, draws: int = DRAWS, seed: int = 0) -> DoubleArray:
    """p-values that differences are none.

    p = (1 + #{|Σ ±t_c| ≥ |Σ t_c|}) / (draws + 1); where there are few clusters, the share of all
    patterns of signs.

    Args:
        contributions: see above.
        draws: random patterns.
        seed: of their generator.

    Returns:
        (series,) float64.
    """
    least = np.abs(contributions.sum(axis=1)) * (1 - _ROUNDING)
    counted, every = np.zeros(len(contributions)), 0
    for flipped in _flipped(contributions, draws, seed):
        counted += np.count_nonzero(np.abs(flipped) >= least, axis=0)
        every += len(flipped)
    itself = _itself(contributions)
    found: DoubleArray = (counted + itself) / (every + itself)
    return found


@dataclass(frozen=True, slots=True)
class Drops:
    """One-sided tests of differences against drops, and the intervals that agree with them.

    Attributes:
        ratios: (patterns, series) the greatest difference u that each pattern of signs speaks
            for, falling: Σ ±(t_c - u w_c) ≤ T - u holds as long as u ≤ (T - Σ ±t_c)/(1 - Σ ±w_c),
            where w_c is what a difference of 1 everywhere makes cluster c add.
    """

    ratios: DoubleArray

    @classmethod
    def of(
        cls, contributions: DoubleArray, units: DoubleArray, draws: int = DRAWS, seed: int = 0
    ) -> Drops:
        """Flip signs.

        Args:
            contributions: see above.
            units: (series, clusters) w_c; each row adds up to 1.
            draws: random patterns; where there are few clusters, all are tried.
            seed: of their generator.
        """
        series = len(contributions)
        observed = contributions.sum(axis=1)
        parts = [np.full((_itself(contributions), series), np.inf)]
        for flipped in _flipped(np.concatenate([contributions, units]), draws, seed):
            gap, room = observed - flipped[:, :series], 1 - flipped[:, series:]
            gap[np.abs(gap) <= np.abs(observed) * _ROUNDING] = 0
            all_flips_alike = np.full_like(room, np.inf)
            parts.append(np.divide(gap, room, out=all_flips_alike, where=room > _ROUNDING))
        return cls(-np.sort(-np.concatenate(parts), axis=0))

    def p(self) -> DoubleArray:
        """p-values that there is no drop, (1 + #{Σ ±t_c ≤ Σ t_c}) / (draws + 1): (series,)."""
        share: DoubleArray = np.count_nonzero(self.ratios >= 0, axis=0) / len(self.ratios)
        return share

    def upper(self, levels: DoubleArray) -> DoubleArray:
        """Upper ends of one-sided intervals; below 0 exactly where p is at most the level.

        Args:
            levels: (series,) probabilities, below 1, that the difference lies above.

        Returns:
            (series,); infinite where there are too few patterns to tell.
        """
        rejected = np.floor(levels * len(self.ratios) * (1 + _ROUNDING)).astype(np.int64)
        found: DoubleArray = self.ratios[rejected, np.arange(self.ratios.shape[1])]
        return found


def _itself(contributions: DoubleArray) -> int:
    """1 if the pattern that flips nothing is to be counted beside random ones; else it is there."""
    return int(contributions.shape[1] > _FEW)


def _flipped(contributions: DoubleArray, draws: int, seed: int) -> Iterator[DoubleArray]:
    """Sums of the rows with signs flipped, all rows with the same: blocks of (patterns, rows)."""
    clusters = contributions.shape[1]
    if clusters <= _FEW:
        patterns = np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1
        yield (1.0 - 2 * patterns) @ contributions.T
        return
    generator = np.random.default_rng(seed)
    for count in sums.blocks(draws, clusters):
        bits = np.frombuffer(generator.bytes(count * -(-clusters // 8)), np.uint8)
        bits = np.unpackbits(bits.reshape(count, -1), axis=1, count=clusters)
        yield (1.0 - 2 * bits) @ contributions.T


def holm(p: DoubleArray) -> DoubleArray:
    """p-values of one family adjusted for its size (Holm 1979), in the same order: (n,)."""
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def holm_levels(p: DoubleArray, level: float = LEVEL) -> DoubleArray:
    """The level at which Holm's procedure tests each p-value of a family: (n,).

    Once one is not rejected, those above it are not either; they get its level.
    """
    order = np.argsort(p, kind="stable")
    steps = level / np.arange(len(p), 0, -1)
    kept = np.flatnonzero(p[order] > steps)
    if len(kept):
        steps[kept[0] :] = steps[kept[0]]
    levels = np.empty(len(p))
    levels[order] = steps
    return levels


def enough(tests: int, level: float = LEVEL, draws: int = DRAWS) -> int:
    """How many patterns of signs settle a family of tests: 20 · tests / level or more."""
    return max(draws, int(np.ceil(20 * tests / level)))


def intervals(
    found: Sums,
    groups: Sequence[BoolArray],
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> DoubleArray:
    """Percentile intervals of macro averages over groups of settings; clusters are resampled.

    Args:
        found: sums of one or more series.
        groups: (settings,) bool each: over which to average.
        level: probability outside, half of it on each side.
        draws: replicates.
        seed: of the generator.

    Returns:
        (groups, series, 2) float64.
    """
    generator = np.random.default_rng(seed)
    clusters = found.counts.shape[1]
    replicates = np.empty((len(groups), len(found.sums), draws))
    done = 0
    for count in sums.blocks(draws, clusters):
        weights = sums.drawn(generator, count, clusters)
        for place, series in enumerate(found.sums):
            means = sums.replicates(series, found.counts, weights)
            for group, chosen in enumerate(groups):
                replicates[group, place, done : done + count] = sums.averages(means[:, chosen])
        done += count
    ends = np.quantile(replicates, (level / 2, 1 - level / 2), axis=2)
    return np.moveaxis(ends, 0, 2)
