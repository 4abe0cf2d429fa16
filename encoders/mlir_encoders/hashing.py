"""The floor every table shows: hashed character n-grams, no weights, any script."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlir_harness.errors import UsageError
from mlir_harness.protocols import UNTRAINED, Context, EncoderInfo
from mlir_harness.types import FloatArray, IntArray

# Raise this whenever a vector may change: stored vectors are found by it.
REVISION = "hashing-1"

ORDERS = (2, 3, 4)
DEFAULT_DIMENSION = 512
MAX_DIMENSION = 1 << 16

# Work is done in chunks that fit the processor's cache: code points, and cells of the counts.
_CHUNK_CHARACTERS = 1 << 16
_CHUNK_CELLS = 1 << 18

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd
_MIX = np.uint64(0xFF51AFD7ED558CCD)  # MurmurHash3 finaliser
_SPACE = np.uint32(ord(" "))


def create(dimension: str | int = DEFAULT_DIMENSION) -> HashingEncoder:
    """The `hashing` encoder.

    Args:
        dimension: the length of a vector.

    Raises:
        UsageError: it is out of range.
    """
    try:
        number = int(str(dimension))
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_DIMENSION:
        raise UsageError(
            f"hashing cannot make vectors of dimension {dimension!r}",
            f"give a whole number from 1 to {MAX_DIMENSION}, such as dimension=512",
        )
    return HashingEncoder(number)


def fold(text: str) -> str:
    """`text` without distinctions that do not matter: NFKC, case folded, single spaces.

    One space stands before and after (the first and last letter of a text are then n-grams of
    their own); a text of nothing but spaces is "".
    """
    words = unicodedata.normalize("NFKC", text).casefold().split()
    return f" {' '.join(words)} " if words else ""


class HashingEncoder:
    """Counts character n-grams into signed buckets (Weinberger et al. 2009, arXiv 0902.2206).

    A vector is the sum over signs s of s * (1 + ln n(bucket, s)), where n counts the n-grams of
    the text that fall into the bucket with that sign. The hash is plain arithmetic on code
    points, so vectors are the same on every platform. Unicode assigns new characters over time;
    texts of long-assigned ones fold alike in every version of Python.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension

    @property
    def info(self) -> EncoderInfo:
        """The dimension is the only thing that vectors depend on besides `REVISION`."""
        return EncoderInfo(
            revision=REVISION,
            options={"dimension": str(self._dimension)},
            dimension=self._dimension,
            licence="Apache-2.0",
            description="hashed character n-grams (2 to 4), no weights: the floor",
            training=UNTRAINED,
            exact=True,
        )

    def encode(self, texts: Sequence[str], context: Context) -> FloatArray:  # noqa: ARG002
        """float32 (n, dimension), not normalised; an empty text gives a zero vector."""
        out = np.zeros((len(texts), self._dimension), np.float32)
        rows = max(1, _CHUNK_CELLS // (2 * self._dimension))
        start = 0
        for chunk in _chunks(texts, rows):
            out[start : start + len(chunk)] = self._vectors(chunk)
            start += len(chunk)
        return out

    def _vectors(self, folded: Sequence[str]) -> FloatArray:
        """Vectors of a chunk of folded texts: float32 (n, dimension)."""
        width = 2 * self._dimension  # a cell per bucket and sign
        lengths = np.fromiter(map(len, folded), np.int64, len(folded))
        text = np.repeat(np.arange(len(folded), dtype=np.int64), lengths)
        # Lone surrogates are code points like any other here.
        codes = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), "<u4")
        counts: IntArray = np.zeros(len(folded) * width, np.int64)
        for grams, owner in _grams(codes, text):
            cells = (grams >> np.uint64(20)) % np.uint64(width)
            counts += np.bincount(owner * width + cells.astype(np.int64), minlength=len(counts))
        # The table is as long as the largest count: counts are small, logarithms are not free.
        damped = np.zeros(int(counts.max(initial=0)) + 1, np.float32)
        damped[1:] = 1.0 + np.log(np.arange(1, len(damped), dtype=np.float64))
        signed = damped[counts].reshape(len(folded), 2, self._dimension)
        difference: FloatArray = signed[:, 0] - signed[:, 1]
        return difference


def _chunks(texts: Sequence[str], rows: int) -> Iterator[list[str]]:
    """Folded texts in lists of at most `rows`, each about `_CHUNK_CHARACTERS` long."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        folded = fold(text)
        if chunk and (len(chunk) == rows or characters + len(folded) > _CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(folded)
        characters += len(folded)
    if chunk:
        yield chunk


def _grams(
    codes: NDArray[np.uint32], text: IntArray
) -> Iterator[tuple[NDArray[np.uint64], IntArray]]:
    """Hashes of every n-gram that lies inside one text, and which text, for each order.

    Args:
        codes: (total,) code points of all texts, end to end.
        text: (total,) the text each code point belongs to, ascending.
    """
    wide = codes.astype(np.uint64) + np.uint64(1)
    rolling = wide
    for order in range(2, max(ORDERS) + 1):
        # A polynomial in the code points; unsigned arithmetic wraps, which is what is wanted.
        rolling = rolling[:-1] * _MULTIPLIER + wide[order - 1 :]
        if order not in ORDERS:
            continue
        inside = text[: len(rolling)] == text[order - 1 :]
        grams = rolling[inside]
        grams ^= grams >> np.uint64(32)
        grams *= _MIX
        grams ^= grams >> np.uint64(29)
        yield grams, text[: len(rolling)][inside]
