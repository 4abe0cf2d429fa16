"""The vocabulary of the harness: collections, judgements, settings, and what a task loads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
DoubleArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Array: TypeAlias = NDArray[Any]


class Role(StrEnum):
    """Which side of a retrieval a text is on; encoders may treat the two differently."""

    QUERY = "query"
    DOCUMENT = "document"


class SettingKind(StrEnum):
    """How the languages of queries and pool relate; tables average over one kind."""

    MONOLINGUAL = "monolingual"
    CROSS_LINGUAL = "cross-lingual"
    MULTILINGUAL = "multilingual"


@dataclass(frozen=True, slots=True)
class Collection:
    """All queries, or all documents, of one language.

    Attributes:
        language: BCP-47 tag, such as "hi" or "zh".
        ids: unique within the collection, parallel to `texts`.
        texts: any sequence; may be a memory-mapped column that is never held whole.

    Where `ids` or `texts` has a method `take(rows)`, which gives the items in an int64 array of
    rows, many are picked with it.
    """

    language: str
    ids: Sequence[str]
    texts: Sequence[str]

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.texts):
            raise ValueError(f"{len(self.ids)} ids for {len(self.texts)} texts ({self.language})")

    def __len__(self) -> int:
        return len(self.ids)


def pick(values: Sequence[str], rows: IntArray) -> list[str]:
    """The items of `values` in `rows` (n,), in that order."""
    take = getattr(values, "take", None)
    return list(take(rows)) if take else [values[row] for row in rows.tolist()]


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of one language's documents that a pool uses; `rows` None means all of them."""

    language: str
    rows: IntArray | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One evaluation: the queries of a language against a pool of documents.

    Attributes:
        id: unique in the task and stable over releases, such as "hi→en".
        kind: monolingual, cross-lingual or multilingual.
        query_language: whose queries are asked.
        pool: which documents are ranked; each language at most once.
        variant: "spis-5/seed-3" and the like; tables average over seeds. "" for none.
    """

    id: str
    kind: SettingKind
    query_language: str
    pool: tuple[Slice, ...]
    variant: str = ""

    @property
    def document_languages(self) -> tuple[str, ...]:
        return tuple(part.language for part in self.pool)


@dataclass(frozen=True, slots=True)
class Relevant:
    """The judged-relevant documents of some queries, as compressed sparse rows.

    Attributes:
        indptr: (n + 1,) int64; query i owns entries indptr[i]:indptr[i + 1].
        documents: (entries,) int64 rows in the document collection, ascending per query.
        grades: (entries,) int64, 1 and up; a document that is not listed has grade 0.
    """

    indptr: IntArray
    documents: IntArray
    grades: IntArray

    def __len__(self) -> int:
        return len(self.indptr) - 1


class Judgements(Protocol):
    """Relevance of one language's documents to one language's queries."""

    def rows(self, queries: slice) -> Relevant:
        """The relevant documents of `queries`, a contiguous slice of query rows."""
        ...


@dataclass(frozen=True, slots=True)
class SparseJudgements:
    """Judgements held as triples; right unless a query has hundreds of relevant documents."""

    relevant: Relevant

    @classmethod
    def from_triples(
        cls, queries: int, triples: Iterable[tuple[int, int, int]]
    ) -> SparseJudgements:
        """Build from (query row, document row, grade); a repeated pair keeps its highest grade.

        Args:
            queries: number of queries in the collection.
            triples: grades below 1 are dropped.
        """
        best: dict[tuple[int, int], int] = {}
        for query, document, grade in triples:
            if not 0 <= query < queries:
                raise ValueError(f"query row {query} outside 0..{queries - 1}")
            if grade >= 1:
                best[query, document] = max(grade, best.get((query, document), 0))
        pairs = np.array(sorted(best), dtype=np.int64).reshape(-1, 2)
        grades = np.array([best[query, document] for query, document in pairs.tolist()], np.int64)
        indptr = np.zeros(queries + 1, np.int64)
        np.cumsum(np.bincount(pairs[:, 0], minlength=queries), out=indptr[1:])
        return cls(Relevant(indptr, np.ascontiguousarray(pairs[:, 1]), grades))

    def rows(self, queries: slice) -> Relevant:
        start, stop, step = queries.indices(len(self.relevant))
        if step != 1:
            raise ValueError("judgements are read in contiguous slices")
        indptr = self.relevant.indptr[start : max(start, stop) + 1]
        entries = slice(int(indptr[0]), int(indptr[-1]))
        return Relevant(
            indptr - indptr[0], self.relevant.documents[entries], self.relevant.grades[entries]
        )


@dataclass(frozen=True, slots=True)
class ClassJudgements:
    """Relevance by classes: a document has the grade of the finest class it shares with a query.

    Right where a query has hundreds of relevant documents: nothing is held per pair.

    Attributes:
        queries: (n, levels) int64 classes, coarsest first; a finer class lies within a coarser.
        documents: (m, levels) int64.
        order: (m,) int64 rows of the documents, by coarsest class.
        names: (classes,) int64 the coarsest classes, ascending.
        starts: (classes + 1,) int64 first place of each of them in `order`, and the end.
    """

    queries: IntArray
    documents: IntArray
    order: IntArray
    names: IntArray
    starts: IntArray

    @classmethod
    def of(cls, queries: IntArray, documents: IntArray) -> ClassJudgements:
        """Build from the classes alone: (n, levels) and (m, levels) int64."""
        order = np.argsort(documents[:, 0], kind="stable")
        names, first = np.unique(documents[order, 0], return_index=True)
        starts = np.append(first, len(order)).astype(np.int64)
        return cls(queries, documents, order, names, starts)

    def rows(self, queries: slice) -> Relevant:
        start, stop, step = queries.indices(len(self.queries))
        if step != 1:
            raise ValueError("judgements are read in contiguous slices")
        asked = self.queries[start : max(start, stop)]
        begin = self.starts[np.searchsorted(self.names, asked[:, 0], side="left")]
        counts = self.starts[np.searchsorted(self.names, asked[:, 0], side="right")] - begin
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        owner = np.repeat(np.arange(len(asked)), counts)
        documents = self.order[np.arange(indptr[-1]) + (begin - indptr[:-1])[owner]]
        grades = np.ones(len(owner), np.int64)
        for level in range(1, asked.shape[1]):
            grades += asked[owner, level] == self.documents[documents, level]
        return Relevant(indptr, documents, grades)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a task's data came from, as shown on tables and stored with results.

    Attributes:
        source: a folder, URL or data set name.
        revision: commit, version or date; "" if unknown.
        licence: SPDX id or a few words.
        sample: True for bundled samples, which are never compared with the real thing.
        notes: what a reader of the table must know (counts left out, known gaps).
    """

    source: str
    revision: str = ""
    licence: str = ""
    sample: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Retrieval:
    """Everything the harness needs of a task, whatever its source.

    Attributes:
        queries: query collections by language.
        documents: document collections by language.
        judgements: by (query language, document language); a missing pair has none relevant.
        settings: what is evaluated, in the order tables show it.
        clusters: query language -> the unit that significance tests resample, one per query.
        labels: role -> language -> class labels, where nearest-neighbour accuracy applies.
        provenance: where all this came from.
    """

    queries: Mapping[str, Collection]
    documents: Mapping[str, Collection]
    judgements: Mapping[tuple[str, str], Judgements]
    settings: tuple[Setting, ...]
    clusters: Mapping[str, Sequence[str]]
    provenance: Provenance
    labels: Mapping[Role, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def collections(self) -> Iterable[tuple[Role, Collection]]:
        """Every (role, collection) that some setting uses, queries first, each once."""
        asked = {setting.query_language for setting in self.settings}
        pooled = {language for setting in self.settings for language in setting.document_languages}
        for role, held, used in (
            (Role.QUERY, self.queries, asked),
            (Role.DOCUMENT, self.documents, pooled),
        ):
            yield from ((role, held[language]) for language in sorted(used))

    def pool_size(self, setting: Setting) -> int:
        """Number of documents that `setting` ranks."""
        return sum(
            len(self.documents[part.language]) if part.rows is None else len(part.rows)
            for part in setting.pool
        )
