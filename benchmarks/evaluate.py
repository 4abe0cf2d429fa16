"""All settings of XQuAD-R from cached vectors, beside one bare matrix product and full sorting.

    python benchmarks/evaluate.py FOLDER_WITH_XQUAD_R --encoder hashing
    python benchmarks/evaluate.py --documents 1000000

The first form encodes what is not cached, then times, in turns: ours (ranks, top lists, every
measure of all settings, vectors read from the cache), the one matrix product of all queries
with all documents, and the usual way (sort every row of scores; on a part of the queries,
scaled up). The second ranks random vectors in a fresh process and prints its peak memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mlir_harness import runner, scoring
from mlir_harness.rank import Corpus, Question, rank
from mlir_harness.types import Array, IntArray, Role
from mlir_harness.vectors import Dense


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def real(data: Path, encoder: str, rounds: int, sorted_share: int) -> None:
    request = runner.Request([encoder], ["xquad-r"], data_dir=str(data))
    prepared = runner.prepare(request, runner.Silent())
    for cell in runner.run(prepared, runner.Silent()):  # fills the cache
        if cell.status != "ok":
            raise SystemExit(f"{cell.reason}\n{cell.hint}")
    ready, task = prepared.encoders[0], prepared.tasks[0]
    assert isinstance(ready, runner.ReadyEncoder)
    assert isinstance(task, runner.LoadedTask)

    def ours() -> object:
        shelves = prepared.shelves(ready, task)
        return scoring.score(
            task.retrieval, shelves[Role.QUERY], shelves[Role.DOCUMENT], task.scoring
        )

    shelves = prepared.shelves(ready, task)
    queries, documents = (
        shelves[role].take(
            np.concatenate([shelves[role].rows[name] for name in shelves[role].rows])
        )
        for role in (Role.QUERY, Role.DOCUMENT)
    )
    part = Dense(queries.matrix[::sorted_share])

    def product() -> object:
        return queries.matrix @ documents.matrix.T

    def sorting() -> object:
        return np.argsort(-(part.matrix @ documents.matrix.T), axis=1, kind="stable")

    scale = len(queries) / len(part)
    bare, sort, mine = [], [], []
    product()
    for _ in range(rounds):
        bare.append(timed(product))
        mine.append(timed(ours))
        sort.append(timed(sorting) * scale)
    print(
        f"{len(task.retrieval.settings)} settings, {len(queries):,} queries × "
        f"{len(documents):,} documents × {queries.matrix.shape[1]} dimensions, {rounds} rounds"
    )
    show("one matrix product", bare, bare)
    show("ours: all ranks, top lists, measures", mine, bare)
    show(f"sorting every row (1/{sorted_share} of them, scaled)", sort, bare)


def show(name: str, seconds: list[float], bare: list[float]) -> None:
    ratios = sorted(mine / base for mine, base in zip(seconds, bare, strict=True))
    print(
        f"  {name:<50} {statistics.median(seconds):7.2f} s   "
        f"{statistics.median(ratios):5.2f} × the product ({ratios[0]:.2f}–{ratios[-1]:.2f})"
    )


class RandomVectors:
    """Document vectors made on the fly, as from a corpus that memory cannot hold."""

    def __init__(self, folder: Path, documents: int, dimension: int, block: int = 4096) -> None:
        self._paths: list[Path] = []
        self._documents, self._block = documents, block
        generator = np.random.default_rng(0)
        for start in range(0, documents, block):
            rows = min(block, documents - start)
            matrix = generator.standard_normal((rows, dimension), dtype=np.float32)
            path = folder / f"{start}.npy"
            np.save(path, Dense(matrix).normalised().matrix)
            self._paths.append(path)

    def __len__(self) -> int:
        return self._documents

    def blocks(self) -> Iterator[tuple[int, Dense]]:
        for number, path in enumerate(self._paths):
            yield number * self._block, Dense(np.load(path))

    def take(self, rows: IntArray) -> Dense:
        held: dict[int, Array] = {}
        for number in np.unique(rows // self._block).tolist():
            mine = np.unique(rows[rows // self._block == number])
            matrix = np.load(self._paths[number])
            held |= {row: matrix[row - number * self._block].copy() for row in mine.tolist()}
        return Dense(np.stack([held[row] for row in rows.tolist()]))


def large(documents: int, dimension: int, queries: int) -> None:
    generator = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        source = RandomVectors(Path(folder), documents, dimension)
        matrix = generator.standard_normal((queries, dimension), dtype=np.float32)
        targets = generator.integers(0, documents, queries)
        everything = np.arange(documents)
        question = Question(
            Dense(matrix).normalised(),
            np.arange(queries + 1),
            targets,
            np.zeros(queries, np.int64),
            np.ones((1, 1), bool),
            [(0,)],
        )
        ties = generator.permutation(documents)
        corpus = Corpus(source, everything, np.zeros_like(everything), ties, [everything])
        before = peak()
        seconds = timed(lambda: rank([question], corpus, k=100))
    print(
        f"{queries:,} queries × {documents:,} documents × {dimension}, top 100: {seconds:.1f} s, "
        f"peak memory {peak():.2f} GB (before ranking {before:.2f} GB)"
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", nargs="?", type=Path, help="folder with XQuAD-R's JSON files")
    parser.add_argument("--encoder", default="hashing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sorted-share", type=int, default=10)
    parser.add_argument("--documents", type=int)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=1000)
    given = parser.parse_args()
    print(f"numpy {np.__version__}")
    if given.documents:
        large(given.documents, given.dimension, given.queries)
    elif given.data:
        real(given.data, given.encoder, given.rounds, given.sorted_share)
        print(f"  peak memory {peak():.2f} GB (with the product's own output)")
    else:
        parser.error("give a folder, or --documents")


if __name__ == "__main__":
    main()
