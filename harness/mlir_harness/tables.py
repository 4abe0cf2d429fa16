"""Tables for people: the summary, its variants, and the plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlir_harness import doubts, exposures, precision
from mlir_harness.plan import PlannedCell
from mlir_harness.references import Source, published
from mlir_harness.results import CellResult, SettingRow
from mlir_harness.scoring import COMMON
from mlir_harness.text import plain

if TYPE_CHECKING:
    from mlir_harness.comparing.marks import Marks

_MOST, _MARKED = 9, 7  # columns of scores that a narrow terminal holds, bare and with marks
SHORT = {"monolingual": "Mo.", "cross-lingual": "Cr.", "multilingual": "Mul."}


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

    def deviation(self, cell: CellResult) -> str:
        """±0.012 where there are seeds, else nothing."""
        value = cell.deviations.get(self.kind, {}).get(self.measure, math.nan)
        return "" if math.isnan(value) else f" ±{value:.3f}"

    def mark(self, cell: CellResult, marks: Marks | None) -> str:
        """What stands before the value, with a space; nothing where nothing was compared."""
        found = marks.mark(cell, self.kind, self.measure) if marks else ""
        return f"{found} " if found else ""

    def show(self, value: float) -> str:
        if math.isnan(value):
            return "–"
        return f"{value:,.0f}" if self.low else f"{value:.3f}"


def columns(cells: Sequence[CellResult]) -> list[Column]:
    """The summary's columns: main measure by kind, recall as papers show it, classes, bias."""
    kinds = [kind for kind in SHORT if any(kind in cell.summary for cell in cells)]
    main = _main(cells)
    chosen = [Column(kind, main, f"{SHORT[kind]} {main}") for kind in kinds]
    chosen += [Column(kind, f"{main}{COMMON}", f"{SHORT[kind]} common") for kind in kinds]
    for kind in kinds:
        measure = "R@10" if kind == "multilingual" else "R@1"
        chosen.append(Column(kind, measure, f"{SHORT[kind]} {measure}"))
    for measure in ("R@100", "kNN@1"):
        chosen += [Column(kind, measure, f"{SHORT[kind]} {measure}") for kind in kinds]
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


def by_task(cells: Sequence[CellResult]) -> list[tuple[str, str, list[CellResult]]]:
    """The scored cells of each table: task, split, cells."""
    names = dict.fromkeys((cell.task, cell.split) for cell in cells if cell.status == "ok")
    return [
        (*name, [c for c in cells if (c.task, c.split) == name and c.status == "ok"])
        for name in names
    ]


def summary(
    cells: Sequence[CellResult], sources: Sequence[Source] = (), marks: Marks | None = None
) -> RenderableType:
    """One table per task, one row per encoder that has scores, then those of published figures."""
    parts: list[RenderableType] = []
    for task, split, scored in by_task(cells):
        title = f"{plain(task)} · {plain(split)}"
        chosen = columns(scored)
        found = published.beside(scored, sources)
        width = _MARKED if marks else _MOST
        for start in range(0, len(chosen), width):
            part = chosen[start : start + width]
            below = published.rows(found, ((each.kind, each.measure) for each in part))
            parts += [_scores(scored, part, title, below, marks), Text()]
        for kind in SHORT:
            for varied in variants(scored, kind):
                heading = f"{title} · {kind}, {varied[0].measure} by variant"
                parts += [_scores(scored, varied, heading, (), marks), Text()]
        told = notes(scored, marks) + (published.notes(found, task) if sources else [])
        lines = (Text(line, style="dim") for line in told)
        parts[-1:] = [*(Padding(line, (0, 0, 0, 2)) for line in lines), Text()]
    return Group(*parts[:-1])


def _scores(
    cells: Sequence[CellResult],
    chosen: Sequence[Column],
    title: str,
    below: Sequence[published.Row],
    marks: Marks | None,
) -> RenderableType:
    """A row per encoder: best in bold, second underlined, ± the deviation of seeds.

    Published figures stand below, in italics; they are neither best nor second.
    """
    drawn = grid("encoder", [column.heading.replace(" ", "\n", 1) for column in chosen])
    best = [places(column, cells) for column in chosen]
    for cell in cells:
        values = []
        for column, place in zip(chosen, best, strict=True):
            style = STYLES.get(place.get(cell.encoder, 0), "")
            value = Text(column.show(column.value(cell)), style=style)
            values.append(Text.assemble(column.mark(cell, marks), value, column.deviation(cell)))
        drawn.add_row(Text(exposures.name(cell)), *values)
    if below:
        drawn.add_section()
    for row in below:
        figures = (row.show(each.kind, each.measure, each.show) for each in chosen)
        drawn.add_row(Text(plain(row.name)), *map(Text, figures), style=PUBLISHED)
    return Group(_title(title, cells), drawn)


