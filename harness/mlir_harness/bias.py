"""Language bias: do the relevant documents of some languages stand above those of others?

Defined where one query has relevant documents in two or more languages of one pool. Tied
documents share the mean of their ranks here, so that no tie order looks like a preference.
"""

from __future__ import annotations

import numpy as np

from mlir_harness.measures import Ranked
from mlir_harness.types import BoolArray, DoubleArray, IntArray


def rank_distance(ranked: Ranked) -> DoubleArray:
    """Distance between the first and the last relevant document of every query.

    Largest minus smallest mid-rank (Huang et al. 2023, "Soft Prompt Decoding for Multilingual
    Dense Retrieval"); lower is better, and perfect is R − 1.

    Returns:
        (n,) float64 in ranks; NaN for queries with one relevant document.
    """
    if not len(ranked.queries):
        return np.zeros(0)
    starts, relevant = ranked.indptr[:-1], np.diff(ranked.indptr)
    last = np.maximum.reduceat(ranked.mid_rank, starts)
    distance: DoubleArray = last - np.minimum.reduceat(ranked.mid_rank, starts)
    return np.where(relevant >= 2, distance, np.nan)


def language_preference(ranked: Ranked) -> DoubleArray:
    """Whether a relevant document in the query's own language outranks all other relevant ones.

    1 if it does, 0 if not; of m documents that tie for the best mid-rank, those in the query's
    language have a share of 1/m each. Its mean is to be read beside that of
    `language_preference_chance`.

    Returns:
        (n,) float64; NaN for queries with one relevant document, or none in their language.
    """
    if not len(ranked.queries):
        return np.zeros(0)
    starts, relevant = ranked.indptr[:-1], np.diff(ranked.indptr)
    same = _same_language(ranked)
    best = np.repeat(np.minimum.reduceat(ranked.mid_rank, starts), relevant) == ranked.mid_rank
    share = np.add.reduceat(best & same, starts, dtype=np.int64) / np.add.reduceat(
        best, starts, dtype=np.int64
    )
    return np.where(np.isnan(language_preference_chance(ranked)), np.nan, share)


def language_preference_chance(ranked: Ranked) -> DoubleArray:
    """What `language_preference` would be on average if languages played no part.

    Returns:
        (n,) float64, the share of the query's relevant documents that are in its language;
        NaN where `language_preference` is.
    """
    if not len(ranked.queries):
        return np.zeros(0)
    starts, relevant = ranked.indptr[:-1], np.diff(ranked.indptr)
    same = np.add.reduceat(_same_language(ranked), starts, dtype=np.int64)
    return np.where((relevant >= 2) & (same > 0), same / relevant, np.nan)


def _same_language(ranked: Ranked) -> BoolArray:
    """(t,) bool: which relevant documents are in the language of the queries."""
    if ranked.query_language not in ranked.languages:
        return np.zeros(len(ranked.language), np.bool_)
    same: BoolArray = ranked.language == ranked.languages.index(ranked.query_language)
    return same


