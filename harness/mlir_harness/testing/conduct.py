"""Checks of how encoders behave: what they leave alone, and the optional protocols."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlir_harness.errors import EncoderError
from mlir_harness.protocols import Closes, Context, Counts, Fits
from mlir_harness.testing import state
from mlir_harness.testing.checks import Check, NotApplicable
from mlir_harness.testing.comparing import demand_alike
from mlir_harness.testing.identity import identity
from mlir_harness.testing.specimen import Specimen, guarded
from mlir_harness.testing.texts import ORDINARY
from mlir_harness.text import plain
from mlir_harness.types import Role

_SECONDS_TO_END = 5.0


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
    # What is there already may have been started by it: a second instance starts its own, and
    # where there is none, what was there before the first call counts.
    before = specimen.children
    if specimen.source.anew:
        specimen = specimen.another()
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
    before = identity(specimen)
    wanted = specimen.reference(Role.DOCUMENT)
    again = specimen.fit(made)
    if again is made:
        raise EncoderError(
            "`fit` returns the encoder itself", "Return another one: several tasks share it."
        )
    if identity(specimen) != before:
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


CHECKS: tuple[Check[Specimen], ...] = (
    Check("state", "The process is left as it was found", _state),
    Check("children", "No process is left behind", _children),
    Check("progress", "Progress adds up to the number of texts", _progress),
    Check("tokens", "`tokens` gives a count per text", _tokens),
    Check("fit", "`fit` gives another encoder, the same for the same documents", _fits),
    Check("close", "After close() it can encode again", _closes),
)
