"""Encoders that learn something of a task's documents before they encode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mlir_harness.errors import EncoderError, HarnessError
from mlir_harness.protocols import Context, Encoder, EncoderInfo, Fits, Vectors
from mlir_harness.text import described
from mlir_harness.types import Array, Collection, Retrieval


def fitted(encoder: Encoder, retrieval: Retrieval) -> Encoder:
    """The encoder for a task: itself, or one that is fitted to all of the task's documents.

    That is done when the first text is encoded: not where all vectors are cached.
    """
    if not isinstance(encoder, Fits):
        return encoder
    documents = [held for _, held in sorted(retrieval.documents.items())]
    return _Fitted(encoder, encoder.info, documents)


@dataclass(frozen=True)
class _Fitted:
    """An encoder that is fitted when it is needed."""

    learner: Fits
    info: EncoderInfo
    documents: Sequence[Collection]

    def encode(self, texts: Sequence[str], context: Context) -> Vectors | Array:
        return self._encoder.encode(texts, context)

    @cached_property
    def _encoder(self) -> Encoder:
        try:
            made = self.learner.fit(self.documents)
        except (HarnessError, KeyboardInterrupt):
            raise
        except BaseException as error:
            total = sum(map(len, self.documents))
            raise EncoderError(
                f"raised {described(error)} when it was fitted to {total} documents",
                "Run again with --debug for the traceback.",
            ) from error
        if not isinstance(made, Encoder):
            raise EncoderError(f"returned a {type(made).__name__} when it was fitted, no encoder")
        return made
