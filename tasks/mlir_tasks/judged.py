"""Data sets of one setting: which of their queries are asked, and what is noted of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlir_harness.types import Collection
from mlir_tasks.corpus import Corpus
from mlir_tasks.notes import flawed, without_text
from mlir_tasks.qrels import Matched, Qrels, flaws, own_documents


@dataclass(frozen=True, slots=True)
class Asked:
    """Queries that are asked.

    Attributes:
        queries: those that are judged, relevant documents or not, and have a text.
        others: number of those without a judgement.
        empty: number of those with a judgement and without text.
    """

    queries: Collection
    others: int
    empty: int


def asked(rows: Iterable[tuple[str, str]], language: str, qrels: Qrels) -> Asked:
    """The queries to ask, of `rows` of id and text."""
    judged = frozenset(qrels.topics)
    held: dict[str, str] = {}
    others = empty = 0
    for name, text in rows:
        if name not in judged:
            others += 1
        elif not text or text.isspace():
            empty += 1
        else:
            held[name] = text
    return Asked(Collection(language, tuple(held), tuple(held.values())), others, empty)


def remarks(
    label: str, queries: Asked, documents: Corpus, qrels: Qrels, matched: Matched, *, strict: bool
) -> tuple[str, ...]:
    """What a reader of the tables must know of a data set.

    Args:
        label: what flaws are of: its language, or its setting.
        queries, documents, qrels: the data set.
        matched: `qrels` by row of both.
        strict: flaws are errors.

    Raises:
        DataError: with `strict`, if a text is empty or what is judged is not there.
    """
    notes = [f"queries: {len(queries.queries)}", f"documents: {len(documents.collection)}"]
    if queries.others:
        notes.append(f"{queries.others} queries have no judgement in this split and are not asked")
    lost = (
        *without_text(label, "queries", queries.empty),
        *without_text(label, "documents", documents.empty),
    )
    return (
        *notes,
        *own_documents(queries.queries.ids, documents.collection.ids),
        *flawed(lost, strict=strict),
        *flaws(label, qrels, matched, strict=strict),
    )
