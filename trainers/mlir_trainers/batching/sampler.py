"""The batch sampler: monolingual with probability alpha, cross-lingual otherwise.

The method is that of "Synergistic Approach for Simultaneous Optimization of Monolingual,
Cross-lingual, and Multilingual Information Retrieval" (arXiv 2408.10536), section 3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlir_harness.types import BoolArray, IntArray
from mlir_trainers.batching.pools import Pool, monolingual, pools
from mlir_trainers.batching.walk import Walk
from mlir_trainers.parallel.data import Held, ParallelData


@dataclass(frozen=True, slots=True)
class Composition:
    """What a batch was made of.

    Attributes:
        epoch, number: which batch it is, both from 0.
        kind: "mono" or "cross".
        pool: the data set it was drawn from.
        pairs: (query language, passage language) -> how many.
    """

    epoch: int
    number: int
    kind: Literal["mono", "cross"]
    pool: str
    pairs: Mapping[tuple[str, str], int]


def _unobserved(composition: Composition) -> None:
    """Nobody watches."""


class HybridBatches:
    """Batches of indices into `PairDataset`, the same for the same seed and epoch.

    A monolingual batch draws its language uniformly, then a pool in proportion to the rows it
    has in it. A cross-lingual one draws a pool in proportion to the rows in two languages or
    more, then for each row an ordered pair of its languages, uniformly. No two rows of a batch
    share an id or a source. Batches are drawn in the process that iterates: they do not depend
    on the number of workers. Under accelerate each process takes every n-th batch of the same
    sequence, so that nothing is sharded here.

    Attributes:
        batch_size: pairs a batch.
        drop_last: True; all batches are whole. Accelerate reads both.
    """

    drop_last = True

    def __init__(
        self,
        data: ParallelData,
        batch_size: int,
        alpha: float,
        *,
        seed: int = 0,
        processes: int = 1,
        at_most: int | None = None,
        observe: Callable[[Composition], None] = _unobserved,
    ) -> None:
        """Check that batches can be filled; nothing is read of the rows.

        Args:
            data: prepared rows.
            batch_size: pairs a batch.
            alpha: probability of a monolingual batch, 0 to 1.
            seed: with the epoch, decides all batches.
            processes: that share the batches; the length is a multiple of it, and not 0.
            at_most: batches an epoch, if that is fewer than there are.
            observe: told of every batch as it is drawn.

        Raises:
            DataError: batches cannot be filled.
            UsageError: there is one language, and `alpha` is below 1.
        """
        self.batch_size = batch_size
        self.epoch = 0
        self.observe = observe
        self._data = data
        self._alpha = alpha
        self._seed = seed
        length = data.ids // batch_size
        if at_most is not None:
            length = min(length, at_most)
        self._length = max(1, length // processes) * processes
        self._pools = pools(data, batch_size, alpha)
        self._spoken = monolingual(data)
        names = data.languages
        self._within = {
            language: _shares(
                [pool.languages.get(name, Held(0, 0)) for pool in self._pools], batch_size
            )
            for language, name in enumerate(names)
            if alpha > 0 and language in self._spoken
        }
        self._across = _shares([pool.crossing for pool in self._pools], batch_size)

    def __len__(self) -> int:
        """Batches an epoch: ⌊ids / batch_size⌋, or fewer if so asked; a multiple of `processes`."""
        return self._length

    def set_epoch(self, epoch: int) -> None:
        """Other batches in another epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        draw = np.random.default_rng([self._seed, self.epoch])
        walks = _Walks(self._data, self._pools, np.random.default_rng([self._seed, self.epoch, 1]))
        languages = len(self._data.languages)
        for number in range(self._length):
            if draw.random() < self._alpha:
                language = self._spoken[int(draw.integers(len(self._spoken)))]
                pool = int(draw.choice(len(self._pools), p=self._within[language]))
                rows = walks.within(pool, language).take(self.batch_size)
                asked = answered = np.full(self.batch_size, language)
            else:
                pool = int(draw.choice(len(self._pools), p=self._across))
                rows = walks.across(pool).take(self.batch_size)
                asked, answered = _ordered_pairs(self._data.present[rows], draw)
            self.observe(self._composed(number, pool, asked, answered))
            yield ((rows * languages + asked) * languages + answered).tolist()

    def _composed(self, number: int, pool: int, asked: IntArray, answered: IntArray) -> Composition:
        names = self._data.languages
        counts = Counter(zip(asked.tolist(), answered.tolist(), strict=True))
        return Composition(
            self.epoch,
            number,
            "mono" if (asked == answered).all() else "cross",
            self._pools[pool].name,
            {(names[query], names[passage]): n for (query, passage), n in counts.items()},
        )


class _Walks:
    """The walks of one epoch, begun when they are first asked for."""

    def __init__(
        self, data: ParallelData, found: tuple[Pool, ...], random: np.random.Generator
    ) -> None:
        self._data, self._pools = data, found
        self._seeds = random.integers(2**63, size=(len(found), len(data.languages) + 2))
        self._orders: dict[int, IntArray] = {}
        self._begun: dict[tuple[int, int], Walk] = {}

    def within(self, pool: int, language: int) -> Walk:
        """Over the rows of a pool that have a language."""
        return self._walk(pool, language, lambda rows: self._data.present[rows, language])

    def across(self, pool: int) -> Walk:
        """Over the rows of a pool that have two languages or more."""
        return self._walk(
            pool,
            len(self._data.languages),
            lambda rows: self._data.present[rows].sum(axis=1) >= 2,
        )

    def _walk(self, pool: int, use: int, serves: Callable[[IntArray], BoolArray]) -> Walk:
        """One order a pool serves all its walks, each from a place of its own."""
        if (pool, use) not in self._begun:
            if pool not in self._orders:
                self._orders[pool] = _shuffled(self._pools[pool], int(self._seeds[pool, -1]))
            start = int(self._seeds[pool, use])
            order = self._orders[pool]
            self._begun[pool, use] = Walk(order, start, serves, self._data.group)
        return self._begun[pool, use]


def _shuffled(pool: Pool, seed: int) -> IntArray:
    """The rows of a pool in random order: (n,), int32 where that holds them."""
    last = max(stop for _, stop in pool.parts)
    kind = np.int32 if last <= np.iinfo(np.int32).max else np.int64
    rows = np.concatenate([np.arange(start, stop, dtype=kind) for start, stop in pool.parts])
    np.random.default_rng(seed).shuffle(rows)
    return rows


def _shares(held: list[Held], batch_size: int) -> list[float]:
    """Probabilities in proportion to rows, 0 where they cannot fill a batch."""
    rows = [each.rows if each.sources >= batch_size else 0 for each in held]
    return [each / max(1, sum(rows)) for each in rows]


def _ordered_pairs(present: BoolArray, draw: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Two different languages of each row, every ordered pair as likely: (n,) and (n,).

    Args:
        present: (n, languages) bool with two True or more in each row.
        draw: source of randomness.
    """
    keys = np.where(present, draw.random(present.shape), 2.0)
    two = np.argpartition(keys, 1, axis=1)[:, :2]
    flip = draw.random(len(two)) < 0.5  # argpartition promises no order of the first two
    first = np.where(flip, two[:, 1], two[:, 0])
    return first, np.where(flip, two[:, 0], two[:, 1])
