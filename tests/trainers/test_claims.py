"""Claims are held against numbers; the paper's own figures are judged by the same functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.results import CellResult, SettingRow
from mlir_trainers.reproduce import published
from mlir_trainers.reproduce.claims import (
    CLAIMS,
    MARGIN,
    Difference,
    Need,
    Verdict,
    against_best,
    judged,
    must_hold,
    separate,
)

FIGURES = {(each.task, each.model): each for each in published.everything()}
numbers = st.floats(-1, 1)


@st.composite
def differences(draw):
    lower, value, upper = sorted(draw(st.tuples(numbers, numbers, numbers)))
    return Difference("mono", value, lower, upper)


@given(st.sampled_from(CLAIMS), differences())
def test_a_claim_is_supported_or_not_only_where_the_whole_interval_says_so(claim, difference):
    verdict = judged(claim, difference).verdict
    assert (verdict is Verdict.SUPPORTED) == (difference.lower > claim.threshold)
    if verdict is Verdict.NOT_SUPPORTED:
        assert difference.upper <= claim.threshold
    if difference.lower < claim.threshold < difference.upper:
        assert verdict is Verdict.INCONCLUSIVE


@given(st.sampled_from(CLAIMS), differences(), st.floats(0, 1))
def test_a_greater_difference_never_makes_a_verdict_worse(claim, difference, more):
    order = [Verdict.NOT_SUPPORTED, Verdict.INCONCLUSIVE, Verdict.SUPPORTED]
    better = Difference(
        "mono", difference.value + more, difference.lower + more, difference.upper + more
    )
    before, after = (order.index(judged(claim, each).verdict) for each in (difference, better))
    assert after >= before


@given(st.lists(differences(), min_size=1, max_size=3))
def test_the_best_rival_is_beaten_only_by_who_beats_all(found):
    best = against_best(found)
    assert best.value == min(each.value for each in found)
    assert best.lower == min(each.lower for each in found)
    assert best.lower <= best.value <= best.upper


def test_a_point_of_ap_is_the_margin_and_better_means_better():
    thresholds = {claim.need: claim.threshold for claim in CLAIMS}
    assert thresholds == {
        Need.BEST_OR_TIED: -MARGIN,
        Need.AT_LEAST_EQUAL: -MARGIN,
        Need.BETTER: 0,
    }
    assert MARGIN == 0.01


def test_exactly_the_margin_worse_is_not_supported():
    claim = next(each for each in CLAIMS if each.need is Need.AT_LEAST_EQUAL)
    assert judged(claim, Difference.point("mono", -0.01)).verdict is Verdict.NOT_SUPPORTED
    assert judged(claim, Difference.point("mono", -0.0099)).verdict is Verdict.SUPPORTED


def test_no_difference_is_not_testable_and_says_why():
    finding = judged(CLAIMS[0], None, "there is no such task")
    assert finding.verdict is Verdict.UNTESTABLE
    assert finding.reason == "there is no such task"


def test_what_must_hold_is_a_formula():
    assert must_hold(CLAIMS[0]) == "hybrid − best(X-X, X-Y) > −0.01, Mul. AP"
    bias = next(each for each in CLAIMS if each.id == "hybrid-bias")
    assert must_hold(bias) == "X-X − hybrid > 0, rank distance"


def test_separation_is_what_all_cells_say():
    clean, unknown = {"verdict": "zero-shot"}, {"verdict": "unknown", "reason": "no record"}
    dirty = {"verdict": "contaminated", "queries": {"found": 2, "of": 9}}
    assert separate([clean, clean]).verdict is Verdict.SUPPORTED
    assert separate([clean, unknown]).verdict is Verdict.UNTESTABLE
    assert separate([unknown, {}]).reason == "no record"
    assert separate([{}]).verdict is Verdict.UNTESTABLE
    assert separate([]).verdict is Verdict.UNTESTABLE
    found = separate([clean, dirty])
    assert found.verdict is Verdict.NOT_SUPPORTED
    assert found.reason == "trained on 2 of 9 queries"


def test_the_papers_own_figures_contradict_one_claim_on_miracl():
    claim = "hybrid-monolingual"
    for (task, model), figures in FIGURES.items():
        finding = figures.finding(claim)
        contradicted = (task, model) == ("miracl", "labse")
        expected = Verdict.NOT_SUPPORTED if contradicted else Verdict.SUPPORTED
        assert finding.verdict is expected, (task, model)
    worst = FIGURES["miracl", "labse"].finding(claim).difference
    assert worst.value == pytest.approx(0.4411 - 0.4551)


def test_the_papers_figures_have_no_intervals_and_say_so():
    for figures in FIGURES.values():
        for finding in figures.findings:
            if finding.difference is not None:
                assert not finding.difference.interval
                assert finding.reason == "point estimates"


def test_what_the_paper_does_not_print_is_not_testable():
    finding = FIGURES["miracl", "xlmr"].finding("multilingual-best")
    assert finding.verdict is Verdict.UNTESTABLE


def test_gains_in_languages_unseen_in_training_are_those_of_the_languages_not_trained_on():
    found = FIGURES["xquad-r", "xlmr"].finding("unseen").difference
    greek, vietnamese = 0.7844 - 0.7749, 0.8025 - 0.8113
    assert found.rival == "mono"
    assert found.value == pytest.approx((greek + vietnamese) / 2)
    alone = FIGURES["mlqa-r", "labse"].finding("unseen").difference
    assert alone.value == pytest.approx(0.6883 - 0.6699)  # Vietnamese


def cell(**changes):
    """XQuAD-R as it was published."""
    counts = {
        "ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244, "ru": 1219,
        "th": 852, "tr": 1167, "vi": 1209, "zh": 1196,
    }  # fmt: skip
    counts |= changes.pop("documents", {})
    settings = tuple(
        SettingRow(x, "monolingual", "", x, (x,), 1190, 0, n, 0.0, {}) for x, n in counts.items()
    )
    whole = {"task": "xquad-r", "main_measure": "AP", "settings": settings}
    return CellResult(encoder="a", split="test", status="ok", **(whole | changes))


def test_published_figures_stand_beside_the_whole_real_task():
    figures, apart = published.beside(cell())
    assert [each.title for each in figures] == ["XLM-R", "LaBSE"]
    assert apart == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sample": True}, "sample data"),
        ({"task": "xquad-r-12-articles"}, "the paper has no figures of this name"),
        ({"main_measure": "nDCG@10"}, "the paper's measure is AP"),
        ({"settings": ()}, "its figures are of monolingual, cross-lingual, multilingual settings"),
        ({"settings": cell().settings[:2]}, "languages ar, de only, 11 published"),
        ({"documents": {"de": 300}}, "other candidates: 1,276 published, 300 here (de)"),
    ],
)
def test_published_figures_stand_beside_nothing_else(changes, reason):
    assert published.beside(cell(**changes)) == ((), reason)
