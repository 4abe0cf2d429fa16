"""What a setting is made of, read in turn: its queries, its pool, who is relevant to whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mlir_harness.errors import DataError
from mlir_harness.text import plain, utf8
from mlir_harness.types import BoolArray, Collection, Retrieval, Setting, Slice

_TEXTS_AT_ONCE = 4096
_QUERIES_AT_ONCE = 128  # a query of a class may have thousands of relevant documents


def name(language: str, document: str, *, several: bool) -> str:
    """What tells a document from all others of a pool.

    Its id, after its language and a colon where the pool has `several` languages, in each of which
    ids may be the same.
    """
    return f"{language}:{document}" if several else document


def queries(retrieval: Retrieval, setting: Setting) -> Iterator[tuple[str, str]]:
    """Id and text of every query of the setting, answerable or not."""
    return _texts(retrieval.queries[setting.query_language], None)


def pool(retrieval: Retrieval, setting: Setting) -> Iterator[tuple[str, str]]:
    """Name and text of every document that the setting ranks."""
    several = len(setting.pool) > 1
    for part in setting.pool:
        for document, text in _texts(retrieval.documents[part.language], part):
            yield name(part.language, document, several=several), text


def _texts(collection: Collection, part: Slice | None) -> Iterator[tuple[str, str]]:
    if part is None or part.rows is None:
        for start in range(0, len(collection), _TEXTS_AT_ONCE):
            rows = slice(start, start + _TEXTS_AT_ONCE)
            yield from zip(collection.ids[rows], collection.texts[rows], strict=True)
    else:
        for row in part.rows.tolist():
            yield collection.ids[row], collection.texts[row]


def judged(retrieval: Retrieval, setting: Setting) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """Each query that has relevant documents in the pool: its id, and their names and grades."""
    asked = retrieval.queries[setting.query_language]
    inside = [_inside(retrieval, part) for part in setting.pool]
    for start in range(0, len(asked), _QUERIES_AT_ONCE):
        rows = slice(start, min(start + _QUERIES_AT_ONCE, len(asked)))
        found: list[list[tuple[str, int]]] = [[] for _ in range(rows.start, rows.stop)]
        for part, member in zip(setting.pool, inside, strict=True):
            _collect(retrieval, setting, part, member, rows, found)
        for query, documents in zip(asked.ids[rows], found, strict=True):
            if documents:
                yield query, documents


def _inside(retrieval: Retrieval, part: Slice) -> BoolArray | None:
    """Which documents of its language a slice has: (documents,) bool; None for all."""
    if part.rows is None:
        return None
    member = np.zeros(len(retrieval.documents[part.language]), bool)
    member[part.rows] = True
    return member


def _collect(
    retrieval: Retrieval,
    setting: Setting,
    part: Slice,
    member: BoolArray | None,
    rows: slice,
    found: list[list[tuple[str, int]]],
) -> None:
    """Add the relevant documents of one slice to those `found` for the queries in `rows`."""
    judgements = retrieval.judgements.get((setting.query_language, part.language))
    if judgements is None:
        return
    relevant = judgements.rows(rows)
    owners = np.repeat(np.arange(len(relevant)), np.diff(relevant.indptr))
    documents, grades = relevant.documents, relevant.grades
    if member is not None:
        kept = member[documents]
        owners, documents, grades = owners[kept], documents[kept], grades[kept]
    distinct, places = np.unique(documents, return_inverse=True)
    ids = retrieval.documents[part.language].ids
    several = len(setting.pool) > 1
    names = [name(part.language, ids[row], several=several) for row in distinct.tolist()]
    for owner, place, grade in zip(owners.tolist(), places.tolist(), grades.tolist(), strict=True):
        found[owner].append((names[place], grade))


def check_names(ids: Sequence[str], where: str) -> None:
    """See that ids are still unique in UTF-8, which lone surrogates are not part of.

    Raises:
        DataError: two ids differ in lone surrogates alone.
    """
    seen: set[str] = set()
    for start in range(0, len(ids), _TEXTS_AT_ONCE):
        for each in map(utf8, ids[start : start + _TEXTS_AT_ONCE]):
            if "\ufffd" in each:
                if each in seen:
                    raise DataError(
                        f"{where}: two ids are {plain(each)!r} once lone surrogates, which UTF-8 "
                        "cannot hold, are replaced",
                        "Give the documents or queries other ids.",
                    )
                seen.add(each)
