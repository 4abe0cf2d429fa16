"""Language bias agrees with scipy, and with values computed by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from mlir_harness.bias import (
    language_distribution,
    language_preference,
    language_preference_chance,
    peer,
    rank_distance,
)
from mlir_harness.measures import Ranked

LANGUAGES = ("en", "es", "hi", "zh")
Placed = tuple[float, str] | tuple[float, str, int]  # mid-rank, language, grade (1 if left out)


def ranked_of(*queries: Sequence[Placed], query_language: str = "en") -> Ranked:
    """Relevant documents as (mid-rank, language[, grade]) for each query, in any order."""
    rows = [sorted(query) for query in queries]
    flat = [(*entry, 1)[:3] for row in rows for entry in row]
    mid = np.array([entry[0] for entry in flat], np.float64)
    return Ranked(
        query_language=query_language,
        languages=LANGUAGES,
        pool_size=1000,
        queries=np.arange(len(rows)),
        indptr=np.cumsum([0, *map(len, rows)]),
        rank=np.floor(mid).astype(np.int64),
        mid_rank=mid,
        tied=np.zeros(len(flat), np.bool_),
        grade=np.array([entry[2] for entry in flat], np.int64),
        language=np.array([LANGUAGES.index(entry[1]) for entry in flat], np.int64),
    )


@st.composite
def placed_documents(draw: st.DrawFn) -> list[Placed]:
    """One query's relevant documents; few distinct mid-ranks, so that many tie."""
    entry = st.tuples(
        st.integers(2, 50).map(lambda doubled: doubled / 2),
        st.sampled_from(LANGUAGES),
        st.integers(1, 3),
    )
    return draw(st.lists(entry, min_size=1, max_size=12))


def reference_peer(query: Sequence[Placed], k: int) -> float:
    """PEER as defined, one query at a time, with scipy's Kruskal–Wallis test."""
    probabilities = []
    for grade in {entry[2] for entry in query}:
        groups: dict[str, list[float]] = {}
        for mid_rank, language, _ in (entry for entry in query if entry[2] == grade):
            position = mid_rank if mid_rank <= k else math.inf
            groups.setdefault(language, []).append(position)
        values = [value for group in groups.values() for value in group]
        if len(groups) < 2 or len(set(values)) == 1:
            probabilities.append(1.0)
        else:
            probabilities.append(scipy.stats.kruskal(*groups.values()).pvalue)
    return sum(probabilities) / len(probabilities)


@settings(max_examples=150)
@given(st.lists(placed_documents(), max_size=4), st.integers(1, 30))
def test_peer_is_the_mean_kruskal_wallis_probability_of_the_grades(
    queries: list[list[Placed]], k: int
) -> None:
    values, _ = peer(ranked_of(*queries), k)
    np.testing.assert_allclose(values, [reference_peer(query, k) for query in queries], atol=1e-9)


@settings(max_examples=60)
@given(placed_documents(), st.data())
def test_where_peer_does_not_inform_no_ranking_within_k_changes_it(
    query: list[Placed], data: st.DataObject
) -> None:
    _, informs = peer(ranked_of(query), 50)
    if not informs[0]:
        order = data.draw(st.permutations(range(1, len(query) + 1)))
        other = [(float(mid), *entry[1:]) for mid, entry in zip(order, query, strict=True)]
        distinct = [(float(mid), *entry[1:]) for mid, entry in enumerate(query, start=1)]
        assert peer(ranked_of(other), 50)[0] == peer(ranked_of(distinct), 50)[0]


def test_peer_of_an_example() -> None:
    # Numbered 1, 2 (en), 3, 4 (es): H = 3 · (2·1 + 2·1) / (2·1.5² + 2·0.5²) = 2.4, one degree.
    query = [(1, "en"), (7, "en"), (8, "es"), (19, "es")]
    values, informs = peer(ranked_of(query))
    assert values[0] == pytest.approx(math.erfc(math.sqrt(2.4 / 2)), abs=1e-12)
    assert informs[0]


def test_peer_ignores_how_far_apart_documents_are() -> None:
    near = [(1, "en"), (2, "en"), (3, "es")]
    far = [(1, "en"), (9, "en"), (20, "es")]
    np.testing.assert_array_equal(peer(ranked_of(near))[0], peer(ranked_of(far))[0])


def test_peer_ties_what_lies_beyond_k() -> None:
    one = [(1, "en"), (21, "en"), (400, "es")]
    other = [(1, "en"), (21, "es"), (400, "en")]
    np.testing.assert_array_equal(peer(ranked_of(one), 20)[0], peer(ranked_of(other), 20)[0])
    assert peer(ranked_of(one), 500)[0] != peer(ranked_of(other), 500)[0]


def test_the_kth_rank_is_within_k() -> None:
    query = [(19, "en"), (20, "en"), (30, "es")]
    swapped = [(19, "en"), (20, "es"), (30, "en")]
    assert peer(ranked_of(query), 20)[0] != peer(ranked_of(swapped), 20)[0]


def test_peer_weighs_grades_equally() -> None:
    first = [(1, "en", 1), (2, "en", 1), (3, "es", 1)]
    second = [(4, "hi", 2), (5, "zh", 2), (6, "hi", 2), (7, "hi", 2)]
    apart = [peer(ranked_of(part))[0][0] for part in (first, second)]
    together = peer(ranked_of(first + second))[0][0]
    assert together == pytest.approx(sum(apart) / 2, abs=1e-12)


