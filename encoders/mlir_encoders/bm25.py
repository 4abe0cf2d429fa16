"""BM25, the lexical baseline: what a search engine makes of the words that texts share.

Lucene's formula with exact lengths ("Lucene (accurate)" in Kamphuis et al. 2020, "Which BM25 do
you mean?", ECIR): a document's score is the sum over the words of a query of

    ln(1 + (N - n + 0.5) / (n + 0.5)) · f / (f + k1 · (1 - b + b · length / mean length))

where n of the N documents in the document's language contain the word, and it contains it f
times. Documents' vectors hold these weights, queries' how often they contain each word.
"""

from __future__ import annotations

import importlib.metadata
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from mlir_encoders.counting import Counter, Counts
from mlir_harness.errors import EncoderError, Unavailable, UsageError
from mlir_harness.protocols import UNTRAINED, Context, EncoderInfo
from mlir_harness.types import Collection, DoubleArray, IntArray, Role

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Raise this whenever a vector may change: stored vectors are found by it.
REVISION = "bm25-1"

# Of Anserini and Pyserini, whose BM25 figures are MIRACL's.
K1, B = 0.9, 0.4

_TEXTS_AT_ONCE = 4096
_PENDING = 1 << 20  # words that wait to be added to the others
_COLUMNS = np.iinfo(np.int64).max  # a column may be any hash


def create(k1: str | float = K1, b: str | float = B, stemming: str | bool = True) -> Bm25:
    """The `bm25` encoder, which is to be fitted to documents.

    Args:
        k1: how much a word counts that a document repeats; 0: no more than once.
        b: how much long documents are held back, from 0 to 1.
        stemming: "yes" or "no": whether endings are cut off, in languages that Snowball knows.

    Raises:
        UsageError: a value is out of range.
        Unavailable: there is no stemmer here.
    """
    stems = _said(stemming)
    return Bm25(
        k1=_number("k1", k1, math.inf, "0.9"),
        b=_number("b", b, 1, "0.4"),
        stemming=_snowball() if stems else "no",
        counter=Counter(stemming=stems),
    )


