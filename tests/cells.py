"""Results made up for tests of what people see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from plugins_for_tests import HOSTILE

from mlir_harness.indexing.search import SearchResult
from mlir_harness.results import CellResult, SettingRow

LANGUAGES = ("en", "hi")


def scored(encoder: str, base: float, **changes: Any) -> CellResult:
    """Scores in two languages, a little different in each setting."""
    rows = []
    for x in LANGUAGES:
        for y in LANGUAGES:
            kind = "monolingual" if x == y else "cross-lingual"
            rows.append(_row(f"{x}→{y}", kind, x, (y,), base - 0.125 * (x != y)))
        rows.append(_row(f"{x}→all", "multilingual", x, LANGUAGES, base - 0.0625))
    cell: dict[str, Any] = {
        "encoder": encoder,
        "task": "xquad-r",
        "split": "test",
        "status": "ok",
        "fingerprints": {"data": "d" * 32, "protocol": "a" * 32, "encoder": "e" * 32},
        "summary": _summary(rows),
        "settings": tuple(rows),
        "main_measure": "AP",
        "details": {
            "measures": ["AP", "R@1", "R@10", "nDCG@10"],
            "provenance": {
                "source": "data/xquad-r",
                "licence": "CC-BY-SA-4.0",
                "notes": ["questions: en 1190, hi 1190"],
            },
            "texts": {"unique": 4828, "truncated": 0},
        },
        "folder": Path("results/xquad-r-0/x-0/0"),
    }
    return CellResult(**(cell | changes))


def exposed(cell: CellResult, **found: Any) -> CellResult:
    """The cell with what is known of its encoder's training."""
    held = {"verdict": "zero-shot", "reason": "", "untrained": False, **found}
    return replace(cell, details={**cell.details, "exposure": held})


def contaminated(cell: CellResult) -> CellResult:
    """Three English queries were trained on, and so their translations."""
    languages = {"en": {"found": 3, "of": 1190}, "hi": {"found": 3, "of": 1190}}
    queries = {"found": 6, "of": 2380, "languages": languages, "listed": {"en": {"q1": "text"}}}
    documents = {"found": 0, "of": 2400, "languages": {}, "listed": {}}
    return exposed(
        cell,
        verdict="contaminated",
        record="r" * 32,
        trained={"en": 12, HOSTILE: 1},
        unseen=["hi"],
        queries=queries,
        documents=documents,
    )


def searched(cell: CellResult, recall: float, **changes: Any) -> CellResult:
    """The cell with what an index makes of it."""

    def figures(exact: float) -> dict[str, float]:
        return {"recall": recall, "found": exact * recall, "exact": exact}

    result = SearchResult(
        search="faiss:IVF1024,PQ48@nprobe=16",
        engine="faiss 1.9.0",
        measure="AP@100",
        summary={kind: figures(means["AP"]) for kind, means in cell.summary.items()},
        settings={row.id: figures(row.measures["AP"]) for row in cell.settings},
        cost={
            "queries_per_second": 123_456.7,
            "exact_queries_per_second": 2345.6,
            "threads": 2,
            "build_seconds": 61.25,
            "index_bytes": 1_234_567,
            "vector_bytes": 19_989_504,
            "documents": 13_014,
            "dimension": 384,
            "indexes": 11,
        },
    )
    return replace(cell, search=replace(result, **changes))


def hostile() -> CellResult:
    """Everything that comes from outside is HOSTILE."""
    return scored(
        HOSTILE,
        0.25,
        task=HOSTILE,
        split=HOSTILE,
        settings=(_row(HOSTILE, "monolingual", HOSTILE, (HOSTILE,), 0.25),),
        details={"provenance": {"source": HOSTILE, "notes": [HOSTILE]}, "measures": ["AP"]},
        sample=True,
    )


def failed(encoder: str, **changes: Any) -> CellResult:
    cell = {
        "encoder": encoder,
        "task": "xquad-r",
        "split": "test",
        "status": "error",
        "reason": f"raised ValueError: {HOSTILE}",
        "hint": "Run again with --debug for the traceback.",
    }
    return CellResult(**(cell | changes))


def _row(name: str, kind: str, language: str, pool: tuple[str, ...], value: float) -> SettingRow:
    measures = {"AP": value, "R@1": value - 0.05, "R@10": value + 0.2, "nDCG@10": value}
    shares: Mapping[str, Mapping[str, float]] = {}
    if len(pool) > 1:
        measures |= {
            "rank_distance": 1234.5,
            "rank_distance_median": 17.0,
            "rank_distance_share": 0.51,
            "language_preference": 0.9,
            "language_preference_chance": 0.5,
            "PEER@20": math.nan if language == "hi" else 0.125,
            "PEER@20_informative": 0.5,
        }
        shares = {"top": dict.fromkeys(pool, 1 / len(pool))}
    documents = 1200 * len(pool)
    return SettingRow(name, kind, "", language, pool, 1190, 0, documents, 0.01, measures, shares)


def _summary(rows: list[SettingRow]) -> dict[str, dict[str, float]]:
    kinds: dict[str, dict[str, float]] = {}
    for kind in ("monolingual", "cross-lingual", "multilingual"):
        members = [row.measures for row in rows if row.kind == kind]
        kinds[kind] = {name: sum(m[name] for m in members) / len(members) for name in members[0]}
    return kinds
