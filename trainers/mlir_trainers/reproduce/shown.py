"""How numbers and verdicts are written, in every format alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mlir_trainers.reproduce.claims import (
    CLAIMS,
    RANK_DISTANCE,
    SEPARATE,
    SEPARATE_NEED,
    SEPARATE_SENTENCE,
    Difference,
    Finding,
    Verdict,
    must_hold,
)
from mlir_trainers.reproduce.intervals import ENOUGH_SEEDS, spread
from mlir_trainers.reproduce.outcome import Outcome, TaskOutcome
from mlir_trainers.reproduce.published import Published
from mlir_trainers.samples import SAMPLE

SIGNS = {
    Verdict.SUPPORTED: "✓",
    Verdict.NOT_SUPPORTED: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.UNTESTABLE: "–",
}
LEGEND = ", ".join(f"{sign} {verdict.value}" for verdict, sign in SIGNS.items())
TITLES = {"xquad-r": "XQuAD-R", "mlqa-r": "MLQA-R", "miracl": "MIRACL"}
_CLAIMS = {claim.id: claim for claim in CLAIMS}


def sentence(finding: Finding) -> str:
    """The claim."""
    return SEPARATE_SENTENCE if finding.claim == SEPARATE else _CLAIMS[finding.claim].sentence


def need(finding: Finding, measure: str) -> str:
    """What must hold."""
    if finding.claim == SEPARATE:
        return SEPARATE_NEED
    return must_hold(_CLAIMS[finding.claim], measure)


def value(finding: Finding) -> str:
    """The difference, such as "+0.0124"; "" if there is none."""
    return "" if finding.difference is None else _signed(finding.difference.value, finding)


def interval(finding: Finding) -> str:
    """ "−0.0041 … +0.0203"; "" if nothing is known of it."""
    held: Difference | None = finding.difference
    if held is None or not held.interval:
        return ""
    return f"{_signed(held.lower, finding)} … {_signed(held.upper, finding)}"


def beside(finding: Finding, figures: Sequence[Published]) -> list[str]:
    """The paper's figures for a claim, such as "XLM-R −0.0007 ✓"."""
    lines = []
    for each in figures:
        found = each.finding(finding.claim)
        if found is not None and found.difference is not None:
            lines.append(f"{each.title} {value(found)} {SIGNS[found.verdict]}")
    return lines


def mean(values: Sequence[float], digits: int) -> str:
    """Mean and standard deviation over seeds, such as "0.543 ±0.003"."""
    if not values:
        return "–"
    shown = f"{sum(values) / len(values):,.{digits}f}"
    deviation = spread(values)
    return shown if math.isnan(deviation) else f"{shown} ±{deviation:,.{digits}f}"


def title(outcome: Outcome, task: TaskOutcome) -> str:
    """Above a task's verdicts."""
    seeds = f"{len(task.seeds)} seed{'' if len(task.seeds) == 1 else 's'}"
    only = ", these checkpoints only" if len(task.seeds) < ENOUGH_SEEDS else ""
    sample = " · SAMPLE DATA, proves nothing" if task.sample else ""
    return f"{outcome.recipe} on {task.task} · {task.split} · {seeds}{only}{sample}"


def notes(outcome: Outcome, task: TaskOutcome) -> list[str]:
    """What a reader must know to read the verdicts of a task."""
    resampled = (
        "seeds and clusters of queries are resampled"
        if len(task.seeds) >= ENOUGH_SEEDS
        else f"clusters of queries are resampled, seeds are not: fewer than {ENOUGH_SEEDS}"
    )
    lines = [
        f"Positive is in favour of the claim. Each bound holds with 95 % confidence; {resampled}.",
        _trained_on(outcome),
    ]
    if task.apart:
        lines.append(f"No published figures beside: {task.apart}.")
    else:
        lines.append("Published: verdicts by point estimates; the paper gives no intervals.")
    reasons: dict[str, list[str]] = {}
    for each in task.findings:
        if each.verdict is Verdict.UNTESTABLE:
            reasons.setdefault(each.reason, []).append(sentence(each))
        elif each.claim == SEPARATE:
            lines.append(f"{sentence(each)}: {each.reason}.")
    lines += [f"{'; '.join(claims)}: {reason}." for reason, claims in reasons.items()]
    return lines


def _trained_on(outcome: Outcome) -> str:
    if not outcome.sample:
        return f"Trained on {', '.join(outcome.data)}."
    others = [f" and {each}" for each in outcome.data if each != SAMPLE]
    return (
        f"Trained on the bundled sample{''.join(others)}: "
        "it shows that everything works, and proves nothing."
    )


def _signed(number: float, finding: Finding) -> str:
    ranks = finding.claim != SEPARATE and _CLAIMS[finding.claim].measure == RANK_DISTANCE
    shown = f"{number:+,.1f}" if ranks else f"{number:+.4f}"
    return shown.replace("-", "−")
