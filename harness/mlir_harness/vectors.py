"""Dense vectors: conversion of what encoders return, normalisation, fast and exact scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from mlir_harness.errors import EncoderError
from mlir_harness.types import Array, DoubleArray, FloatArray, IntArray

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
            f"returned {type(value).__name__} of {matrix.dtype}, not numbers",
            "encode must return an array of shape (texts, dimension)",
        )
    if matrix.ndim != 2 or len(matrix) != rows:
        raise EncoderError(
            f"returned shape {matrix.shape} for {rows} texts",
            f"encode must return an array of shape ({rows}, dimension)",
        )
    with np.errstate(over="ignore"):
        return Dense(np.ascontiguousarray(matrix, dtype=np.float32))


def as_vectors(value: Any, rows: int) -> Dense:
    """What an encoder returned, as vectors: `Dense`, or anything `as_dense` converts."""
    if isinstance(value, Dense):
        if len(value) != rows:
            raise EncoderError(f"returned {len(value)} vectors for {rows} texts")
        return value
    return as_dense(value, rows)
