"""Relevance judgements: lines of TREC or BEIR become arrays, and arrays are matched with ids.

A file has four columns as trec_eval reads them (topic, iteration, document, grade), or three as
BEIR has them (query, document, score, under a header). All functions but `read_qrels` are pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mlir_harness.errors import DataError
from mlir_harness.types import IntArray, Relevant, SparseJudgements
from mlir_tasks.lines import failure, numbered, quoted
from mlir_tasks.notes import flawed
from mlir_tasks.places import listed

_HEADER = ["query-id", "corpus-id", "score"]
_INTEGER = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")  # some exports write 1.0
_COLUMNS = {3: "query, document, score", 4: "topic, iteration, document, grade"}
_NAMED = 3  # ids that a note lists


class Judgement(NamedTuple):
    """One line of judgements.

    Attributes:
        topic, document: ids, as they are.
        grade: 1 and up is relevant.
        place: where it stands, for messages, such as "qrels.tsv, line 7".
    """

    topic: str
    document: str
    grade: int
    place: str


@dataclass(frozen=True, slots=True)
class Qrels:
    """Judgements over the ids that they name.

    Attributes:
        topics, documents: distinct ids, in the order in which they first appear.
        topic, document: (n,) int64 places in `topics` and `documents`; each pair once.
        grade: (n,) int64, as judged: 0 and below is not relevant.
        repeated: number of judgements that said again what another had said.
    """

    topics: tuple[str, ...]
    documents: tuple[str, ...]
    topic: IntArray
    document: IntArray
    grade: IntArray
    repeated: int = 0

    def __len__(self) -> int:
        return len(self.grade)


@dataclass(frozen=True, slots=True)
class Matched:
    """Judgements of the queries and documents that are there.

    Attributes:
        judgements: by query row and document row.
        unanswered: number of queries without a relevant document.
        unknown_topics, unknown_documents: ids that are judged and are not there.
    """

    judgements: SparseJudgements
    unanswered: int
    unknown_topics: tuple[str, ...]
    unknown_documents: tuple[str, ...]


def read_qrels(file: Path, hint: str = "") -> Qrels:
    """The judgements of one file; see `parse` and `gather` for what is refused.

    Raises:
        DataError: names file and line.
    """
    qrels = gather(parse(numbered(file, hint), file, hint), hint)
    if not len(qrels):
        raise DataError(f"{file}: holds no judgement", hint)
    return qrels


def parse(lines: Iterable[tuple[int, str]], file: Path, hint: str = "") -> Iterator[Judgement]:
    """Judgements of numbered lines.

    Columns are separated by tabs, or by spaces in a line without tabs. The first line says
    how many there are.

    Args:
        lines: number and content.
        file, hint: for errors.

    Raises:
        DataError: another number of columns, an empty id, a grade that is no integer.
    """
    columns = 0
    for number, line in lines:
        fields = line.split("\t") if "\t" in line else line.split()
        if not columns:
            columns = len(fields) if len(fields) in _COLUMNS else 4
            if [field.strip().lower() for field in fields] == _HEADER:
                continue
        if len(fields) != columns:
            what = f"{len(fields)} columns, not {columns} ({_COLUMNS[columns]})"
            raise failure(file, number, what, hint)
        topic, document, grade = fields[0], fields[-2], fields[-1].strip()
        if not topic or not document:
            raise failure(file, number, "an id is empty", hint)
        whole = _INTEGER.fullmatch(grade)
        if not whole:
            header = f"; a header would be {' '.join(_HEADER)}" if number == 1 else ""
            raise failure(file, number, f"the grade {quoted(grade)} is no integer{header}", hint)
        yield Judgement(topic, document, int(whole[1]), f"{file}, line {number}")


def gather(judgements: Iterable[Judgement], hint: str = "") -> Qrels:
    """Judgements as arrays; those that only repeat another are counted and dropped.

    Raises:
        DataError: one pair is judged twice, with different grades; names the second place.
    """
    topics: dict[str, int] = {}
    documents: dict[str, int] = {}
    grades: dict[tuple[int, int], int] = {}
    repeated = 0
    for each in judgements:
        pair = (
            topics.setdefault(each.topic, len(topics)),
            documents.setdefault(each.document, len(documents)),
        )
        known = grades.setdefault(pair, each.grade)
        if known != each.grade:
            raise DataError(
                f"{each.place}: document {quoted(each.document)} has grade {each.grade} for "
                f"topic {quoted(each.topic)}, and grade {known} in a line before",
                hint,
            )
        repeated += 1
    pairs = np.array([*grades], np.int64).reshape(-1, 2)
    return Qrels(
        tuple(topics),
        tuple(documents),
        np.ascontiguousarray(pairs[:, 0]),
        np.ascontiguousarray(pairs[:, 1]),
        np.array([*grades.values()], np.int64),
        repeated - len(grades),
    )


def match(qrels: Qrels, queries: Sequence[str], documents: Sequence[str]) -> Matched:
    """Judgements by row.

    Args:
        qrels: by id.
        queries, documents: the ids of the collections; a method `find(ids) -> rows`, -1 for
            what is not there, is used where they have one.
    """
    topic_rows, document_rows = find(queries, qrels.topics), find(documents, qrels.documents)
    owner, found = topic_rows[qrels.topic], document_rows[qrels.document]
    held = np.flatnonzero((owner >= 0) & (found >= 0) & (qrels.grade >= 1))
    held = held[np.lexsort((found[held], owner[held]))]
    counts = np.bincount(owner[held], minlength=len(queries))
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Matched(
        SparseJudgements(Relevant(indptr, found[held], qrels.grade[held])),
        int((counts == 0).sum()),
        tuple(qrels.topics[place] for place in np.flatnonzero(topic_rows < 0)),
        tuple(qrels.documents[place] for place in np.flatnonzero(document_rows < 0)),
    )


def find(ids: Sequence[str], wanted: Sequence[str]) -> IntArray:
    """The row of each of `wanted` (n,) in `ids`, -1 for what is not there."""
    own = getattr(ids, "find", None)
    if own is not None:
        rows: IntArray = own(wanted)
        return rows
    places = {name: row for row, name in enumerate(ids)}
    return np.array([places.get(name, -1) for name in wanted], np.int64)


def flaws(language: str, qrels: Qrels, matched: Matched, *, strict: bool) -> tuple[str, ...]:
    """What a reader of the tables must know of the judgements of one language.

    Raises:
        DataError: with `strict`, of what is judged and is not there.
    """
    unknown = [
        f"{language}: judged {what} that are not there: {len(ids)} ({listed(ids, _NAMED)})"
        for what, ids in (
            ("topics", matched.unknown_topics),
            ("documents", matched.unknown_documents),
        )
        if ids
    ]
    notes = [*flawed(unknown, strict=strict)]
    if qrels.repeated:
        notes.append(f"{language}: judgements that are there again: {qrels.repeated}")
    if matched.unanswered:
        notes.append(f"{language}: topics without a relevant document: {matched.unanswered}")
    return tuple(notes)


def own_documents(queries: Sequence[str], documents: Sequence[str]) -> tuple[str, ...]:
    """The note that some of the queries (n ids) have the id of a document, if some have.

    Where queries are taken from the corpus such a document is the query itself, and comes first.
    BEIR's own evaluation leaves it out of that query's ranking.
    """
    same = int((find(documents, queries) >= 0).sum())
    what = "ranked like any other, where BEIR leaves it out of the ranking of that query"
    return (f"queries with the id of a document: {same}; it is {what}",) if same else ()
