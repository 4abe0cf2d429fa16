"""From a task's settings to what the ranker counts, and from its counts back to settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from mlir_harness.fingerprint import text_bytes
from mlir_harness.measures import Ranked
from mlir_harness.protocols import Vectors
from mlir_harness.rank import Answer, Question
from mlir_harness.types import (
    FloatArray,
    IntArray,
    Relevant,
    Retrieval,
    Setting,
    Slice,
    pick,
)

_NAMES_AT_ONCE = 8192


@dataclass(frozen=True)
class Numbering:
    """One number for every document of a task, over all languages.

    Attributes:
        languages: document languages in the order of their numbers.
        starts: (languages + 1,) int64 first number of each language, and the end.
        retrieval: the task's data.
    """

    languages: tuple[str, ...]
    starts: IntArray
    retrieval: Retrieval

    @classmethod
    def of(cls, retrieval: Retrieval) -> Numbering:
        used = {part.language for setting in retrieval.settings for part in setting.pool}
        languages = tuple(sorted(used))
        sizes = [len(retrieval.documents[language]) for language in languages]
        return cls(languages, np.cumsum([0, *sizes]).astype(np.int64), retrieval)

    def numbers(self, part: Slice) -> IntArray:
        """The document numbers of a slice."""
        place = self.languages.index(part.language)
        if part.rows is None:
            return np.arange(self.starts[place], self.starts[place + 1])
        numbers: IntArray = self.starts[place] + np.asarray(part.rows, np.int64)
        return numbers

    def language_of(self, numbers: IntArray) -> IntArray:
        """Places in `languages`."""
        return np.searchsorted(self.starts, numbers, side="right") - 1

    def names(self, numbers: IntArray) -> list[str]:
        """`language:id`, unique in the task; what ties are broken by and runs are written with."""
        places = self.language_of(numbers)
        names = np.empty(len(numbers), object)
        for place in np.unique(places).tolist():
            at = np.flatnonzero(places == place)
            language = self.languages[place]
            ids = pick(self.retrieval.documents[language].ids, numbers[at] - self.starts[place])
            names[at] = [f"{language}:{name}" for name in ids]
        named: list[str] = names.tolist()
        return named

    def hash_order(self) -> IntArray:
        """A tie order that favours no language: by SHA-256 of the name. (documents,) int64."""
        digests = bytearray()
        for names in self._encoded():
            digests += b"".join([sha256(name).digest()[:8] for name in names])
        return _ranks(np.argsort(np.frombuffer(digests, ">u8"), kind="stable"))

    def trec_order(self) -> IntArray:
        """The tie order of trec_eval: names, descending. (documents,) int64."""
        import pyarrow as pa
        import pyarrow.compute as pc

        # Arrow compares bytes, and holds them without an object each.
        names = pa.chunked_array(
            [pa.array(names, pa.large_binary()) for names in self._encoded()], pa.large_binary()
        )
        order = pc.sort_indices(names, sort_keys=[("", "descending")])
        return _ranks(order.to_numpy().astype(np.int64))

    def _encoded(self) -> Iterator[list[bytes]]:
        """The names of all documents as bytes, some thousands at a time."""
        for language in self.languages:
            ids = self.retrieval.documents[language].ids
            for start in range(0, len(ids), _NAMES_AT_ONCE):
                part = ids[start : start + _NAMES_AT_ONCE]
                yield [text_bytes(f"{language}:{name}") for name in part]


def _ranks(order: IntArray) -> IntArray:
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


@dataclass(frozen=True)
class Layout:
    """Which documents are counted and listed together, and for which settings.

    Attributes:
        pools: document numbers of distinct slices.
        parts: setting id -> the pools that make up its own.
    """

    pools: tuple[IntArray, ...]
    parts: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, numbering: Numbering) -> Layout:
        pools: list[IntArray] = []
        known: dict[tuple[str, bytes], int] = {}

        def place(part: Slice) -> int:
            key = part.language, b"" if part.rows is None else part.rows.tobytes()
            if key not in known:
                known[key] = len(pools)
                pools.append(np.sort(numbering.numbers(part)))
            return known[key]

        parts = {
            setting.id: tuple(place(part) for part in setting.pool)
            for setting in numbering.retrieval.settings
        }
        return cls(tuple(pools), parts)


def question(
    language: str, queries: Vectors, numbering: Numbering, layout: Layout
) -> tuple[Question, Relevant]:
    """What the ranker is asked about the queries of one language.

    Returns:
        The question, and the relevant documents in the order of its targets; `documents` are
        document numbers.
    """
    settings = [s for s in numbering.retrieval.settings if s.query_language == language]
    relevant = _relevant(language, settings, numbering)
    counted = np.zeros((len(numbering.languages), len(layout.pools)), bool)
    for setting in settings:
        rows = [numbering.languages.index(part.language) for part in setting.pool]
        counted[np.ix_(rows, layout.parts[setting.id])] = True
    group = numbering.language_of(relevant.documents)
    listed = list(dict.fromkeys(layout.parts[setting.id] for setting in settings))
    asked = Question(queries, relevant.indptr, relevant.documents, group, counted, listed)
    return asked, relevant


def _relevant(language: str, settings: Sequence[Setting], numbering: Numbering) -> Relevant:
    """All relevant documents, in any language, of one language's queries."""
    retrieval = numbering.retrieval
    total = len(retrieval.queries[language])
    pooled = {part.language for setting in settings for part in setting.pool}
    owners, documents, grades = [], [], []
    for place, other in enumerate(numbering.languages):
        if other in pooled and (language, other) in retrieval.judgements:
            found = retrieval.judgements[language, other].rows(slice(0, total))
            owners.append(np.repeat(np.arange(total), np.diff(found.indptr)))
            documents.append(found.documents + numbering.starts[place])
            grades.append(found.grades)
    if not owners:
        nothing = np.zeros(0, np.int64)
        return Relevant(np.zeros(total + 1, np.int64), nothing, nothing)
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    indptr = np.zeros(total + 1, np.int64)
    np.cumsum(np.bincount(owner, minlength=total), out=indptr[1:])
    return Relevant(indptr, np.concatenate(documents)[order], np.concatenate(grades)[order])


