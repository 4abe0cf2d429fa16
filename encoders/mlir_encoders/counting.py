"""How often each text contains each word; words are hashes, so that no vocabulary is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from mlir_encoders.words import clean, cut, fold, stemmer
from mlir_harness.types import IntArray

# That any two of ten million words share a column has odds of 1 in 90,000 (n² / 2**63).
_BITS = (1 << 62) - 1
_MOST_WORDS = 1 << 20  # remembered per language


@dataclass(frozen=True, slots=True)
class Counts:
    """The words of n texts, as compressed sparse rows.

    Attributes:
        indptr: (n + 1,) int64; text i has the entries indptr[i]:indptr[i + 1].
        columns: (entries,) int64 hashes of words, ascending within a text.
        counts: (entries,) int64, 1 and up.
    """

    indptr: IntArray
    columns: IntArray
    counts: IntArray

    @property
    def owners(self) -> IntArray:
        """The text of each entry."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    @property
    def lengths(self) -> IntArray:
        """Words of each text: (n,) int64."""
        ends = np.concatenate([[0], np.cumsum(self.counts)])
        return np.diff(ends[self.indptr])


class Counter:
    """Counts words; remembers the hash of each, as most come again."""

    def __init__(self, *, stemming: bool) -> None:
        self._stemming = stemming
        self._columns: dict[str, _Columns] = {}

    def count(self, texts: Sequence[str], languages: Sequence[str]) -> Counts:
        """The words of texts, in their order.

        Args:
            texts: n.
            languages: one BCP-47 tag per text.
        """
        columns: list[int] = []
        lengths: list[int] = []
        for text, language in zip(texts, languages, strict=True):
            known = self._of(language)
            found = [known[piece] for piece in cut(fold(text, language))]
            columns += found
            lengths.append(len(found))
        return _counted(np.array(columns, np.int64), np.array(lengths, np.int64))

    def _of(self, language: str) -> _Columns:
        held = self._columns.get(language)
        if held is None:
            held = _Columns(stemmer(language) if self._stemming else None)
            self._columns[language] = held
        return held


class _Columns(dict[str, int]):
    """Words of one language -> their columns, made when they are first asked for."""

    def __init__(self, stem: Callable[[str], str] | None) -> None:
        super().__init__()
        self._stem = stem

    def __missing__(self, piece: str) -> int:
        if len(self) >= _MOST_WORDS:
            self.clear()
        word = clean(piece)
        if self._stem:
            word = self._stem(word)
        column = xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass")) & _BITS
        self[piece] = column
        return column


def _counted(columns: IntArray, lengths: IntArray) -> Counts:
    """Count equal columns of each text; `lengths` says how many columns each has."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((columns, owners))
    columns = columns[order]
    new = np.ones(len(columns), bool)
    new[1:] = (columns[1:] != columns[:-1]) | (owners[1:] != owners[:-1])  # owners are in order
    first = np.flatnonzero(new)
    counts = np.diff(np.append(first, len(columns)))
    distinct = np.bincount(owners[first], minlength=len(lengths))
    indptr = np.concatenate([[0], np.cumsum(distinct)]).astype(np.int64)
    return Counts(indptr, columns[first], counts)
