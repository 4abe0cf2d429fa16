"""Exact ranks of the relevant documents, and top lists, from one pass over blocks of scores.

A rank is 1 + the documents that score higher + the tied ones that come first in the tie order.
Scores are defined as float64 inner products of the two vectors (`score_pairs`), so a rank
is a function of the vectors alone. Blocks of float32 products only decide the clear cases: a
document outside `score_error` of the reference is counted by comparison, the few inside are
scored exactly. Block sizes, shards, threads and BLAS builds therefore cannot change a rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from mlir_harness.chunks import CHUNK, Chunk, Scale
from mlir_harness.crowd import decide_all
from mlir_harness.environment import processors
from mlir_harness.near import List, Members, Near, decide, many
from mlir_harness.protocols import Vectors
from mlir_harness.topk import Top
from mlir_harness.types import Array, BoolArray, FloatArray, IntArray

_QUERIES_AT_ONCE = 600  # with CHUNK documents: 1.2 MB, near a core's cache
_DOCUMENTS_AT_ONCE = 3 * CHUNK


class VectorSource(Protocol):
    """Document vectors that may be larger than memory."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[tuple[int, Vectors]]:
        """Consecutive (first row, vectors), covering all rows once."""
        ...

    def take(self, rows: IntArray) -> Vectors:
        """The given rows, in the given order."""
        ...


@dataclass(frozen=True, slots=True)
class Corpus:
    """All documents of a task, numbered from 0.

    Attributes:
        vectors: of their texts.
        rows: (documents,) int64 vector row of each; equal texts share a row.
        groups: (documents,) int64, such as languages; documents of one group mostly share pools.
        ties: (documents,) int64 a permutation: which of two tied documents comes first.
        pools: document numbers, ascending, that are counted and listed together.
    """

    vectors: VectorSource
    rows: IntArray
    groups: IntArray
    ties: IntArray
    pools: Sequence[IntArray]

    def take(self, documents: IntArray) -> Vectors:
        """The vectors of some documents."""
        return self.vectors.take(self.rows[documents])


