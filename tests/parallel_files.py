"""Writes small parallel data sets on the spot, in the formats that trainers read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlir_trainers.parallel.data import ParallelData, load
from mlir_trainers.parallel.prepare import prepare
from mlir_trainers.parallel.sources import Source, from_table


def record(
    name: str,
    questions: Mapping[str, str],
    passages: Mapping[str, str],
    source: str | None = None,
) -> dict[str, Any]:
    """A row as JSON lines hold it."""
    found: dict[str, Any] = {"id": name, "question": questions, "passage": passages}
    return found | ({} if source is None else {"source": source})


def both(name: str, *languages: str, source: str | None = None) -> dict[str, Any]:
    """A row with a question and a passage of its own in each language."""
    return record(
        name,
        {language: f"{language} question {name}?" for language in languages},
        {language: f"{language} passage {name}." for language in languages},
        source,
    )


def write_jsonl(file: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write a line a record and return the path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(each)}\n" for each in records), encoding="utf-8")
    return file


def jsonl(file: Path, records: Iterable[Mapping[str, Any]], **table: Any) -> Source:
    """A source of records, which are written to `file`."""
    return from_table({"format": "jsonl", "path": str(write_jsonl(file, records)), **table})


def prepared(folder: Path, *sources: Source) -> ParallelData:
    """Sources made ready in `folder`, and opened."""
    return load(prepare(sources, folder))


def texts(data: ParallelData) -> list[dict[str, tuple[str, str]]]:
    """Question and passage of every row, by language."""
    return [
        {
            language: (data.question(row, place), data.passage(row, place))
            for place, language in enumerate(data.languages)
            if data.present[row, place]
        }
        for row in range(len(data))
    ]
