"""Questions to rank, and what a full sort by float64 scores says of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.rank import Answer, Corpus, Question, rank
from mlir_harness.types import Array, DoubleArray, FloatArray, IntArray
from mlir_harness.vectors import Dense

KINDS = ("normal", "integers", "near", "equal", "constant", "zero", "norms")


@dataclass(frozen=True)
class Shards:
    """Vectors in memory that come in blocks of the given sizes."""

    matrix: FloatArray
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.matrix)

    def blocks(self) -> Iterator[tuple[int, Dense]]:
        start = 0
        for size in self.sizes:
            yield start, Dense(self.matrix[start : start + size])
            start += size

    def take(self, rows: IntArray) -> Dense:
        return Dense(self.matrix)[rows]


@dataclass(frozen=True)
class Case:
    """Questions over pools, and the vectors and tie order that answer them."""

    matrix: FloatArray
    vector_rows: IntArray
    pools: tuple[IntArray, ...]
    questions: tuple[Question, ...]
    keys: IntArray
    k: int = 10

    def corpus(self, sizes: Sequence[int] = ()) -> Corpus:
        source = Shards(self.matrix, tuple(sizes) or (len(self.matrix),))
        groups = np.arange(len(self.vector_rows)) % 2
        return Corpus(source, self.vector_rows, groups, self.keys, self.pools)

    def answers(self, sizes: Sequence[int] = (), **options: int | None) -> list[Answer]:
        return rank(self.questions, self.corpus(sizes), k=self.k, **options)


def vectors(rng: np.random.Generator, kind: str, rows: int, prototypes: FloatArray) -> FloatArray:
    """Rows of one kind; `prototypes` (p, dimension) are shared by queries and documents."""
    shape = rows, prototypes.shape[1]
    some = prototypes[rng.integers(len(prototypes), size=rows)]
    matrix = {
        "normal": lambda: rng.normal(size=shape),
        "integers": lambda: rng.integers(-1, 2, shape),
        "near": lambda: some * (1 + 1e-7 * rng.normal(size=shape)),
        "equal": lambda: np.repeat(prototypes[:1], rows, axis=0),
        "constant": lambda: np.full(shape, 0.0625),
        "zero": lambda: np.zeros(shape),
        "norms": lambda: rng.normal(size=shape) * 10 ** rng.uniform(-3, 3, (rows, 1)),
    }[kind]()
    return np.ascontiguousarray(matrix, np.float32)


def case(
    seed: int, kind: str, *, documents: int = 60, queries: int = 8, dimension: int = 12, k: int = 10
) -> Case:
    """Three question sets over overlapping pools; documents share vectors here and there."""
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(size=(max(1, documents // 4), dimension)).astype(np.float32)
    rows = int(rng.integers(1 + documents // 2, documents + 1))
    vector_rows = np.concatenate([np.arange(rows), rng.integers(rows, size=documents - rows)])
    rng.shuffle(vector_rows)
    everything = np.arange(documents)
    pools = [everything] + [
        np.sort(rng.choice(documents, size=int(rng.integers(documents + 1)), replace=False))
        for _ in range(int(rng.integers(3)))
    ]
    questions = []
    for _ in range(3):
        asked = int(rng.integers(1, queries + 1))
        wanted = [
            np.sort(rng.choice(documents, size=int(size), replace=False))
            for size in np.minimum(rng.choice([0, 1, 2, 9], size=asked), documents)
        ]
        groups = int(rng.integers(1, 4))
        targets = np.concatenate(wanted).astype(np.int64)
        questions.append(
            Question(
                queries=Dense(vectors(rng, kind, asked, prototypes)),
                indptr=np.cumsum([0, *map(len, wanted)]),
                targets=targets,
                group=rng.integers(groups, size=len(targets)),
                counted=rng.random((groups, len(pools))) < 0.7,
                listed=[(pool,) for pool in range(len(pools)) if rng.random() < 0.7],
            )
        )
    return Case(
        matrix=vectors(rng, kind, rows, prototypes),
        vector_rows=vector_rows,
        pools=tuple(pools),
        questions=tuple(questions),
        keys=rng.permutation(documents),
        k=k,
    )


def exact_scores(queries: FloatArray, documents: FloatArray) -> DoubleArray:
    products = queries[:, None].astype(np.float64) * documents[None].astype(np.float64)
    return products.sum(axis=-1)


def reference_counts(this: Case, question: Question) -> tuple[Array, Array, Array]:
    """`greater`, `before` and `tied` by comparing every target with every document."""
    lengths = this.matrix[this.vector_rows]
    scores = exact_scores(question.queries.matrix, lengths)
    norms = np.linalg.norm(question.queries.matrix.astype(np.float64), axis=1)[:, None] * (
        np.linalg.norm(lengths.astype(np.float64), axis=1)
    )
    counts = np.zeros((3, len(question.targets), len(this.pools)), np.int64)
    for i in range(len(question.queries)):
        for t in range(question.indptr[i], question.indptr[i + 1]):
            target = question.targets[t]
            own = scores[i, target]
            for p, pool in enumerate(this.pools):
                if not question.counted[question.group[t], p]:
                    continue
                others = pool[pool != target]
                gap = scores[i, others] - own
                margin = (
                    4 * lengths.shape[1] * 2.0**-53 * np.maximum(norms[i, others], norms[i, target])
                )
                tied = np.abs(gap) <= margin
                before = tied & (this.keys[others] < this.keys[target])
                counts[:, t, p] = (gap > 0)[~tied].sum(), before.sum(), tied.sum()
    return counts[0], counts[1], counts[2]


def assert_ranks_are_exact(this: Case, answers: Sequence[Answer]) -> None:
    for question, answer in zip(this.questions, answers, strict=True):
        greater, before, tied = reference_counts(this, question)
        np.testing.assert_array_equal(answer.greater, greater)
        np.testing.assert_array_equal(answer.tied, tied)
        np.testing.assert_array_equal(answer.before, before)


def assert_top_lists_are_exact(this: Case, answers: Sequence[Answer]) -> None:
    """Documents and order are those of a full sort, where few documents crowd the last place."""
    for question, answer in zip(this.questions, answers, strict=True):
        scores = exact_scores(question.queries.matrix, this.matrix[this.vector_rows])
        assert sorted(answer.top) == sorted(question.listed)
        for (p,), (listed, listed_scores) in answer.top.items():
            pool = this.pools[p]
            assert listed.shape == listed_scores.shape == (len(question.queries), this.k)
            for i, found in enumerate(listed):
                order = pool[np.lexsort((this.keys[pool], -scores[i, pool]))]
                if crowded(scores[i, order], this.k):
                    continue
                places = min(this.k, len(order))
                np.testing.assert_array_equal(found[:places], order[:places])
                np.testing.assert_array_equal(found[places:], -1)
                expected = scores[i, order[:places]]
                scale = max(1.0, np.abs(scores[i]).max())
                np.testing.assert_allclose(
                    listed_scores[i, :places], expected, rtol=1e-5, atol=1e-5 * scale
                )
                assert np.isneginf(listed_scores[i, places:]).all()


def crowded(descending: DoubleArray, k: int, spare: int = 6) -> bool:
    """Whether more documents come close to the k-th score than a list keeps in reserve."""
    if len(descending) <= k + spare:
        return False
    margin = 1e-4 * np.abs(descending).max()
    return bool(descending[k + spare] >= descending[k - 1] - margin)


def assert_same_answers(one: Sequence[Answer], other: Sequence[Answer]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.greater, b.greater)
        np.testing.assert_array_equal(a.before, b.before)
        np.testing.assert_array_equal(a.tied, b.tied)


def uneven(seed: int, total: int, shards: int) -> list[int]:
    """`shards` sizes, some perhaps 0, that sum to `total`."""
    cuts = np.random.default_rng(seed).integers(total + 1, size=shards - 1)
    return np.diff(np.concatenate([[0], np.sort(cuts), [total]])).tolist()
