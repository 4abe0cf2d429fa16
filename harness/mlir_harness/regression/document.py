"""A check, and a baseline, as JSON objects."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlir_harness.regression import wording
from mlir_harness.regression.baseline import Baseline
from mlir_harness.regression.checking import Checked
from mlir_harness.regression.verdicts import Row
from mlir_harness.results import finite

SCHEMA = 1


def checked(found: Checked, file: str) -> dict[str, Any]:
    """What `check --format json` prints."""
    told = wording.words(found, file)
    held: dict[str, Any] = finite(
        {
            "schema": SCHEMA,
            "baseline": file,
            "exit_code": int(found.exit_code),
            "result": told.result,
            "counts": {str(verdict): count for verdict, count in found.counts().items()},
            "rows": [_row(row) for row in found.rows],
            "encoders": [
                {**key._asdict(), "changes": list(changes)}
                for key, changes in found.changes.items()
            ],
            "new": list(found.beyond),
            "failed": list(found.failed),
            "notes": list(told.notes),
            "advice": list(told.advice),
        }
    )
    return held


def _row(row: Row) -> dict[str, Any]:
    pair = row.pair
    return {
        **pair.key._asdict(),
        "kind": pair.group,
        "language": pair.language or None,
        "measure": pair.gate.measure,
        "verdict": str(row.verdict),
        "old": pair.old,
        "new": pair.new,
        "change": pair.change,
        "upper": row.upper,
        "lower": row.lower,
        "p": row.p,
        "delta": pair.gate.delta,
        "exact": row.exact,
        "clusters": len(pair.contributions) or None,
        "reasons": list(row.reasons),
    }


def baseline(held: Baseline, file: str) -> dict[str, Any]:
    """What `baseline show --format json` prints."""
    shown: dict[str, Any] = finite(
        {
            "schema": SCHEMA,
            "baseline": file,
            "request": held.request,
            "measures": {name: gate.delta for name, gate in held.gates.items()},
            "tolerance": held.tolerance,
            "variants": held.variants,
            "cells": [
                {
                    **cell.key._asdict(),
                    "summary": cell.summary,
                    "settings": len(cell.settings),
                    "queries": len(cell.queries),
                    "fingerprints": cell.fingerprints,
                    "info": cell.info,
                    "environment": cell.environment,
                    "device": cell.device,
                }
                for cell in held.cells
            ],
            "history": [asdict(entry) for entry in held.history],
        }
    )
    return shown
