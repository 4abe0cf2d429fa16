"""Cells of the published sizes of XQuAD-R and MIRACL, or of some of their languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlir_harness import references
from mlir_harness.references import Source, Table
from mlir_harness.results import CellResult, SettingRow


def source(name: str) -> Source:
    (held,) = references.chosen([name])
    return held


def table(task: str, name: str = "hybrid-batch", split: str = "") -> Table:
    return next(each for each in source(name).of(task) if split in {"", each.split})


def cell(
    task: str = "xquad-r", languages: Sequence[str] = (), encoder: str = "ours", **changes: Any
) -> CellResult:
    """A cell of the sizes published, with the same value of every measure in each setting."""
    split = changes.pop("split", "dev" if task == "miracl" else "test")
    name = "pyserini" if task == "miracl" else "hybrid-batch"
    printed = table(task, name, split)
    kept = tuple(languages) or printed.languages
    value = changes.pop("value", 0.5)
    rows = [_row("monolingual", x, (x,), printed, value) for x in kept]
    if task != "miracl":
        pairs = [(x, y) for x in kept for y in kept if x != y]
        rows += [_row("cross-lingual", x, (y,), printed, value) for x, y in pairs]
    if len(kept) > 1:
        rows += [_row("multilingual", x, kept, printed, value) for x in kept]
    held: dict[str, Any] = {
        "encoder": encoder,
        "task": task,
        "split": split,
        "status": "ok",
        "main_measure": printed.main,
        "settings": tuple(rows),
    }
    cell = {**held, **changes}
    kinds = {row.kind: row.measures for row in cell["settings"]}
    return CellResult(**{"summary": kinds, **cell})


def _row(
    kind: str, language: str, pool: tuple[str, ...], printed: Table, value: float
) -> SettingRow:
    measures = dict.fromkeys(("AP", "R@1", "R@10", "nDCG@10"), value)
    if printed.main != "AP":
        measures = dict.fromkeys(("nDCG@10", "R@100"), value)
    elif len(pool) > 1:
        measures["rank_distance"] = 1000 * value
    documents = sum(printed.documents[each] for each in pool)
    place = pool[0] if len(pool) == 1 else "all"
    asked = printed.queries.get(language, 99)
    return SettingRow(
        f"{language}→{place}", kind, "", language, pool, asked, 0, documents, 0.0, measures
    )
