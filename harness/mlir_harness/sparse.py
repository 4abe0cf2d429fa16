"""Sparse vectors: terms with weights, of which two texts share only some."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from mlir_harness.types import Array, BoolArray, DoubleArray, FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_COLUMNS = np.iinfo(np.int64).max  # a column may be any hash of 63 bits
_UNIT = 2.0**-24
_ENTRIES_AT_ONCE = 1 << 18  # of pairs scored apart, which bounds memory
_FASTER = 8  # entries of a dense row added in the time that one of a sparse row takes
_MOST_BYTES = 1 << 26  # of weights made dense


@dataclass(frozen=True)
class Sparse:
    """Compressed sparse rows, one per text; similarity is the inner product.

    Only what is stored is ever touched: a column is a name (such as the hash of a word), and
    there may be 2**63 of them. All sums run in the order of the columns, so that a score in
    float64 is the same to the bit however it is come by.

    Attributes:
        indptr: (n + 1,) int64; row i owns the entries indptr[i]:indptr[i + 1], maybe none.
        columns: (entries,) int64, not negative, ascending within a row.
        values: (entries,) float32.
    """

    indptr: IntArray
    columns: IntArray
    values: FloatArray

    @classmethod
    def of(cls, tensors: Mapping[str, Array]) -> Self:
        """From arrays as `tensors` gives them.

        Raises:
            ValueError: they are not sparse rows; says why.
        """
        for name, dtype in (("indptr", np.int64), ("columns", np.int64), ("values", np.float32)):
            held = tensors[name]
            if held.dtype != dtype or held.ndim != 1:
                raise ValueError(f"{name} are {held.dtype} {held.shape}, not a row of {dtype}")
        made = cls(tensors["indptr"], tensors["columns"], tensors["values"])
        made._check()
        return made

    @classmethod
    def from_scipy(cls, matrix: Any) -> Self:
        """From a sparse matrix or array of scipy; entries of one place are summed."""
        rows = matrix.tocsr(copy=True)
        rows.sum_duplicates()  # and sorted by column
        with np.errstate(over="ignore"):
            values = rows.data.astype(np.float32)
        return cls(rows.indptr.astype(np.int64), rows.indices.astype(np.int64), values)

    @classmethod
    def assembled(cls, parts: Iterable[tuple[IntArray, Self]], rows: int) -> Self:
        """Vectors from parts, each with the rows that its own are to become."""
        held = list(parts)
        lengths = np.zeros(rows, np.int64)
        for at, part in held:
            lengths[at] = np.diff(part.indptr)
        indptr = _ends(lengths)
        columns = np.empty(indptr[-1], np.int64)
        values = np.empty(indptr[-1], np.float32)
        while held:
            at, part = held.pop()
            entries = _entries(indptr[at], lengths[at])
            columns[entries], values[entries] = part.columns, part.values
        return cls(indptr, columns, values)

    def _check(self) -> None:
        sizes = np.diff(self.indptr)
        if not len(self.indptr) or self.indptr[0] != 0 or (sizes < 0).any():
            raise ValueError("indptr must rise from 0")
        if not self.indptr[-1] == len(self.columns) == len(self.values):
            raise ValueError(
                f"{len(self.columns)} columns and {len(self.values)} values for "
                f"{self.indptr[-1]} entries"
            )
        rising = np.diff(self.columns) > 0
        starts = self.indptr[1:-1]
        rising[starts[(starts > 0) & (starts < len(self.columns))] - 1] = True
        if not rising.all() or (self.columns < 0).any():
            raise ValueError("columns must rise within a row, from 0 or more")

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, rows: slice | IntArray) -> Self:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                indptr = self.indptr[start : max(start, stop) + 1]
                own = slice(int(indptr[0]), int(indptr[-1]))
                return type(self)(indptr - indptr[0], self.columns[own], self.values[own])
            rows = np.arange(start, stop, step)
        lengths = self.lengths[rows]
        entries = _entries(self.indptr[:-1][rows], lengths)
        return type(self)(_ends(lengths), self.columns[entries], self.values[entries])

    def tensors(self) -> Mapping[str, Array]:
        return {"indptr": self.indptr, "columns": self.columns, "values": self.values}

    def score(self, documents: Self) -> FloatArray:
        scores: FloatArray = self._product(documents, np.float32)
        return scores

    def score_exact(self, documents: Self) -> DoubleArray:
        """All pairs in float64: (len(self), len(documents))."""
        scores: DoubleArray = self._product(documents, np.float64)
        return scores

    def score_pairs(self, rows: IntArray, documents: Self, places: IntArray) -> DoubleArray:
        scores = np.zeros(len(rows), np.float64)
        if not len(rows):
            return scores
        ends = np.cumsum(self.lengths[rows] + documents.lengths[places])
        cuts = np.searchsorted(ends, np.arange(_ENTRIES_AT_ONCE, ends[-1], _ENTRIES_AT_ONCE))
        edges = np.unique(np.concatenate([[0], cuts, [len(rows)]])).tolist()
        for first, last in itertools.pairwise(edges):
            # Products of two float32 are exact in float64; only the sum rounds.
            one, other = self[rows[first:last]].wide(), documents[places[first:last]].wide()
            shared = one.multiply(other)
            owners = np.repeat(np.arange(last - first), np.diff(shared.indptr))
            scores[first:last] = np.bincount(owners, shared.data, minlength=last - first)
        return scores

    def score_error(self, documents: Self) -> DoubleArray:
        # Higham 2002, section 3.1, as for dense vectors: of n products, in any order, at most
        # n u |x||y|. Short vectors get the allowance of longer ones, so that scores span
        # 2**18 errors at most; 2 more are for the bound itself and for float64 being rounded too.
        terms = np.maximum(self.lengths, 62) + 2
        error: DoubleArray = terms * _UNIT * documents.norms.max(initial=0.0) * self.norms
        return error

    @property
    def rounding(self) -> float:
        """How far float64 scores of equal pairs may lie apart, in units of both norms.

        One number for all, so that no block of vectors changes it: enough for vectors that
        share 4,000 columns.
        """
        return 2.0**-40

    @cached_property
    def lengths(self) -> IntArray:
        """Entries of each row: (n,) int64."""
        return np.diff(self.indptr)

    @cached_property
    def norms(self) -> DoubleArray:
        """Euclidean norms of the rows: (n,) float64."""
        squares = self.values.astype(np.float64) ** 2
        return np.sqrt(np.bincount(self._owners, squares, minlength=len(self)))

    @property
    def finite(self) -> BoolArray:
        """Which rows hold neither NaN nor infinities: (n,) bool."""
        fine = np.ones(len(self), bool)
        fine[self._owners[~np.isfinite(self.values)]] = False
        return fine

    @property
    def largest(self) -> float:
        """The largest absolute value."""
        return float(np.abs(self.values).max(initial=0.0))

    def normalised(self) -> Self:
        """Rows of length 1; rows of zeros stay zero (their cosine with anything is 0)."""
        norms = np.where(self.norms == 0, 1.0, self.norms)
        values = (self.values / norms[self._owners]).astype(np.float32)
        return type(self)(self.indptr, self.columns, values)

    def wide(self) -> csr_array:
        """The same for scipy, over all columns that there may be, in float64."""
        from scipy.sparse import csr_array

        held = (self.values.astype(np.float64), self.columns, self.indptr)
        return csr_array(held, shape=(len(self), _COLUMNS))

    @property
    def _owners(self) -> IntArray:
        """The row of each entry."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def _terms(self) -> tuple[IntArray, IntArray]:
        """The columns that occur, ascending, and the place of each entry's among them."""
        terms, codes = np.unique(self.columns, return_inverse=True)
        return terms, codes

    @cached_property
    def _postings(self) -> csr_array:
        """The rows in which each column that occurs has a value: (columns, n) float32."""
        from scipy.sparse import csr_array

        terms, codes = self._terms
        rows = csr_array((self.values, codes, self.indptr), shape=(len(self), len(terms)))
        return rows.T.tocsr()

    def _product(self, documents: Self, dtype: type[np.floating[Any]]) -> Any:
        """All scores, summed in `dtype` in the order of the columns: (len(self), documents)."""
        from scipy.sparse import csr_array

        (theirs, _), (own, codes) = documents._terms, self._terms
        postings = documents._postings
        place = np.searchsorted(theirs, own)
        known = place < len(theirs)
        known[known] = theirs[place[known]] == own[known]
        shared, place = np.cumsum(known) - 1, place[known]  # only what both have takes part
        kept = known[codes]
        indptr = np.concatenate([[0], np.cumsum(kept)])[self.indptr]
        entries = shared[codes[kept]]
        asked = csr_array(
            (self.values[kept].astype(dtype), entries, indptr), shape=(len(self), len(place))
        )
        weights = postings[place].astype(dtype)
        work = np.diff(weights.indptr)[entries].sum()
        cells = len(place) * len(documents)
        # Rows of zeros and ones are added faster than lists of what is not zero are followed.
        crowded = _FASTER * work > len(entries) * len(documents)
        if crowded and cells * weights.dtype.itemsize <= _MOST_BYTES:
            return asked @ weights.toarray()
        return (asked @ weights).toarray()


def _ends(lengths: IntArray) -> IntArray:
    """indptr of rows of these lengths."""
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


def _entries(starts: IntArray, lengths: IntArray) -> IntArray:
    """The entries of rows that start at `starts`, one row after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)
