"""Tables for people: the summary, the languages in detail, the plan, and what went wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
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


def _summary(cells: Sequence[CellResult], title: str) -> RenderableType:
    sample = " · SAMPLE DATA, not comparable with published figures" if cells[0].sample else ""
    chosen = columns(cells)
    table = _table("encoder", [column.heading.replace(" ", "\n", 1) for column in chosen])
    marks = [places(column, cells) for column in chosen]
    for cell in cells:
        values = [
            Text(column.show(column.value(cell)), style=_STYLES.get(mark.get(cell.encoder, 0), ""))
            for column, mark in zip(chosen, marks, strict=True)
        ]
        table.add_row(Text(plain(cell.encoder)), *values)
    return Group(Text(title + sample, style="bold"), table)


_STYLES = {1: "bold", 2: "underline"}


def _table(first: str, headings: Sequence[str]) -> Table:
    """Names on the left, which are folded where room is short, and numbers, which never are."""
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style=""
    )
    table.add_column(Text(first), vertical="bottom", overflow="fold", min_width=8)
    for heading in headings:
        width = max(5, *map(len, heading.split("\n")))
        table.add_column(Text(heading), justify="right", vertical="bottom", min_width=width)
    return table


def _notes(cells: Sequence[CellResult]) -> list[RenderableType]:
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
    lines += [str(note) for note in provenance.get("notes", ())]
    unanswerable = [setting for setting in cell.settings if setting.unanswerable]
    if unanswerable:
        most = max(unanswerable, key=lambda setting: setting.unanswerable)
        lines.append(
            f"{len(unanswerable):,} of {len(cell.settings):,} settings leave out queries without a "
            f"relevant document in the pool, at most {most.unanswerable:,} (in {most.id})."
        )
    for each in cells:
        truncated = each.details.get("texts", {}).get("truncated", 0)
        if truncated:
            total = each.details["texts"]["unique"]
            lines.append(f"{plain(each.encoder)}: {truncated:,} of {total:,} texts were truncated.")
    stored = [plain(each.encoder) for each in cells if each.stored]
    if stored:
        lines.append(f"From stored results: {', '.join(stored)}")
    return [Padding(Text(plain(line, 400), style="dim"), (0, 0, 0, 2)) for line in lines]


def _relevant(settings: Sequence[SettingRow]) -> int:
    """Relevant documents per query in the multilingual settings, if one per language."""
    preference = [s.measures.get("language_preference_chance", math.nan) for s in settings]
    known = [value for value in preference if value and not math.isnan(value)]
    return round(1 / min(known)) if known else 0


_Shown = tuple[str, Callable[[Sequence[SettingRow]], str]]  # heading, and what stands below it


def details(cells: Sequence[CellResult]) -> RenderableType:
    """Per task and encoder, tables with a row per query language: pairs, measures, bias."""
    parts: list[RenderableType] = []
    for cell in cells:
        if cell.status != "ok":
            continue
        name = f"{plain(cell.task)} · {plain(cell.split)} · {plain(cell.encoder)}"
        for title, shown, mean in (
            (f"{cell.main_measure} by language of the documents", _pairs(cell), False),
            ("by kind of setting", _measures(cell), True),
            ("language bias in the multilingual settings", _bias(cell), True),
        ):
            if shown:
                heading = Text.assemble((name, "bold"), f" · {title}")
                parts += [heading, _by_language(cell, shown, mean=mean), Text()]
    return Group(*parts[:-1])


def _pairs(cell: CellResult) -> list[_Shown]:
    """The main measure against the documents of each language, and of all."""
    alone = [s.document_languages[0] for s in cell.settings if len(s.document_languages) == 1]
    shown: list[_Shown] = [
        (language, _mean(_against(language), cell.main_measure))
        for language in dict.fromkeys(alone)
    ]
    if any(setting.kind == "multilingual" for setting in cell.settings):
        shown.append(("all", _mean(_of("multilingual"), cell.main_measure)))
    return shown if len(shown) > 1 else []


def _measures(cell: CellResult) -> list[_Shown]:
    names = [str(name) for name in cell.details.get("measures", ())][:3]
    kinds = [kind for kind in _SHORT if any(s.kind == kind for s in cell.settings)]
    return [(f"{_SHORT[kind]}\n{name}", _mean(_of(kind), name)) for kind in kinds for name in names]


def _bias(cell: CellResult) -> list[_Shown]:
    chosen = _of("multilingual")
    if not any("rank_distance" in setting.measures for setting in cell.settings):
        return []
    shown = [
        ("rank\ndistance", _mean(chosen, "rank_distance", ",.0f")),
        ("its\nmedian", _mean(chosen, "rank_distance_median", ",.0f")),
        ("share\nof pool", _mean(chosen, "rank_distance_share")),
        ("own language\nfirst", _mean(chosen, "language_preference")),
        ("by\nchance", _mean(chosen, "language_preference_chance")),
    ]
    if any(setting.measures.get("PEER@20_informative") for setting in cell.settings):
        shown.append(("\nPEER@20", _mean(chosen, "PEER@20")))
    return shown


def _by_language(cell: CellResult, shown: Sequence[_Shown], *, mean: bool) -> Table:
    table = _table("queries", [heading for heading, _ in shown])
    languages = list(dict.fromkeys(setting.query_language for setting in cell.settings))
    for language in languages:
        members = [s for s in cell.settings if s.query_language == language]
        table.add_row(Text(plain(language)), *(Text(show(members)) for _, show in shown))
    if mean and len(languages) > 1:
        table.add_section()
        table.add_row(Text("mean"), *(Text(show(cell.settings)) for _, show in shown))
    return table


def _against(language: str) -> Callable[[SettingRow], bool]:
    return lambda setting: tuple(setting.document_languages) == (language,)


def _of(kind: str) -> Callable[[SettingRow], bool]:
    return lambda setting: setting.kind == kind


def _mean(
    chosen: Callable[[SettingRow], bool], measure: str, form: str = ".3f"
) -> Callable[[Sequence[SettingRow]], str]:
    def show(settings: Sequence[SettingRow]) -> str:
        held = [s.measures.get(measure, math.nan) for s in settings if chosen(s)]
        values = [value for value in held if not math.isnan(value)]
        return format(sum(values) / len(values), form) if values else "–"

    return show


def planned(cells: Sequence[PlannedCell]) -> RenderableType:
    """The plan of `--dry-run`."""
    table = _table("encoder", ["settings", "texts", "cached", "tokens", "vectors", "time"])
    for cell in cells:
        table.add_row(
            Text(plain(f"{cell.encoder} × {cell.task}")),
            f"{cell.settings:,}",
            f"{cell.texts:,}",
            f"{cell.cached:,}",
            "–" if cell.tokens is None else f"{cell.tokens:,}",
            "–" if cell.bytes is None else f"{cell.bytes / 1e6:,.1f} MB",
            "unknown" if cell.seconds is None else _time(cell.seconds),
        )
    return Group(Text("What this run would do", style="bold"), table)


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def failures(cells: Sequence[CellResult]) -> RenderableType:
    """What went wrong with cells and what to do, each message once."""
    seen: dict[tuple[str, str | None, str | None], list[CellResult]] = {}
    for cell in cells:
        if cell.reason:
            seen.setdefault((cell.status, cell.reason, cell.hint), []).append(cell)
    lines: list[Text] = []
    for (status, reason, hint), members in seen.items():
        pairs = (" × ".join(filter(None, (m.encoder, m.task))) for m in members)
        names = ", ".join(dict.fromkeys(map(plain, pairs)))
        what = "not stored" if status == "ok" else status
        lines.append(Text.assemble((f"{what}: ", "bold"), f"{names}: {plain(reason or '', 600)}"))
        if hint:
            lines.append(Text(f"  {plain(hint, 600)}"))
    return Group(*lines)