def peer(ranked: Ranked, k: int = 20) -> tuple[DoubleArray, BoolArray]:
    """PEER@k of every query: probability of ranks equal across languages (arXiv 2405.00978).

    For each grade of 1 and up that the query has: the documents of that grade are put in the
    order of their mid-ranks, those beyond k tied at the end, and numbered 1 ... N with ties
    sharing the mean. With n_l of the N documents in language l of L, r_lj their numbers,
    r̄_l the mean of a language and r̄ = (N + 1)/2 the mean of all,

        H = (N − 1) Σ_l n_l (r̄_l − r̄)² / Σ_l Σ_j (r_lj − r̄)²

    is the Kruskal–Wallis statistic corrected for ties, p = 1 − F(H) with F the χ² distribution
    with L − 1 degrees of freedom, and p = 1 where all N tie or L < 2. PEER is the mean of p
    over the query's grades; 1 is fair. p equals `scipy.stats.kruskal`'s. The authors' package
    peer_measure puts positions in the ranking in the place of r_lj, mixing other documents
    into the statistic, and so gives other values.

    Returns:
        values: (n,) float64.
        informs: (n,) bool, False where at each grade all documents are in one language, or
            each is in a language of its own. Then PEER does not depend on the ranking (in the
            second case, except that it is 1 if no document of a grade is within k).
    """
    queries = len(ranked.queries)
    total, grades = np.zeros(queries), np.zeros(queries, np.int64)
    informs = np.zeros(queries, np.bool_)
    owner = np.repeat(np.arange(queries), np.diff(ranked.indptr))
    position = np.where(ranked.mid_rank <= k, ranked.mid_rank, np.inf)
    for grade in np.unique(ranked.grade):
        # Entries ascend by rank within a query, and picking those of a grade keeps the order.
        held = ranked.grade == grade
        present, p, varies = _kruskal_wallis(
            owner[held], position[held], ranked.language[held], len(ranked.languages)
        )
        total[present] += p
        grades[present] += 1
        informs[present] |= varies
    return total / np.maximum(grades, 1), informs


def _kruskal_wallis(
    owner: IntArray, values: DoubleArray, group: IntArray, groups: int
) -> tuple[IntArray, DoubleArray, BoolArray]:
    """Kruskal–Wallis tests of many small samples at once.

    Args:
        owner: (t,) int64 ascending, t > 0: the sample of each value.
        values: (t,) ascending within a sample.
        group: (t,) int64 in 0 ... groups - 1.
        groups: number of groups.

    Returns:
        owners: (m,) int64 those that have a sample.
        p: (m,) float64.
        varies: (m,) bool, whether other values could lead to another p.
    """
    # Loaded here because it takes longer than all else in this module; typed only where
    # scipy-stubs is installed.
    from scipy.special import chdtrc  # type: ignore[import-untyped,unused-ignore]

    first = np.flatnonzero(np.diff(owner, prepend=-1))
    size = np.diff(first, append=len(owner))
    sample = np.repeat(np.arange(len(first)), size)
    deviation = _mid_ranks(sample, values) - np.repeat(first + (size + 1) / 2, size)
    within_all = np.add.reduceat(deviation**2, first)

    cell, cells = sample * groups + group, len(first) * groups
    number = np.bincount(cell, minlength=cells)
    sums = np.bincount(cell, deviation, minlength=cells)
    between = (sums**2 / np.maximum(number, 1)).reshape(-1, groups).sum(axis=1)
    used = np.count_nonzero(number.reshape(-1, groups), axis=1)

    p = np.ones(len(first))
    testable = (used >= 2) & (within_all > 0)
    h = (size[testable] - 1) * between[testable] / within_all[testable]
    p[testable] = chdtrc(used[testable] - 1, h)
    return owner[first], p, (used >= 2) & (used < size)


def _mid_ranks(sample: IntArray, values: DoubleArray) -> DoubleArray:
    """Places from 1 in the whole array; equal neighbours of a sample share the mean: (t,)."""
    new = np.ones(len(values), np.bool_)
    new[1:] = (sample[1:] != sample[:-1]) | (values[1:] != values[:-1])
    first = np.flatnonzero(new)
    length = np.diff(first, append=len(values))
    return np.repeat(first + (length + 1) / 2, length)


def language_distribution(top_languages: IntArray, languages: tuple[str, ...]) -> DoubleArray:
    """How the places of top lists are shared among languages.

    The same of a pool's documents, or of `Ranked.language`, is what to compare it with.

    Args:
        top_languages: (n, k), or any shape, of positions in `languages`; -1 for no document.
        languages: the pool's.

    Returns:
        (len(languages),) float64 that sum to 1; NaN where there are no documents.
    """
    held = top_languages[top_languages >= 0]
    if not len(held):
        return np.full(len(languages), np.nan)
    counts = np.bincount(held, minlength=len(languages))
    return counts / len(held)
