"""Dense vectors, with fast and exact scores, and what becomes of what encoders return."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeAlias

import numpy as np

from mlir_harness.errors import EncoderError
from mlir_harness.sparse import Sparse
from mlir_harness.text import described, plain
from mlir_harness.types import Array, BoolArray, DoubleArray, FloatArray, IntArray

# An inner product of n terms, summed in any order, is off by at most n u |x||y| (Higham 2002,
# "Accuracy and Stability of Numerical Algorithms", section 3.1). Summing stretches of the
# vectors apart keeps that small: (stretch + stretches) u instead of dimension u.
_STRETCH = 192
_UNIT = 2.0**-24
_PAIRS_AT_ONCE = 512  # in float64 they fit a second-level cache


@dataclass(frozen=True)
class Dense:
    """One float32 row per text; similarity is the inner product.

    Attributes:
        matrix: (n, dimension) float32, C order.
    """

    matrix: FloatArray

    @classmethod
    def of(cls, tensors: Mapping[str, Array]) -> Self:
        """From arrays as `tensors` gives them.

        Raises:
            ValueError: they are not a float32 matrix; says why.
        """
        matrix = tensors["matrix"]
        if matrix.ndim != 2 or matrix.dtype != np.float32:
            raise ValueError(f"the matrix is {matrix.dtype} {matrix.shape}")
        return cls(matrix)

    @classmethod
    def assembled(cls, parts: Iterable[tuple[IntArray, Self]], rows: int) -> Self:
        """Vectors from parts, each with the rows that its own are to become."""
        matrix = np.zeros((0, 0), np.float32)
        for at, part in parts:
            if not matrix.size:
                matrix = np.zeros((rows, part.matrix.shape[1]), np.float32)
            matrix[at] = part.matrix
        return cls(matrix)

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, rows: slice | IntArray) -> Self:
        return type(self)(np.ascontiguousarray(self.matrix[rows]))

    def tensors(self) -> Mapping[str, Array]:
        return {"matrix": self.matrix}

    def score(self, documents: Self) -> FloatArray:
        scores: FloatArray | None = None
        for start in range(0, max(self.matrix.shape[1], 1), _STRETCH):
            part = slice(start, start + _STRETCH)
            product: FloatArray = np.matmul(self.matrix[:, part], documents.matrix[:, part].T)
            scores = product if scores is None else np.add(scores, product, out=scores)
        assert scores is not None  # noqa: S101
        return scores

    def score_exact(self, documents: Self) -> DoubleArray:
        """All pairs in float64: (len(self), len(documents))."""
        exact: DoubleArray = np.matmul(
            self.matrix.astype(np.float64), documents.matrix.T.astype(np.float64)
        )
        return exact

    def score_pairs(self, rows: IntArray, documents: Self, places: IntArray) -> DoubleArray:
        scores = np.empty(len(rows), np.float64)
        for start in range(0, len(rows), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            # Products of two float32 are exact in float64; only the sum rounds.
            products = self.matrix[rows[part]].astype(np.float64)
            products *= documents.matrix[places[part]]
            products.sum(axis=1, out=scores[part])
        return scores

    def score_error(self, documents: Self) -> DoubleArray:
        width = self.matrix.shape[1]
        # Short vectors get the allowance of longer ones, so that scores span 2**18 errors at most.
        terms = max(min(width, _STRETCH) + -(-width // _STRETCH), 62)
        # The two bounds allow for themselves and for the float64 score being rounded too.
        error: DoubleArray = (terms + 2) * _UNIT * documents.norms.max(initial=0.0) * self.norms
        return error

    @property
    def rounding(self) -> float:
        """How far float64 scores of equal pairs may lie apart, in units of both norms."""
        return float(4 * max(self.matrix.shape[1], 1) * 2.0**-53)

    @cached_property
    def norms(self) -> DoubleArray:
        """Euclidean norms of the rows: (n,) float64."""
        squares: DoubleArray = np.einsum(
            "ij,ij->i", self.matrix, self.matrix, dtype=np.float64, casting="same_kind"
        )
        return np.sqrt(squares)

    @property
    def finite(self) -> BoolArray:
        """Which rows hold neither NaN nor infinities: (n,) bool."""
        return np.asarray(np.isfinite(self.matrix).all(axis=1), bool)

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return float(np.abs(self.matrix).max(initial=0.0))

    def normalised(self) -> Self:
        """Rows of length 1; rows of zeros stay zero (their cosine with anything is 0)."""
        norms = np.where(self.norms == 0, 1.0, self.norms)
        return type(self)((self.matrix / norms[:, None]).astype(np.float32))


def as_dense(value: Any, rows: int) -> Dense:
    """Convert an encoder's answer (array of any float type, torch tensor, list of rows).

    Raises:
        EncoderError: not a matrix, or not `rows` rows.
    """
    if hasattr(value, "detach"):  # a torch tensor, recognised without importing torch
        value = value.detach().cpu()
        value = (value.float() if hasattr(value, "float") else value).numpy()
    try:
        matrix = np.asarray(value)
    except ValueError as error:
        raise EncoderError(f"returned rows of different lengths ({error})") from error
    if matrix.dtype.kind not in "fiu":
        raise EncoderError(
            f"returned {_named(value, matrix)}, not numbers",
            f"encode must return an array of numbers of shape ({rows}, dimension)"
            + ("; is there a `return` in it?" if value is None else ""),
        )
    if matrix.ndim != 2 or len(matrix) != rows:
        raise EncoderError(
            f"returned shape {matrix.shape} for {rows} texts",
            f"encode must return an array of shape ({rows}, dimension)",
        )
    with np.errstate(over="ignore"):
        return Dense(np.ascontiguousarray(matrix, dtype=np.float32))


def _named(value: Any, matrix: Array) -> str:
    """What an encoder returned in the place of numbers, in words."""
    if value is None:
        return "None"
    name = plain(type(value).__name__)
    if matrix.ndim == 0:  # an object that numpy takes for no list of anything
        return name
    if matrix.dtype.kind == "O":
        odd = (type(each).__name__ for each in matrix.flat if not isinstance(each, int | float))
        first = next(odd, "")
        return f"{name} of objects" + (f" ({plain(first)} among them)" if first else "")
    kinds = {"U": "text", "S": "bytes", "b": "truth values"}
    return f"{name} of {kinds.get(matrix.dtype.kind, matrix.dtype)}"


Stored: TypeAlias = Dense | Sparse  # what encoders' answers become, and a shard holds


def as_vectors(value: Any, rows: int) -> Stored:
    """What an encoder returned, as vectors.

    Args:
        value: `Dense`, `Sparse`, a sparse matrix of scipy, or anything `as_dense` converts.
        rows: how many there must be.

    Raises:
        EncoderError: it is none of these, or has not `rows` rows.
    """
    if hasattr(value, "tocsr"):  # of scipy, recognised without importing it
        if value.dtype.kind not in "fiu" or value.ndim != 2:
            raise EncoderError(f"returned a sparse {value.dtype} {value.shape}, no rows of numbers")
        value = Sparse.from_scipy(value)
    elif isinstance(value, Sparse):
        value = _sound(value)
    if isinstance(value, Dense | Sparse):
        if len(value) != rows:
            raise EncoderError(f"returned {len(value)} vectors for {rows} texts")
        return value
    return as_dense(value, rows)


def _sound(value: Sparse) -> Sparse:
    try:
        return Sparse.of(value.tensors())
    except (ValueError, AttributeError) as error:
        raise EncoderError(f"returned sparse vectors that are none: {described(error)}") from error


def from_tensors(tensors: Mapping[str, Array]) -> Stored:
    """Vectors from the arrays that their `tensors` gave.

    Raises:
        ValueError: they are of no kind of vectors; says why.
    """
    kinds: Mapping[frozenset[str], type[Dense] | type[Sparse]] = {
        frozenset({"matrix"}): Dense,
        frozenset({"indptr", "columns", "values"}): Sparse,
    }
    kind = kinds.get(frozenset(tensors))
    if kind is None:
        raise ValueError(f"no vectors consist of {', '.join(sorted(tensors)) or 'nothing'}")
    return kind.of(tensors)


def assembled(parts: Iterable[tuple[IntArray, Stored]], rows: int) -> Stored:
    """Vectors from parts of one kind, each with the rows that its own are to become.

    Where there are no parts there are no vectors, and they count as dense.
    """
    ahead = iter(parts)
    first = next(ahead, None)
    if first is None:
        return Dense(np.zeros((0, 0), np.float32))
    kind: Any = type(first[1])
    made: Stored = kind.assembled(itertools.chain([first], ahead), rows)
    return made


def layout(vectors: Stored) -> str:
    """What all vectors of an encoder have in common: "of 24 dimensions", "that are sparse"."""
    if isinstance(vectors, Sparse):
        return "that are sparse"
    return f"of {vectors.matrix.shape[1]} dimensions"


def difference(one: Stored, other: Stored) -> float:
    """By how much a component of `one` differs at most from that of `other`.

    Infinite if they are not of one kind, number and dimension.
    """
    if len(one) != len(other) or layout(one) != layout(other):
        return math.inf
    if isinstance(one, Dense) and isinstance(other, Dense):
        return float(np.abs(one.matrix - other.matrix).max(initial=0.0))
    assert isinstance(one, Sparse) and isinstance(other, Sparse)  # noqa: S101, PT018
    return float(np.abs((one.wide() - other.wide()).data).max(initial=0.0))
