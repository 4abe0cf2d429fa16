"""Checks of what encoders return: vectors of the right shape that depend on the text alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mlir_harness.errors import EncoderError
from mlir_harness.protocols import Vectors
from mlir_harness.testing.checks import Check, NotApplicable
from mlir_harness.testing.comparing import apart, demand_alike, shown, width
from mlir_harness.testing.specimen import Specimen
from mlir_harness.testing.texts import HARD, ORDINARY, Text
from mlir_harness.text import plain
from mlir_harness.types import Role
from mlir_harness.vectors import as_vectors

_ROLE = Role.DOCUMENT  # of hard texts; queries are seldom as odd
_ENORMOUS = 100_000  # characters; such a text is encoded once, as some encoders read it all
_ALONE = "Padding and batch statistics must not reach a vector: mask them."


def _finite(specimen: Specimen) -> Iterator[str]:
    """Shape, numbers, dimension; first, since all others need vectors."""
    for role in Role:
        answer = specimen.answer(ORDINARY, role)
        kind = _kind(answer)
        vectors = specimen.vectors(ORDINARY, role)
        found = width(vectors)
        if found == 0:
            raise EncoderError(
                "returns vectors of 0 dimensions", "encode returns an array (texts, dimension)."
            )
        stated = specimen.info.dimension
        if found is not None and stated is not None and stated != found:
            raise EncoderError(
                f"`info.dimension` is {stated}, vectors have {found}",
                "State the length of a vector, or None.",
            )
        if kind and role is Role.QUERY:
            yield f"returns {kind}, converted to float32"


def _kind(answer: Any) -> str:
    """What an answer is, where it is not what is kept."""
    if hasattr(answer, "detach"):
        return f"a torch tensor of {plain(str(answer.dtype)).removeprefix('torch.')}"
    if isinstance(answer, np.ndarray):
        return "" if answer.dtype == np.float32 else f"an array of {answer.dtype}"
    return f"a {type(answer).__name__}" if isinstance(answer, list | tuple) else ""


def _roles(specimen: Specimen) -> None:
    queries, documents = (specimen.reference(role) for role in Role)
    apart(queries, documents, specimen.info)


def _order(specimen: Specimen) -> None:
    order = np.random.default_rng(0).permutation(len(ORDINARY))
    for role in Role:
        whole = specimen.reference(role)
        texts = [ORDINARY[row] for row in order]
        _alike(
            specimen,
            specimen.vectors(texts, role),
            whole[order],
            texts,
            "rows do not follow the order of the texts",
            "Texts that were sorted by length must be put back: out[order] = rows.",
        )


def _alone(specimen: Specimen) -> None:
    for role in Role:
        whole = specimen.reference(role)
        for row, text in enumerate(ORDINARY):
            _alike(
                specimen,
                specimen.vectors([text], role),
                whole[row : row + 1],
                [text],
                "a text's vector depends on the other texts of the call",
                _ALONE,
            )


def _duplicates(specimen: Specimen) -> None:
    first, second, *_ = ORDINARY
    for role in Role:
        whole = specimen.reference(role)
        found = specimen.vectors([first, second, first], role)
        _alike(
            specimen,
            found,
            whole[np.array([0, 1, 0])],
            [first, second, first],
            "equal texts get different vectors, or the wrong row",
            "Where equal texts are encoded once, each still has a row of its own.",
        )


def _empty_list(specimen: Specimen) -> None:
    for role in Role:
        specimen.reference(role)
        rows = len(specimen.vectors([], role))
        if rows:
            raise EncoderError(
                f"returns {rows} rows for an empty list of texts",
                "Return an array of shape (0, dimension).",
            )


def _again(specimen: Specimen) -> None:
    for role in Role:
        specimen.reference(role)
        first = as_vectors(specimen.answer(ORDINARY, role), len(ORDINARY))
        kept = {name: array.copy() for name, array in first.tensors().items()}
        second = specimen.vectors(ORDINARY, role)
        _alike(
            specimen,
            second,
            specimen.reference(role),
            ORDINARY,
            "a second call differs",
            "Switch off dropout (model.eval()), and sample nothing.",
        )
        specimen.vectors(ORDINARY[::-1], role)
        for name, array in first.tensors().items():
            if not np.array_equal(array, kept[name]):
                raise EncoderError(
                    "a later call overwrites the vectors of an earlier one",
                    "Return an array of its own for each call: out.copy().",
                )


def _tells_apart(specimen: Specimen) -> None:
    for role in Role:
        whole = specimen.reference(role)
        first = whole[np.zeros(len(whole), np.int64)]
        if not (apart(whole, first, specimen.info) > 0).any():
            raise EncoderError(
                f"all texts get the same vector as {role.value}",
                "Look whether the texts reach the model, and whether pooling takes its tokens.",
            )


def _languages(specimen: Specimen) -> Iterator[str]:
    changed = False
    for role in Role:
        whole = specimen.reference(role)
        for language in ("sw", "zh") if specimen.info.language_aware else ("sw",):
            found = specimen.vectors(ORDINARY, role, [language] * len(ORDINARY))
            if not specimen.info.language_aware:
                _alike(
                    specimen,
                    found,
                    whole,
                    ORDINARY,
                    "another language changes vectors",
                    "Set info.language_aware: else equal texts of two languages share a vector.",
                )
            changed = changed or bool((apart(found, whole, specimen.info) > 0).any())
    if specimen.info.language_aware and not changed:
        yield "info.language_aware is set, and no language tried changed a vector"


def _exact(specimen: Specimen) -> None:
    if not specimen.info.exact:
        raise NotApplicable("info.exact is not set: small differences between calls are no fault")
    for role in Role:
        whole = specimen.reference(role)
        turned = specimen.vectors(ORDINARY[::-1], role)
        for row, text in enumerate(ORDINARY):
            wanted = _bits(whole, row)
            for found in (
                _bits(specimen.vectors([text], role), 0),
                _bits(turned, len(ORDINARY) - 1 - row),
            ):
                if found != wanted:
                    raise EncoderError(
                        f"info.exact is set, and {shown(text)} has another vector, in its last "
                        "bits, in another call",
                        "Leave info.exact out: batches, threads and devices change rounding.",
                    )


def _bits(vectors: Vectors, row: int) -> dict[str, bytes]:
    """One row, as it is stored."""
    picked = vectors[np.array([row])].tensors()
    return {name: np.ascontiguousarray(array).tobytes() for name, array in picked.items()}


def _hard(name: str) -> Callable[[Specimen], None]:
    """A check that texts of one kind are encoded, and spoil no others."""
    texts, hint = HARD[name]

    def check(specimen: Specimen) -> None:
        whole = specimen.reference(_ROLE)
        for text in texts:
            row = _among_others(specimen, text, whole, hint)
            if len(text.text) < _ENORMOUS:
                _alike(
                    specimen,
                    specimen.vectors([text], _ROLE),
                    row,
                    [text],
                    "its vector depends on the other texts of the call",
                    _ALONE,
                )

    return check


def _among_others(specimen: Specimen, text: Text, whole: Vectors, hint: str) -> Vectors:
    """The vector of a text that was encoded together with ordinary ones, which must not mind."""
    call = [*ORDINARY[:2], text, *ORDINARY[2:4]]
    try:
        together = specimen.vectors(call, _ROLE)
    except EncoderError as error:
        message = error.message.replace(f"{len(call)} texts", shown(text))
        named = message if text.name in message else f"{message} for {shown(text)}"
        raise EncoderError(named, hint) from error
    _alike(
        specimen,
        together[np.array([0, 1, 3, 4])],
        whole[:4],
        ORDINARY[:4],
        f"{text.name} changes the vectors of its neighbours",
        _ALONE,
    )
    return together[2:3]


def _alike(
    specimen: Specimen,
    found: Vectors,
    wanted: Vectors,
    texts: Sequence[Text],
    wrong: str,
    hint: str,
) -> None:
    demand_alike(
        found,
        wanted,
        specimen.info,
        texts,
        tolerance=specimen.source.tolerance,
        wrong=wrong,
        hint=hint,
    )


_HARD_PROMISES = {
    "empty-text": "An empty text, and one of spaces, have finite vectors",
    "long-text": "A text of 20,000 characters, and one of 200,000, are truncated or read",
    "mixed-scripts": "A text may be in several scripts at once",
    "right-to-left": "Texts that run from right to left, and marks of direction, are texts",
    "emoji": "Characters beyond U+FFFF, and sequences of them, are texts",
    "lone-surrogate": "A string that UTF-8 cannot hold is encoded all the same",
    "control-characters": "NUL, escape sequences and line separators are characters",
}

CHECKS: tuple[Check[Specimen], ...] = (
    Check("vectors", "encode returns one row of finite numbers per text", _finite),
    Check("roles", "Queries and documents have vectors of one dimension", _roles),
    Check("order", "Row i belongs to text i, whatever the order of the texts", _order),
    Check("alone", "A text has the same vector in a call of its own", _alone),
    Check("duplicates", "Equal texts get equal vectors, each a row of its own", _duplicates),
    Check("empty-list", "No texts give no rows", _empty_list),
    Check("again", "A second call gives the same, and leaves the first alone", _again),
    Check("tells-apart", "Different texts do not all get one vector", _tells_apart),
    Check("exact", "Vectors are the same to the last bit where info says so", _exact),
    Check("languages", "The language changes a vector only if info says so", _languages),
    *(Check(name, promise, _hard(name)) for name, promise in _HARD_PROMISES.items()),
)
