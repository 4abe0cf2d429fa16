"""Measures agree with trec_eval on any run, and with hand-computed values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from mlir_harness.errors import UsageError
from mlir_harness.measures import Measure, Ranked, parse, per_query

Run = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]


def ranked_by_hand(ranks: list[list[int]], grades: list[list[int]] | None = None) -> Ranked:
    """One language, no ties; `ranks` ascending per query."""
    grades = grades or [[1] * len(row) for row in ranks]
    flat = [rank for row in ranks for rank in row]
    return Ranked(
        query_language="en",
        languages=("en",),
        pool_size=max(flat, default=0),
        queries=np.arange(len(ranks)),
        indptr=np.cumsum([0, *map(len, ranks)]),
        rank=np.array(flat, np.int64),
        mid_rank=np.array(flat, np.float64),
        tied=np.zeros(len(flat), np.bool_),
        grade=np.array([grade for row in grades for grade in row], np.int64),
        language=np.zeros(len(flat), np.int64),
    )


def ranked_as_trec_eval_does(run: Run, qrels: Qrels) -> Ranked:
    """Sort every query's documents by score, then id, both descending; look up the relevant."""
    ranks, grades = [], []
    for query, scores in run.items():
        order = sorted(scores, key=lambda document: (scores[document], document), reverse=True)
        judged = [(order.index(d) + 1, g) for d, g in qrels[query].items() if g > 0]
        ranks.append([rank for rank, _ in sorted(judged)])
        grades.append([grade for _, grade in sorted(judged)])
    return ranked_by_hand(ranks, grades)


@st.composite
def runs(draw: st.DrawFn) -> tuple[Run, Qrels]:
    """Queries over one pool, few distinct scores (so: ties), one relevant document or more."""
    documents = [f"d{i}" for i in range(draw(st.integers(1, 30)))]
    run: Run = {}
    qrels: Qrels = {}
    for i in range(draw(st.integers(1, 4))):
        size = len(documents)
        scores = draw(st.lists(st.integers(-3, 6), min_size=size, max_size=size))
        grades = draw(st.lists(st.integers(0, 4), min_size=size, max_size=size))
        grades[draw(st.integers(0, size - 1))] = draw(st.integers(1, 4))
        run[f"q{i}"] = dict(zip(documents, map(float, scores), strict=True))
        qrels[f"q{i}"] = dict(zip(documents, grades, strict=True))
    return run, qrels


TREC_NAMES = {
    "AP": "map",
    "AP@10": "map_cut_10",
    "nDCG": "ndcg",
    "nDCG@10": "ndcg_cut_10",
    "nDCG@100": "ndcg_cut_100",
    "R@5": "recall_5",
    "R@10": "recall_10",
    "R@100": "recall_100",
    "RR": "recip_rank",
    "Success@1": "success_1",
    "Success@5": "success_5",
    "Success@10": "success_10",
}


@settings(max_examples=150)
@given(runs())
def test_values_are_those_of_trec_eval(case: tuple[Run, Qrels]) -> None:
    run, qrels = case
    names = {"map", "map_cut", "ndcg", "ndcg_cut", "recall", "recip_rank", "success"}
    reference = pytrec_eval.RelevanceEvaluator(qrels, names).evaluate(run)
    ranked = ranked_as_trec_eval_does(run, qrels)
    for ours, theirs in TREC_NAMES.items():
        expected = [reference[query][theirs] for query in run]
        np.testing.assert_allclose(per_query(parse(ours), ranked), expected, atol=1e-6)


def test_average_precision_of_an_example() -> None:
    ranked = ranked_by_hand([[1, 3, 10], [2], [4]])
    expected = [(1 / 1 + 2 / 3 + 3 / 10) / 3, 1 / 2, 1 / 4]
    np.testing.assert_allclose(per_query(parse("AP"), ranked), expected, rtol=1e-15)
    np.testing.assert_allclose(per_query(parse("AP@3"), ranked), [(1 + 2 / 3) / 3, 1 / 2, 0])


def test_reciprocal_rank_stops_at_the_cutoff_if_there_is_one() -> None:
    ranked = ranked_by_hand([[11, 12], [10]])
    np.testing.assert_array_equal(per_query(parse("RR@10"), ranked), [0, 1 / 10])
    np.testing.assert_array_equal(per_query(parse("RR"), ranked), [1 / 11, 1 / 10])


