"""Encoders that count letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.protocols import Context, EncoderInfo


@dataclass(frozen=True)
class Letters:
    """How often each letter of an alphabet stands in a text."""

    letters: str
    revision: str = ""  # the harness takes name and version of this package

    @property
    def info(self) -> EncoderInfo:
        return EncoderInfo(
            revision=self.revision, options={"letters": self.letters}, dimension=len(self.letters)
        )

    def encode(self, texts: Sequence[str], context: Context) -> np.ndarray:
        del context
        counts = [[text.casefold().count(letter) for letter in self.letters] for text in texts]
        return np.array(counts, np.float64).reshape(len(texts), len(self.letters))


def vowels(extra: str = "") -> Letters:
    """The encoder `vowels`."""
    return Letters(f"aeiou{extra}")


def alphabet(letters: str) -> Letters:
    """The encoders `alphabet:LETTERS`."""
    return Letters(letters)