def ranked(
    setting: Setting, relevant: Relevant, answer: Answer, numbering: Numbering, layout: Layout
) -> Ranked:
    """The ranks of one setting, from the counts of its query language."""
    languages = setting.document_languages
    places = np.full(len(numbering.languages) + 1, -1, np.int64)
    for place, name in enumerate(languages):
        places[numbering.languages.index(name)] = place
    language = places[numbering.language_of(relevant.documents)]
    inside = language >= 0
    for part in setting.pool:
        if part.rows is not None:
            start = numbering.starts[numbering.languages.index(part.language)]
            of_part = language == languages.index(part.language)
            inside &= ~of_part | np.isin(relevant.documents - start, part.rows)
    parts = list(layout.parts[setting.id])
    entries = np.flatnonzero(inside)
    greater, before, tied = (
        sum(counts[entries, part].astype(np.int64) for part in parts)
        for counts in (answer.greater, answer.before, answer.tied)
    )
    owner = np.repeat(np.arange(len(relevant)), np.diff(relevant.indptr))[entries]
    rank = 1 + greater + before
    if len(entries) > len(np.unique(owner)):
        order = np.lexsort((rank, owner))
        entries, owner, rank = entries[order], owner[order], rank[order]
        greater, tied = greater[order], tied[order]
    queries, counts = np.unique(owner, return_counts=True)
    return Ranked(
        query_language=setting.query_language,
        languages=languages,
        pool_size=numbering.retrieval.pool_size(setting),
        queries=queries,
        indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        rank=rank,
        mid_rank=1 + greater + tied / 2,
        tied=tied > 0,
        grade=relevant.grades[entries],
        language=language[entries],
    )


@dataclass(frozen=True, slots=True)
class Best:
    """The best documents of one setting's queries.

    Attributes:
        documents: (n, k) int64 document numbers, -1 where the pool is smaller.
        scores: (n, k) float32.
    """

    documents: IntArray
    scores: FloatArray


def best(setting: Setting, rows: IntArray, answer: Answer, layout: Layout) -> Best:
    """The top lists of the queries in `rows`."""
    documents, scores = answer.top[layout.parts[setting.id]]
    return Best(documents[rows], scores[rows])
