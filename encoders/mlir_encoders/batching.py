"""Batches of similar length: from token counts to rows, and from ragged tokens to padded arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self, TypeAlias

import numpy as np

from mlir_harness.types import IntArray

Features: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that go through the model together.

    Attributes:
        rows: (n,) int64 which texts.
        features: what the model takes for them.
        tokens: how many they have, padding not counted.
        truncated: how many of the texts were too long.
    """

    rows: IntArray
    features: Features
    tokens: int
    truncated: int


def batches(counts: IntArray, budget: int, call: float = math.inf) -> Iterator[IntArray]:
    """Split texts into batches whose padded size stays within a token budget.

    Longest first, so that the batch that needs the most memory is met at once and not after an
    hour. Ties keep their order, which makes the batches, and so the vectors, reproducible.

    Args:
        counts: (n,) tokens per text, after truncation.
        budget: the most tokens a batch may hold, padding included (longest text x texts). A text
            longer than that is a batch of its own.
        call: what one more batch costs, in tokens. A batch ends where its padding would cost
            more than that.

    Yields:
        The rows of one batch, int64; together they are a permutation of 0..n-1. Write results
        to `out[rows]` and the original order is restored.
    """
    order = longest_first(counts)
    start = 0
    while start < len(order):
        rows = taken(order, start, counts, budget, call)
        yield rows
        start += len(rows)


def longest_first(counts: IntArray) -> IntArray:
    """Rows by descending count, ties in their order: (n,) int64."""
    return np.argsort(-counts, kind="stable").astype(np.int64, copy=False)


def taken(order: IntArray, start: int, counts: IntArray, budget: int, call: float) -> IntArray:
    """The rows of the batch that begins at order[start]; see `batches`."""
    if budget < 1:
        raise ValueError(f"a batch needs room for at least one token, not {budget}")
    longest = max(1, int(counts[order[start]]))
    rows = order[start : start + max(1, budget // longest)]
    padding = np.cumsum(longest - counts[rows])
    return rows[: max(1, int(np.searchsorted(padding, call, side="right")))]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Sequences of different lengths, end to end in one array.

    Attributes:
        values: (total,) int64.
        starts: (n + 1,) int64; sequence i is values[starts[i]:starts[i + 1]].
    """

    values: IntArray
    starts: IntArray

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]]) -> Self:
        """Copy `sequences` into one array."""
        starts = np.zeros(len(sequences) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, sequences), np.int64, len(sequences)), out=starts[1:])
        values = np.fromiter(chain.from_iterable(sequences), np.int64, int(starts[-1]))
        return cls(values, starts)

    @property
    def counts(self) -> IntArray:
        """(n,) int64 length of each sequence."""
        return np.diff(self.starts)

    def padded(self, rows: IntArray, fill: int, *, left: bool = False) -> IntArray:
        """The sequences of `rows` as a rectangle, int64 (len(rows), longest of them).

        Args:
            rows: which sequences, in which order.
            fill: what stands where a sequence has ended (or not yet begun).
            left: pad before the sequence instead of after it.
        """
        counts = self.counts[rows]
        width = int(counts.max(initial=0))
        columns = np.arange(width)
        # offset[i, j]: which element of sequence i belongs in column j; outside 0..count-1 none.
        offset = (
            columns - (width - counts[:, None])
            if left
            else np.broadcast_to(columns, (len(rows), width))
        )
        held = (offset >= 0) & (offset < counts[:, None])
        out = np.full((len(rows), width), fill, np.int64)
        out[held] = self.values[(self.starts[rows][:, None] + offset)[held]]
        return out

    def mask(self, rows: IntArray, *, left: bool = False) -> IntArray:
        """1 where `padded` holds an element, 0 where it holds the fill."""
        counts = self.counts[rows]
        width = int(counts.max(initial=0))
        columns = np.arange(width)
        held = columns >= width - counts[:, None] if left else columns < counts[:, None]
        return held.astype(np.int64)
