"""An encoder, and the same harmed in one way each; used as py:harmed_plugins:NAME."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlir_encoders.hashing import create
from mlir_harness.errors import Unavailable
from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.types import Role

_Harm = Callable[[Any, Context], Any]


@dataclass(frozen=True)
class Harmed:
    """The floor, with something done to its vectors."""

    harm: _Harm
    revision: str
    exact: bool = False

    @property
    def info(self) -> EncoderInfo:
        floor = create().info
        return replace(
            floor, revision=self.revision, exact=self.exact, language_aware=True, training=""
        )

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        return self.harm(create().encode(texts, context), context)


def sound() -> Harmed:
    return Harmed(lambda matrix, _: matrix, "sound")


def shuffled() -> Harmed:
    """Each Hindi document gets the vector of another one."""

    def harm(matrix: Any, context: Context) -> Any:
        rows = np.flatnonzero(np.array(context.languages, object) == "hi")
        if context.role is Role.DOCUMENT:
            matrix[rows] = matrix[np.random.default_rng(0).permutation(rows)]
        return matrix

    return Harmed(harm, "shuffled")


def halved() -> Harmed:
    return Harmed(lambda matrix, _: matrix * (np.arange(matrix.shape[1]) % 2), "halved")


def exact() -> Harmed:
    return Harmed(lambda matrix, _: matrix, "exact", exact=True)


def last() -> Harmed:
    """Without its last dimension, of 512."""
    return Harmed(
        lambda matrix, _: matrix * (np.arange(512) < 511).astype(np.float32), "last", exact=True
    )


def tuned(token_budget: int = 0) -> Harmed:
    """Takes what changes no vector."""
    del token_budget
    return sound()


def gone() -> Harmed:
    raise Unavailable("its weights [red]are[/red] gone", "Put them back.")
