"""Comparisons for programs: JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mlir_harness import directions
from mlir_harness.comparing import table
from mlir_harness.comparing.compare import Compared, Difference
from mlir_harness.results import finite
from mlir_harness.text import cell, markdown

SCHEMA = 1


def as_json(results: Sequence[Compared]) -> str:
    """One object with every comparison."""
    held = {"schema": SCHEMA, "comparisons": [_object(each) for each in results]}
    return f"{json.dumps(finite(held), indent=1)}\n"


def _object(compared: Compared) -> dict[str, Any]:
    return {
        "task": compared.task,
        "split": compared.split,
        "data": "sample" if compared.sample else "real",
        "measure": compared.measure,
        "seed": compared.seed,
        "main": [as_row(each) for each in compared.main],
        "exploratory": [as_row(each) for each in compared.exploratory],
        "agreement": [asdict(each) for each in compared.agreements],
        "queries": [asdict(each) for each in compared.movers],
    }


def as_row(each: Difference) -> dict[str, Any]:
    """A difference as JSON has it."""
    names = {"baseline": each.names[0], "encoder": each.names[1]}
    held = {key: value for key, value in asdict(each).items() if key not in {"names", "group"}}
    return {
        **names,
        **asdict(each.group),
        **held,
        "significant": each.significant,
        "better": each.better,
    }


def as_csv(results: Sequence[Compared]) -> str:
    """A row per difference; cells that a spreadsheet would take for formulas are quoted."""
    rows = [
        {"task": compared.task, "split": compared.split, "measure": compared.measure}
        | {"family": family}
        | as_row(each)
        for compared in results
        for family, some in (("main", compared.main), ("exploratory", compared.exploratory))
        for each in some
    ]
    written = io.StringIO()
    names = list(rows[0]) if rows else ["task"]
    writer = csv.DictWriter(written, names, lineterminator="\n")
    writer.writeheader()
    for row in finite(rows):
        writer.writerow(
            {key: cell(value) if isinstance(value, str) else value for key, value in row.items()}
        )
    return written.getvalue()


def as_markdown(results: Sequence[Compared]) -> str:
    """GitHub tables of both families."""
    return "\n".join(_markdown(each) for each in results)


def _markdown(compared: Compared) -> str:
    parts = [f"### {markdown(table.title(compared))}\n\n{_rows(compared.main)}"]
    parts.append("".join(f"- {markdown(line, 600)}\n" for line in table.notes(compared)))
    if compared.exploratory:
        family = markdown(table.family(compared.exploratory))
        parts.append(f"#### exploratory\n\n{_rows(compared.exploratory)}\n- {family}\n")
    if compared.movers:
        parts.append(f"#### queries that changed most\n\n{_movers(compared)}")
    return "\n".join(parts)


def _rows(family: Sequence[Difference]) -> str:
    lines = [
        "| encoder | baseline | settings | before | after | difference | 95 % interval | p |",
        "|:--|:--|:--|--:|--:|--:|:-:|--:|",
    ]
    for each in family:
        cells = [
            *map(markdown, (each.names[1], each.names[0], table.settings(each))),
            table.number(each.before, each.low),
            table.number(each.after, each.low),
            f"{table.mark(each)} {table.signed(each, each.difference)}".strip(),
            f"{table.signed(each, each.lower)} … {table.signed(each, each.upper)}",
            table.probability(each.adjusted).replace("<", "&lt;"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _movers(compared: Compared) -> str:
    low = directions.low(compared.measure)
    lines = ["| encoder | baseline | before | after | query |", "|:--|:--|--:|--:|:--|"]
    for each in compared.movers:
        words = (each.names[1], each.names[0], table.number(each.before, low))
        told = f"{each.language} {each.query} {each.text}"
        cells = [*map(markdown, words), table.number(each.after, low), markdown(told, 300)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
