"""Tables for people: the summary, the languages in detail, the plan, and what went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlir_harness.plan import PlannedCell
from mlir_harness.results import CellResult, SettingRow
from mlir_harness.text import plain

_SHORT = {"monolingual": "Mo.", "cross-lingual": "Cr.", "multilingual": "Mul."}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the summary.

    Attributes:
        kind, measure: what it shows.
        heading: above it.
        low: lower is better.
    """

    kind: str
    measure: str
    heading: str
    low: bool = False

    def value(self, cell: CellResult) -> float:
        """NaN where the cell has none."""
        value = cell.summary.get(self.kind, {}).get(self.measure)
        return math.nan if value is None else value

    def show(self, value: float) -> str:
        if math.isnan(value):
            return "–"
        return f"{value:,.0f}" if self.low else f"{value:.3f}"


def columns(cells: Sequence[CellResult]) -> list[Column]:
    """The summary's columns: main measure by kind, R@1 and R@10 as papers show them, bias."""
    kinds = [kind for kind in _SHORT if any(kind in cell.summary for cell in cells)]
    main = next((cell.main_measure for cell in cells if cell.main_measure), "")
    chosen = [Column(kind, main, f"{_SHORT[kind]} {main}") for kind in kinds]
    for kind in kinds:
        measure = "R@10" if kind == "multilingual" else "R@1"
        chosen.append(Column(kind, measure, f"{_SHORT[kind]} {measure}"))
    chosen.append(Column("multilingual", "rank_distance", "rank distance", low=True))
    return [
        column
        for column in chosen
        if any(not math.isnan(column.value(cell)) for cell in cells if cell.status == "ok")
    ]


def places(column: Column, cells: Sequence[CellResult]) -> dict[str, int]:
    """Encoder -> 1 for the best and 2 for the second best value shown; ties share a place."""
    shown = {
        cell.encoder: round(column.value(cell), 0 if column.low else 3)
        for cell in cells
        if cell.status == "ok" and not math.isnan(column.value(cell))
    }
    if len(shown) < 2:
        return {}
    ranked = sorted(set(shown.values()), reverse=not column.low)
    return {name: ranked.index(value) + 1 for name, value in shown.items() if value in ranked[:2]}


def summary(cells: Sequence[CellResult]) -> RenderableType:
    """One table per task, one row per encoder that has scores."""
    parts: list[RenderableType] = []
    for task, split in dict.fromkeys((cell.task, cell.split) for cell in cells):
        members = [cell for cell in cells if (cell.task, cell.split) == (task, split)]
        scored = [cell for cell in members if cell.status == "ok"]
        if scored:
            parts.append(_summary(scored, f"{plain(task)} · {plain(split)}"))
            parts.extend(_notes(scored))
            parts.append(Text())
    return Group(*parts[:-1])


def _summary(cells: Sequence[CellResult], title: str) -> Table:
    sample = " · SAMPLE DATA, not comparable with published figures" if cells[0].sample else ""
    table = _table(title + sample, "encoder")
    chosen = columns(cells)
    for column in chosen:
        table.add_column(Text(column.heading), justify="right", no_wrap=True)
    marks = [places(column, cells) for column in chosen]
    for cell in cells:
        values = [
            Text(column.show(column.value(cell)), style=_STYLES.get(mark.get(cell.encoder, 0), ""))
            for column, mark in zip(chosen, marks, strict=True)
        ]
        table.add_row(Text(plain(cell.encoder)), *values)
    return table


_STYLES = {1: "bold", 2: "underline"}


def _table(title: str, first: str) -> Table:
    table = Table(title=Text(title, style="bold"), title_justify="left", header_style="")
    table.add_column(Text(first), no_wrap=False, overflow="fold")
    return table


def _notes(cells: Sequence[CellResult]) -> list[Text]:
    """What a reader must know to read the numbers."""
    cell = cells[0]
    counts = {kind: [s for s in cell.settings if s.kind == kind] for kind in _SHORT}
    lines = [
        ", ".join(
            f"{len(settings)} {kind} ({_SHORT[kind]})"
            for kind, settings in counts.items()
            if settings
        )
        + " settings; means over settings."
    ]
    crowded = _relevant(counts["multilingual"])
    if crowded > 10:
        lines.append(f"With {crowded} relevant documents, R@10 cannot pass {10 / crowded:.3f}.")
    provenance = cell.details.get("provenance", {})
    source = " · ".join(
        plain(str(provenance[key]))
        for key in ("source", "revision", "licence")
        if provenance.get(key)
    )
    if source:
        lines.append(f"Data: {source}")
    lines += list(dict.fromkeys(note for each in cells for note in each.details.get("notes", ())))
    for each in cells:
        truncated = each.details.get("texts", {}).get("truncated", 0)
        if truncated:
            total = each.details["texts"]["unique"]
            lines.append(f"{plain(each.encoder)}: {truncated:,} of {total:,} texts were truncated.")
        if each.stored:
            lines.append(f"{plain(each.encoder)}: from {each.folder}")
    return [Text(f"  {plain(line, 400)}", style="dim") for line in lines]


