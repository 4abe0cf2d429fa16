"""Results for programs and papers: JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlir_harness import exposures, tables
from mlir_harness.indexing import search_table
from mlir_harness.indexing.search import SearchResult
from mlir_harness.references import Match, Source, published
from mlir_harness.results import CellResult, finite
from mlir_harness.text import cell as csv_cell
from mlir_harness.text import markdown as _escape

if TYPE_CHECKING:
    from mlir_harness.comparing.marks import Marks
    from mlir_harness.plan import PlannedCell

SCHEMA = 1


def as_json(
    cells: Sequence[CellResult], sources: Sequence[Source] = (), marks: Marks | None = None
) -> str:
    """One object with every cell, its summary and its settings; published figures if asked for."""
    held: dict[str, Any] = {"schema": SCHEMA, "cells": [_object(cell, marks) for cell in cells]}
    if sources:
        held["references"] = [
            each
            for task, split, members in tables.by_task(cells)
            for each in published.as_objects(published.beside(members, sources), task, split)
        ]
    return json.dumps(held, indent=1)


def _object(cell: CellResult, marks: Marks | None) -> dict[str, Any]:
    found = {
        "encoder": cell.encoder,
        "task": cell.task,
        "split": cell.split,
        "data": "sample" if cell.sample else "real",
        "status": cell.status,
        "reason": cell.reason,
        "hint": cell.hint,
        "fingerprints": dict(cell.fingerprints),
        "summary": cell.summary,
        "deviations": cell.deviations,
        "settings": [
            {
                "id": setting.id,
                "kind": setting.kind,
                "variant": setting.variant,
                "query_language": setting.query_language,
                "document_languages": list(setting.document_languages),
                "queries": setting.queries,
                "unanswerable": setting.unanswerable,
                "common": setting.common,
                "documents": setting.documents,
                "tie_rate": setting.tie_rate,
                "measures": setting.measures,
                "languages": setting.languages,
            }
            for setting in cell.settings
        ],
        "folder": None if cell.folder is None else str(cell.folder),
        "search": None if cell.search is None else cell.search.as_dict(),
        "precision": None if cell.lowered is None else asdict(cell.lowered),
        "exposure": cell.details.get("exposure"),
    }
    if marks is not None:
        found["comparison"] = marks.of(cell)
    result: dict[str, Any] = finite(found)
    return result


def plan_as_json(planned: Sequence[PlannedCell], failed: Sequence[CellResult]) -> str:
    """One object with the cells that would run and those that cannot."""
    unusable = [
        {name: getattr(cell, name) for name in ("encoder", "task", "status", "reason", "hint")}
        for cell in failed
    ]
    plan = [asdict(cell) for cell in planned]
    return json.dumps(finite({"schema": SCHEMA, "plan": plan, "failed": unusable}), indent=1)


def rows(cells: Sequence[CellResult]) -> list[dict[str, Any]]:
    """One row per setting with a column per measure; a failed cell has one row."""
    table: list[dict[str, Any]] = []
    for cell in cells:
        head: dict[str, Any] = {
            "encoder": cell.encoder,
            "task": cell.task,
            "split": cell.split,
            "data": "sample" if cell.sample else "real",
            "status": cell.status,
            "reason": cell.reason or "",
        }
        if not cell.settings:
            table.append(head)
        for setting in cell.settings:
            own = {
                "setting": setting.id,
                "kind": setting.kind,
                "variant": setting.variant,
                "query_language": setting.query_language,
                "document_languages": " ".join(setting.document_languages),
                "queries": setting.queries,
                "unanswerable": setting.unanswerable,
                "common": setting.common,
                "documents": setting.documents,
                "tie_rate": setting.tie_rate,
            }
            own |= exposures.columns(cell, (setting.query_language, *setting.document_languages))
            table.append(head | own | dict(setting.measures) | _searched(cell, setting.id))
    return table


def _searched(cell: CellResult, setting: str) -> dict[str, Any]:
    """Columns of an approximate search, if there was one."""
    result = cell.search
    if result is None:
        return {}
    named = {"search": result.search, "search_reason": result.reason or ""}
    if setting not in result.settings:
        return named
    own = {f"search_{name}": value for name, value in result.settings[setting].items()}
    return named | {"search_measure": result.measure} | own


def as_csv(cells: Sequence[CellResult], sources: Sequence[Source] = ()) -> str:
    """`rows` as CSV, then published figures; what a spreadsheet takes for formulas is quoted."""
    table = rows(cells)
    for task, split, members in tables.by_task(cells) if sources else ():
        table += published.as_rows(published.beside(members, sources), task, split)
    names = list(dict.fromkeys(name for row in table for name in row))
    written = io.StringIO()
    writer = csv.DictWriter(written, [csv_cell(name) for name in names], lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow(
            {
                csv_cell(name): csv_cell(value) if isinstance(value, str) else value
                for name, value in finite(row).items()
            }
        )
    return written.getvalue()


def as_markdown(
    cells: Sequence[CellResult], sources: Sequence[Source] = (), marks: Marks | None = None
) -> str:
    """The summary as GitHub tables; best bold, second underlined, published figures in italics."""
    parts = []
    for task, split, members in tables.by_task(cells):
        sample = " (sample data)" if members[0].sample else ""
        title = f"### {_escape(task)} · {_escape(split)}{sample}"
        chosen = tables.columns(members)
        found = published.beside(members, sources)
        if chosen:
            parts.append(f"{title}\n\n{_markdown(members, chosen, found, marks)}")
        for kind in tables.SHORT:
            for varied in tables.variants(members, kind):
                heading = f"{title}: {kind}, {_escape(varied[0].measure)}"
                parts.append(f"{heading}\n\n{_markdown(members, varied, (), marks)}")
        lines = tables.notes(members, marks) + (published.notes(found, task) if sources else [])
        parts.append("".join(f"- {_escape(line, 600)}\n" for line in lines))
    parts += [
        f"### {_escape(title)}\n\n{_markdown_searches(found)}"
        for title, found in search_table.groups(cells)
    ]
    troubled = [(cell, cell.status, cell.reason) for cell in cells]
    troubled += [(cell, cell.search.search, cell.search.reason) for cell in cells if cell.search]
    lines = [
        f"- {_escape(cell.encoder)} × {_escape(cell.task)}: {_escape(what)}: {_escape(reason)}"
        for cell, what, reason in troubled
        if reason
    ]
    if lines:
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _markdown(
    cells: Sequence[CellResult],
    chosen: Sequence[tables.Column],
    found: Sequence[Match],
    marks: Marks | None,
) -> str:
    best = [tables.places(column, cells) for column in chosen]
    lines = [
        "| encoder | " + " | ".join(_escape(column.heading) for column in chosen) + " |",
        "|:--|" + "--:|" * len(chosen),
    ]
    for cell in cells:
        values = []
        for column, places in zip(chosen, best, strict=True):
            shown = column.show(column.value(cell))
            place = places.get(cell.encoder, 0)
            styled = {1: f"**{shown}**", 2: f"<u>{shown}</u>"}.get(place, shown)
            values.append(f"{column.mark(cell, marks)}{styled}{column.deviation(cell)}")
        lines.append(f"| {_escape(exposures.name(cell))} | " + " | ".join(values) + " |")
    for row in published.rows(found, ((each.kind, each.measure) for each in chosen)):
        figures = [f"*{row.show(each.kind, each.measure, each.show)}*" for each in chosen]
        lines.append(f"| *{_escape(row.name)}* | " + " | ".join(figures) + " |")
    return "\n".join(lines) + "\n"


def _markdown_searches(members: Sequence[tuple[CellResult, SearchResult]]) -> str:
    names = ["encoder", *search_table.headings(members[0][1].measure)]
    shown = [name.replace("-\n", "").replace("\n@", "@").replace("\n", " ") for name in names]
    lines = [
        "| " + " | ".join(map(_escape, shown)) + " |",
        "|:--|:--|" + "--:|" * (len(names) - 2),
    ]
    for cell, result in members:
        for row in search_table.rows(result):
            lines.append(f"| {_escape(cell.encoder)} | " + " | ".join(row) + " |")
    notes = [f"\n{_escape(note)}" for note in search_table.notes_of(members)]
    return "\n".join([*lines, *notes]) + "\n"
