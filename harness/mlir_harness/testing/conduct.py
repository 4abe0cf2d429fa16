"""Checks of how encoders behave: what they say of themselves, and what they leave alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlir_harness import fingerprint
from mlir_harness.errors import EncoderError, Unavailable, UsageError
from mlir_harness.protocols import Closes, Context, Counts, Fits
from mlir_harness.testing import state
from mlir_harness.testing.checks import Check, NotApplicable
from mlir_harness.testing.comparing import apart, demand_alike
from mlir_harness.testing.languages import are_tags
from mlir_harness.testing.specimen import Specimen, guarded
from mlir_harness.testing.texts import ORDINARY
from mlir_harness.text import plain
from mlir_harness.types import Role

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_HARMLESS: dict[str, Any] = {"token_budget": 64, "batch_size": 2, "device": "cpu"}
_SECONDS_TO_END = 5.0


def _info(specimen: Specimen) -> Iterator[str]:
    info = specimen.info
    for name, kinds in (
        ("revision", str),
        ("dimension", int | None),
        ("max_tokens", int | None),
        ("language_aware", bool),
        ("licence", str),
        ("description", str),
    ):
        value = getattr(info, name)
        if not isinstance(value, kinds):
            raise EncoderError(
                f"info.{name} is a {plain(type(value).__name__)}",
                f"It must be {'a' if isinstance(kinds, type) else ''} "
                f"{getattr(kinds, '__name__', kinds)}.".replace("  ", " "),
            )
    if info.similarity not in ("cosine", "dot"):
        raise EncoderError(
            f"info.similarity is {plain(str(info.similarity))!r}", "Choose 'cosine' or 'dot'."
        )
    if not are_tags(info.languages):
        raise EncoderError(
            f"info.languages is {plain(repr(info.languages), 60)}, not a tuple of language tags",
            'Write ("en", "hi"), and () for any language.',
        )
    for name, value in info.options.items():
        if _ADDRESS.search(str(value)):
            raise EncoderError(
                f"info.options[{plain(str(name))!r}] is {plain(str(value), 60)!r}, which changes "
                "with every start",
                "Say in words what the vectors depend on: the key of the cache is made of it.",
            )
    if not info.revision:
        yield "no info.revision: the version of its package stands for it"
    missing = [name for name in ("description", "licence") if not getattr(info, name)]
    if missing:
        yield f"info has no {' and no '.join(missing)}"


def _identity(specimen: Specimen) -> str:
    """What the harness would make of info: equal means that cached vectors are used again."""
    return fingerprint.of_encoder("", specimen.info)


def _stays(specimen: Specimen) -> None:
    before = _identity(specimen)
    specimen.reference(Role.QUERY)
    other = specimen.another() if specimen.source.anew else specimen
    fresh = _identity(other)
    other.vectors(ORDINARY[:2], Role.QUERY)
    after = _identity(other)
    other.close()
    if len({before, fresh, after}) > 1:
        raise EncoderError(
            "info changes, in what vectors depend on, when the encoder encodes",
            "Read what is needed for info.revision and info.options in the factory.",
        )


def _second(specimen: Specimen) -> None:
    wanted = {role: specimen.reference(role) for role in Role}
    before = _identity(specimen)
    other = specimen.another()
    if _identity(other) != before:
        raise EncoderError(
            "a second instance with the same options has another info",
            "No time, no random number and no path belongs into info.revision or info.options.",
        )
    for role in Role:
        demand_alike(
            other.vectors(ORDINARY, role),
            wanted[role],
            other.info,
            ORDINARY,
            tolerance=other.source.tolerance,
            wrong="a second instance with the same options gives other vectors",
            hint="Seed what is random; hash() of a string differs between processes.",
        )
    other.close()


def _harmless(specimen: Specimen) -> None:
    known = {name: v for name, v in _HARMLESS.items() if name in specimen.source.parameters}
    if not known:
        raise NotApplicable("its factory takes no batch size and no device")
    wanted = specimen.reference(Role.DOCUMENT)
    before = _identity(specimen)
    for name, value in known.items():
        other = specimen.another(**{name: value})
        if _identity(other) != before:
            raise EncoderError(
                f"{name}={value} changes info",
                "Batch sizes and devices do not belong there: vectors would be encoded again.",
            )
        demand_alike(
            other.vectors(ORDINARY, Role.DOCUMENT),
            wanted,
            other.info,
            ORDINARY,
            tolerance=other.source.tolerance,
            wrong=f"{name}={value} changes vectors",
            hint="Padding must not reach a vector.",
        )
        other.close()


def _others(specimen: Specimen) -> Iterator[str]:
    tried = list(specimen.source.others)
    if "precision" in specimen.source.parameters:
        tried.append({"precision": "bf16"})
    if not tried:
        raise NotApplicable("no other options are known to try")
    wanted = specimen.reference(Role.DOCUMENT)
    before = _identity(specimen)
    for options in tried:
        named = plain(", ".join(f"{name}={value}" for name, value in options.items()))
        other = specimen.another(**options)
        try:
            same = _identity(other) == before
            found = other.vectors(ORDINARY, Role.DOCUMENT)
        except (Unavailable, UsageError) as error:
            yield f"{named}: {error.message}"
            continue
        try:
            differs = bool((apart(found, wanted, other.info) > 0).any())
        except EncoderError:  # another dimension, or another kind of vectors
            differs = True
        other.close()
        if differs and same:
            raise EncoderError(
                f"{named} changes vectors, and info stays the same",
                "Name the option in info.options: else old vectors are taken for the new.",
            )


def _state(specimen: Specimen) -> Iterator[str]:
    specimen.reference(Role.QUERY)  # imports and weights, the first time, are not looked at
    # A second instance, where there may be one: what loading does counts too.
    other = specimen.another() if specimen.source.anew else specimen
    with state.elsewhere():
        before = state.snapshot()
        with state.printing() as printed:
            other.vectors(ORDINARY[:4], Role.QUERY)
            after = state.snapshot()
    # Standard output is another one inside `printing`, before and after alike.
    after["sys.stdout or sys.stderr"] = before["sys.stdout or sys.stderr"]
    other.close()
    for what, how in state.changed(before, after).items():
        raise EncoderError(
            f"it changed {what}{f': {how}' if how else ''}",
            "Other plugins share this process: use generators of your own, and put back "
            "what must be changed.",
        )
    if printed.text.strip():
        yield f"prints to standard output: {plain(printed.text.strip(), 60)!r}"


def _children(specimen: Specimen) -> None:
    specimen.reference(Role.QUERY)
    before = state.children()
    specimen.vectors(ORDINARY[:4], Role.QUERY)
    specimen.close()
    end = time.monotonic() + _SECONDS_TO_END
    while left := {n: c for n, c in state.children().items() if n not in before}:
        if time.monotonic() > end:
            number, command = next(iter(left.items()))
            raise EncoderError(
                f"a process that it started still runs after close: {number} ({command})",
                "End it in close(), and wait for it.",
            )
        time.sleep(0.05)


def _closes(specimen: Specimen) -> None:
    if not isinstance(specimen.encoder, Closes):
        raise NotApplicable("it has no `close`")
    wanted = specimen.reference(Role.QUERY)
    specimen.close()
    specimen.close()
    demand_alike(
        specimen.vectors(ORDINARY, Role.QUERY),
        wanted,
        specimen.info,
        ORDINARY,
        tolerance=specimen.source.tolerance,
        wrong="after close() it gives other vectors",
        hint="What close() frees is loaded again at the next `encode`.",
    )


def _tokens(specimen: Specimen) -> None:
    encoder = specimen.made
    if not isinstance(encoder, Counts):
        raise NotApplicable("it has no `tokens`")
    for texts in (ORDINARY, ()):
        context = Context(Role.QUERY, [each.language for each in texts])
        given = [each.text for each in texts]
        counts: Any = guarded("counting tokens", lambda: encoder.tokens(given, context))  # noqa: B023
        counts = np.asarray(counts)
        if counts.shape != (len(texts),) or (len(texts) and counts.dtype.kind not in "iu"):
            raise EncoderError(
                f"`tokens` returns shape {counts.shape} of {counts.dtype} for {len(texts)} texts",
                "Return an int64 array with a count per text.",
            )
        if (counts < 0).any():
            raise EncoderError("`tokens` returns a count below 0", "Count before truncation.")
    short, long = counts_of(encoder, 6), counts_of(encoder, 7)
    if long < short:
        raise EncoderError(
            "`tokens` counts fewer tokens in a paragraph than in a letter",
            "Count tokens before truncation, prompts included, in the order of the texts.",
        )


def counts_of(encoder: Counts, row: int) -> int:
    """Tokens of one ordinary text."""
    context = Context(Role.QUERY, [ORDINARY[row].language])
    return int(encoder.tokens([ORDINARY[row].text], context)[0])


def _progress(specimen: Specimen) -> None:
    told: list[tuple[int, int, int]] = []
    specimen.reference(Role.DOCUMENT)
    specimen.answer(ORDINARY, Role.DOCUMENT, progress=lambda *counts: told.append(counts))
    if not told:
        raise NotApplicable("it reports no progress")
    done = sum(counts[0] for counts in told)
    if done != len(ORDINARY) or any(count < 0 for counts in told for count in counts):
        raise EncoderError(
            f"progress counts {done} texts of {len(ORDINARY)}",
            "Call context.progress(texts, tokens, truncated) with what was done since the last.",
        )


def _fits(specimen: Specimen) -> None:
    made = specimen.made
    if not isinstance(made, Fits):
        raise NotApplicable("it has no `fit`")
    before = _identity(specimen)
    wanted = specimen.reference(Role.DOCUMENT)
    again = specimen.fit(made)
    if again is made:
        raise EncoderError(
            "`fit` returns the encoder itself", "Return another one: several tasks share it."
        )
    if _identity(specimen) != before:
        raise EncoderError("`fit` changes the encoder's own info", "It does not change itself.")
    second = Specimen(specimen.source, specimen.options, made, again)
    demand_alike(
        second.vectors(ORDINARY, Role.DOCUMENT),
        wanted,
        specimen.info,
        ORDINARY,
        tolerance=specimen.source.tolerance,
        wrong="fitted again to the same documents it gives other vectors",
        hint="Statistics must not depend on what was fitted before.",
    )


FIRST: tuple[Check[Specimen], ...] = (
    Check("info", "It says of itself what the harness needs", _info),
)
CHECKS: tuple[Check[Specimen], ...] = (
    Check("info-stays", "Encoding does not change info", _stays),
    Check("second-instance", "The same options give the same vectors and the same info", _second),
    Check("other-options", "Options that change vectors change info", _others),
    Check("batch-and-device", "Batch size and device change neither vectors nor info", _harmless),
    Check("state", "The process is left as it was found", _state),
    Check("children", "No process is left behind", _children),
    Check("progress", "Progress adds up to the number of texts", _progress),
    Check("tokens", "`tokens` gives a count per text", _tokens),
    Check("fit", "`fit` gives another encoder, the same for the same documents", _fits),
    Check("close", "After close() it can encode again", _closes),
)
