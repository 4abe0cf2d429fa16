"""Beside which results a published figure may stand, and why not beside others.

It may if it is of the same protocol: real data, the task under its own name, the same split, the
same languages, the same numbers of queries and candidates, the same measure. Of fewer languages,
only settings within one language are the same; their mean is then made here, over these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlir_harness.references.held import Figure, Source, Table

if TYPE_CHECKING:
    from mlir_harness.results import CellResult, SettingRow

_DIGITS = 6  # means of decimals, without what floating point adds to them
KINDS = ("monolingual", "cross-lingual", "multilingual")
_ALONE, _PAIRS, _ = KINDS


@dataclass(frozen=True, slots=True)
class Value:
    """A published figure as it may be shown.

    Attributes:
        value: of the measure.
        languages: () if it is printed; else the mean over them, made here of printed figures.
    """

    value: float
    languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a figure may not be shown.

    Attributes:
        figure: None if it is so of all.
        reason: for people.
    """

    figure: Figure | None
    reason: str


@dataclass(frozen=True)
class Match:
    """What of a source may stand beside a cell.

    Attributes:
        source: which.
        table: the one of the cell's task and split; None if there is none.
        values: id of a system -> (kind, measure) -> its figure; only systems that have some.
        refusals: of the other figures in kinds of settings that the cell has.
    """

    source: Source
    table: Table | None = None
    values: Mapping[str, Mapping[tuple[str, str], Value]] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()

    @property
    def whole(self) -> bool:
        """There are figures, all of them as printed, and none was refused."""
        held = [value for own in self.values.values() for value in own.values()]
        return bool(held) and not self.refusals and not any(each.languages for each in held)


def match(cell: CellResult, source: Source) -> Match | None:
    """What of a source may stand beside a cell that has scores; None if the task is not in it."""
    tables = source.of(cell.task)
    if not tables:
        return None
    table = next((each for each in tables if each.split == cell.split), None)
    if cell.sample:
        return _none(source, table, "sample data")
    if table is None:
        splits = ", ".join(each.split for each in tables)
        return _none(source, None, f"split {splits} published, {cell.split} here")
    kinds: dict[str, list[SettingRow]] = {}
    for setting in cell.settings:
        if not setting.variant:
            kinds.setdefault(setting.kind, []).append(setting)
    values: dict[str, dict[tuple[str, str], Value]] = {}
    refusals = []
    for figure in table.figures:
        if figure.kind in kinds:
            found = _judged(figure, kinds[figure.kind], table, cell)
            if isinstance(found, Value):
                values.setdefault(figure.system, {})[figure.kind, figure.measure] = found
            else:
                refusals.append(Refusal(figure, found))
    if not values and not refusals:
        printed = ", ".join(dict.fromkeys(figure.kind for figure in table.figures))
        return _none(source, table, f"its figures are of {printed} settings")
    return Match(source, table, values, tuple(refusals))


def _none(source: Source, table: Table | None, reason: str) -> Match:
    return Match(source, table, refusals=(Refusal(None, reason),))


def _judged(
    figure: Figure, settings: Sequence[SettingRow], table: Table, cell: CellResult
) -> Value | str:
    """The figure for these settings of its kind, or why there is none."""
    scoring = cell.details.get("scoring", {})
    gain = scoring.get("gain", "linear") if isinstance(scoring, Mapping) else "linear"
    if figure.measure.startswith("nDCG") and gain != "linear":
        return f"linear gain published, {gain} here"
    return (
        _other_languages(figure, settings, table)
        or _other_sizes(settings, table)
        or _value(figure, settings, table)
    )


def _other_languages(figure: Figure, settings: Sequence[SettingRow], table: Table) -> str:
    """Why the settings are not those of the figure; "" if they are, or a part that will do."""
    found = {(each.query_language, frozenset(each.document_languages)) for each in settings}
    expected = _printed(figure.kind, table.languages)
    here = dict.fromkeys(x for s in settings for x in (s.query_language, *s.document_languages))
    more = [each for each in here if each not in table.documents]
    if more:
        return f"no published figures of {', '.join(more)}"
    if found == expected and figure.mean is not None:
        return ""
    alone = figure.kind == _ALONE and found <= expected
    if alone and figure.languages:
        lacking = [each for each in here if each not in figure.languages]
        return f"no published figures of {', '.join(lacking)}" if lacking else ""
    if alone or len(here) < len(table.languages):
        return f"languages {', '.join(here)} only, {len(table.languages)} published"
    return "other settings than published"


def _printed(kind: str, languages: Sequence[str]) -> set[tuple[str, frozenset[str]]]:
    """Language of the queries and those of the pool, of every setting of a kind."""
    if kind == _ALONE:
        return {(x, frozenset({x})) for x in languages}
    if kind == _PAIRS:
        return {(x, frozenset({y})) for x in languages for y in languages if x != y}
    return {(x, frozenset(languages)) for x in languages}


def _other_sizes(settings: Sequence[SettingRow], table: Table) -> str:
    """Where the numbers of queries or candidates are not those published; "" if nowhere."""
    for each in settings:
        pool = each.document_languages
        place = pool[0] if len(pool) == 1 else each.id
        expected = sum(table.documents[language] for language in pool)
        if each.documents != expected:
            return f"other candidates: {expected:,} published, {each.documents:,} here ({place})"
        asked = each.queries + each.unanswerable
        known = table.queries.get(each.query_language, asked)
        if asked != known:
            return f"other queries: {known:,} published, {asked:,} here ({each.query_language})"
    return ""


def _value(figure: Figure, settings: Sequence[SettingRow], table: Table) -> Value:
    here = tuple(dict.fromkeys(each.query_language for each in settings))
    if figure.mean is not None and set(here) == set(table.languages):
        return Value(figure.mean)
    mean = math.fsum(figure.languages[each] for each in here) / len(here)
    return Value(round(mean, _DIGITS), here)
