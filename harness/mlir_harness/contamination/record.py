"""What a model was trained on, ready to be asked about texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlir_harness.contamination import record_file
from mlir_harness.contamination.folding import batches, fold
from mlir_harness.contamination.prints import HashArray, Lookup, sharing, whole

UNFOUND, TEXT, RUN = 0, 1, 2  # how a text was found: not, as a whole, or a run of its characters
_AT_ONCE = 1 << 12


@dataclass(frozen=True)
class TextRecord:
    """The hashes of training texts.

    Attributes:
        languages: BCP-47 -> number of texts.
        texts, grams: ascending, uint64; may lie on disk.
        digest: of all this.
    """

    languages: Mapping[str, int]
    texts: HashArray
    grams: HashArray
    digest: str

    @cached_property
    def _texts(self) -> Lookup:
        return Lookup(self.texts)

    @cached_property
    def _grams(self) -> Lookup:
        return Lookup(self.grams)

    def find(self, texts: Sequence[str]) -> NDArray[np.uint8]:
        """How each text is found among the training texts: (n,), UNFOUND, TEXT or RUN.

        Args:
            texts: may lie on disk; no more than some thousands are held at once.
        """
        found = np.zeros(len(texts), np.uint8)
        for first in range(0, len(texts), _AT_ONCE):
            start = first
            for batch in batches(texts[first : first + _AT_ONCE]):
                part = found[start : start + len(batch)]
                folded = fold(batch)
                part[sharing(folded, self._grams)] = RUN
                rows, hashes = whole(folded)
                part[rows[self._texts.holds(hashes)]] = TEXT
                start += len(batch)
        return found


def load(folder: Path) -> TextRecord:
    """The record in the folder of a model, checked.

    Raises:
        RecordError: there is none, or it is damaged, or of another version's schema.
    """
    return TextRecord(*record_file.read(folder / record_file.NAME))
