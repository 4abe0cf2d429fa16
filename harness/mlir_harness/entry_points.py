"""Entry points of installed distributions, and those that are passed over, with the reason."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mlir_harness.text import plain

# What can be named on the command line, where "/", ":", "," and "=" have a meaning of their own.
_NAME = re.compile(r"[^\W_][\w.-]*")
_RESERVED = {"all", "py"}


@dataclass(frozen=True, slots=True)
class Point:
    """An entry point, and the distribution that has it."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is installed and cannot be used.

    Attributes:
        group: of entry points; "" if the distribution's cannot be read at all.
        name: as it is written there.
        distribution, version: who has it.
        why, hint: for people.
    """

    group: str
    name: str
    distribution: str
    version: str
    why: str
    hint: str

    @property
    def source(self) -> str:
        return plain(f"{self.distribution} {self.version}".strip())


@cache
def read(groups: tuple[str, ...]) -> tuple[tuple[Point, ...], tuple[Flaw, ...]]:
    """The entry points of some groups, and what is wrong with others; imports nothing.

    Of two copies of a distribution the one that Python would import counts.
    """
    found: list[Point] = []
    flaws: list[Flaw] = []
    seen = set()
    for distribution in importlib.metadata.distributions():
        try:
            name, version = str(distribution.name or ""), str(distribution.version or "")
        except Exception:
            name, version = "", ""
        try:
            points = [point for point in distribution.entry_points if point.group in groups]
        except Exception:
            flaws += _unreadable(distribution, groups, name, version)
            continue
        if not points or name in seen or not name:
            continue
        seen.add(name)
        for point in points:
            why = _wrong(point.name)
            if why:
                hint = f"Its author must rename it; uninstall {plain(name)} to be rid of this."
                flaws.append(Flaw(point.group, point.name, name, version, why, hint))
            else:
                found.append(Point(point.group, point.name, point.value, name, version))
    return tuple(found), tuple(flaws)


def _wrong(name: str) -> str:
    """Why a plugin cannot have this name; "" if it can."""
    if name in _RESERVED:
        return f"{name!r} means something else on the command line"
    if not _NAME.fullmatch(name):
        return "a name holds letters, digits, '-', '_' and '.', and begins with a letter or digit"
    return ""


def _unreadable(
    distribution: importlib.metadata.Distribution, groups: Sequence[str], name: str, version: str
) -> list[Flaw]:
    """That the entry points of a distribution cannot be read, if ours are among them."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
    except Exception:
        return []  # nobody can say whose they are
    if not any(f"[{group}]" in text for group in groups):
        return []
    why = "its entry points cannot be read: each must be a line NAME = MODULE:ATTRIBUTE"
    return [Flaw("", "", name, version, why, f"Reinstall or uninstall {plain(name)}.")]
