"""Effectiveness measures, computed from the ranks of each query's relevant documents."""

from __future__ import annotations

from dataclasses import dataclass

from mlir_harness.types import BoolArray, DoubleArray, IntArray


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where the relevant documents of one setting's queries stand in its pool.

    Only queries with at least one relevant document in the pool are here.

    Attributes:
        query_language: BCP-47 tag of the queries.
        languages: the pool's document languages; `language` indexes into it.
        pool_size: number of documents ranked.
        queries: (n,) int64 rows in the query collection.
        indptr: (n + 1,) int64; query i owns entries indptr[i]:indptr[i + 1] of what follows.
        rank: (t,) int64 from 1, ties broken by the tie order; ascending within a query.
        mid_rank: (t,) float64, tied documents share the mean of their ranks.
        tied: (t,) bool, at least one other document of the pool has the same score.
        grade: (t,) int64, 1 and up.
        language: (t,) int64.
    """

    query_language: str
    languages: tuple[str, ...]
    pool_size: int
    queries: IntArray
    indptr: IntArray
    rank: IntArray
    mid_rank: DoubleArray
    tied: BoolArray
    grade: IntArray
    language: IntArray
