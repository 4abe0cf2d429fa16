"""The conformance check passes what keeps the contract, and names what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mlir_encoders import hashing
from mlir_harness.errors import EncoderError
from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.testing import check_encoder


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Some vectors that tell texts apart."""
    rows = [np.random.default_rng(sum(map(ord, text))).normal(size=8) for text in texts]
    return np.array(rows).reshape(len(texts), 8)


class Made:
    """An encoder from a function of texts and context."""

    def __init__(self, encode: Callable[[Sequence[str], Context], object], **info: object) -> None:
        self.info = EncoderInfo(revision="1", **info)  # type: ignore[arg-type]
        self._encode = encode

    def encode(self, texts: Sequence[str], context: Context) -> object:
        return self._encode(texts, context)


def test_good_encoders_pass() -> None:
    check_encoder(Made(lambda texts, _: vectors(texts)))  # type: ignore[arg-type]
    check_encoder(hashing.create())


@pytest.mark.parametrize(
    ("encode", "info", "message"),
    [
        (lambda texts, _: vectors(sorted(texts)), {}, "order of the texts"),
        (lambda texts, _: vectors(texts)[::-1], {}, "order of the texts"),
        (lambda texts, _: vectors(texts) + len(texts), {}, "depends on the other texts"),
        (lambda texts, _: np.random.default_rng().normal(size=(len(texts), 8)), {}, "order|differ"),
        (lambda texts, _: vectors(texts)[:-1], {}, "shape"),
        (lambda texts, _: vectors([*texts, "a"]), {}, "shape"),
        (lambda texts, _: vectors(texts) * np.nan, {}, "NaN"),
        (lambda texts, _: np.zeros((len(texts), 0)), {}, "0 dimensions"),
        (lambda texts, _: vectors(texts), {"dimension": 9}, "dimension"),
        (
            lambda texts, context: vectors(
                [language + text for language, text in zip(context.languages, texts, strict=True)]
            ),
            {},
            "language_aware",
        ),
    ],
)
def test_broken_encoders_are_named(
    encode: Callable[[Sequence[str], Context], object], info: dict[str, object], message: str
) -> None:
    with pytest.raises(EncoderError, match=message):
        check_encoder(Made(encode, **info))  # type: ignore[arg-type]


def test_something_else_is_no_encoder() -> None:
    with pytest.raises(EncoderError, match="no `info`"):
        check_encoder(object())  # type: ignore[arg-type]