def _relevant(settings: Sequence[SettingRow]) -> int:
    """Relevant documents per query in the multilingual settings, if one per language."""
    preference = [s.measures.get("language_preference_chance", math.nan) for s in settings]
    known = [value for value in preference if value and not math.isnan(value)]
    return round(1 / min(known)) if known else 0


def details(cells: Sequence[CellResult]) -> RenderableType:
    """Per task and encoder, a table with a row per query language."""
    parts: list[RenderableType] = []
    for cell in cells:
        if cell.status == "ok":
            parts += [_languages(cell), Text()]
    return Group(*parts[:-1])


def _languages(cell: CellResult) -> Table:
    table = _table(f"{plain(cell.task)} · {plain(cell.encoder)} · by query language", "queries")
    rows: list[tuple[str, Callable[[list[SettingRow]], str]]] = []
    measures = list(dict.fromkeys(str(name) for name in cell.details.get("measures", ())))
    for kind, short in _SHORT.items():
        if any(setting.kind == kind for setting in cell.settings):
            rows += [(f"{short} {name}", _mean(kind, name, ".3f")) for name in measures[:3]]
    if any("rank_distance" in setting.measures for setting in cell.settings):
        rows += [
            ("rank distance", _mean("multilingual", "rank_distance", ",.0f")),
            ("median", _mean("multilingual", "rank_distance_median", ",.0f")),
            ("own language first", _mean("multilingual", "language_preference", ".3f")),
            ("by chance", _mean("multilingual", "language_preference_chance", ".3f")),
        ]
        if any(setting.measures.get("PEER@20_informative") for setting in cell.settings):
            rows.append(("PEER@20", _mean("multilingual", "PEER@20", ".3f")))
    for heading, _ in rows:
        table.add_column(Text(heading), justify="right")
    languages = list(dict.fromkeys(setting.query_language for setting in cell.settings))
    for language in languages:
        members = [s for s in cell.settings if s.query_language == language]
        table.add_row(Text(plain(language)), *(Text(show(members)) for _, show in rows))
    if len(languages) > 1:
        table.add_section()
        table.add_row(Text("mean"), *(Text(show(list(cell.settings))) for _, show in rows))
    return table


def _mean(kind: str, measure: str, form: str) -> Callable[[list[SettingRow]], str]:
    def show(settings: list[SettingRow]) -> str:
        held = [s.measures.get(measure, math.nan) for s in settings if s.kind == kind]
        values = [value for value in held if not math.isnan(value)]
        return format(sum(values) / len(values), form) if values else "–"

    return show


def planned(cells: Sequence[PlannedCell]) -> Table:
    """The plan of `--dry-run`."""
    table = _table("What this run would do", "encoder")
    for heading in ("task", "settings", "texts", "cached", "tokens", "vectors", "time"):
        table.add_column(Text(heading), justify="left" if heading == "task" else "right")
    for cell in cells:
        if cell.reason:
            note = Text(f"cannot run: {plain(cell.reason)}", style="dim")
            table.add_row(Text(plain(cell.encoder)), Text(plain(cell.task)), note)
            continue
        table.add_row(
            Text(plain(cell.encoder)),
            Text(plain(cell.task)),
            f"{cell.settings:,}",
            f"{cell.texts:,}",
            f"{cell.cached:,}",
            "–" if cell.tokens is None else f"{cell.tokens:,}",
            "–" if cell.bytes is None else f"{cell.bytes / 1e6:,.1f} MB",
            "unknown" if cell.seconds is None else _time(cell.seconds),
        )
    return table


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def failures(cells: Sequence[CellResult]) -> RenderableType:
    """Cells without scores: what happened and what to do, each message once."""
    seen: dict[tuple[str, str | None, str | None], list[CellResult]] = {}
    for cell in cells:
        if cell.status != "ok":
            seen.setdefault((cell.status, cell.reason, cell.hint), []).append(cell)
    lines: list[Text] = []
    for (status, reason, hint), members in seen.items():
        names = ", ".join(dict.fromkeys(plain(f"{m.encoder} × {m.task}") for m in members))
        lines.append(Text.assemble((f"{status}: ", "bold"), f"{names}: {plain(reason or '', 600)}"))
        if hint:
            lines.append(Text(f"  {plain(hint, 600)}"))
    return Group(*lines)
