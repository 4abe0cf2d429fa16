"""Exact ranks of the relevant documents, and top lists, from one pass over blocks of scores.

A rank is 1 + the documents that score higher + the tied ones that come first in the tie order.
Scores are defined as float64 inner products of the two vectors (`score_pairs`), so a rank
is a function of the vectors alone. Blocks of float32 products only decide the clear cases: a
document outside `score_error` of the reference is counted by comparison, the few inside are
scored exactly. Block sizes, shards, threads and BLAS builds therefore cannot change a rank.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from mlir_harness.near import Members, Stack, Suspects, decide, settle, stack
from mlir_harness.protocols import Vectors
from mlir_harness.topk import TieKey, Top
from mlir_harness.types import Array, BoolArray, FloatArray, IntArray

_CHUNK = 255  # rows whose comparisons can be summed in uint8
_QUERIES_AT_ONCE = 600  # with _CHUNK rows of float32: 0.6 MB, inside a core's second-level cache
_DOCUMENTS_AT_ONCE = 6 * _CHUNK


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
class Pool:
    """Documents that are always counted together: one slice of a task's documents.

    Attributes:
        documents: (n,) int64 document numbers, sorted by `rows`.
        rows: (n,) int64 vector row of each, ascending; equal texts share a row.
    """

    documents: IntArray
    rows: IntArray

    @classmethod
    def of(cls, documents: IntArray, vector_rows: IntArray) -> Pool:
        """The pool of `documents`, where document d has vector `vector_rows[d]`."""
        rows = vector_rows[documents]
        order = np.argsort(rows, kind="stable")
        return cls(documents[order], rows[order])


@dataclass(frozen=True, slots=True)
class Question:
    """Queries of one language, their relevant documents, and the pools that count for them.

    Attributes:
        queries: n vectors.
        indptr: (n + 1,) int64; query i's targets are indptr[i]:indptr[i + 1].
        targets: (t,) int64 document numbers.
        group: (t,) int64 in 0..groups - 1, such as the target's language.
        counted: (groups, pools) bool: in which pools the betters of a group's targets count.
        listed: (pools,) bool: of which pools top lists are kept.
    """

    queries: Vectors
    indptr: IntArray
    targets: IntArray
    group: IntArray
    counted: BoolArray
    listed: BoolArray


@dataclass(frozen=True, slots=True)
class Answer:
    """For each target and pool, where it stands; for each query and pool, the best documents.

    Attributes:
        greater: (t, pools) int32: documents of the pool that score higher.
        before: (t, pools) int32: tied documents that precede in the tie order.
        tied: (t, pools) int32: tied documents, the target itself not counted.
        top: per pool, documents (n, ≤ k) int64 with -1 for none, and their scores float32.
    """

    greater: Array
    before: Array
    tied: Array
    top: dict[int, tuple[IntArray, FloatArray]]


def rank(
    questions: Sequence[Question],
    documents: VectorSource,
    vector_rows: IntArray,
    pools: Sequence[Pool],
    tie_key: TieKey,
    *,
    k: int = 10,
    query_block: int | None = None,
    document_block: int = _DOCUMENTS_AT_ONCE,
    workers: int | None = None,
) -> list[Answer]:
    """Rank every question's targets within its pools.

    Args:
        questions: one per query language.
        documents: vectors by vector row.
        vector_rows: (documents,) int64 vector row of each document number.
        pools: disjoint or overlapping sets of documents.
        tie_key: document numbers -> sortable keys; of two tied documents the lower is first.
        k: length of the top lists; 0 for none.
        query_block, document_block, workers: change the speed, never the result.

    Returns:
        One Answer per question, in order.
    """
    workers = workers or _processors()
    total = sum(len(question.queries) for question in questions)
    if query_block is None:
        query_block = max(64, min(_QUERIES_AT_ONCE, -(-total // (2 * workers))))
    targets = _TargetVectors(questions, documents, vector_rows)
    parts: list[list[_Part]] = []
    for question in questions:
        starts = range(0, len(question.queries), query_block)
        blocks = [slice(start, start + query_block) for start in starts]
        parts.append([_Part(question, rows, targets, tie_key, k) for rows in blocks])
    todo = [part for group in parts for part in group]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as executor:
        running: list[Future[None]] = []
        for start, block in documents.blocks():  # the next block loads while this one is counted
            _finish(running)
            members = [_members(i, pool, start, len(block)) for i, pool in enumerate(pools)]
            running = [
                executor.submit(part.count, block, start, members, document_block) for part in todo
            ]
        _finish(running)
        if k:
            take = lambda numbers: documents.take(vector_rows[numbers])  # noqa: E731
            _finish([executor.submit(part.settle, take) for part in todo])
    return [_join(group) for group in parts]


def _processors() -> int:
    """Processors this process may use (a container's share, where the system tells)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _finish(running: list[Future[None]]) -> None:
    wait(running)
    for future in running:
        future.result()


def _members(number: int, pool: Pool, start: int, length: int) -> Members:
    first, last = np.searchsorted(pool.rows, [start, start + length])
    return Members(number, pool.rows[first:last] - start, pool.documents[first:last])


class _TargetVectors:
    """Vectors of all relevant documents, read once and then looked up by document number."""

    def __init__(
        self, questions: Sequence[Question], documents: VectorSource, vector_rows: IntArray
    ) -> None:
        used = [vector_rows[question.targets] for question in questions]
        self._rows = np.unique(np.concatenate(used)) if used else np.zeros(0, np.int64)
        self.vector_rows = vector_rows
        self._vectors = documents.take(self._rows)

    def of(self, targets: IntArray) -> Vectors:
        return self._vectors[np.searchsorted(self._rows, self.vector_rows[targets])]


class _Part:
    """One block of queries with its running counts. Used by one thread at a time."""

    def __init__(
        self, question: Question, rows: slice, targets: _TargetVectors, tie_key: TieKey, k: int
    ) -> None:
        self.queries = question.queries[rows]
        indptr = question.indptr[rows.start : rows.start + len(self.queries) + 1]
        entries = slice(int(indptr[0]), int(indptr[-1]))
        self.targets = question.targets[entries]
        self.tie_key = tie_key
        shape = (len(self.targets), question.counted.shape[1])
        self.greater = np.zeros(shape, np.int32, order="F")  # a pool's counts lie together
        self.before = np.zeros(shape, np.int32, order="F")
        self.tied = np.zeros(shape, np.int32, order="F")
        self.top = {
            int(pool): Top(len(self.queries), k) for pool in np.flatnonzero(question.listed)
        }
        vectors = targets.of(self.targets)
        self._target_rows = targets.vector_rows[self.targets]
        self._owner = np.repeat(np.arange(len(self.queries)), np.diff(indptr))
        self.exact = self.queries[self._owner].score_pairs(vectors)
        self._group = question.group[entries]
        self._counted = question.counted
        self._widen(self.queries.score_error(vectors))

    def _widen(self, error: float) -> None:
        self.error = error
        self._stacks = [
            (counted, stack(self._owner, targets, self.exact, error, len(self.queries)))
            for counted, targets in _layers(self._owner, self._group, self._counted)
        ]

    def count(
        self, block: Vectors, offset: int, members: Sequence[Members], document_block: int
    ) -> None:
        """Count document vectors `offset` ... of all into all targets and top lists."""
        error = self.queries.score_error(block)
        if error > self.error:  # longer documents than any target: a wider uncertain band
            self._widen(error)
        for start in range(0, len(block), document_block):
            piece = block if len(block) <= document_block else block[start : start + document_block]
            scores = np.ascontiguousarray(self.queries.score(piece).T)
            for pool in members:
                first, last = np.searchsorted(pool.rows, [start, start + len(piece)])
                if first == last:
                    continue
                here = Members(pool.pool, pool.rows[first:last] - start, pool.documents[first:last])
                whole = np.array_equal(here.rows, np.arange(len(piece)))
                pooled = scores if whole else scores[here.rows]
                if here.pool in self.top:
                    self.top[here.pool].update(pooled, here.documents)
                own = self._own_chunks(here, offset + start)
                for counted, targets in self._stacks:
                    if counted[here.pool]:
                        suspects = self._compare(targets, pooled, own, here.pool)
                        if suspects.total:
                            decide(self, suspects, pooled, _CHUNK, piece, here)

    def _compare(self, targets: Stack, scores: FloatArray, own: IntArray, pool: int) -> Suspects:
        """Count the clear cases; return where the unclear ones are."""
        layers, width = targets.targets.shape
        starts = range(0, len(scores), _CHUNK)
        counts = np.empty((len(starts), 2 * layers, width), np.uint8)
        flags = np.empty((min(_CHUNK, len(scores)), 2 * layers, width), np.bool_)
        for place, start in enumerate(starts):
            chunk = scores[start : start + _CHUNK]
            if targets.columns is not None:
                chunk = chunk[:, targets.columns]
            np.greater(chunk[:, None, :], targets.edges, out=flags[: len(chunk)])
            np.add.reduce(
                flags[: len(chunk)].view(np.uint8), axis=0, dtype=np.uint8, out=counts[place]
            )
        held = targets.targets >= 0
        above, near = counts[:, :layers], counts[:, layers:]
        self.greater[targets.targets[held], pool] += above.sum(axis=0, dtype=np.int32)[held]
        near -= above
        layer, column = np.nonzero(held)
        chunk_of_own = own[targets.targets[layer, column]]
        alone = chunk_of_own >= 0
        near[chunk_of_own[alone], layer[alone], column[alone]] -= 1  # the target itself
        return Suspects.find(targets, near, _CHUNK)

    def _own_chunks(self, members: Members, offset: int) -> IntArray:
        """The chunk in which each target is the only document of its vector, else -1: (t,)."""
        rows = self._target_rows - offset
        place = np.searchsorted(members.rows, rows)
        alone = np.searchsorted(members.rows, rows, side="right") == place + 1
        place[~alone] = 0
        own = alone & (members.documents[place] == self.targets)
        return np.where(own, place // _CHUNK, -1)

    def settle(self, take: Callable[[IntArray], Vectors]) -> None:
        """Put near ties of the top lists into their exact order."""
        for top in self.top.values():
            settle(top, self.queries, take, self.tie_key, self.error)


def _layers(
    owner: IntArray, group: IntArray, counted: BoolArray
) -> Iterator[tuple[BoolArray, list[IntArray]]]:
    """Targets by the pools they are counted in, as layers with at most one per query.

    Few targets are left in the last layers when queries have many; those are kept apart,
    so that they are not compared for every query of the block.
    """
    for signature in np.unique(counted, axis=0):
        groups = np.flatnonzero((counted == signature).all(axis=1))
        chosen = np.flatnonzero(np.isin(group, groups))
        owners = owner[chosen]
        place = np.arange(len(chosen)) - np.searchsorted(owners, owners)
        layers = [chosen[place == layer] for layer in range(int(place.max(initial=-1)) + 1)]
        common = [layer for layer in layers if 4 * len(layer) >= len(layers[0])]
        if common:
            yield signature, common
        yield from ((signature, [layer]) for layer in layers[len(common) :])


def _join(parts: Sequence[_Part]) -> Answer:
    listed = parts[0].top if parts else {}
    return Answer(
        greater=np.concatenate([part.greater for part in parts]),
        before=np.concatenate([part.before for part in parts]),
        tied=np.concatenate([part.tied for part in parts]),
        top={
            pool: (
                np.concatenate([part.top[pool].documents for part in parts]),
                np.concatenate([part.top[pool].scores for part in parts]),
            )
            for pool in listed
        },
    )