@dataclass(frozen=True, slots=True)
class Question:
    """Queries of one language, their relevant documents, and the pools that count for them.

    Attributes:
        queries: n vectors.
        indptr: (n + 1,) int64; query i's targets are indptr[i]:indptr[i + 1].
        targets: (t,) int64 document numbers.
        group: (t,) int64 in 0..groups - 1, such as the target's language.
        counted: (groups, pools) bool: in which pools the betters of a group's targets count.
        listed: of which pools, or disjoint pools taken together, top lists are kept.
    """

    queries: Vectors
    indptr: IntArray
    targets: IntArray
    group: IntArray
    counted: BoolArray
    listed: Sequence[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """For each target and pool, where it stands; for each query and pool, the best documents.

    Attributes:
        greater: (t, pools) int32: documents of the pool that score higher.
        before: (t, pools) int32: tied documents that precede in the tie order.
        tied: (t, pools) int32: tied documents, the target itself not counted.
        top: per entry of `listed`, documents (n, k) int64 with -1 for none, and scores float32.
    """

    greater: Array
    before: Array
    tied: Array
    top: dict[tuple[int, ...], tuple[IntArray, FloatArray]]


def rank(
    questions: Sequence[Question],
    corpus: Corpus,
    *,
    k: int = 10,
    query_block: int | None = None,
    document_block: int = _DOCUMENTS_AT_ONCE,
    workers: int | None = None,
) -> list[Answer]:
    """Rank every question's targets within the corpus' pools.

    Args:
        questions: one per query language.
        corpus: what is ranked.
        k: length of the top lists; 0 for none.
        query_block, document_block, workers: change the speed, never a rank.

    Returns:
        One Answer per question, in order.
    """
    workers = workers or processors()
    total = sum(len(question.queries) for question in questions)
    if query_block is None:
        query_block = max(64, min(_QUERIES_AT_ONCE, -(-total // (2 * workers))))
    targets = Lookup(corpus, [question.targets for question in questions])
    by_row, by_tie = np.argsort(corpus.rows, kind="stable"), np.argsort(corpus.ties)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as executor:
        begun = [
            [
                executor.submit(
                    _Part, question, slice(first, first + query_block), targets, corpus, k
                )
                for first in range(0, max(len(question.queries), 1), query_block)
            ]
            for question in questions
        ]
        parts = [[future.result() for future in group] for group in begun]
        todo = [part for group in parts for part in group]
        running: list[Future[None]] = []
        for start, block in corpus.vectors.blocks():  # loads while the last one is counted
            pieces = list(_pieces(corpus, by_row, start, block, document_block))
            _finish(running)
            running = [executor.submit(part.count, pieces) for part in todo]
        _finish(running)
        _finish([executor.submit(part.gather, by_tie) for part in todo])
        crowded = Lookup(corpus, [part.crowded for part in todo])
        _finish([executor.submit(part.settle, crowded) for part in todo])
    return [_join(group) for group in parts]


def _finish(running: list[Future[None]]) -> None:
    wait(running)
    for future in running:
        future.result()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Documents of one group that are scored at once, and the pools that some of them are in."""

    vectors: Vectors
    members: tuple[Members, ...]


def _pieces(
    corpus: Corpus, by_row: IntArray, start: int, block: Vectors, size: int
) -> Iterator[_Piece]:
    """The documents of one block of vectors, group by group, in the tie order."""
    first, last = np.searchsorted(corpus.rows, [start, start + len(block)], sorter=by_row)
    documents = by_row[first:last]
    documents = documents[np.lexsort((corpus.ties[documents], corpus.groups[documents]))]
    groups = corpus.groups[documents]
    for group in np.unique(groups):
        low, high = np.searchsorted(groups, [group, group + 1])
        for place in range(low, high, size):
            chosen = documents[place : min(place + size, high)]
            vectors = block[corpus.rows[chosen] - start]
            yield _Piece(vectors, tuple(_members(corpus, vectors, chosen)))


def _members(corpus: Corpus, vectors: Vectors, documents: IntArray) -> Iterator[Members]:
    for number, pool in enumerate(corpus.pools):
        if len(pool):
            place = np.minimum(np.searchsorted(pool, documents), len(pool) - 1)
            rows = np.flatnonzero(pool[place] == documents)
            if len(rows):
                yield Members(number, vectors, rows, documents[rows])


class Lookup:
    """Vectors of some documents, read once and then looked up by document number."""

    def __init__(self, corpus: Corpus, used: Sequence[IntArray]) -> None:
        self._documents = np.unique(np.concatenate(used)) if used else np.zeros(0, np.int64)
        self.vectors = corpus.take(self._documents)

    def rows(self, documents: IntArray) -> IntArray:
        """Rows of `vectors` of `documents`, which must be among those used."""
        return np.searchsorted(self._documents, documents)


class _Part:
    """One block of queries with its running counts. Used by one thread at a time."""

    def __init__(
        self, question: Question, rows: slice, targets: Lookup, corpus: Corpus, k: int
    ) -> None:
        self.queries = question.queries[rows]
        indptr = question.indptr[rows.start : rows.start + len(self.queries) + 1]
        entries = slice(int(indptr[0]), int(indptr[-1]))
        self.targets = question.targets[entries]
        self.tie_order = corpus.ties
        shape = (question.counted.shape[1], len(self.targets))
        self.greater = np.zeros(shape, np.int32)
        self.before = np.zeros(shape, np.int32)
        self.tied = np.zeros(shape, np.int32)
        rows_of_targets = targets.rows(self.targets)
        self._owner = np.repeat(np.arange(len(self.queries)), np.diff(indptr))
        self.exact = self.queries.score_pairs(self._owner, targets.vectors, rows_of_targets)
        lengths = self.queries.norms[self._owner] * targets.vectors.norms[rows_of_targets]
        self.margin = self.queries.rounding * lengths
        group = question.group[entries]
        self._counted = [
            np.flatnonzero(counted[group]) for counted in np.ascontiguousarray(question.counted.T)
        ]
        self._listed = question.listed
        self._running = {
            pool: Top(len(self.queries), k) for pools in question.listed for pool in pools
        }
        self._lists: list[List] = []
        self.crowded: IntArray = np.zeros(0, np.int64)  # documents that near ties are between
        self.top: dict[tuple[int, ...], tuple[IntArray, FloatArray]] = {}

    def count(self, pieces: Sequence[_Piece]) -> None:
        """Count pieces of documents into all targets and top lists."""
        for piece in pieces:
            scale = Scale.of(self.queries.score_error(piece.vectors))
            first, last = scale.band(self.exact, self._owner)
            scores = self.queries.score(piece.vectors)
            for members in piece.members:
                whole = len(members.rows) == len(piece.vectors)
                pooled = scores if whole else scores[:, members.rows]
                self._take(members, pooled, scale, (first, last))

    def _take(
        self, members: Members, scores: FloatArray, scale: Scale, band: tuple[IntArray, IntArray]
    ) -> None:
        """Count and list the members of one pool, chunk by chunk."""
        documents = scores.shape[1]
        # Even chunks: a short last one would cost as much as a full one.
        size = -(-documents // -(-documents // CHUNK))
        top = self._running.get(members.pool)
        best, unclear = [], []
        for start in range(0, documents, size):
            chunk = Chunk.of(scores[:, start : start + size], scale)
            if top is not None:
                places, values = chunk.best(top.width)
                best.append((np.where(places >= 0, places + start, -1), values))
            if len(self._counted[members.pool]):
                unclear += self._compare(members, chunk, start, band)
        if unclear:
            decide(self, members, Near.join(unclear))
        if top is not None:
            places, values = (np.concatenate(each, axis=1) for each in zip(*best, strict=True))
            ties = np.where(places >= 0, self.tie_order[members.documents[places]], -1)
            top.update(values, ties, scale.error)

    def _compare(
        self, members: Members, chunk: Chunk, start: int, band: tuple[IntArray, IntArray]
    ) -> list[Near]:
        """Count the clear cases of a chunk; return the unclear ones, if they are few."""
        first, last = band
        chosen = self._counted[members.pool]
        owner = self._owner[chosen]
        higher = chunk.count(first[chosen], owner)
        self.greater[members.pool, chosen] += higher.astype(np.int32)
        found = np.flatnonzero(chunk.at(owner, higher) < last[chosen])
        if not len(found):
            return []
        targets, columns, begin = chosen[found], owner[found], higher[found]
        lengths = chunk.count(last[targets], columns) - begin
        if not many(int(lengths.sum()), len(self.queries)):
            return [Near.runs(chunk, start, (targets, columns, begin, lengths))]
        part = slice(start, start + chunk.scores.shape[1])
        exact = decide_all(self, members, part, targets, columns)
        self.greater[members.pool, targets] += (exact - begin).astype(np.int32)
        return []

    def gather(self, by_tie: IntArray) -> None:
        """Put the top lists together, and find the near ties in them."""
        for pools in self._listed:
            parts = [self._running[pool] for pool in pools]
            self._lists.append(List.of(Top.union(parts) if len(parts) > 1 else parts[0], by_tie))
        if self._lists:
            self.crowded = np.unique(np.concatenate([each.crowded for each in self._lists]))

    def settle(self, crowded: Lookup) -> None:
        """Finish the top lists: near ties in their exact order."""
        for pools, found in zip(self._listed, self._lists, strict=True):
            self.top[pools] = found.settled(self.queries, crowded.vectors, crowded.rows)


def _join(parts: Sequence[_Part]) -> Answer:
    listed = parts[0].top if parts else {}
    return Answer(
        greater=np.concatenate([part.greater for part in parts], axis=1).T,
        before=np.concatenate([part.before for part in parts], axis=1).T,
        tied=np.concatenate([part.tied for part in parts], axis=1).T,
        top={
            pool: (
                np.concatenate([part.top[pool][0] for part in parts]),
                np.concatenate([part.top[pool][1] for part in parts]),
            )
            for pool in listed
        },
    )
