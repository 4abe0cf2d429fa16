"""A cell and the one it is held against, mean by mean: what is gone, what differs, by how much."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mlir_harness.comparing.queries import Coded, Queries, places
from mlir_harness.comparing.sums import Sums, numbered
from mlir_harness.regression.cells import Cell, Kept, Key
from mlir_harness.regression.gates import Gate
from mlir_harness.regression.identity import incomparable
from mlir_harness.text import plain
from mlir_harness.types import BoolArray, DoubleArray, IntArray

_NAMED = 3  # settings or queries that a message names


@dataclass(frozen=True)
class Pair:
    """One mean of a baseline, and what it is now.

    Attributes:
        key, group, language, gate: which: group as of cells.Kept, language "" for all.
        old, new: means as results show them; NaN if there is none.
        unit: what `contributions` are divided by (see gates.Gate.unit).
        missing, differing: what is gone, and what may not be compared, in words.
        contributions: (clusters,) what each adds to new - old, turned so that more is better.
        shares: (clusters,) what each adds to a difference of 1.
        identical: every query has the value it had.
    """

    key: Key
    group: str
    language: str
    gate: Gate
    old: float
    new: float = math.nan
    unit: float = 1.0
    missing: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    contributions: DoubleArray = field(default_factory=lambda: np.zeros(0))
    shares: DoubleArray = field(default_factory=lambda: np.zeros(0))
    identical: bool = False

    @property
    def change(self) -> float:
        """New - old, in the unit, turned so that more is better; NaN if it is not known."""
        return float(self.contributions.sum()) if len(self.contributions) else math.nan


def gone(cell: Cell, gates: Iterable[Gate], reason: str, *, languages: bool) -> Iterator[Pair]:
    """Every mean of a cell that is there no more."""
    for gate in gates:
        if gate.measure in cell.queries.values:
            for group, language, _ in _means(cell, languages=languages):
                old = _shown(cell, group, language, gate)
                if not math.isnan(old):
                    yield Pair(cell.key, group, language, gate, old, missing=(reason,))


def pairs(old: Cell, new: Cell, gates: Iterable[Gate], *, languages: bool) -> Iterator[Pair]:
    """Every mean of a cell beside what it is now.

    Args:
        old, new: the cell of a baseline, and the same now.
        gates: of which measures; those that the old one does not have are passed over.
        languages: also by language of the queries.
    """
    found = places(old.queries, new.queries)
    for gate in gates:
        if gate.measure in old.queries.values:
            for group, language, settings in _means(old, languages=languages):
                if not math.isnan(_shown(old, group, language, gate)):
                    yield _pair(old, new, gate, group, language, settings, found)


def beyond(old: Cell, new: Cell) -> list[str]:
    """What a cell has that its baseline does not hold, in words."""
    known = {setting.id for setting in old.settings}
    more = [setting for setting in new.settings if setting.id not in known]
    languages = {language for setting in old.settings for language in _languages(setting)}
    spoken = dict.fromkeys(language for setting in more for language in _languages(setting))
    fresh = [plain(language) for language in spoken if language not in languages]
    told = [f"language {language}" for language in fresh]
    rest = [plain(setting.id, 60) for setting in more if not {*_languages(setting)} - languages]
    return told + [f"setting {name}" for name in _few(rest)]


def _languages(setting: Kept) -> tuple[str, ...]:
    return setting.query_language, *setting.document_languages


def _means(cell: Cell, *, languages: bool) -> Iterator[tuple[str, str, list[Kept]]]:
    """Group, language and settings of each mean; of a language that is the whole group, once."""
    for group in cell.groups:
        members = [setting for setting in cell.settings if setting.group == group]
        yield group, "", members
        spoken = dict.fromkeys(setting.query_language for setting in members)
        if languages and len(spoken) > 1:
            for language in spoken:
                yield group, language, [s for s in members if s.query_language == language]


def _pair(
    old: Cell,
    new: Cell,
    gate: Gate,
    group: str,
    language: str,
    settings: Sequence[Kept],
    found: IntArray,
) -> Pair:
    pool = max(setting.documents for setting in settings)
    pair = Pair(
        key=old.key,
        group=group,
        language=language,
        gate=gate,
        old=_shown(old, group, language, gate),
        new=_shown(new, group, language, gate),
        unit=gate.unit(pool),
        differing=tuple(incomparable(old, new, settings, gate.measure)),
    )
    rows = np.flatnonzero(_within(old.queries.setting, settings))
    before = old.queries.values[gate.measure][rows]
    rows, before = rows[~np.isnan(before)], before[~np.isnan(before)]
    lost = _lost_settings(settings, new)
    if gate.measure not in new.queries.values:
        lost = [*lost, f"measure {plain(gate.measure, 60)} is gone"]
    elif not lost:
        now = np.append(new.queries.values[gate.measure], np.nan)[found[rows]]
        lost = _lost_queries(old.queries.of(rows), np.isnan(now))
    if lost:
        return replace(pair, missing=tuple(lost))
    difference = (before - now if gate.low else now - before) / pair.unit
    sums = Sums.of(
        difference[None],
        numbered(old.queries.setting.codes[rows]),
        numbered(old.queries.cluster.codes[rows]),
    )
    contributions, shares = sums.contributions()
    return replace(
        pair,
        contributions=contributions[0],
        shares=shares,
        identical=bool(np.array_equal(before, now)),
    )


def _within(column: Coded, settings: Sequence[Kept]) -> BoolArray:
    """Which rows are of some settings."""
    names = {setting.id for setting in settings}
    chosen = np.array([*(name in names for name in column.names), False], np.bool_)
    picked: BoolArray = chosen[column.codes]
    return picked


def _shown(cell: Cell, group: str, language: str, gate: Gate) -> float:
    """A mean: over the settings of a group, of the means over the queries of each."""
    values = cell.queries.values.get(gate.measure)
    settings = [s for s in cell.settings if s.group == group and language in {"", s.query_language}]
    if values is None or not settings:
        return math.nan
    rows = _within(cell.queries.setting, settings) & ~np.isnan(values)
    if not rows.any():
        return math.nan
    of = numbered(cell.queries.setting.codes[rows])
    sums, counts = np.bincount(of, values[rows]), np.bincount(of)
    return float((sums / counts).mean())


def _lost_settings(settings: Sequence[Kept], new: Cell) -> list[str]:
    held = {setting.id for setting in new.settings}
    lost = [setting for setting in settings if setting.id not in held]
    if len(lost) == len(settings) > 1:
        spoken = {setting.query_language for setting in settings}
        one = f"{settings[0].kind} settings" + (f" of {spoken.pop()}" if len(spoken) == 1 else "")
        return [plain(f"all {one} are gone")]
    left = {language for setting in new.settings for language in _languages(setting)}
    spoken = {language for setting in lost for language in _languages(setting)} - left
    told = [f"language {plain(language)} is gone" for language in sorted(spoken)]
    rest = [plain(s.id, 60) for s in lost if not spoken.intersection(_languages(s))]
    return told + [f"setting {name} is gone" for name in _few(rest)]


def _lost_queries(rows: Queries, lost: BoolArray) -> list[str]:
    """Queries without a value, by name."""
    keys = rows.of(np.flatnonzero(lost)).keys()
    names = [f"query {plain(query, 60)} of {plain(setting, 60)}" for setting, query in keys]
    return [f"{name} is gone" for name in _few(names)]


def _few(names: Sequence[str]) -> list[str]:
    """The first ones, and how many more there are."""
    shown = list(names[:_NAMED])
    if len(names) > _NAMED:
        shown[-1] += f" (and {len(names) - _NAMED:,} more)"
    return shown
