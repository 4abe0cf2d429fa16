"""The claims of arXiv 2408.10536 as data, and what numbers make of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MONO, CROSS, HYBRID = "mono", "cross", "hybrid"
SAMPLERS = (MONO, CROSS, HYBRID)
PAPER_NAMES = {MONO: "X-X", CROSS: "X-Y", HYBRID: "hybrid"}
MARGIN = 0.01  # of AP: what is worse by less counts as equal
MAIN, RANK_DISTANCE = "main", "rank_distance"  # measures; main is AP, or what the task has for it


class Verdict(StrEnum):
    """What numbers make of a claim."""

    SUPPORTED = "supported"
    NOT_SUPPORTED = "not supported"
    INCONCLUSIVE = "inconclusive"
    UNTESTABLE = "not testable here"


class Need(StrEnum):
    """What the difference between a sampler and the best of its rivals must be."""

    BEST_OR_TIED = "best or tied"
    AT_LEAST_EQUAL = "at least equal"
    BETTER = "better"


class Scope(StrEnum):
    """Which settings of a kind count."""

    ALL = "all"
    UNSEEN = "unseen"  # those whose queries and documents are in languages not trained on


@dataclass(frozen=True, slots=True)
class Claim:
    """A comparison of samplers.

    Attributes:
        id: stable, for JSON.
        sentence: what the paper says, in short.
        sampler: who is said to be better.
        rivals: than whom; the best of them counts.
        kind: of the settings that are averaged.
        need: see `Need`.
        measure: MAIN or RANK_DISTANCE, of which less is better.
        scope: see `Scope`.
    """

    id: str
    sentence: str
    sampler: str
    rivals: tuple[str, ...]
    kind: str
    need: Need
    measure: str = MAIN
    scope: Scope = Scope.ALL

    @property
    def threshold(self) -> float:
        """What the difference must exceed."""
        return 0.0 if self.need is Need.BETTER else -MARGIN


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a sampler is better than the best of its rivals.

    Attributes:
        rival: the one it is least ahead of.
        value: positive is better, whichever way the measure goes.
        lower, upper: each holds with 95 % confidence.
        interval: False where all that is known is one number, which the bounds repeat.
    """

    rival: str
    value: float
    lower: float
    upper: float
    interval: bool = True

    @classmethod
    def point(cls, rival: str, value: float) -> Difference:
        """A difference without an interval."""
        return cls(rival, value, value, value, interval=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim, and what became of it.

    Attributes:
        claim: its id.
        verdict: of the numbers.
        difference: None where there is none.
        reason: why, in words; what was not testable says what is missing.
    """

    claim: str
    verdict: Verdict
    difference: Difference | None = None
    reason: str = ""


_BOTH = (MONO, CROSS)
CLAIMS = (
    Claim(
        "multilingual-best",
        "Hybrid best or tied, multilingual",
        HYBRID,
        _BOTH,
        "multilingual",
        Need.BEST_OR_TIED,
    ),
    Claim(
        "mono-own-ground",
        "X-X the better baseline, monolingual",
        MONO,
        (CROSS,),
        "monolingual",
        Need.BETTER,
    ),
    Claim(
        "cross-own-ground",
        "X-Y the better baseline, cross-lingual",
        CROSS,
        (MONO,),
        "cross-lingual",
        Need.BETTER,
    ),
    Claim(
        "hybrid-monolingual",
        "Hybrid at least equal to X-X, monolingual",
        HYBRID,
        (MONO,),
        "monolingual",
        Need.AT_LEAST_EQUAL,
    ),
    Claim(
        "hybrid-cross-lingual",
        "Hybrid at least equal to X-Y, cross-lingual",
        HYBRID,
        (CROSS,),
        "cross-lingual",
        Need.AT_LEAST_EQUAL,
    ),
    Claim(
        "hybrid-bias",
        "Hybrid less biased to languages than X-X",
        HYBRID,
        (MONO,),
        "multilingual",
        Need.BETTER,
        RANK_DISTANCE,
    ),
    Claim(
        "cross-bias",
        "X-Y less biased to languages than X-X",
        CROSS,
        (MONO,),
        "multilingual",
        Need.BETTER,
        RANK_DISTANCE,
    ),
    Claim(
        "unseen",
        "Hybrid gains on languages unseen in training",
        HYBRID,
        _BOTH,
        "monolingual",
        Need.BETTER,
        scope=Scope.UNSEEN,
    ),
)
SEPARATE = "separate"
SEPARATE_SENTENCE = "Evaluation data separate from training data"
SEPARATE_NEED = "no text in both"


def must_hold(claim: Claim, measure: str = "AP") -> str:
    """What must hold in numbers, such as "hybrid − best(X-X, X-Y) > −0.01 Mul. AP"."""
    short = {"monolingual": "Mo.", "cross-lingual": "Cr.", "multilingual": "Mul."}[claim.kind]
    rivals = ", ".join(PAPER_NAMES[each] for each in claim.rivals)
    rival = f"best({rivals})" if len(claim.rivals) > 1 else rivals
    sampler = PAPER_NAMES[claim.sampler]
    if claim.measure == RANK_DISTANCE:
        return f"{rival} − {sampler} > 0, rank distance"
    threshold = "0" if claim.need is Need.BETTER else f"−{MARGIN}"
    unseen = ", unseen languages" if claim.scope is Scope.UNSEEN else ""
    return f"{sampler} − {rival} > {threshold}, {short} {measure}{unseen}"


def judged(claim: Claim, difference: Difference | None, lacking: str = "") -> Finding:
    """What a difference makes of a claim.

    Supported if the lower bound is above the claim's threshold, not supported if the upper bound
    is not, else inconclusive.

    Args:
        claim: which.
        difference: None if there is none.
        lacking: what is missing then.
    """
    if difference is None:
        return Finding(claim.id, Verdict.UNTESTABLE, None, lacking)
    if difference.lower > claim.threshold:
        verdict = Verdict.SUPPORTED
    elif difference.upper <= claim.threshold:
        verdict = Verdict.NOT_SUPPORTED
    else:
        verdict = Verdict.INCONCLUSIVE
    return Finding(claim.id, verdict, difference, "" if difference.interval else "point estimates")


def against_best(differences: Sequence[Difference]) -> Difference:
    """One difference from those to each rival: ahead of all is ahead of the best.

    Its bounds are the least of theirs. No correction is needed for the lower one (all must be
    exceeded); for the upper one the bounds given must be of 1 − 0.05/n for n rivals.

    Args:
        differences: to each rival, at least one.
    """
    nearest = min(differences, key=lambda each: each.value)
    lower = min(each.lower for each in differences)
    upper = min(each.upper for each in differences)
    return Difference(nearest.rival, nearest.value, lower, upper, nearest.interval)


def separate(exposures: Sequence[Mapping[str, object]]) -> Finding:
    """Whether what was evaluated on was among the training texts.

    Args:
        exposures: of every trained encoder on the task, as results hold them; {} if none.
    """
    verdicts = {str(each.get("verdict", "")) for each in exposures}
    if "contaminated" in verdicts:
        held = next(each for each in exposures if each.get("verdict") == "contaminated")
        return Finding(SEPARATE, Verdict.NOT_SUPPORTED, None, _counted(held))
    if verdicts == {"zero-shot"}:
        return Finding(SEPARATE, Verdict.SUPPORTED, None, "of fine-tuning; pre-training is unknown")
    reasons = [str(each["reason"]) for each in exposures if each.get("reason")]
    told = reasons[0] if reasons else "there is no record of the training texts"
    return Finding(SEPARATE, Verdict.UNTESTABLE, None, told)


def _counted(exposure: Mapping[str, object]) -> str:
    parts = []
    for side in ("queries", "documents"):
        held = exposure.get(side)
        if isinstance(held, Mapping) and {"found", "of"} <= set(held):
            parts.append(f"{held['found']} of {held['of']} {side}")
    return f"trained on {', '.join(parts) or 'some of it'}"
