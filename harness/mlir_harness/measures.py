"""Effectiveness measures, computed from the ranks of each query's relevant documents.

Names follow ir_measures (MacAvaney et al. 2022, "Streamlining Evaluation with ir-measures").
Values are those of trec_eval where no scores tie; ties are settled in the ranks already.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from mlir_harness.errors import UsageError
from mlir_harness.types import BoolArray, DoubleArray, IntArray

Gain: TypeAlias = Literal["linear", "exponential"]

# Part of a result's fingerprint: raise a measure's version when its values may change.
VERSION = {"AP": "1", "nDCG": "1", "R": "1", "RR": "1", "Success": "1"}
_NEEDS_CUTOFF = frozenset({"R", "Success"})  # over the whole pool they are always 1
_KNOWN = "known: AP, nDCG@k, R@k, RR, RR@k, Success@k"
_MEANT = {  # what people call measures elsewhere, in lower case
    **{name.lower(): name for name in VERSION},
    "map": "AP",
    "mrr": "RR",
    "recip_rank": "RR",
    "recall": "R",
    "hit": "Success",
    "hits": "Success",
    "ndcg_cut": "nDCG",
}


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where the relevant documents of one setting's queries stand in its pool.

    Only queries with at least one relevant document in the pool are here.

    Attributes:
        query_language: BCP-47 tag of the queries.
        languages: the pool's document languages; `language` indexes into it.
        pool_size: number of documents ranked.
        queries: (n,) int64 rows in the query collection.
        indptr: (n + 1,) int64; query i owns entries indptr[i]:indptr[i + 1] of what follows.
        rank: (t,) int64 from 1, ties broken by the tie order; ascending within a query.
        mid_rank: (t,) float64, tied documents share the mean of their ranks.
        tied: (t,) bool, at least one other document of the pool has the same score.
        grade: (t,) int64, 1 and up.
        language: (t,) int64.
    """

    query_language: str
    languages: tuple[str, ...]
    pool_size: int
    queries: IntArray
    indptr: IntArray
    rank: IntArray
    mid_rank: DoubleArray
    tied: BoolArray
    grade: IntArray
    language: IntArray


@dataclass(frozen=True)
class Measure:
    """A measure as a value: hashable, and written as ir_measures writes it.

    Attributes:
        name: a key of `VERSION`.
        cutoff: ranks beyond it do not count; None for the whole pool.

    Raises:
        UsageError: unknown name, or a cutoff that the measure cannot have.
    """

    name: str
    cutoff: int | None = None

    def __post_init__(self) -> None:
        if self.name not in VERSION:
            raise UsageError(f"unknown measure {str(self)!r}", _suggestion(self.name, self.cutoff))
        if self.cutoff is None and self.name in _NEEDS_CUTOFF:
            raise UsageError(
                f"measure {self.name!r} needs a cutoff", f"write it as {self.name}@10, for example"
            )
        if self.cutoff is not None and self.cutoff < 1:
            raise UsageError(f"measure {str(self)!r} has a cutoff below 1", _KNOWN)

    def __str__(self) -> str:
        return self.name if self.cutoff is None else f"{self.name}@{self.cutoff}"


def parse(text: str) -> Measure:
    """The measure that `text` names, such as "AP", "nDCG@10", "R@100" or "RR".

    Raises:
        UsageError: unknown name or unusable cutoff; the hint says what was probably meant.
    """
    match = re.fullmatch(r"(\w+)(?:@([0-9]+))?", text.strip())
    if match is None:
        raise UsageError(f"unknown measure {text!r}", _KNOWN)
    name, cutoff = match.groups()
    return Measure(name, None if cutoff is None else int(cutoff))


def _suggestion(name: str, cutoff: int | None) -> str:
    close = difflib.get_close_matches(name.lower(), _MEANT, n=1)
    if not close:
        return _KNOWN
    meant = _MEANT[close[0]]
    if cutoff is None and meant in _NEEDS_CUTOFF:
        cutoff = 10
    meant = meant if cutoff is None else f"{meant}@{cutoff}"
    return f"did you mean {meant}? ({_KNOWN})"


