"""Encoders that are fitted to documents; used as py:fitted_plugins:NAME.

`learner` appends what it is asked to the file that TEST_CALLS names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plugins_for_tests import letters

from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.types import Collection


def _told(*what: Any) -> None:
    with Path(os.environ["TEST_CALLS"]).open("a") as file:
        file.write(f"{json.dumps(what)}\n")


@dataclass(frozen=True)
class Learner:
    """Vectors are spellings, and how many documents there are."""

    documents: int = 0
    info: EncoderInfo = field(default_factory=lambda: EncoderInfo(revision="1"))

    def fit(self, documents: Sequence[Collection]) -> Learner:
        _told("fit", [each.language for each in documents], sum(map(len, documents)))
        return replace(self, documents=sum(map(len, documents)))

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        _told(context.role.value, context.languages[0], len(texts))
        vectors = letters(texts)
        vectors[:, 0] = self.documents
        return vectors


def learner() -> Learner:
    return Learner()


class Failing(Learner):
    def fit(self, documents: Sequence[Collection]) -> Learner:
        raise ZeroDivisionError("no documents of the right kind")


def failing() -> Learner:
    return Failing()


class Forgetful(Learner):
    def fit(self, documents: Sequence[Collection]) -> Any:
        return None


def forgetful() -> Learner:
    return Forgetful()
