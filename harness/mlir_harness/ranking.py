"""From vectors to ranks and top lists, setting by setting, a block of queries at a time.

Where queries have few relevant documents, the documents better than each are counted while vectors
stream by (rank.py). Where they have hundreds, pools are sorted (order.py). The ranks are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from mlir_harness.environment import processors
from mlir_harness.measures import Ranked
from mlir_harness.order import MOST_DOCUMENTS, Sorter
from mlir_harness.protocols import Vectors
from mlir_harness.rank import Answer, Corpus, VectorSource, rank
from mlir_harness.settings import (
    Best,
    Layout,
    Numbering,
    Targets,
    best,
    question,
    ranked,
    relevant,
)
from mlir_harness.types import IntArray, Retrieval, Setting

_Used = TypeVar("_Used")

# Relevant documents a query from which on sorting is faster: 40 in eight overlapping pools of
# thousands, 150 in a single one (benchmarks/ranking.py).
MANY = 100
_MOST_BYTES = 1 << 30  # of document vectors held for sorting
_SAMPLE = 1 << 12  # vectors whose size is looked at
_LOOK, _LOOKS = 16, 8  # queries looked at to choose, and how often


class Encoded(VectorSource, Protocol):
    """The vectors of one role, with the row of each text."""

    @property
    def rows(self) -> Mapping[str, IntArray]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A block of one language's queries in one setting.

    Attributes:
        first: row of its first query.
        ranked: of the queries that have a relevant document in the pool; rows in the collection.
        best: one row per query of the block.
    """

    first: int
    ranked: Ranked
    best: Best


def rankings(
    retrieval: Retrieval,
    queries: Encoded,
    documents: Encoded,
    numbering: Numbering,
    ties: IntArray,
    depth: int,
    use: Callable[[Setting, Part], _Used],
    *,
    many: int = MANY,
) -> dict[str, list[_Used]]:
    """Rank every query in every setting; ranks are used as they come, and not kept.

    Args:
        retrieval: the task's data.
        queries, documents: their vectors.
        numbering: of the documents.
        ties: (documents,) int64 the tie order.
        depth: length of the top lists.
        use: what to make of a part; called from several threads.
        many: relevant documents per query from which on pools are sorted.

    Returns:
        Setting id -> what was made of its parts, in the order of the queries.
    """
    layout = Layout.of(numbering)
    rows = [documents.rows[language] for language in numbering.languages]
    vector_rows = np.concatenate([np.zeros(0, np.int64), *rows])
    groups = numbering.language_of(np.arange(len(vector_rows)))
    corpus = Corpus(documents, vector_rows, groups, ties, layout.pools)
    languages = sorted({setting.query_language for setting in retrieval.settings})
    vectors = {language: queries.take(queries.rows[language]) for language in languages}
    sort = [
        language
        for language in languages
        if _relevant_per_query(language, numbering) >= many
        and _sortable(documents, len(vector_rows))
    ]
    used: dict[str, list[_Used]] = {setting.id: [] for setting in retrieval.settings}
    counted = [language for language in languages if language not in sort]
    targets = [_targets(x, slice(None), numbering) for x in counted]
    asked = [
        question(x, vectors[x], held, numbering, layout)
        for x, held in zip(counted, targets, strict=True)
    ]
    answers = rank(asked, corpus, k=depth) if counted else []
    for language, held, answer in zip(counted, targets, answers, strict=True):
        for setting in _of(retrieval, language):
            part = _part(setting, 0, held, answer, numbering, layout)
            used[setting.id].append(use(setting, part))
    if sort:
        sorter = Sorter.of(corpus)
        for language in sort:
            for made in _sorted(language, vectors[language], sorter, numbering, layout, depth, use):
                for name, each in made.items():
                    used[name].append(each)
    return used


def _of(retrieval: Retrieval, language: str) -> list[Setting]:
    return [each for each in retrieval.settings if each.query_language == language]


def _targets(language: str, rows: slice, numbering: Numbering) -> Targets:
    return Targets.of(relevant(language, rows, numbering), numbering)


def _relevant_per_query(language: str, numbering: Numbering) -> float:
    """Mean number of relevant documents, in the pools' languages together, of some queries.

    Only the way depends on it, never the result; of all queries they could be millions.
    """
    total = len(numbering.retrieval.queries[language])
    starts = range(0, total, max(_LOOK, total // _LOOKS + 1))
    found = [relevant(language, slice(start, start + _LOOK), numbering) for start in starts]
    asked = sum(map(len, found))
    return sum(len(each.documents) for each in found) / asked if asked else 0.0


def _sortable(vectors: VectorSource, documents: int) -> bool:
    """Whether the vectors of all documents may be held at once, by the size of the first ones."""
    some = vectors.take(np.arange(min(len(vectors), _SAMPLE)))
    size = sum(held.nbytes for held in some.tensors().values()) / max(len(some), 1)
    return documents <= MOST_DOCUMENTS and documents * size <= _MOST_BYTES


def _sorted(
    language: str,
    queries: Vectors,
    sorter: Sorter,
    numbering: Numbering,
    layout: Layout,
    depth: int,
    use: Callable[[Setting, Part], _Used],
) -> list[dict[str, _Used]]:
    """What was made of each block of queries, by setting."""
    workers = processors()
    size = sorter.queries_at_once(workers)

    def work(first: int) -> dict[str, _Used]:
        rows = slice(first, first + size)
        targets = _targets(language, rows, numbering)
        block = sorter.block(queries[rows])
        targets = targets[block.order_of(targets.owner, targets.documents)]
        answer = block.answer(question(language, block.queries, targets, numbering, layout), depth)
        return {
            setting.id: use(setting, _part(setting, first, targets, answer, numbering, layout))
            for setting in _of(numbering.retrieval, language)
        }

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as executor:
        return list(executor.map(work, range(0, len(queries), size)))


def _part(
    setting: Setting,
    first: int,
    targets: Targets,
    answer: Answer,
    numbering: Numbering,
    layout: Layout,
) -> Part:
    found = ranked(setting, targets, answer, numbering, layout)
    found = replace(found, queries=found.queries + first)
    return Part(first, found, best(setting, answer, layout))
