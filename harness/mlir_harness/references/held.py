"""The published figures that come with the harness. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mlir_harness.errors import UsageError
from mlir_harness.text import did_you_mean, plain

EVERY = "published"  # stands for all sources
_FILES = ("hybrid_batch.json", "lareqa.json", "pyserini.json")  # in the order tables show them


@dataclass(frozen=True, slots=True)
class System:
    """What was evaluated.

    Attributes:
        id: of the system in its source.
        name: as the source calls it, in short.
        model: the encoder it was trained from, by its name here; "" if it has none.
        title: of that encoder, as the source calls it.
        sampler: the batches it was trained on ("mono", "cross", "hybrid"), likewise.
    """

    id: str
    name: str
    model: str = ""
    title: str = ""
    sampler: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one system in one kind of settings.

    Attributes:
        system: id of the system.
        measure, kind: as summaries of results have them.
        mean: over the languages of the table, as printed; None if it is not.
        languages: query language -> the mean over its settings; empty if not printed.
        headline: the same mean where the source prints it once more, with fewer digits.
    """

    system: str
    measure: str
    kind: str
    mean: float | None
    languages: Mapping[str, float]
    headline: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Figures of one protocol.

    Attributes:
        task, split: as results have them.
        main: the measure of effectiveness that the source argues with.
        queries: language -> how many; empty if unknown.
        documents: language -> how many candidates; its keys are the languages of the table.
        figures: of every system.
        remark: what a reader must know; may be "".
    """

    task: str
    split: str
    main: str
    queries: Mapping[str, int]
    documents: Mapping[str, int]
    figures: tuple[Figure, ...]
    remark: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.documents)


@dataclass(frozen=True)
class Source:
    """Where figures are from.

    Attributes:
        name: what `--reference` knows it by.
        short: what stands beside names of systems.
        source, url, licence: for people.
        digits: after the point, of effectiveness as printed.
        trained_languages: of all its systems' fine-tuning; empty if unknown.
        systems: id -> system, in the order tables show them.
        tables: one a protocol.
    """

    name: str
    short: str
    source: str
    url: str
    licence: str
    digits: int
    trained_languages: tuple[str, ...]
    systems: Mapping[str, System]
    tables: tuple[Table, ...]

    def of(self, task: str) -> tuple[Table, ...]:
        """The tables of a task."""
        return tuple(table for table in self.tables if table.task == task)


@cache
def sources() -> tuple[Source, ...]:
    """All sources."""
    folder = files("mlir_harness.references")
    return tuple(_source(json.loads(folder.joinpath(name).read_text("utf-8"))) for name in _FILES)


def chosen(names: Sequence[str]) -> tuple[Source, ...]:
    """The sources that names stand for, in their own order.

    Args:
        names: of sources, or "published" for all.

    Raises:
        UsageError: a name is unknown.
    """
    if not names:
        return ()
    known = [EVERY, *(source.name for source in sources())]
    for name in names:
        if name not in known:
            raise UsageError(
                f"no published figures are called {plain(name)!r}",
                f"{did_you_mean(name, known)} `mlir-harness list references` shows them.",
            )
    return tuple(each for each in sources() if EVERY in names or each.name in names)


def _source(held: Mapping[str, Any]) -> Source:
    return Source(
        name=held["name"],
        short=held["short"],
        source=held["source"],
        url=held["url"],
        licence=held["licence"],
        digits=held["digits"],
        trained_languages=tuple(held["trained_languages"]),
        systems={key: System(key, **about) for key, about in held["systems"].items()},
        tables=tuple(map(_table, held["tables"])),
    )


def _table(held: Mapping[str, Any]) -> Table:
    return Table(**{**held, "figures": tuple(_figures(held["figures"]))})


def _figures(held: Mapping[str, Any]) -> list[Figure]:
    return [
        Figure(
            system,
            measure,
            kind,
            printed.get("mean"),
            {key: value for key, value in printed.items() if key not in {"mean", "headline"}},
            printed.get("headline"),
        )
        for system, measures in held.items()
        for measure, kinds in measures.items()
        for kind, printed in kinds.items()
    ]
