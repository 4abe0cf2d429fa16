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
from mlir_harness.results import CellResult, finite
from mlir_harness.text import cell as csv_cell
from mlir_harness.text import markdown as _escape

if TYPE_CHECKING:
    from mlir_harness.plan import PlannedCell

SCHEMA = 1


def as_json(cells: Sequence[CellResult]) -> str:
    """One object with every cell, its summary and its settings."""
    return json.dumps({"schema": SCHEMA, "cells": [_object(cell) for cell in cells]}, indent=1)


def _object(cell: CellResult) -> dict[str, Any]:
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


def as_csv(cells: Sequence[CellResult]) -> str:
    """`rows` as CSV; cells that a spreadsheet would take for formulas are quoted."""
    table = rows(cells)
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


def as_markdown(cells: Sequence[CellResult]) -> str:
    """The summary as GitHub tables; best bold, second underlined."""
    parts = []
    for task, split in dict.fromkeys((cell.task, cell.split) for cell in cells):
        members = [c for c in cells if (c.task, c.split) == (task, split) and c.status == "ok"]
        if members:
            sample = " (sample data)" if members[0].sample else ""
            title = f"### {_escape(task)} · {_escape(split)}{sample}"
            chosen = tables.columns(members)
            if chosen:
                parts.append(f"{title}\n\n{_markdown(members, chosen)}")
            for kind in tables.SHORT:
                for varied in tables.variants(members, kind):
                    heading = f"{title}: {kind}, {_escape(varied[0].measure)}"
                    parts.append(f"{heading}\n\n{_markdown(members, varied)}")
            parts.append("".join(f"- {_escape(line)}\n" for line in tables.notes(members)))
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


def _markdown(cells: Sequence[CellResult], chosen: Sequence[tables.Column]) -> str:
    marks = [tables.places(column, cells) for column in chosen]
    lines = [
        "| encoder | " + " | ".join(_escape(column.heading) for column in chosen) + " |",
        "|:--|" + "--:|" * len(chosen),
    ]
    for cell in cells:
        values = []
        for column, mark in zip(chosen, marks, strict=True):
            shown = column.show(column.value(cell))
            best = mark.get(cell.encoder)
            marked = {1: f"**{shown}**", 2: f"<u>{shown}</u>"}.get(best or 0, shown)
            values.append(f"{marked}{column.deviation(cell)}")
        lines.append(f"| {_escape(exposures.name(cell))} | " + " | ".join(values) + " |")
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
