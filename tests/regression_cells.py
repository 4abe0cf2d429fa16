"""Cells made up for tests of what is held against a baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlir_harness.comparing.queries import Coded, Queries
from mlir_harness.regression.baseline import Baseline, Entry
from mlir_harness.regression.cells import Cell, Kept, Key
from mlir_harness.regression.gates import gate

LANGUAGES = ("en", "hi")
QUERIES = 20  # of a language, in clusters of two


def cell(
    values: Mapping[str, Any] | None = None,
    *,
    encoder: str = "floor",
    task: str = "small",
    data: str = "sample",
    languages: Sequence[str] = LANGUAGES,
    changes: Mapping[str, str] | None = None,
    info: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Cell:
    """A cell with every query in a monolingual and in a multilingual setting.

    Args:
        values: measure -> (2 · languages · QUERIES,) values, setting by setting.
        encoder, task, data: its key.
        languages: of queries and documents.
        changes: parts of data or protocol that are others; None for a part that is not there.
        info: what the encoder says that is not usual.
        fields: others of Cell.
    """
    settings = [
        setting
        for language in languages
        for setting in (
            Kept(f"{language}→{language}", "monolingual", "", language, (language,), 100),
            Kept(f"{language}→all", "multilingual", "", language, (*languages,), 200),
        )
    ]
    rows = len(settings) * QUERIES
    told = values or {"AP": np.linspace(0.2, 0.8, rows)}
    made: dict[str, Any] = {
        "key": Key(encoder, task, "test", data),
        "settings": tuple(settings),
        "queries": Queries(
            _coded([setting.id for setting in settings for _ in range(QUERIES)]),
            _coded([f"q{number}" for _ in settings for number in range(QUERIES)]),
            _coded([f"c{number // 2}" for _ in settings for number in range(QUERIES)]),
            {name: np.asarray(value, np.float64) for name, value in told.items()},
        ),
        "summary": {"monolingual": dict.fromkeys(told, 0.5)},
        "fingerprints": {"data": "d1", "protocol": "p1", "encoder": "e1"},
        "parts": _parts(settings, languages, [*told], changes or {}),
        "info": {"plugin": "acme floor:create", "revision": "1", "options": {}, **(info or {})},
        "environment": {"python": "3.11"},
    }
    return Cell(**(made | fields))


def baseline(*cells: Cell, **fields: Any) -> Baseline:
    """A baseline of cells, in which each measure may fall by half a point."""
    names = dict.fromkeys(name for each in cells for name in each.queries.values)
    made: dict[str, Any] = {
        "cells": cells,
        "gates": {name: gate(name) for name in names},
        "request": {"encoders": ["floor"], "tasks": ["small"], "data": "sample", "options": {}},
        "history": (Entry("2026-01-31", "created", "0.1.0"),),
    }
    return Baseline(**(made | fields))


def _parts(
    settings: Sequence[Kept],
    languages: Sequence[str],
    measures: Sequence[str],
    changes: Mapping[str, str],
) -> dict[str, dict[str, str]]:
    data = {f"{what} {each}": "1" for each in languages for what in ("queries", "documents")}
    data |= {f"judgements {one}→{other}": "1" for one in languages for other in languages}
    data |= {f"clusters {each}": "1" for each in languages}
    protocol = {"task": "small", "version": "1", "ties": "hash", "gain": "linear"}
    protocol |= {f"measure {name}": "1" for name in measures}
    protocol |= {f"setting {each.id}": "1" for each in settings}
    return {
        "data": data | {name: part for name, part in changes.items() if name in data},
        "protocol": protocol | {name: part for name, part in changes.items() if name in protocol},
    }


def _coded(names: Sequence[str]) -> Coded:
    held, codes = np.unique(np.array(names, object), return_inverse=True)
    return Coded(tuple(held.tolist()), codes.astype(np.int64))
