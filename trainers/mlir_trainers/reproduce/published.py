"""The figures of arXiv 2408.10536, put to the same test as ours, as far as they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mlir_harness import references
from mlir_harness.api import CellResult
from mlir_harness.references import Figure, Source, Table
from mlir_trainers.reproduce.claims import (
    CLAIMS,
    MAIN,
    Claim,
    Difference,
    Finding,
    Scope,
    against_best,
    judged,
)

_PAPER = "hybrid-batch"
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


def _paper() -> Source:
    (held,) = references.chosen([_PAPER])
    return held


def source() -> str:
    """Where the figures are from."""
    return _paper().source


def everything() -> tuple[Published, ...]:
    """All figures, task by task."""
    return tuple(each for table in _paper().tables for each in _of(table))


def beside(cell: CellResult) -> tuple[tuple[Published, ...], str]:
    """The figures that a cell's may be set beside, and why there are none.

    They may if the cell is of the whole protocol of the paper, and by its measure; the rule is
    that of `mlir-harness run --reference`.
    """
    found = references.match(cell, _paper())
    if found is None:
        return (), "the paper has no figures of this name"
    table = found.table
    if table is None or found.refusals:
        return (), found.refusals[0].reason
    if not found.whole:
        return (), f"{len(table.languages)} languages published, fewer here"
    if cell.main_measure != table.main:
        return (), f"the paper's measure is {table.main}"
    return _of(table), ""


def _of(table: Table) -> tuple[Published, ...]:
    """The figures of a task, model by model."""
    titles = {each.model: each.title for each in _paper().systems.values()}
    return tuple(
        Published(
            table.task,
            model,
            title,
            table.main,
            tuple(_found(claim, table, model) for claim in CLAIMS),
        )
        for model, title in titles.items()
    )


def _found(claim: Claim, table: Table, model: str) -> Finding:
    measure = table.main if claim.measure == MAIN else claim.measure
    systems = _paper().systems
    figures = {
        systems[each.system].sampler: each
        for each in table.figures
        if systems[each.system].model == model
        and (each.kind, each.measure) == (claim.kind, measure)
    }
    rows = _rows(figures, claim.scope)
    if not rows:
        return judged(claim, None, "the paper prints no such figures")
    sign = 1 if claim.measure == MAIN else -1
    differences = []
    for rival in claim.rivals:
        total = sum(row[claim.sampler] - row[rival] for row in rows) / len(rows)
        differences.append(Difference.point(rival, round(sign * total, _DIGITS)))
    return judged(claim, against_best(differences))


def _rows(figures: Mapping[str, Figure], scope: Scope) -> list[dict[str, float]]:
    """Sampler -> figure: the mean, or a row for each language that was not trained on."""
    if scope is Scope.ALL:
        means = {name: each.mean for name, each in figures.items() if each.mean is not None}
        return [means] if means else []
    printed = {language for each in figures.values() for language in each.languages}
    unseen = sorted(printed.difference(_paper().trained_languages))
    return [{name: each.languages[x] for name, each in figures.items()} for x in unseen]
