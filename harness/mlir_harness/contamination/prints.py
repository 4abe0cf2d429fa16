"""What a training text leaves in a record: a hash of the whole, and hashes of parts of it.

Of a training text of `LONG` folded characters or more, every `STRIDE`th `GRAM`-gram is kept. A text
of at least `LONG` characters *shares a run* with the record if `ROW` of its grams, each `STRIDE`
characters behind the one before, are in it.

Nothing of `LONG` characters is missed: a run of 60 begins 31 grams, and of 31 places one after the
other three are multiples of 10. And little else is found: what matches covers
`GRAM + (ROW - 1) * STRIDE` = 50 characters without a gap.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from mlir_harness.contamination.folding import CodeArray, Folded
from mlir_harness.types import BoolArray, IntArray

HashArray = NDArray[np.uint64]

GRAM, STRIDE, ROW = 30, 10, 3
LONG = 60  # characters, folded

_COVERED = GRAM + (ROW - 1) * STRIDE
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that it has an inverse
_MODULUS = 1 << 64
_PER_BUCKET = 1 / 8  # hashes: most of what is not there is known by its empty bucket
_BUCKET_BITS = range(16, 29)


def whole(folded: Folded) -> tuple[IntArray, HashArray]:
    """Rows of the texts that are not empty, and the hash of each: both (n,)."""
    codes = folded.codes.astype("<u4", copy=False).data.cast("B")
    held = np.flatnonzero(folded.lengths)
    starts, ends = (4 * folded.starts[held]).tolist(), (4 * folded.starts[held + 1]).tolist()
    hashes = [
        xxhash.xxh3_64_intdigest(codes[start:end]) for start, end in zip(starts, ends, strict=True)
    ]
    return folded.rows[held], np.array(hashes, np.uint64)


def sampled(folded: Folded) -> HashArray:
    """Every `STRIDE`th gram of the long texts, in no order, repeated where they repeat."""
    long = np.flatnonzero(folded.lengths >= LONG)
    if not len(long):
        return np.zeros(0, np.uint64)
    counts = (folded.lengths[long] - GRAM) // STRIDE + 1
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.repeat(folded.starts[long], counts) + STRIDE * within
    powers, inverses = _powers(_room(len(folded.codes)))
    sums = _sums(folded.codes, powers)
    grams: HashArray = (sums[places + GRAM] - sums[places]) * inverses[places]
    return grams


class Lookup:
    """Sorted hashes, made ready to be asked for many at once."""

    def __init__(self, hashes: HashArray) -> None:
        """Keeps `hashes`, ascending, as they are (they may lie on disk), and a table beside."""
        self._hashes = hashes
        wanted = int(len(hashes) / _PER_BUCKET).bit_length()
        bits = min(max(wanted, _BUCKET_BITS.start), _BUCKET_BITS.stop - 1)
        self._shift = np.uint64(64 - bits)
        self._buckets = np.zeros(1 << bits, np.bool_)
        for start in range(0, len(hashes), 1 << 20):
            self._buckets[hashes[start : start + (1 << 20)] >> self._shift] = True

    def likely(self, hashes: HashArray) -> BoolArray:
        """True for all that are among them, and for few others."""
        return self._buckets.take((hashes >> self._shift).view(np.int64))

    def holds(self, hashes: HashArray) -> BoolArray:
        """Which are among them."""
        found = self.likely(hashes)
        asked = hashes[found]
        places = np.searchsorted(self._hashes, asked)
        places[places == len(self._hashes)] = 0
        found[found] = self._hashes[places] == asked if len(self._hashes) else False
        return found


def sharing(folded: Folded, grams: Lookup) -> IntArray:
    """Rows of the long texts that share a run with the record: (n,) int64, each once."""
    codes = folded.codes
    if len(codes) < LONG:
        return np.zeros(0, np.int64)
    powers, inverses = _powers(_room(len(codes)))
    sums = _sums(codes, powers)
    hashes: HashArray = (sums[GRAM:] - sums[:-GRAM]) * inverses[: len(codes) - GRAM + 1]
    likely = grams.likely(hashes)
    count = len(likely) - (ROW - 1) * STRIDE
    row = likely[:count].copy()
    for step in range(1, ROW):
        row &= likely[step * STRIDE : step * STRIDE + count]
    places = np.flatnonzero(row)
    owners = np.searchsorted(folded.starts, places, side="right") - 1
    inside = folded.lengths[owners] >= LONG
    inside &= places + _COVERED <= folded.starts[owners + 1]
    places, owners = places[inside], owners[inside]
    for step in range(ROW):
        held = grams.holds(hashes[places + step * STRIDE])
        places, owners = places[held], owners[held]
    return folded.rows[np.unique(owners)]


def _sums(codes: CodeArray, powers: HashArray) -> HashArray:
    """Sums of code × multiplier ** place up to each place: (len(codes) + 1,), modulo 2 ** 64.

    The gram at place p is the difference of two, divided by multiplier ** p: the same wherever
    it stands.
    """
    sums = np.zeros(len(codes) + 1, np.uint64)
    np.cumsum(codes * powers[: len(codes)], out=sums[1:])
    return sums


def _room(length: int) -> int:
    return 1 << max(length, 1 << 19).bit_length()


@lru_cache(maxsize=2)
def _powers(count: int) -> tuple[HashArray, HashArray]:
    """Powers 1, 2 ... of the multiplier, and inverses of the powers 0, 1 ..., modulo 2 ** 64."""
    inverse = pow(_MULTIPLIER, -1, _MODULUS)
    powers = np.cumprod(np.full(count, _MULTIPLIER, np.uint64), dtype=np.uint64)
    inverses = np.full(count, inverse, np.uint64)
    inverses[0] = 1
    return powers, np.cumprod(inverses, dtype=np.uint64)
