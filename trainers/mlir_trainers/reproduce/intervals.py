"""Confidence intervals of differences between samplers: seeds and clusters are both resampled.

A cluster is what a task's queries share that makes their values alike, such as the paragraph
they ask about, in whatever language. A replicate draws as many clusters as there are, with
replacement, and as many seeds, independently (the pigeonhole bootstrap of Owen 2007, "The
pigeonhole bootstrap", doi:10.1214/07-AOAS122), and computes the macro average anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlir_harness.comparing import sums
from mlir_harness.comparing.sums import Sums
from mlir_harness.types import DoubleArray

ENOUGH_SEEDS = 5  # with fewer, nothing is said about other seeds
DRAWS = 10_000


def bounds(
    values: Sums, *, lower: float = 0.05, upper: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Percentile bounds of the macro average.

    With fewer than `ENOUGH_SEEDS` seeds, clusters alone are resampled: the bounds are of these
    checkpoints then, whatever others would be like.

    Args:
        values: a series per seed.
        lower, upper: probabilities.
        draws: replicates.
        seed: of the generator.
    """
    if len(values.sums) < ENOUGH_SEEDS:
        values = values.pooled()
    generator = np.random.default_rng(seed)
    seeds, _, clusters = values.sums.shape
    found = []
    for count in sums.blocks(draws, clusters):
        drawn_seeds = sums.drawn(generator, count, seeds)
        replicate = replicates(values, drawn_seeds, sums.drawn(generator, count, clusters))
        found.append(replicate + _stretch(values.means(), drawn_seeds))
    low, high = np.quantile(np.concatenate(found), (lower, upper))
    return float(low), float(high)


def replicates(values: Sums, seeds: DoubleArray, clusters: DoubleArray) -> DoubleArray:
    """The macro average with seeds and clusters counted as often as they were drawn.

    A setting none of whose queries were drawn does not count.

    Args:
        values: a series per seed.
        seeds: (draws, seeds) how often each was drawn.
        clusters: (draws, clusters) likewise.

    Returns:
        (draws,) float64.
    """
    shares = seeds / seeds.sum(axis=1, keepdims=True)
    means = np.zeros((len(seeds), len(values.counts)))
    for share, each in zip(shares.T, values.sums, strict=True):
        means += share[:, None] * sums.replicates(each, values.counts, clusters)
    return sums.averages(means)


def _stretch(by_seed: DoubleArray, drawn: DoubleArray) -> DoubleArray:
    """What is added to replicates because a bootstrap of few seeds is too narrow: (draws,).

    The variance of n resampled values is (n − 1)/n of what it should be, and quantiles of few
    normal values are Student's: deviations between seeds are stretched by both.
    """
    from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped,unused-ignore]

    count = len(by_seed)
    if count < 2:
        return np.zeros(len(drawn))
    factor = float(stdtrit(count - 1, 0.95) / ndtri(0.95)) * (count / (count - 1)) ** 0.5
    stretched: DoubleArray = (factor - 1) * (drawn @ (by_seed - by_seed.mean())) / count
    return stretched


def spread(values: Sequence[float]) -> float:
    """Standard deviation over seeds; NaN of fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
