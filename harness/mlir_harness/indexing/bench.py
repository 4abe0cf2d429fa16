"""What an index is tried on: the vectors of one cell in files that two processes can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlir_harness import files, shelf
from mlir_harness.errors import HarnessError
from mlir_harness.loading import LoadedTask
from mlir_harness.protocols import Vectors
from mlir_harness.rank import Corpus
from mlir_harness.settings import Layout, Numbering
from mlir_harness.shelf import Shelf
from mlir_harness.text import plain
from mlir_harness.types import FloatArray, IntArray, Role
from mlir_harness.vectors import Dense

_ROWS_AT_ONCE = 1 << 12
HINT = "Free some space, or name another folder with --cache-dir."


@dataclass(frozen=True)
class Mapped:
    """A VectorSource that lies in a file and is read as it is used."""

    matrix: FloatArray

    def __len__(self) -> int:
        return len(self.matrix)

    def blocks(self) -> Iterator[tuple[int, Dense]]:
        for start in range(0, len(self.matrix), _ROWS_AT_ONCE):
            yield start, Dense(self.matrix[start : start + _ROWS_AT_ONCE])

    def take(self, rows: IntArray) -> Dense:
        return Dense(self.matrix[rows])


@dataclass(frozen=True)
class Bench:
    """What both searches work on.

    Attributes:
        numbering, layout: documents and pools.
        vectors: (n, dimension) float32, mapped from a file.
        corpus: all documents.
        queries: (queries, dimension) float32, all languages one after the other, mapped.
        stretches: query language -> its first row and the one after its last.
        asking: pool -> the languages whose queries are put to it.
        longest: norm of the longest document vector.
    """

    numbering: Numbering
    layout: Layout
    vectors: FloatArray
    corpus: Corpus
    queries: FloatArray
    stretches: Mapping[str, tuple[int, int]]
    asking: Mapping[int, Sequence[str]]
    longest: float

    @classmethod
    def of(cls, task: LoadedTask, shelves: Mapping[Role, Shelf], folder: Path) -> Bench:
        """Lay out vectors in files that the index's process can read too."""
        numbering = Numbering.of(task.retrieval)
        layout = Layout.of(numbering)
        languages = sorted({setting.query_language for setting in task.retrieval.settings})
        held, documents = shelves[Role.QUERY], shelves[Role.DOCUMENT]
        sizes = [len(held.rows[language]) for language in languages]
        ends = np.cumsum(sizes).tolist()
        width = _matrix(held.take(held.rows[languages[0]][:1])).shape[1]
        shelf.check_room((len(documents) + sum(sizes)) * width * 4, folder)
        asked = (_matrix(held.take(held.rows[language])) for language in languages)
        queries = _mapped(folder / "queries.npy", (sum(sizes), width), asked)
        stored = (_matrix(block) for _, block in documents.blocks())
        vectors = _mapped(folder / "vectors.npy", (len(documents), width), stored)
        source = Mapped(vectors)
        rows = np.concatenate([documents.rows[language] for language in numbering.languages])
        ties = numbering.trec_order() if task.scoring.ties == "trec" else numbering.hash_order()
        asking = {
            place: sorted(
                {
                    setting.query_language
                    for setting in task.retrieval.settings
                    if place in layout.parts[setting.id]
                }
            )
            for place in range(len(layout.pools))
        }
        return cls(
            numbering=numbering,
            layout=layout,
            vectors=vectors,
            corpus=Corpus(source, rows, np.zeros_like(rows), ties, layout.pools),
            queries=queries,
            stretches={
                language: (end - size, end)
                for language, size, end in zip(languages, sizes, ends, strict=True)
            },
            asking=asking,
            longest=max(float(block.norms.max(initial=0)) for _, block in source.blocks()),
        )

    def batch(self, place: int) -> list[tuple[int, int]]:
        """The queries that are put to a pool: rows from the first on, up to the second."""
        stretches: list[tuple[int, int]] = []
        for first, last in (self.stretches[language] for language in self.asking[place]):
            if stretches and stretches[-1][1] == first:
                first = stretches.pop()[0]  # noqa: PLW2901  one stretch needs no copy
            stretches.append((first, last))
        return stretches

    def offset(self, place: int, language: str) -> int:
        """Where a language's queries begin among those that are put to a pool."""
        before = self.asking[place][: self.asking[place].index(language)]
        return sum(self.stretches[each][1] - self.stretches[each][0] for each in before)

    def name(self, place: int) -> str:
        """Of a pool, for people."""
        pool = self.layout.pools[place]
        at = int(self.numbering.language_of(pool[:1])[0])
        language = plain(self.numbering.languages[at])
        total = int(self.numbering.starts[at + 1] - self.numbering.starts[at])
        return language if len(pool) == total else f"a part of {language}"


def _matrix(vectors: Vectors) -> FloatArray:
    """The rows of dense vectors.

    Raises:
        HarnessError: they are of another kind.
    """
    matrix = vectors.tensors().get("matrix")
    if matrix is None:
        raise HarnessError(
            "faiss indexes dense vectors, and this encoder's are of another kind",
            "Use --search exact.",
        )
    return matrix


def _mapped(path: Path, shape: tuple[int, int], blocks: Iterable[FloatArray]) -> FloatArray:
    """Write blocks of rows as one .npy file, and map it."""
    with files.writing("vectors", path, HINT), path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f4").data)
    # Of no class of its own: a row taken from a memmap would carry it on.
    return np.asarray(np.load(path, mmap_mode="r"))
