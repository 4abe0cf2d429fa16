"""Writes what a model was trained on, as hashes that can be asked for and not read back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from mlir_harness.contamination import record_file
from mlir_harness.contamination.folding import batches, fold
from mlir_harness.contamination.prints import HashArray, sampled, whole

_HELD = 1 << 23  # hashes in memory before they are sorted and put on disk: 64 MB


class Recorder:
    """Takes training texts, any number of them, in bounded memory.

    What is on disk until `save` lies in unnamed files, which the system frees.
    """

    def __init__(self, held: int = _HELD) -> None:
        """Nothing recorded yet.

        Args:
            held: hashes kept in memory at most.
        """
        self._languages: Counter[str] = Counter()
        self._texts, self._grams = _Runs(held), _Runs(held)

    def add(self, texts: Iterable[str], language: str) -> None:
        """Record texts of one language; the same text may come again.

        Args:
            texts: whole, as the model read them but for its prompts.
            language: BCP-47.
        """
        for batch in batches(texts):
            folded = fold(batch)
            _, hashes = whole(folded)
            self._texts.add(hashes)
            self._grams.add(sampled(folded))
            self._languages[language] += len(batch)

    def save(self, folder: Path) -> Path:
        """Write the record into `folder`, whole or not at all; returns the file.

        Raises:
            StoreError: the folder cannot be written to, or the disk is full.
        """
        return record_file.write(
            folder / record_file.NAME,
            self._languages,
            {"texts": self._texts.merged(), "grams": self._grams.merged()},
            {"texts": self._texts.most, "grams": self._grams.most},
        )


class _Runs:
    """Hashes as sorted runs on disk, and the newest in memory."""

    def __init__(self, held: int) -> None:
        self._limit = held
        self._new: list[HashArray] = []
        self._count = 0
        self._runs: list[HashArray] = []

    @property
    def most(self) -> int:
        """How many there are, those counted twice that are in two runs."""
        return self._count + sum(map(len, self._runs))

    def add(self, hashes: HashArray) -> None:
        self._new.append(hashes)
        self._count += len(hashes)
        if self._count >= self._limit:
            run = self._newest()
            with TemporaryFile(prefix="mlir-harness-") as file:
                file.write(run.data)
                file.flush()
                # The mapping keeps the file until it is dropped.
                self._runs.append(np.memmap(file, np.uint64, "r"))
            self._new, self._count = [], 0

    def merged(self) -> Iterator[HashArray]:
        """All, each once, in ascending pieces."""
        runs = [*self._runs, self._newest()]
        pieces = -(-self.most // self._limit) or 1
        bounds = [(piece << 64) // pieces for piece in range(1, pieces)]
        cuts = [
            [0, *np.searchsorted(run, np.array(bounds, np.uint64)).tolist(), len(run)]
            for run in runs
        ]
        for piece in range(pieces):
            parts = [run[cut[piece] : cut[piece + 1]] for run, cut in zip(runs, cuts, strict=True)]
            yield np.unique(np.concatenate(parts))

    def _newest(self) -> HashArray:
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *self._new]))