def per_query(measure: Measure, ranked: Ranked, *, gain: Gain = "linear") -> DoubleArray:
    """The value of `measure` for every query of a setting: (n,) float64, 0 to 1.

    With R the number of a query's relevant documents in the pool, r_1 < r_2 < ... their ranks,
    g_i their grades, and k the cutoff (the pool size where there is none):

    - AP@k = (1/R) Σ_{i: r_i ≤ k} i / r_i (trec_eval's `map` and `map_cut_k`).
    - nDCG@k = DCG@k / ideal DCG@k, where DCG@k = Σ_{i: r_i ≤ k} gain(g_i) / log2(r_i + 1)
      (Järvelin & Kekäläinen 2002, discounted as in trec_eval's `ndcg_cut_k`) and the ideal
      has all R documents first, by falling grade.
    - R@k = #{i: r_i ≤ k} / R (`recall_k`), Success@k = 1 if r_1 ≤ k, else 0 (`success_k`).
    - RR@k = 1 / r_1 if r_1 ≤ k, else 0 (`recip_rank`, which has no cutoff).

    Args:
        measure: what to compute.
        ranked: at least one relevant document per query.
        gain: of nDCG; "linear" is g, as in trec_eval, "exponential" is 2^g − 1
            (Burges et al. 2005).
    """
    if not len(ranked.queries):
        return np.zeros(0)
    starts, cutoff = ranked.indptr[:-1], measure.cutoff
    relevant = np.diff(ranked.indptr)
    match measure.name:
        case "AP":
            place = np.arange(1, len(ranked.rank) + 1) - np.repeat(starts, relevant)
            return _totals(_within(place / ranked.rank, ranked.rank, cutoff), starts) / relevant
        case "nDCG":
            values = _gains(ranked.grade, gain) / np.log2(ranked.rank + 1)
            ideal = _ideal(ranked.grade, starts, relevant, cutoff, gain)
            return _totals(_within(values, ranked.rank, cutoff), starts) / ideal
        case "R":
            found = _within(np.ones(len(ranked.rank)), ranked.rank, cutoff)
            return _totals(found, starts) / relevant
        case "RR":
            first = ranked.rank[starts]  # ranks ascend within a query
            return _within(1.0 / first, first, cutoff)
        case _:
            first = ranked.rank[starts]
            return _within(np.ones(len(first)), first, cutoff)


def _within(values: DoubleArray, rank: IntArray, cutoff: int | None) -> DoubleArray:
    """`values` (m,) with 0 where `rank` lies beyond the cutoff."""
    return values if cutoff is None else np.where(rank <= cutoff, values, 0.0)


def _totals(values: DoubleArray, starts: IntArray) -> DoubleArray:
    """Sums over each query's entries: (t,) -> (n,)."""
    if len(starts) == len(values):  # one relevant document per query
        return values
    totals: DoubleArray = np.add.reduceat(values, starts)
    return totals


def _gains(grades: IntArray, gain: Gain) -> DoubleArray:
    if gain == "linear":
        return grades.astype(np.float64)
    if gain == "exponential":
        powers: DoubleArray = np.exp2(grades) - 1.0
        return powers
    raise UsageError(f"unknown gain {gain!r}", "known: linear, exponential")


def _ideal(
    grades: IntArray, starts: IntArray, relevant: IntArray, cutoff: int | None, gain: Gain
) -> DoubleArray:
    """DCG of the best possible list of every query: (n,) float64.

    Without sorting: with c_g documents of grade g or higher, and D(m) the sum of the first m
    discounts, the ideal is Σ_g (gain(g) − gain(next lower grade)) · D(min(c_g, k)).
    """
    depth = int(relevant.max())
    depth = depth if cutoff is None else min(depth, cutoff)
    discounts = np.zeros(depth + 1)
    np.cumsum(1.0 / np.log2(np.arange(2, depth + 2)), out=discounts[1:])
    levels = np.unique(grades)
    steps = np.diff(_gains(levels, gain), prepend=0.0)
    ideal: DoubleArray = steps[0] * discounts[np.minimum(relevant, depth)]
    for level, step in zip(levels[1:], steps[1:], strict=True):
        count = np.add.reduceat(grades >= level, starts, dtype=np.int64)
        ideal += step * discounts[np.minimum(count, depth)]
    return ideal
