"""Checks of what encoders say of themselves: it must be all that their vectors depend on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlir_harness import fingerprint
from mlir_harness.errors import EncoderError, Unavailable, UsageError
from mlir_harness.testing import another_process
from mlir_harness.testing.checks import Check, NotApplicable
from mlir_harness.testing.comparing import apart, demand_alike
from mlir_harness.testing.languages import are_tags
from mlir_harness.testing.specimen import Specimen
from mlir_harness.testing.texts import ORDINARY
from mlir_harness.text import plain
from mlir_harness.types import Role

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_HARMLESS: dict[str, Any] = {"token_budget": 64, "batch_size": 2, "device": "cpu"}


def _info(specimen: Specimen) -> Iterator[str]:
    info = specimen.info
    for name, kinds in (
        ("revision", str),
        ("dimension", int | None),
        ("max_tokens", int | None),
        ("language_aware", bool),
        ("licence", str),
        ("description", str),
        ("training", str),
        ("exact", bool),
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


def identity(specimen: Specimen) -> str:
    """What the harness would make of info: equal means that cached vectors are used again."""
    return fingerprint.of_encoder("", specimen.info)


def _stays(specimen: Specimen) -> None:
    before = identity(specimen)
    specimen.reference(Role.QUERY)
    other = specimen.another() if specimen.source.anew else specimen
    fresh = identity(other)
    other.vectors(ORDINARY[:2], Role.QUERY)
    after = identity(other)
    other.close()
    if len({before, fresh, after}) > 1:
        raise EncoderError(
            "info changes, in what vectors depend on, when the encoder encodes",
            "Read what is needed for info.revision and info.options in the factory.",
        )


def _second(specimen: Specimen) -> None:
    wanted = {role: specimen.reference(role) for role in Role}
    before = identity(specimen)
    other = specimen.another()
    if identity(other) != before:
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
            hint="Seed what is random, with a generator of its own.",
        )
    other.close()


def _another_process(specimen: Specimen) -> None:
    wanted = specimen.reference(Role.QUERY)
    if not specimen.source.anew:
        raise NotApplicable("an instance was given, not the factory that makes them")
    specimen.close()  # one model is in memory at a time
    demand_alike(
        another_process.vectors(specimen.source.make, specimen.options),
        wanted,
        specimen.info,
        ORDINARY,
        tolerance=specimen.source.tolerance,
        wrong="another process gives other vectors",
        hint="hash() of a string, and the order of a set, differ between processes: use "
        "zlib.crc32 or hashlib, and sort.",
    )


def _harmless(specimen: Specimen) -> None:
    known = {name: v for name, v in _HARMLESS.items() if name in specimen.source.parameters}
    if not known:
        raise NotApplicable("its factory takes no batch size and no device")
    wanted = specimen.reference(Role.DOCUMENT)
    before = identity(specimen)
    for name, value in known.items():
        other = specimen.another(**{name: value})
        if identity(other) != before:
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
    before = identity(specimen)
    for options in tried:
        named = plain(", ".join(f"{name}={value}" for name, value in options.items()))
        other = specimen.another(**options)
        try:
            same = identity(other) == before
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


FIRST: tuple[Check[Specimen], ...] = (
    Check("info", "It says of itself what the harness needs", _info),
)
CHECKS: tuple[Check[Specimen], ...] = (
    Check("info-stays", "Encoding does not change info", _stays),
    Check("second-instance", "The same options give the same vectors and the same info", _second),
    Check("another-process", "Vectors are the same in another process", _another_process),
    Check("other-options", "Options that change vectors change info", _others),
    Check("batch-and-device", "Batch size and device change neither vectors nor info", _harmless),
)