def _number(name: str, value: str | float, largest: float, example: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= largest or math.isinf(number):
        upto = "up" if math.isinf(largest) else f"to {largest:g}"
        raise UsageError(
            f"bm25 cannot work with {name}={value!r}",
            f"Give a number from 0 {upto}, such as {name}={example}.",
        )
    return number


def _said(stemming: str | bool) -> bool:
    said = str(stemming).casefold()  # a file's true comes as "true", Python's as "True"
    known = {"yes": True, "no": False, "true": True, "false": False}
    if said not in known:
        raise UsageError(f"bm25 cannot work with stemming={stemming!r}", "Say yes or no.")
    return known[said]


def _snowball() -> str:
    try:
        return f"snowball {importlib.metadata.version('snowballstemmer')}"
    except importlib.metadata.PackageNotFoundError as error:
        raise Unavailable(
            "bm25 cuts endings off with the package snowballstemmer, which is not installed",
            "pip install snowballstemmer, or --option bm25.stemming=no.",
        ) from error


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is known of the documents of one language.

    Attributes:
        documents: how many.
        mean_length: words in one.
        columns: (words,) int64 ascending hashes of all words.
        frequencies: (words,) int64 in how many documents each is.
    """

    documents: int
    mean_length: float
    columns: IntArray
    frequencies: IntArray

    @classmethod
    def of(cls, collection: Collection, counter: Counter) -> Statistics:
        """Read all documents, some thousands at a time."""
        total, words = len(collection), 0
        columns = frequencies = np.zeros(0, np.int64)
        pending: list[IntArray] = []
        for counts in _read(collection, counter):
            words += int(counts.counts.sum())
            pending.append(counts.columns)
            if sum(map(len, pending)) > max(_PENDING, len(columns)):
                columns, frequencies = _added(columns, frequencies, pending)
                pending = []
        columns, frequencies = _added(columns, frequencies, pending)
        return cls(total, words / max(total, 1), columns, frequencies)

    def weights(
        self, columns: IntArray, counts: IntArray, lengths: IntArray, k1: float, b: float
    ) -> DoubleArray:
        """What words of documents add to a score: (n,) float64.

        Args:
            columns: (n,) hashes of the words.
            counts: (n,) how often a document contains the word.
            lengths: (n,) words of that document.
            k1, b: see the formula.
        """
        place = np.searchsorted(self.columns, columns)
        known = place < len(self.columns)
        known[known] = self.columns[place[known]] == columns[known]
        found = np.zeros(len(columns))
        found[known] = self.frequencies[place[known]]
        rarity = np.log1p((self.documents - found + 0.5) / (found + 0.5))
        damping = k1 * (1 - b + b * lengths / (self.mean_length or 1.0))
        weights: DoubleArray = rarity * counts / (counts + damping)
        return weights


_NOTHING = Statistics(0, 0.0, np.zeros(0, np.int64), np.zeros(0, np.int64))


def _read(collection: Collection, counter: Counter) -> Iterator[Counts]:
    for start in range(0, len(collection), _TEXTS_AT_ONCE):
        texts = collection.texts[start : start + _TEXTS_AT_ONCE]
        yield counter.count(texts, [collection.language] * len(texts))


def _added(
    columns: IntArray, frequencies: IntArray, pending: Sequence[IntArray]
) -> tuple[IntArray, IntArray]:
    """Frequencies with those of more documents: each of `pending` names a word once a document."""
    more, counts = np.unique(np.concatenate([columns[:0], *pending]), return_counts=True)
    both = np.concatenate([columns, more])
    order = np.argsort(both, kind="stable")
    both, counts = both[order], np.concatenate([frequencies, counts])[order]
    first = np.flatnonzero(np.append(True, both[1:] != both[:-1])[: len(both)])
    summed = np.add.reduceat(counts, first) if len(first) else counts
    return both[first], summed


@dataclass(frozen=True, slots=True)
class Bm25:
    """Encodes by words; fitted to documents, it knows how rare each word is among them.

    Attributes:
        k1, b: see `create`.
        stemming: what cuts endings off, with its version; "no" for nothing.
        counter: of words.
        statistics: language -> of its documents; None before it is fitted.
    """

    k1: float
    b: float
    stemming: str
    counter: Counter = field(compare=False, repr=False)
    statistics: Mapping[str, Statistics] | None = field(default=None, repr=False)

    @property
    def info(self) -> EncoderInfo:
        return EncoderInfo(
            revision=REVISION,
            options={
                "k1": repr(self.k1),
                "b": repr(self.b),
                "stemming": self.stemming,
                # Words are normalised and cut by what Python knows of characters.
                "unicode": unicodedata.unidata_version,
            },
            similarity="dot",
            language_aware=True,
            licence="Apache-2.0",
            description="BM25 over words, and pairs of characters where words are not spaced",
            training=UNTRAINED,
            exact=True,
        )

    def fit(self, documents: Sequence[Collection]) -> Bm25:
        """The same with the statistics of each language's documents."""
        held = {each.language: Statistics.of(each, self.counter) for each in documents}
        return replace(self, statistics=held)

    def encode(self, texts: Sequence[str], context: Context) -> csr_array:
        """float32 (n, 2**63 - 1): weights of documents' words, counts of queries'.

        Raises:
            EncoderError: documents come before it was fitted.
        """
        from scipy.sparse import csr_array

        found = self.counter.count(texts, context.languages)
        values = found.counts.astype(np.float64)
        if context.role is Role.DOCUMENT:
            values = self._weights(found, context.languages)
        held = (values.astype(np.float32), found.columns, found.indptr)
        return csr_array(held, shape=(len(texts), _COLUMNS))

    def _weights(self, found: Counts, languages: Sequence[str]) -> DoubleArray:
        """Of each entry, by the statistics of its document's language: (entries,) float64."""
        if self.statistics is None:
            raise EncoderError("does not know how rare words are before it is fitted to documents")
        owners, lengths = found.owners, found.lengths
        weights = np.empty(len(owners))
        spoken = np.array(languages, object)
        for language in sorted(set(languages)):
            own = (spoken == language)[owners]
            weights[own] = self.statistics.get(language, _NOTHING).weights(
                found.columns[own], found.counts[own], lengths[owners[own]], self.k1, self.b
            )
        return weights