def test_peer_is_fair_where_all_tie_or_all_lie_beyond_k() -> None:
    tied = [(2.5, "en"), (2.5, "en"), (2.5, "es"), (2.5, "hi")]
    beyond = [(30, "en"), (40, "en"), (50, "es")]
    values, informs = peer(ranked_of(tied, beyond))
    np.testing.assert_array_equal(values, [1, 1])
    assert informs.all()  # another ranking would have had another value


def test_peer_is_fair_and_uninformative_with_one_document_or_one_language() -> None:
    values, informs = peer(ranked_of([(3, "en")], [(1, "es"), (2, "es"), (9, "es")]))
    np.testing.assert_array_equal(values, [1, 1])
    assert not informs.any()


def test_peer_is_constant_with_one_document_per_language() -> None:
    values, informs = peer(
        ranked_of([(1, "en"), (2, "es"), (3, "hi")], [(4, "hi"), (8, "en"), (20, "es")])
    )
    assert values[0] == values[1]
    assert values[0] == pytest.approx(math.exp(-1))  # χ² with 2 degrees at H = N − 1 = 2
    assert not informs.any()


def test_peer_informs_if_one_grade_does() -> None:
    query = [(1, "en", 2), (2, "es", 2), (3, "en", 1), (4, "es", 1), (5, "es", 1)]
    assert peer(ranked_of(query))[1].tolist() == [True]


def test_rank_distance_of_an_example() -> None:
    ranked = ranked_of(
        [(1, "en"), (4, "es"), (482.5, "hi")], [(3, "es")], [(2.5, "en"), (2.5, "zh")]
    )
    np.testing.assert_array_equal(rank_distance(ranked), [481.5, np.nan, 0])


@given(st.lists(placed_documents(), max_size=4))
def test_rank_distance_is_the_range_of_the_mid_ranks(queries: list[list[Placed]]) -> None:
    expected = [
        max(entry[0] for entry in query) - min(entry[0] for entry in query)
        if len(query) > 1
        else np.nan
        for query in queries
    ]
    np.testing.assert_array_equal(rank_distance(ranked_of(*queries)), expected)


def test_language_preference_of_examples() -> None:
    ranked = ranked_of(
        [(1, "en"), (2, "es"), (3, "hi")],  # its own language first
        [(1, "es"), (2, "en")],  # another first
        [(1.5, "en"), (1.5, "es"), (3, "hi")],  # a tie of two at the top
        [(2, "en"), (2, "es"), (2, "hi")],  # a tie of all
        [(1, "en"), (5, "en"), (7, "zh")],  # two in its own language
        [(2, "en"), (2, "en"), (2, "zh")],  # and tied
        [(1, "es"), (2, "hi")],  # none in its own language
        [(1, "en")],  # nothing to prefer it to
    )
    np.testing.assert_array_equal(
        language_preference(ranked), [1, 0, 1 / 2, 1 / 3, 1, 2 / 3, np.nan, np.nan]
    )
    np.testing.assert_array_equal(
        language_preference_chance(ranked),
        [1 / 3, 1 / 2, 1 / 3, 1 / 3, 2 / 3, 2 / 3, np.nan, np.nan],
    )


def test_language_preference_follows_the_language_of_the_queries() -> None:
    query = [(1, "es"), (2, "en"), (3, "hi")]
    values = [
        language_preference(ranked_of(query, query_language=language))[0]
        for language in ("en", "es", "hi")
    ]
    assert values == [0, 1, 0]


def test_no_preference_where_the_pool_lacks_the_language_of_the_queries() -> None:
    ranked = ranked_of([(1, "es"), (2, "hi")], query_language="sw")
    assert np.isnan(language_preference(ranked)).all()
    assert np.isnan(language_preference_chance(ranked)).all()


@settings(max_examples=50)
@given(placed_documents())
def test_preferences_of_all_languages_share_the_first_place(query: list[Placed]) -> None:
    by_language = [
        language_preference(ranked_of(query, query_language=language)) for language in LANGUAGES
    ]
    if len(query) > 1:
        assert np.nansum(by_language) == pytest.approx(1)


def test_no_queries_give_no_values() -> None:
    nothing = ranked_of()
    values, informs = peer(nothing)
    for result in (
        values,
        rank_distance(nothing),
        language_preference(nothing),
        language_preference_chance(nothing),
    ):
        assert result.shape == (0,)
        assert result.dtype == np.float64
    assert informs.shape == (0,)
    assert informs.dtype == np.bool_


def test_language_distribution_counts_places_that_are_taken() -> None:
    top = np.array([[0, 1, 1], [1, -1, -1], [3, 0, -1]])
    np.testing.assert_array_equal(language_distribution(top, LANGUAGES), [2 / 6, 3 / 6, 0, 1 / 6])


def test_language_distribution_of_relevant_documents() -> None:
    ranked = ranked_of([(1, "en"), (2, "es")], [(4, "es"), (9, "hi")])
    shares = language_distribution(ranked.language, ranked.languages)
    np.testing.assert_array_equal(shares, [1 / 4, 1 / 2, 1 / 4, 0])


def test_language_distribution_of_nothing_is_unknown() -> None:
    assert np.isnan(language_distribution(np.full((2, 3), -1), LANGUAGES)).tolist() == [True] * 4
    assert np.isnan(language_distribution(np.zeros((0, 3), np.int64), LANGUAGES)).all()
