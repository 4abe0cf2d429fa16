"""An endless shuffled walk over rows, a batch at a time, no source twice in a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mlir_harness.errors import DataError
from mlir_harness.types import BoolArray, IntArray

_AHEAD = 4  # rows looked at, in batches, when more are needed


class Walk:
    """Goes round a shuffled order of rows and takes those that serve.

    Every row that serves comes once before any comes again, except that rows which would have
    shared a batch with their source wait for the next batch.
    """

    def __init__(
        self,
        order: IntArray,
        start: int,
        serves: Callable[[IntArray], BoolArray],
        group: IntArray,
    ) -> None:
        """Begin a walk.

        Args:
            order: (n,) shuffled rows, shared among walks.
            start: place in `order` to begin at.
            serves: rows (k,) -> (k,) bool.
            group: row -> number of its source.
        """
        self._order = order
        self._place = start % len(order)
        self._serves = serves
        self._group = group
        self._waiting = np.zeros(0, np.int64)

    def take(self, count: int) -> IntArray:
        """The next `count` rows of as many sources: (count,) int64.

        Raises:
            DataError: there are not so many sources.
        """
        chosen, looked = self._choose(count), 0
        while len(chosen) < count:
            if looked >= len(self._order):
                raise DataError(
                    f"a batch of {count} needs rows of as many sources; there are {len(chosen)}",
                    "Use a smaller training.batch_size, or more data.",
                )
            ahead = min(_AHEAD * count, len(self._order) - looked)
            places = (self._place + np.arange(ahead)) % len(self._order)
            rows = self._order[places].astype(np.int64)
            self._place = int(places[-1] + 1) % len(self._order)
            looked += ahead
            self._waiting = np.concatenate([self._waiting, rows[self._serves(rows)]])
            chosen = self._choose(count)
        rows = self._waiting[chosen]
        self._waiting = np.delete(self._waiting, chosen)
        return rows

    def _choose(self, count: int) -> IntArray:
        """Places among those waiting, the first of each source, in the order they came."""
        _, first = np.unique(self._group[self._waiting], return_index=True)
        return np.sort(first)[:count]