def test_recall_and_success_of_an_example() -> None:
    ranked = ranked_by_hand([[1, 10, 11], [2]])
    np.testing.assert_array_equal(per_query(parse("R@10"), ranked), [2 / 3, 1])
    np.testing.assert_array_equal(per_query(parse("Success@1"), ranked), [1, 0])


def test_recall_cannot_pass_k_of_r() -> None:
    ranked = ranked_by_hand([list(range(1, 12))])
    assert per_query(parse("R@10"), ranked)[0] == 10 / 11


def test_exponential_gain_of_an_example() -> None:
    ranked = ranked_by_hand([[1, 2, 4]], [[1, 3, 2]])
    found = 1 + 7 / math.log2(3) + 3 / math.log2(5)
    ideal = 7 + 3 / math.log2(3) + 1 / math.log2(4)
    value = per_query(parse("nDCG"), ranked, gain="exponential")[0]
    assert value == pytest.approx(found / ideal, abs=1e-12)


def test_gains_agree_where_every_grade_is_one() -> None:
    ranked = ranked_by_hand([[2, 5], [1]])
    linear, exponential = (
        per_query(parse("nDCG@10"), ranked, gain=gain) for gain in ("linear", "exponential")
    )
    np.testing.assert_array_equal(linear, exponential)


def test_ideal_counts_relevant_documents_that_were_not_found() -> None:
    ranked = ranked_by_hand([[1, 500]])
    assert per_query(parse("nDCG@10"), ranked)[0] == pytest.approx(1 / (1 + 1 / math.log2(3)))


@pytest.mark.parametrize("name", [*TREC_NAMES, "RR@10"])
def test_perfect_rankings_score_one(name: str) -> None:
    ranked = ranked_by_hand([[1, 2, 3], [1]], [[3, 2, 1], [2]])
    assert per_query(parse(name), ranked)[1] == 1
    assert per_query(parse(name), ranked)[0] <= 1


@pytest.mark.parametrize("name", [*TREC_NAMES, "RR@10"])
def test_no_queries_give_no_values(name: str) -> None:
    values = per_query(parse(name), ranked_by_hand([]))
    assert values.shape == (0,)
    assert values.dtype == np.float64


@pytest.mark.parametrize("name", [*TREC_NAMES, "RR@10"])
def test_values_are_float64_and_one_per_query(name: str) -> None:
    values = per_query(parse(name), ranked_by_hand([[5], [1, 2, 3], [7, 9]]))
    assert values.shape == (3,)
    assert values.dtype == np.float64


@pytest.mark.parametrize("name", ["AP", "nDCG@10", "R@100", "RR@10", "Success@1", "RR"])
def test_names_are_read_and_written_alike(name: str) -> None:
    assert str(parse(name)) == name
    assert parse(f" {name} ") == parse(name)


def test_measures_are_values() -> None:
    assert parse("nDCG@10") == Measure("nDCG", 10)
    assert len({parse("nDCG@10"), Measure("nDCG", 10), Measure("nDCG", 5)}) == 2


def test_leading_zeros_do_not_make_another_measure() -> None:
    assert str(parse("R@010")) == "R@10"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ndcg@10", "nDCG@10"),
        ("MAP", "AP"),
        ("mrr@10", "RR@10"),
        ("Recall@100", "R@100"),
        ("recall", "R@10"),
        ("Sucess@1", "Success@1"),
        ("hits@3", "Success@3"),
    ],
)
def test_what_was_meant_is_suggested(written: str, meant: str) -> None:
    with pytest.raises(UsageError, match="unknown measure") as caught:
        parse(written)
    assert f"did you mean {meant}?" in caught.value.hint


@pytest.mark.parametrize("written", ["", "xyzzy", "@10", "nDCG@", "nDCG@ten", "nDCG@-1", "AP 10"])
def test_what_is_no_measure_brings_the_list_of_measures(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(written)
    assert "known: AP, nDCG@k" in caught.value.hint


def test_shares_of_the_whole_pool_need_a_cutoff() -> None:
    for name in ("R", "Success"):
        with pytest.raises(UsageError, match="needs a cutoff") as caught:
            parse(name)
        assert f"{name}@10" in caught.value.hint


def test_a_cutoff_is_at_least_one() -> None:
    with pytest.raises(UsageError, match="below 1"):
        parse("nDCG@0")


def test_unknown_gains_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown gain"):
        per_query(parse("nDCG"), ranked_by_hand([[1]]), gain="quadratic")  # type: ignore[arg-type]
