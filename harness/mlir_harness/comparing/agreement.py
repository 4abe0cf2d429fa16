"""How far two cells find the same documents, whatever is relevant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlir_harness.errors import IncomparableError
from mlir_harness.exporting import toplists
from mlir_harness.exporting.toplists import Lists
from mlir_harness.results import CellResult
from mlir_harness.text import plain

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the top lists of two cells in one kind of settings; means over queries, then settings.

    Attributes:
        names: of the two.
        kind: of settings.
        overlap: share of the first ten documents of one that are among the first ten of the other.
        first: share of queries for which both put the same document first.
    """

    names: tuple[str, str]
    kind: str
    overlap: float
    first: float


def agreement(first: CellResult, second: CellResult, names: tuple[str, str]) -> Iterator[Agreement]:
    """The agreement in every kind of settings, variants left aside.

    Args:
        first, second: stored cells of the same data.
        names: what they are called.

    Raises:
        StoreError: their lists cannot be read.
        IncomparableError: they are of other queries.
    """
    held: dict[str, dict[str, list[tuple[float, bool]]]] = {}
    for one, other in zip(toplists.read(first, DEPTH), toplists.read(second, DEPTH), strict=True):
        if (one.setting.id, one.queries) != (other.setting.id, other.queries):
            raise IncomparableError(
                f"the top lists of {plain(names[0])} and {plain(names[1])} are of other queries",
                "Evaluate both again with --fresh.",
            )
        if not one.setting.variant:
            settings = held.setdefault(one.setting.kind, {})
            settings.setdefault(one.setting.id, []).extend(_queries(one, other))
    for kind, settings in held.items():
        overlap, same = (
            _mean([_mean([pair[place] for pair in each]) for each in settings.values()])
            for place in (0, 1)
        )
        yield Agreement(names, kind, overlap, same)


def _queries(one: Lists, other: Lists) -> Iterator[tuple[float, bool]]:
    """For each query, the share that is in both lists, and whether they begin alike."""
    for mine, yours in zip(_named(one), _named(other), strict=True):
        yield len(set(mine) & set(yours)) / max(len(mine), 1), mine[:1] == yours[:1]


def _named(lists: Lists) -> Iterator[list[tuple[str, str]]]:
    for languages, documents in zip(lists.languages, lists.documents, strict=True):
        yield list(zip(languages, documents, strict=True))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
