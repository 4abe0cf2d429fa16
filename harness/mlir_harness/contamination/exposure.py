"""Which queries and documents of a task a model was trained on, translations of them included."""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlir_harness.contamination.record import RUN, TEXT, TextRecord
from mlir_harness.types import BoolArray, Collection, IntArray, Retrieval, Role, pick

MOST_LISTED = 10_000  # hits of a role
_PARALLEL = 3
_HOW = {TEXT: "text", RUN: "run", _PARALLEL: "parallel"}

_Found = dict[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class Side:
    """The queries, or the documents.

    Attributes:
        of: language -> how many are evaluated.
        found: language -> how many of them were trained on, themselves or in translation.
        listed: language -> id -> "text" (the whole text is a training text), "run" (60 characters
            or so are part of one) or "parallel" (one of these is true of its translation);
            `MOST_LISTED` in all.
    """

    of: Mapping[str, int]
    found: Mapping[str, int]
    listed: Mapping[str, Mapping[str, str]]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; languages without a hit have no entry in `listed`."""
        return {
            "found": sum(self.found.values()),
            "of": sum(self.of.values()),
            "languages": {x: {"found": self.found[x], "of": self.of[x]} for x in self.of},
            "listed": {language: dict(held) for language, held in self.listed.items()},
        }


@dataclass(frozen=True, slots=True)
class Exposure:
    """What of a task's data a model was trained on.

    Attributes:
        record: the digest of the record.
        queries, documents: those that the settings use.
        trained: language -> number of training texts.
        unseen: languages of the settings that no training text was in.
        sample: the data is a bundled sample, which says nothing of the real one.
    """

    record: str
    queries: Side
    documents: Side
    trained: Mapping[str, int]
    unseen: tuple[str, ...]
    sample: bool = False

    @property
    def contaminated(self) -> bool:
        return any(any(side.found.values()) for side in (self.queries, self.documents))


def check(
    record: TextRecord,
    retrieval: Retrieval,
    *,
    translated: Names[Role] = (),
    parallel: bool = False,
) -> Exposure:
    """Look for all queries and documents of a task in a record.

    Those that no setting uses are looked for as well, for the sake of their translations; they are
    not counted.

    Args:
        record: of the training texts.
        retrieval: the task's data.
        translated: roles whose texts of one id are translations of each other.
        parallel: a query's relevant documents of different languages are (see TaskInfo.parallel).
    """
    queries = {language: record.find(each.texts) for language, each in retrieval.queries.items()}
    documents = (
        queries
        if retrieval.documents is retrieval.queries
        else {language: record.find(each.texts) for language, each in retrieval.documents.items()}
    )
    documents = {language: found.copy() for language, found in documents.items()}
    if Role.QUERY in translated:
        _spread(queries, retrieval.queries)
    if Role.DOCUMENT in translated:
        _spread(documents, retrieval.documents)
    if parallel:
        _spread_by_relevance(documents, retrieval, ids=Role.QUERY in translated)
    used = list(retrieval.collections())
    asked = dict.fromkeys(collection.language for _, collection in used)
    return Exposure(
        record.digest,
        _side(queries, retrieval.queries, [each for role, each in used if role == Role.QUERY]),
        _side(
            documents, retrieval.documents, [each for role, each in used if role == Role.DOCUMENT]
        ),
        dict(record.languages),
        tuple(unseen(asked, record.languages)),
        retrieval.provenance.sample,
    )


def unseen(asked: Iterable[str], trained: Iterable[str]) -> list[str]:
    """Which of the languages asked are none of those trained on."""
    known = {_primary(language) for language in trained}
    return [language for language in asked if _primary(language) not in known]


def _primary(language: str) -> str:
    """ "zh" of "zh-Hant": a script or a region is no other language."""
    return language.replace("_", "-").partition("-")[0].lower()


def _spread(found: _Found, collections: Mapping[str, Collection]) -> None:
    """Mark what shares an id with a hit in any language."""
    hits = {
        identity
        for language, collection in collections.items()
        for identity in pick(collection.ids, np.flatnonzero(found[language]))
    }
    if not hits:
        return
    for language, collection in collections.items():
        same = np.fromiter((each in hits for each in collection.ids), np.bool_, len(collection))
        _mark(found[language], same)


def _spread_by_relevance(found: _Found, retrieval: Retrieval, *, ids: bool) -> None:
    """Mark what is relevant to a query that a hit is relevant to.

    Args:
        found: of the documents.
        retrieval: the task's data.
        ids: queries of one id, too, are translations of each other.
    """
    if not any(map(np.any, found.values())):
        return
    answered: dict[str, NDArray[np.uint8]] = {
        language: np.zeros(len(each), np.uint8) for language, each in retrieval.queries.items()
    }
    for asked, answering, owners, documents in _relevant(retrieval):
        answered[asked][owners[found[answering][documents] > 0]] = _PARALLEL
    if ids:
        _spread(answered, retrieval.queries)
    for asked, answering, owners, documents in _relevant(retrieval):
        marked = np.zeros(len(found[answering]), np.bool_)
        marked[documents[answered[asked][owners] > 0]] = True
        _mark(found[answering], marked)


def _relevant(retrieval: Retrieval) -> Iterator[tuple[str, str, IntArray, IntArray]]:
    """Languages of queries and documents, and pairs of rows: query, relevant document."""
    for (asked, answering), judgements in retrieval.judgements.items():
        count = len(retrieval.queries[asked])
        for start in range(0, count, 1 << 13):
            relevant = judgements.rows(slice(start, min(start + (1 << 13), count)))
            owners = start + np.repeat(np.arange(len(relevant)), np.diff(relevant.indptr))
            yield asked, answering, owners, relevant.documents


def _mark(found: NDArray[np.uint8], which: BoolArray) -> None:
    found[which & (found == 0)] = _PARALLEL


def _side(found: _Found, collections: Mapping[str, Collection], used: list[Collection]) -> Side:
    listed: dict[str, dict[str, str]] = {}
    left = MOST_LISTED
    languages = [collection.language for collection in used]
    for language in languages:
        rows = np.flatnonzero(found[language])[:left]
        left -= len(rows)
        if len(rows):
            names = pick(collections[language].ids, rows)
            how = found[language][rows].tolist()
            listed[language] = {name: _HOW[each] for name, each in zip(names, how, strict=True)}
    return Side(
        {language: len(collections[language]) for language in languages},
        {language: int(np.count_nonzero(found[language])) for language in languages},
        listed,
    )
