"""The conformance check: whether an encoder keeps the contract that the harness relies on.

from mlir_harness.testing import check_encoder

def test_my_encoder():
    check_encoder(MyEncoder())
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlir_harness.errors import EncoderError
from mlir_harness.protocols import Context, Encoder, EncoderInfo, Fits
from mlir_harness.types import Collection, Role
from mlir_harness.vectors import Dense, Stored, as_vectors, difference, layout

TEXTS = (
    "Where is the nearest train station?",
    "Wo ist der nächste Bahnhof?",
    "निकटतम रेलवे स्टेशन कहाँ है?",
    "สถานีรถไฟที่ใกล้ที่สุดอยู่ที่ไหน",
    "最近的火车站在哪里？",
    "أين أقرب محطة قطار؟",
    "The kettle boils 🫖 at 100 °C.",
    "a",
    "x" * 20_000,
)
_LANGUAGES = ("en", "de", "hi", "th", "zh", "ar", "en", "en", "en")
_ALIKE = 1e-3  # largest difference between components of equal texts' unit vectors


def check_encoder(encoder: Encoder, *, tolerance: float = _ALIKE) -> None:
    """Raise EncoderError, saying what is wrong, if `encoder` breaks its contract.

    An encoder that is fitted to documents is fitted to the texts it is checked with.

    Checked: info; shape and finite values; one row per text, in the order of the texts,
    whatever their order and number; equal texts get equal vectors; the empty list; the same
    vectors again; another language changes a vector only if `info.language_aware`.

    Args:
        encoder: made, weights not necessarily loaded.
        tolerance: how far components of unit vectors of equal texts may differ, by batch
            composition or low precision.
    """
    if not isinstance(encoder, Encoder):
        raise EncoderError(f"{type(encoder).__name__} has no `info` and `encode`")
    if not isinstance(encoder.info, EncoderInfo):
        raise EncoderError(f"`info` is a {type(encoder.info).__name__}, not an EncoderInfo")
    if isinstance(encoder, Fits):
        encoder = encoder.fit(_documents())
    for role in Role:
        _check_role(encoder, role, tolerance)


def _documents() -> list[Collection]:
    """The texts as the documents of a task."""
    held: dict[str, list[str]] = {}
    for text, language in zip(TEXTS, _LANGUAGES, strict=True):
        held.setdefault(language, []).append(text)
    return [
        Collection(language, [str(row) for row in range(len(texts))], texts)
        for language, texts in sorted(held.items())
    ]


def _check_role(encoder: Encoder, role: Role, tolerance: float) -> None:
    whole = _encode(encoder, TEXTS, _LANGUAGES, role)
    if isinstance(whole, Dense):
        width = whole.matrix.shape[1]
        if not width:
            raise EncoderError("returns vectors of 0 dimensions")
        if encoder.info.dimension not in (None, width):
            raise EncoderError(
                f"`info.dimension` is {encoder.info.dimension}, vectors have {width}"
            )
    order = np.random.default_rng(0).permutation(len(TEXTS))
    shuffled = _encode(encoder, [TEXTS[i] for i in order], [_LANGUAGES[i] for i in order], role)
    _alike(shuffled, whole[order], tolerance, "rows do not follow the order of the texts")
    _alike(_encode(encoder, TEXTS, _LANGUAGES, role), whole, tolerance, "a second call differs")
    for row, (text, language) in enumerate(zip(TEXTS, _LANGUAGES, strict=True)):
        one = _encode(encoder, [text], [language], role)
        message = "a text's vector depends on the other texts of the call"
        _alike(one, whole[row : row + 1], tolerance, message)
    twice = _encode(encoder, [TEXTS[0], TEXTS[1], TEXTS[0]], ["en", "de", "en"], role)
    _alike(twice[2:], twice[:1], tolerance, "equal texts get different vectors")
    if len(_encode(encoder, [], [], role)):
        raise EncoderError("returns rows for an empty list of texts")
    if not encoder.info.language_aware:
        other = _encode(encoder, TEXTS, ["sw"] * len(TEXTS), role)
        message = "another language changes vectors: set `info.language_aware`"
        _alike(other, whole, tolerance, message)


def _encode(encoder: Encoder, texts: Sequence[str], languages: Sequence[str], role: Role) -> Stored:
    vectors = as_vectors(encoder.encode(list(texts), Context(role, languages)), len(texts))
    if not vectors.finite.all():
        raise EncoderError("returns NaN or infinite values")
    return vectors.normalised()


def _alike(found: Stored, wanted: Stored, tolerance: float, message: str) -> None:
    if layout(found) != layout(wanted) or len(found) != len(wanted):
        raise EncoderError(
            f"{message}: {len(found)} vectors {layout(found)}, not {len(wanted)} {layout(wanted)}"
        )
    apart = difference(found, wanted)
    if apart > tolerance:
        raise EncoderError(f"{message} (components differ by up to {apart:.1e})")
