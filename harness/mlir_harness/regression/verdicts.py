"""Verdicts: each mean of a baseline beside what it is now, told from noise by tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mlir_harness.comparing import significance
from mlir_harness.comparing.significance import Drops
from mlir_harness.errors import Exit
from mlir_harness.regression.pairs import Pair

ROUNDING = 1e-12  # of sums: what is smaller is no change


class Verdict(StrEnum):
    """What became of a mean, worst first."""

    MISSING = "missing"
    REGRESSED = "regressed"
    INCOMPARABLE = "incomparable"
    WITHIN_NOISE = "within noise"
    BETTER = "better"
    SAME = "same"


FAILURES = (Verdict.MISSING, Verdict.REGRESSED)


@dataclass(frozen=True)
class Row:
    """A mean, judged. Changes are in the unit of its gate, turned so that more is better.

    Attributes:
        pair: what was compared.
        verdict: what came of it.
        exact: no test was needed; the encoder is exact.
        upper: end of the one-sided interval of the change, adjusted for the family; below 0 the
            drop is none of chance. NaN where there was no test, infinite where there are too few
            clusters for any.
        lower: the same on the other side.
        p: of a drop, adjusted; NaN where there was no test.
    """

    pair: Pair
    verdict: Verdict
    exact: bool = False
    upper: float = math.nan
    lower: float = math.nan
    p: float = math.nan

    @property
    def untold(self) -> bool:
        """There are too few clusters to tell any drop from chance."""
        return math.isinf(self.upper)

    @property
    def reasons(self) -> tuple[str, ...]:
        return (*self.pair.missing, *self.pair.differing)


@dataclass(frozen=True)
class Terms:
    """How a pair is judged, given the cells it is of.

    Attributes:
        pair: which.
        exact: any fall counts: both encoders say that they are exact.
        tolerance: up to this a change is none; 0 where the encoder is another.
    """

    pair: Pair
    exact: bool = False
    tolerance: float = 0.0


def judge(all_terms: Iterable[Terms]) -> list[Row]:
    """A verdict for each pair, in the same order; those that are tested are one family.

    What did not change at all is no part of the family: whether a mean's values are all the same
    says nothing of the direction in which others changed.
    """
    terms = list(all_terms)
    rows = [_untested(each) for each in terms]
    open_ = [place for place, row in enumerate(rows) if row is None]
    tested = _tested([terms[place] for place in open_])
    for place, row in zip(open_, tested, strict=True):
        rows[place] = row
    return [row for row in rows if row is not None]


def exit_code(rows: Sequence[Row], *, failed: bool = False) -> Exit:
    """Of a check: 1 before 5 before 4 before 3 before 0.

    Args:
        rows: all of it.
        failed: something beside them was to be evaluated and could not be.
    """
    found = {row.verdict for row in rows}
    if found.intersection(FAILURES):
        return Exit.CHECK_FAILED
    if Verdict.INCOMPARABLE in found:
        return Exit.INCOMPARABLE
    if not rows:
        return Exit.NOTHING_RAN
    return Exit.SOME_FAILED if failed else Exit.OK


def _untested(terms: Terms) -> Row | None:
    """The verdict where it takes no test."""
    pair = terms.pair
    if pair.missing:
        return Row(pair, Verdict.MISSING)
    if pair.differing:
        return Row(pair, Verdict.INCOMPARABLE)
    if pair.identical:
        return Row(pair, Verdict.SAME)
    if terms.exact:
        verdict = Verdict.WITHIN_NOISE
        if abs(pair.change) > ROUNDING:
            verdict = Verdict.BETTER if pair.change > 0 else Verdict.REGRESSED
        return Row(pair, verdict, exact=True)
    return None


def _tested(family: Sequence[Terms]) -> list[Row]:
    if not family:
        return []
    draws = significance.enough(len(family))
    drops = [_drops(each.pair, draws, 1) for each in family]
    rises = [_drops(each.pair, draws, -1) for each in family]
    p, upper = _adjusted(drops)
    _, lower = _adjusted(rises)
    return [
        Row(each.pair, _verdict(each, up, low), upper=up, lower=low, p=value)
        for each, up, low, value in zip(family, upper, [-end for end in lower], p, strict=True)
    ]


def _drops(pair: Pair, draws: int, sign: int) -> Drops:
    return Drops.of(sign * pair.contributions[None], pair.shares[None], draws)


def _adjusted(family: Sequence[Drops]) -> tuple[list[float], list[float]]:
    """p-values and upper ends by Holm's procedure."""
    p = np.array([each.p()[0] for each in family])
    levels = significance.holm_levels(p)
    ends = [float(each.upper(levels[place : place + 1])[0]) for place, each in enumerate(family)]
    return significance.holm(p).tolist(), ends


def _verdict(terms: Terms, upper: float, lower: float) -> Verdict:
    change, delta = terms.pair.change, terms.pair.gate.delta
    if abs(change) <= terms.tolerance:
        return Verdict.SAME
    if upper < 0 and change < -delta:
        return Verdict.REGRESSED
    if lower > 0 and change > delta:
        return Verdict.BETTER
    return Verdict.WITHIN_NOISE