def _title(title: str, cells: Sequence[CellResult]) -> Text:
    sample = " · SAMPLE DATA, not comparable with published figures" if cells[0].sample else ""
    return Text(title + sample, style="bold")


def _main(cells: Sequence[CellResult]) -> str:
    return next((cell.main_measure for cell in cells if cell.main_measure), "")


def variants(cells: Sequence[CellResult], kind: str) -> list[list[Column]]:
    """For each measure worth it, a column per variant of a kind of settings, and the full one.

    Nearest-neighbour accuracy comes first: it asks the same queries of every pool.
    """
    groups = dict.fromkeys(name for cell in cells for name in cell.summary)
    names = [name for name in groups if name.startswith(f"{kind}/")]
    if not names:
        return []
    headings = [(name, name.partition("/")[2]) for name in names]
    headings += [(kind, "full")] if kind in groups else []
    known = {measure for cell in cells for measure in cell.summary.get(names[0], {})}
    measures = [measure for measure in ("kNN@1", _main(cells)) if measure in known]
    return [[Column(name, measure, shown) for name, shown in headings] for measure in measures]


STYLES = {1: "bold", 2: "underline"}
PUBLISHED = "dim italic"


def grid(first: str, headings: Sequence[str]) -> Table:
    """Names on the left, which are folded where room is short, and numbers, which never are."""
    drawn = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style=""
    )
    drawn.add_column(Text(first), vertical="bottom", overflow="fold", min_width=8)
    for heading in headings:
        width = max(5, *map(len, heading.split("\n")))
        drawn.add_column(Text(heading), justify="right", vertical="bottom", min_width=width)
    return drawn


def notes(cells: Sequence[CellResult], marks: Marks | None = None) -> list[str]:
    """What a reader must know to read the numbers."""
    cell = cells[0]
    plain_settings = [setting for setting in cell.settings if not setting.variant]
    counts = {kind: [s for s in plain_settings if s.kind == kind] for kind in SHORT}
    lines = []
    if plain_settings:
        lines.append(
            ", ".join(
                f"{len(settings)} {kind} ({SHORT[kind]})"
                for kind, settings in counts.items()
                if settings
            )
            + " settings; means over settings."
        )
    varied = len(cell.settings) - len(plain_settings)
    if varied:
        seeds = len({s.variant.rpartition("/seed-")[2] for s in cell.settings if s.variant})
        lines.append(f"{varied} settings of variants: mean ± standard deviation of {seeds} seeds.")
    if marks and (told := marks.note(cell)):
        lines.append(told)
    common = {s.query_language: s.common for s in cell.settings if s.common is not None}
    if common:
        asked = ", ".join(f"{language} {count:,}" for language, count in common.items())
        lines.append(f"common: {cell.main_measure} on the queries all settings can answer: {asked}")
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
    lines += exposures.notes(cells)
    lines += filter(None, map(doubts.note, cells))
    lines += filter(None, (precision.note(each, SHORT) for each in cells))
    stored = [plain(each.encoder) for each in cells if each.stored]
    if stored:
        lines.append(f"From stored results: {', '.join(stored)}")
    return [plain(line, 400) for line in lines]


def _relevant(settings: Sequence[SettingRow]) -> int:
    """Relevant documents per query in the multilingual settings, if one per language."""
    preference = [s.measures.get("language_preference_chance", math.nan) for s in settings]
    known = [value for value in preference if value and not math.isnan(value)]
    return round(1 / min(known)) if known else 0


def planned(cells: Sequence[PlannedCell]) -> RenderableType:
    """The plan of `--dry-run`."""
    drawn = grid("encoder", ["settings", "texts", "cached", "tokens", "vectors", "time"])
    for cell in cells:
        drawn.add_row(
            Text(plain(f"{cell.encoder} × {cell.task}")),
            f"{cell.settings:,}",
            "–" if cell.texts is None else f"{cell.texts:,}",
            "–" if cell.cached is None else f"{cell.cached:,}",
            "–" if cell.tokens is None else f"{cell.tokens:,}",
            "–" if cell.bytes is None else f"{cell.bytes / 1e6:,.1f} MB",
            "unknown" if cell.seconds is None else _time(cell.seconds),
        )
    fetched = {cell.encoder: cell.fetches for cell in cells if cell.fetches}
    notes = [
        Padding(Text(f"{plain(name)} first fetches {plain(what, 400)}", style="dim"), (0, 0, 0, 2))
        for name, what in fetched.items()
    ]
    return Group(Text("What this run would do", style="bold"), drawn, *notes)


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
