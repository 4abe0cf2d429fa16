"""Values per query summed by setting and cluster: all that macro averages and tests need.

A cluster is what queries share that makes their values alike, such as the paragraph they ask
about, in whatever language. Queries of one cluster are drawn, or change sign, together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlir_harness.types import Array, DoubleArray, IntArray

_BLOCK = 4_000_000  # cluster weights held at once


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of one or more series of values; a series is a difference, or a seed.

    Attributes:
        sums: (series, settings, clusters) float64.
        counts: (settings, clusters) float64 queries; the same for every series.
    """

    sums: DoubleArray
    counts: DoubleArray

    @classmethod
    def of(cls, values: DoubleArray, settings: IntArray, clusters: IntArray) -> Sums:
        """Sum per-query values.

        Args:
            values: (series, n) float64, no NaN.
            settings, clusters: (n,) int64 from 0 without gaps: to which each query belongs.
        """
        shape = int(settings.max()) + 1, int(clusters.max()) + 1
        cells = settings * shape[1] + clusters
        size = shape[0] * shape[1]
        sums = np.stack([np.bincount(cells, each, size) for each in values]).astype(np.float64)
        counts = np.bincount(cells, minlength=size).astype(np.float64)
        return cls(sums.reshape(len(values), *shape), counts.reshape(shape))

    def means(self) -> DoubleArray:
        """Macro average over settings, of each series: (series,) float64."""
        means: DoubleArray = (self.sums.sum(axis=2) / self.counts.sum(axis=1)).mean(axis=1)
        return means

    def pooled(self) -> Sums:
        """The mean over the series as one series."""
        return Sums(self.sums.mean(axis=0, keepdims=True), self.counts)

    def contributions(self) -> tuple[DoubleArray, DoubleArray]:
        """What each cluster adds to the macro average, and to that of a constant 1.

        t_c = Σ_s (1 / (S · n_s)) Σ_{q ∈ c ∩ s} d_q over S settings of n_s queries, so that
        Σ_c t_c is the macro average.

        Returns:
            (series, clusters) and (clusters,) float64; the second adds up to 1.
        """
        shares = 1 / (len(self.counts) * self.counts.sum(axis=1))
        return np.einsum("rsc,s->rc", self.sums, shares), shares @ self.counts


def replicates(sums: DoubleArray, counts: DoubleArray, weights: DoubleArray) -> DoubleArray:
    """Means by setting of one series with clusters counted as often as they were drawn.

    Args:
        sums, counts: (settings, clusters).
        weights: (draws, clusters).

    Returns:
        (draws, settings) float64; NaN where none of a setting's queries were drawn.
    """
    totals, sizes = weights @ sums.T, weights @ counts.T
    return np.divide(totals, sizes, out=np.full_like(totals, np.nan), where=sizes > 0)


def averages(means: DoubleArray) -> DoubleArray:
    """Macro averages, (draws,), of means by setting (draws, settings); NaN does not count."""
    held = ~np.isnan(means)
    total: DoubleArray = np.where(held, means, 0).sum(axis=1) / np.maximum(held.sum(axis=1), 1)
    return total


def drawn(generator: np.random.Generator, draws: int, size: int) -> DoubleArray:
    """How often each of `size` things is drawn in `size` draws: (draws, size) float64."""
    picked = generator.integers(size, size=(draws, size)) + size * np.arange(draws)[:, None]
    counts = np.bincount(picked.ravel(), minlength=draws * size)
    return counts.reshape(draws, size).astype(np.float64)


def blocks(draws: int, width: int) -> Iterator[int]:
    """`draws` in parts whose weights, `width` a draw, fit into memory."""
    block = max(1, _BLOCK // width)
    for start in range(0, draws, block):
        yield min(block, draws - start)


def numbered(names: Array) -> IntArray:
    """Numbers from 0 without gaps, (n,) int64, one for each different item of `names`."""
    return np.unique(names, return_inverse=True)[1].astype(np.int64)
