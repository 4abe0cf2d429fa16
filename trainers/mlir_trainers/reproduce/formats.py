"""A reproduction as JSON and as Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from mlir_harness.text import plain
from mlir_trainers.reproduce import published, shown
from mlir_trainers.reproduce.claims import CLAIMS, PAPER_NAMES, Finding, Verdict
from mlir_trainers.reproduce.outcome import KINDS, Outcome, TaskOutcome

SCHEMA = 1
_MARKED = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]<>#|!"})


def as_json(outcome: Outcome) -> str:
    """One object; numbers as they are, NaN as null."""
    held = {
        "schema": SCHEMA,
        "recipe": outcome.recipe,
        "trained_on": list(outcome.data),
        "trained_on_sample": outcome.sample,
        "tasks": [_task(each) for each in outcome.tasks],
        "failures": [
            {"encoder": each.encoder, "task": each.task, "reason": each.reason, "hint": each.hint}
            for each in outcome.failures
        ],
        "published": {
            "source": published.source(),
            "figures": [_figures(each) for each in published.everything()],
        },
    }
    return json.dumps(held, indent=1, ensure_ascii=False, allow_nan=False)


def _task(task: TaskOutcome) -> dict[str, Any]:
    return {
        "task": task.task,
        "split": task.split,
        "sample": task.sample,
        "measure": task.measure,
        "seeds": list(task.seeds),
        "claims": [_finding(each, task.measure) for each in task.findings],
        "samplers": [
            {
                "name": each.name,
                **{kind: [_finite(one) for one in each.by_kind.get(kind, ())] for kind in KINDS},
                "rank_distance": [_finite(one) for one in each.rank_distance],
            }
            for each in task.means
        ],
        "published_beside": [_figures(each) for each in task.beside],
        "published_apart": task.apart or None,
    }


def _finding(finding: Finding, measure: str) -> dict[str, Any]:
    held = finding.difference
    return {
        "id": finding.claim,
        "claim": shown.sentence(finding),
        "must_hold": shown.need(finding, measure),
        "verdict": finding.verdict.value,
        "reason": finding.reason or None,
        "difference": None if held is None else _finite(held.value),
        "lower": None if held is None or not held.interval else _finite(held.lower),
        "upper": None if held is None or not held.interval else _finite(held.upper),
        "rival": None if held is None else held.rival,
    }


def _figures(figures: published.Published) -> dict[str, Any]:
    return {
        "task": figures.task,
        "model": figures.model,
        "measure": figures.measure,
        "claims": [_finding(each, figures.measure) for each in figures.findings],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def as_markdown(outcome: Outcome) -> str:
    """The tables of `table.render`."""
    parts = []
    for task in outcome.tasks:
        parts += [f"### {_safe(shown.title(outcome, task))}", _verdicts(task)]
        parts += ["\n".join(f"- {_safe(line)}" for line in shown.notes(outcome, task))]
        parts += [_means(task)]
    parts += [f"### The paper's own figures, by point estimates · {_safe(published.source())}"]
    parts += [_published(), shown.LEGEND]
    return "\n\n".join(parts)


def _verdicts(task: TaskOutcome) -> str:
    headings = ["claim", "must hold", "ours", "95 % bounds", "verdict"]
    headings += ["published"] if task.beside else []
    rows = []
    for each in task.findings:
        row = [shown.sentence(each), shown.need(each, task.measure), shown.value(each) or "–"]
        row += [shown.interval(each) or "–", each.verdict.value]
        row += [", ".join(shown.beside(each, task.beside)) or "–"] if task.beside else []
        rows.append(row)
    return _grid(headings, rows)


def _means(task: TaskOutcome) -> str:
    kinds = [kind for kind in KINDS if any(kind in each.by_kind for each in task.means)]
    headings = ["batches", *(f"{kind} {task.measure}" for kind in kinds), "rank distance"]
    rows = [
        [
            PAPER_NAMES.get(each.name, each.name),
            *(shown.mean(each.by_kind.get(kind, ()), 3) for kind in kinds),
            shown.mean(each.rank_distance, 0),
        ]
        for each in task.means
    ]
    return _grid(headings, rows)


def _published() -> str:
    held = published.everything()
    rows = []
    for claim in CLAIMS:
        findings = [each.finding(claim.id) for each in held]
        shown_ = [
            f"{shown.value(each)} {shown.SIGNS[each.verdict]}".strip()
            if each is not None
            else shown.SIGNS[Verdict.UNTESTABLE]
            for each in findings
        ]
        rows.append([claim.sentence, *shown_])
    return _grid(["claim", *(f"{shown.TITLES[each.task]} {each.title}" for each in held)], rows)


def _grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [
        [_safe(each) for each in headings],
        ["---"] * len(headings),
        *([_safe(each) for each in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _safe(words: str) -> str:
    return plain(words, 600).translate(_MARKED)
