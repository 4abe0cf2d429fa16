"""From a task's settings to what the ranker counts, and from its counts back to settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True, slots=True)
class Targets:
    """The relevant documents of some queries of one language, one entry each, query by query.

    Attributes:
        queries: number of queries.
        owner: (t,) int64 ascending: the queries.
        documents: (t,) int64 document numbers.
        language: (t,) int64 of the documents, places in Numbering.languages.
        grades: (t,) int64.
    """

    queries: int
    owner: IntArray
    documents: IntArray
    language: IntArray
    grades: IntArray

    @classmethod
    def of(cls, relevant: Relevant, numbering: Numbering) -> Targets:
        """The entries of `relevant`, whose documents are numbers."""
        owner = np.repeat(np.arange(len(relevant)), np.diff(relevant.indptr))
        language = numbering.language_of(relevant.documents)
        return cls(len(relevant), owner, relevant.documents, language, relevant.grades)

    def __getitem__(self, entries: IntArray) -> Targets:
        return Targets(
            self.queries,
            self.owner[entries],
            self.documents[entries],
            self.language[entries],
            self.grades[entries],
        )

    @property
    def indptr(self) -> IntArray:
        """(queries + 1,) int64: query i owns entries indptr[i]:indptr[i + 1]."""
        return np.searchsorted(self.owner, np.arange(self.queries + 1))


def question(
    language: str, queries: Vectors, targets: Targets, numbering: Numbering, layout: Layout
) -> Question:
    """What the ranker is asked about some queries of one language and their targets."""
    settings = [s for s in numbering.retrieval.settings if s.query_language == language]
    counted = np.zeros((len(numbering.languages), len(layout.pools)), bool)
    for setting in settings:
        rows = [numbering.languages.index(part.language) for part in setting.pool]
        counted[np.ix_(rows, layout.parts[setting.id])] = True
    listed = list(dict.fromkeys(layout.parts[setting.id] for setting in settings))
    return Question(queries, targets.indptr, targets.documents, targets.language, counted, listed)


def relevant(language: str, queries: slice, numbering: Numbering) -> Relevant:
    """The relevant documents, in any language that is pooled for them, of some queries.

    Args:
        language: of the queries.
        queries: their rows.
        numbering: `documents` of the result are its numbers.
    """
    retrieval = numbering.retrieval
    total = len(range(*queries.indices(len(retrieval.queries[language]))))
    pooled = {
        part.language
        for setting in retrieval.settings
        if setting.query_language == language
        for part in setting.pool
    }
    owners, documents, grades = [], [], []
    for place, other in enumerate(numbering.languages):
        if other in pooled and (language, other) in retrieval.judgements:
            found = retrieval.judgements[language, other].rows(queries)
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
    setting: Setting, targets: Targets, answer: Answer, numbering: Numbering, layout: Layout
) -> Ranked:
    """The ranks of one setting, from the counts of all pools."""
    places = np.full(len(numbering.languages), -1, np.int64)
    for place, name in enumerate(setting.document_languages):
        places[numbering.languages.index(name)] = place
    inside = (places >= 0)[targets.language]
    for part in setting.pool:
        if part.rows is not None:
            number = numbering.languages.index(part.language)
            members = np.zeros(len(numbering.retrieval.documents[part.language]), bool)
            members[part.rows] = True
            entries = np.flatnonzero(targets.language == number)
            inside[entries] = members[targets.documents[entries] - numbering.starts[number]]
    parts = list(layout.parts[setting.id])
    entries = np.flatnonzero(inside)
    greater, before, tied = (
        np.add.reduce(counts.T[parts], axis=0)[entries].astype(np.int64)
        for counts in (answer.greater, answer.before, answer.tied)
    )
    found, rank = targets[entries], 1 + greater + before
    if ((rank[1:] <= rank[:-1]) & (found.owner[1:] == found.owner[:-1])).any():
        order = np.lexsort((rank, found.owner))
        found, rank, greater, tied = found[order], rank[order], greater[order], tied[order]
    counts = np.bincount(found.owner, minlength=targets.queries)
    queries = np.flatnonzero(counts)
    return Ranked(
        query_language=setting.query_language,
        languages=setting.document_languages,
        pool_size=numbering.retrieval.pool_size(setting),
        queries=queries,
        indptr=np.concatenate([[0], np.cumsum(counts[queries])]).astype(np.int64),
        rank=rank,
        mid_rank=1 + greater + tied / 2,
        tied=tied > 0,
        grade=found.grades,
        language=places[found.language],
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


def best(setting: Setting, answer: Answer, layout: Layout) -> Best:
    """The top lists of all queries that were asked."""
    return Best(*answer.top[layout.parts[setting.id]])
