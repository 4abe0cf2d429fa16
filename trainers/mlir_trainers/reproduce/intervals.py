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
    found, deviations = [], []
    for count in sums.blocks(draws, clusters):
        drawn_seeds = sums.drawn(generator, count, seeds)
        replicate = replicates(values, drawn_seeds, sums.drawn(generator, count, clusters))
        found.append(replicate)
        deviations.append(_deviation(values.means(), drawn_seeds))
    replicate, deviation = np.concatenate(found), np.concatenate(deviations)
    low, high = (
        np.quantile(replicate + (_stretch(seeds, level) - 1) * deviation, level)
        for level in (lower, upper)
    )
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


def _deviation(by_seed: DoubleArray, drawn: DoubleArray) -> DoubleArray:
    """How far the mean of the drawn seeds lies from that of all: (draws,)."""
    deviation: DoubleArray = drawn @ (by_seed - by_seed.mean()) / len(by_seed)
    return deviation


def _stretch(seeds: int, level: float) -> float:
    """By what deviations between seeds are stretched, as a bootstrap of few is too narrow.

    The variance of n resampled values is (n − 1)/n of what it should be, and quantiles of few
    normal values are Student's.
    """
    from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped,unused-ignore]

    if seeds < 2:
        return 1.0
    return float(stdtrit(seeds - 1, level) / ndtri(level) * (seeds / (seeds - 1)) ** 0.5)


def spread(values: Sequence[float]) -> float:
    """Standard deviation over seeds; NaN of fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
