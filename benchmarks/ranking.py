"""Counting against sorting: from how many relevant documents a query on is sorting faster?

python benchmarks/ranking.py [--documents 12000] [--queries 400] [--pools 8]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mlir_harness import ranking
from mlir_harness.ranking import Part, rankings
from mlir_harness.settings import Numbering
from mlir_harness.types import (
    Collection,
    IntArray,
    Provenance,
    Relevant,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)
from mlir_harness.vectors import Dense


class Held:
    """Unit vectors in memory."""

    def __init__(self, rows: int, dimension: int, seed: int) -> None:
        matrix = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
        self.vectors = Dense(matrix).normalised()
        self.rows = {"en": np.arange(rows)}

    def __len__(self) -> int:
        return len(self.vectors)

    def blocks(self):  # type: ignore[no-untyped-def]
        yield 0, self.vectors

    def take(self, rows: IntArray) -> Dense:
        return self.vectors[rows]


def task(queries: int, documents: int, pools: int, relevant: int) -> Retrieval:
    rng = np.random.default_rng(0)
    names = tuple(map(str, range(documents)))
    chosen = [np.sort(rng.choice(documents, relevant, replace=False)) for _ in range(queries)]
    entries = np.concatenate(chosen).astype(np.int64)
    indptr = np.arange(queries + 1, dtype=np.int64) * relevant
    judged = SparseJudgements(Relevant(indptr, entries, np.ones_like(entries)))
    parts = [None, *(np.sort(rng.choice(documents, documents // 8)) for _ in range(pools - 1))]
    settings = tuple(
        Setting(f"s{number}", SettingKind.MONOLINGUAL, "en", (Slice("en", rows),))
        for number, rows in enumerate(None if part is None else np.unique(part) for part in parts)
    )
    held = Collection("en", names, names)
    asked = Collection("en", names[:queries], names[:queries])
    return Retrieval(
        {"en": asked},
        {"en": held},
        {("en", "en"): judged},
        settings,
        {"en": asked.ids},
        Provenance("made up"),
    )


def seconds(retrieval: Retrieval, queries: Held, documents: Held, many: float) -> float:
    numbering = Numbering.of(retrieval)
    ties = numbering.hash_order()

    def use(_: Setting, part: Part) -> int:
        return int(part.ranked.rank.sum())

    start = time.perf_counter()
    rankings(retrieval, queries, documents, numbering, ties, 10, use, many=many)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=12_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--pools", type=int, default=8)
    parser.add_argument("--dimension", type=int, default=384)
    given = parser.parse_args()
    queries = Held(given.queries, given.dimension, 1)
    documents = Held(given.documents, given.dimension, 2)
    print(f"pools are sorted from {ranking.MANY} relevant documents a query on")
    print("relevant  counting s  sorting s  ratio")
    for relevant in (1, 4, 16, 64, 256, 1024):
        retrieval = task(given.queries, given.documents, given.pools, relevant)
        pairs = [
            (
                seconds(retrieval, queries, documents, np.inf),
                seconds(retrieval, queries, documents, 0),
            )
            for _ in range(3)
        ]
        counting, ordering = (float(np.median(each)) for each in zip(*pairs, strict=True))
        print(f"{relevant:8}  {counting:10.2f}  {ordering:9.2f}  {counting / ordering:5.2f}")


if __name__ == "__main__":
    main()
