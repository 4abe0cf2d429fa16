"""Confidence intervals of differences between samplers: seeds and clusters are both resampled.

A cluster is what a task's queries share that makes their values alike, such as the paragraph
they ask about, in whatever language. A replicate draws as many clusters as there are, with
replacement, and as many seeds, independently (the pigeonhole bootstrap of Owen 2007, "The
pigeonhole bootstrap", doi:10.1214/07-AOAS122), and computes the macro average anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.types import Array, DoubleArray, IntArray

ENOUGH_SEEDS = 5  # with fewer, nothing is said about other seeds
DRAWS = 10_000
_BLOCK = 4_000_000  # cluster weights held at once


@dataclass(frozen=True, slots=True)
class Values:
    """Paired differences of one kind of settings, summed over the queries of each cluster.

    Attributes:
        sums: (seeds, settings, clusters) float64.
        counts: (settings, clusters) float64 queries.
    """

    sums: DoubleArray
    counts: DoubleArray

    @classmethod
    def of(cls, values: DoubleArray, settings: IntArray, clusters: IntArray) -> Values:
        """Sum per-query values.

        Args:
            values: (seeds, n) float64, no NaN.
            settings, clusters: (n,) int64 from 0 without gaps: to which each query belongs.
        """
        shape = int(settings.max()) + 1, int(clusters.max()) + 1
        cells = settings * shape[1] + clusters
        size = shape[0] * shape[1]
        sums = np.stack([np.bincount(cells, each, size) for each in values]).astype(np.float64)
        counts = np.bincount(cells, minlength=size).astype(np.float64)
        return cls(sums.reshape(len(values), *shape), counts.reshape(shape))

    def by_seed(self) -> DoubleArray:
        """Macro average over settings, of each seed: (seeds,) float64."""
        means: DoubleArray = (self.sums.sum(axis=2) / self.counts.sum(axis=1)).mean(axis=1)
        return means

    def pooled(self) -> Values:
        """The mean over seeds as if it were one seed."""
        return Values(self.sums.mean(axis=0, keepdims=True), self.counts)


def bounds(
    values: Values, *, lower: float = 0.05, upper: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Percentile bounds of the macro average.

    With fewer than `ENOUGH_SEEDS` seeds, clusters alone are resampled: the bounds are of these
    checkpoints then, whatever others would be like.

    Args:
        values: of all queries.
        lower, upper: probabilities.
        draws: replicates.
        seed: of the generator.
    """
    if len(values.sums) < ENOUGH_SEEDS:
        values = values.pooled()
    generator = np.random.default_rng(seed)
    seeds, _, clusters = values.sums.shape
    found = []
    block = max(1, _BLOCK // clusters)
    for start in range(0, draws, block):
        count = min(block, draws - start)
        drawn_seeds = _drawn(generator, count, seeds)
        replicate = replicates(values, drawn_seeds, _drawn(generator, count, clusters))
        found.append(replicate + _stretch(values.by_seed(), drawn_seeds))
    low, high = np.quantile(np.concatenate(found), (lower, upper))
    return float(low), float(high)


def replicates(values: Values, seeds: Array, clusters: Array) -> DoubleArray:
    """The macro average with seeds and clusters counted as often as they were drawn.

    A setting none of whose queries were drawn does not count.

    Args:
        values: of all queries.
        seeds: (draws, seeds) how often each was drawn.
        clusters: (draws, clusters) likewise.

    Returns:
        (draws,) float64.
    """
    shares = seeds / seeds.sum(axis=1, keepdims=True)
    totals = np.zeros((len(seeds), values.sums.shape[1]))
    for share, sums in zip(shares.T, values.sums, strict=True):
        totals += share[:, None] * (clusters @ sums.T)
    counts = clusters @ values.counts.T
    held = counts > 0
    means = np.divide(totals, counts, out=np.zeros_like(totals), where=held)
    averages: DoubleArray = means.sum(axis=1) / np.maximum(held.sum(axis=1), 1)
    return averages


def _drawn(generator: np.random.Generator, draws: int, size: int) -> DoubleArray:
    """How often each of `size` things is drawn in `size` draws: (draws, size)."""
    picked = generator.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    counts = np.bincount(picked.ravel(), minlength=draws * size)
    return counts.reshape(draws, size).astype(np.float64)


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
