"""The figures of arXiv 2408.10536, put to the same test as ours, as far as they go."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from mlir_harness.api import CellResult
from mlir_trainers.reproduce.claims import (
    CLAIMS,
    MAIN,
    RANK_DISTANCE,
    Claim,
    Difference,
    Finding,
    Scope,
    against_best,
    judged,
)

_DIGITS = 9  # differences of decimals, without what floating point adds to them


@dataclass(frozen=True, slots=True)
class Published:
    """What the paper prints of one model on one task.

    Attributes:
        task, model: as this program calls them.
        title: of the model, as the paper calls it.
        measure: of effectiveness.
        findings: a finding per claim, by point estimates.
    """

    task: str
    model: str
    title: str
    measure: str
    findings: tuple[Finding, ...]

    def finding(self, claim: str) -> Finding | None:
        """What the figures make of a claim."""
        return next((each for each in self.findings if each.claim == claim), None)


@cache
def _figures() -> Mapping[str, Any]:
    text = files("mlir_trainers.reproduce").joinpath("published.json").read_text("utf-8")
    held: Mapping[str, Any] = json.loads(text)
    return held


def source() -> str:
    """Where the figures are from."""
    return str(_figures()["source"])


def everything() -> tuple[Published, ...]:
    """All figures, task by task."""
    held = _figures()
    return tuple(
        Published(
            task,
            model,
            held["models"][model],
            about["measure"],
            tuple(_found(claim, figures) for claim in CLAIMS),
        )
        for task, about in held["tasks"].items()
        for model, figures in about["models"].items()
    )


def beside(cell: CellResult) -> tuple[tuple[Published, ...], str]:
    """The figures that a cell's may be set beside, and why there are none.

    They may if the cell is of the whole task, under its own name, on its real data, in the
    languages of the paper, and by its measure.
    """
    about = _figures()["tasks"].get(cell.task)
    if about is None:
        return (), "the paper has no figures of this name"
    if cell.sample:
        return (), "sample data"
    if cell.main_measure != about["measure"]:
        return (), f"the paper's measure is {about['measure']}"
    own = [each for each in cell.settings if each.kind == "monolingual" and not each.variant]
    languages = {each.query_language for each in own}
    if languages != set(about.get("documents", about.get("languages", ()))):
        return (), "the paper has other languages"
    for each in own if "documents" in about else ():
        expected = about["queries"][each.query_language], about["documents"][each.query_language]
        if (each.queries + each.unanswerable, each.documents) != expected:
            return (), f"other queries or documents than published, in {each.query_language}"
    return tuple(each for each in everything() if each.task == cell.task), ""


def _found(claim: Claim, figures: Mapping[str, Any]) -> Finding:
    key = RANK_DISTANCE if claim.measure == RANK_DISTANCE else claim.kind
    held: Mapping[str, Mapping[str, float]] = figures.get(key, {})
    wanted: Collection[str] = ("mean",) if claim.scope is Scope.ALL else held.keys() - {"mean"}
    rows = [held[name] for name in sorted(wanted) if name in held]
    if not rows:
        return judged(claim, None, "the paper prints no such figures")
    sign = 1 if claim.measure == MAIN else -1
    differences = []
    for rival in claim.rivals:
        total = sum(row[claim.sampler] - row[rival] for row in rows) / len(rows)
        differences.append(Difference.point(rival, round(sign * total, _DIGITS)))
    return judged(claim, against_best(differences))
