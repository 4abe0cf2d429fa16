"""What `mlir-harness list references` prints. Imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from mlir_harness.references.held import Table, sources


def as_text() -> str:
    """Each source with its systems, and a line for each protocol."""
    return "\n".join(_lines())


def as_json() -> str:
    """Everything, figures included: a list of sources."""
    return json.dumps([asdict(source) for source in sources()], indent=1, ensure_ascii=False)


def _lines() -> Iterator[str]:
    for number, source in enumerate(sources()):
        if number:
            yield ""
        yield f"{source.name}: {source.source}"
        yield f"  {source.url} · {source.licence}"
        yield f"  systems: {', '.join(each.name for each in source.systems.values())}"
        for table in source.tables:
            yield f"  {_protocol(table)}"


def _protocol(table: Table) -> str:
    """Task, split and languages, and what figures there are."""
    measures = dict.fromkeys((figure.kind, figure.measure) for figure in table.figures)
    kinds: dict[str, list[str]] = {}
    for kind, measure in measures:
        kinds.setdefault(kind, []).append(measure)
    told = "; ".join(f"{kind} {', '.join(held)}" for kind, held in kinds.items())
    return f"{table.task}, {table.split} split, {len(table.languages)} languages: {told}"
