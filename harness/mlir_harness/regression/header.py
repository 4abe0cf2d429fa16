"""All of a baseline but its values, as JSON: what goes in comes out, and nothing else does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import Any

from mlir_harness.comparing.queries import Queries
from mlir_harness.regression.baseline import Baseline, Entry
from mlir_harness.regression.cells import Cell, Kept, Key
from mlir_harness.regression.gates import gate
from mlir_harness.results import finite

# Of a setting, by its id: a list, which is half as long as names would make it.
_SETTING = ("kind", "variant", "query_language", "document_languages", "documents")


def header(baseline: Baseline) -> dict[str, Any]:
    """As JSON; what cells of one task share is there once."""
    evaluated: list[dict[str, Any]] = []
    environments: list[Mapping[str, str]] = []
    cells = []
    for cell in baseline.cells:
        shared = _shared(cell)
        own = {
            "encoder": cell.key.encoder,
            "of": _place(evaluated, shared),
            "fingerprint": cell.fingerprints.get("encoder", ""),
            "measures": list(cell.queries.values),
            "summary": cell.summary,
            "info": cell.info,
            "environment": _place(environments, dict(cell.environment)),
            "device": cell.device,
        }
        cells.append(own)
    held: dict[str, Any] = finite(
        {
            "harness": version("mlir-harness"),
            "request": baseline.request,
            "measures": {name: each.delta for name, each in baseline.gates.items()},
            "named": list(baseline.measures),
            "tolerance": baseline.tolerance,
            "variants": baseline.variants,
            "evaluated": evaluated,
            "cells": cells,
            "environments": environments,
            "history": [asdict(each) for each in baseline.history],
        }
    )
    return held


def baseline(held: Mapping[str, Any], values: Sequence[Queries]) -> Baseline:
    """A baseline from its header and the values of each cell.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: the header is not whole.
    """
    cells = tuple(_cell(held, own, rows) for own, rows in zip(held["cells"], values, strict=True))
    return Baseline(
        cells=cells,
        gates={name: gate(name, float(delta)) for name, delta in held["measures"].items()},
        request=dict(held["request"]),
        measures=tuple(held["named"]),
        variants=bool(held["variants"]),
        tolerance=float(held["tolerance"]),
        history=tuple(
            replace(Entry(**each), changes=tuple(each["changes"])) for each in held["history"]
        ),
    )


def _shared(cell: Cell) -> dict[str, Any]:
    """What cells of other encoders on the same data have too."""
    used = {
        language for s in cell.settings for language in (s.query_language, *s.document_languages)
    }
    held = {setting.id for setting in cell.settings}
    data, protocol = cell.parts["data"], cell.parts["protocol"]
    return {
        "task": cell.key.task,
        "split": cell.key.split,
        "data": cell.key.data,
        "fingerprints": {name: cell.fingerprints.get(name, "") for name in ("data", "protocol")},
        "parts": {
            "data": {
                name: part
                for name, part in data.items()
                if used.issuperset(name.rpartition(" ")[2].split("→"))
            },
            "protocol": {
                name: part
                for name, part in protocol.items()
                if not name.startswith("setting ") or name.removeprefix("setting ") in held
            },
        },
        "settings": {
            setting.id: [getattr(setting, name) for name in _SETTING] for setting in cell.settings
        },
    }


def _place(held: list[Any], item: Any) -> int:
    """Where an item is in a list, which is made to have it."""
    if item not in held:
        held.append(item)
    return held.index(item)


def _cell(held: Mapping[str, Any], own: Mapping[str, Any], rows: Queries) -> Cell:
    shared = held["evaluated"][own["of"]]
    measures = list(own["measures"])
    return Cell(
        key=Key(own["encoder"], shared["task"], shared["split"], shared["data"]),
        settings=tuple(
            Kept(name, kind, variant, language, tuple(documents), int(pool))
            for name, (kind, variant, language, documents, pool) in shared["settings"].items()
        ),
        queries=replace(rows, values={name: rows.values[name] for name in measures}),
        summary={
            group: {name: math.nan if mean is None else mean for name, mean in means.items()}
            for group, means in own["summary"].items()
        },
        fingerprints={**shared["fingerprints"], "encoder": own["fingerprint"]},
        parts=shared["parts"],
        info=own["info"],
        environment=held["environments"][own["environment"]],
        device=own["device"],
    )
