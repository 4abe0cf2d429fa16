"""What a mean is called beside what it was: same, better, within noise, regressed, or none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from regression_cells import LANGUAGES, QUERIES, baseline, cell

from mlir_harness.comparing import significance
from mlir_harness.errors import IncomparableError, UsageError
from mlir_harness.regression import checking
from mlir_harness.regression.cells import Cell, Key
from mlir_harness.regression.checking import Checked, Found, check
from mlir_harness.regression.gates import chosen, gate
from mlir_harness.regression.verdicts import Row, Verdict

ROWS = 2 * len(LANGUAGES) * QUERIES
RANDOM = np.random.default_rng(0)
BASE = RANDOM.uniform(0.3, 0.7, ROWS)
MONO = np.arange(ROWS) // QUERIES % 2 == 0


def checked(old: Cell, new: Cell | Sequence[Cell], **options: Any) -> Checked:
    held = baseline(old, **options.pop("held", {}))
    cells = [new] if isinstance(new, Cell) else new
    failed = options.pop("failed", {})
    return check(held, Found(cells, failed), options.pop("gates", held.gates), **options)


def rows(done: Checked) -> dict[str, Row]:
    """By kind, language and measure."""
    return {
        " ".join(filter(None, (r.pair.group, r.pair.language, r.pair.gate.measure))): r
        for r in done.rows
    }


def verdicts(old: Cell, new: Cell | Sequence[Cell], **options: Any) -> dict[str, str]:
    return {name: str(row.verdict) for name, row in rows(checked(old, new, **options)).items()}


def test_what_did_not_change_is_the_same_without_a_test() -> None:
    done = checked(cell({"AP": BASE}), cell({"AP": BASE}))
    assert {row.verdict for row in done.rows} == {Verdict.SAME}
    assert all(math.isnan(row.upper) for row in done.rows)
    assert (done.exit_code, done.counts()) == (0, {Verdict.SAME: 2})


def test_a_fall_in_one_kind_is_found_there_alone() -> None:
    fallen = np.where(MONO, BASE - 0.05, BASE)
    done = checked(cell({"AP": BASE}), cell({"AP": fallen}))
    found = rows(done)
    assert found["monolingual AP"].verdict is Verdict.REGRESSED
    assert found["multilingual AP"].verdict is Verdict.SAME
    assert found["monolingual AP"].pair.change == pytest.approx(-0.05)
    assert found["monolingual AP"].upper < 0
    assert done.rows[0].verdict is Verdict.REGRESSED
    assert done.exit_code == 1


def test_noise_is_no_fall_and_no_rise() -> None:
    moved = BASE + RANDOM.normal(0, 0.1, ROWS)
    for row in checked(cell({"AP": BASE}), cell({"AP": moved})).rows:
        assert row.verdict is Verdict.WITHIN_NOISE
        assert row.lower < row.pair.change < row.upper


def test_a_sure_drop_within_delta_passes_and_one_beyond_does_not() -> None:
    fallen = cell({"AP": BASE - 0.004})
    assert set(verdicts(cell({"AP": BASE}), fallen).values()) == {"within noise"}
    strict = {"AP": gate("AP", 0.003)}
    assert set(verdicts(cell({"AP": BASE}), fallen, gates=strict).values()) == {"regressed"}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(-0.05, 0.05), st.floats(0, 0.1))
def test_better_is_regressed_in_a_mirror(seed: int, shift: float, spread: float) -> None:
    moved = BASE + np.random.default_rng(seed).normal(shift, spread, ROWS)
    there = verdicts(cell({"AP": BASE}), cell({"AP": moved}))
    back = verdicts(cell({"AP": moved}), cell({"AP": BASE}))
    turned = {"better": "regressed", "regressed": "better"}
    assert back == {name: turned.get(verdict, verdict) for name, verdict in there.items()}


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_the_order_of_rows_and_of_names_plays_no_part(seed: int) -> None:
    moved = cell({"AP": BASE + np.random.default_rng(seed).normal(-0.02, 0.05, ROWS)})
    order = np.random.default_rng(seed).permutation(ROWS)
    turned = replace(moved, queries=moved.queries.of(order), settings=moved.settings[::-1])
    one, other = (checked(cell({"AP": BASE}), each) for each in (moved, turned))
    assert [(r.verdict, r.upper, r.pair.change) for r in one.rows] == [
        (r.verdict, r.upper, r.pair.change) for r in other.rows
    ]


def test_the_upper_end_is_below_zero_where_holm_rejects_and_nowhere_else() -> None:
    shifts = np.repeat([-0.05, -0.03, -0.02, 0.0], QUERIES)
    moved = BASE + shifts + RANDOM.normal(0, 0.05, ROWS)
    done = checked(cell({"AP": BASE}), cell({"AP": moved}), languages=True)
    assert len(done.rows) == 6
    for row in done.rows:
        assert (row.upper < 0) == (row.p <= significance.LEVEL)


def test_a_larger_family_takes_more_to_reject() -> None:
    moved = cell({"AP": BASE + RANDOM.normal(-0.02, 0.06, ROWS)})
    kinds = rows(checked(cell({"AP": BASE}), moved))
    both = rows(checked(cell({"AP": BASE}), moved, languages=True))
    assert len(both) == 3 * len(kinds)
    for name, row in kinds.items():
        assert both[name].p > row.p
        assert both[name].upper > row.upper


def test_rank_distance_is_better_when_it_is_lower_and_delta_is_a_share_of_the_pool() -> None:
    measured = np.where(MONO, np.nan, 10.0)
    old = cell({"rank_distance": measured})
    found = rows(checked(old, cell({"rank_distance": measured + 4})))
    assert [*found] == ["multilingual rank_distance"]
    row = found["multilingual rank_distance"]
    assert row.verdict is Verdict.REGRESSED
    assert row.pair.change == pytest.approx(-4 / 200)  # of a pool of 200
    assert verdicts(old, cell({"rank_distance": measured - 4})) == {
        "multilingual rank_distance": "better"
    }
    small = verdicts(old, cell({"rank_distance": measured + 0.9}))
    assert small == {"multilingual rank_distance": "within noise"}  # 0.45 % of the pool


EXACT = {"exact": True}


def test_of_exact_encoders_any_fall_counts() -> None:
    one = np.where(np.arange(ROWS) == 0, BASE - 1e-4, BASE)
    old = cell({"AP": BASE}, info=EXACT)
    done = checked(old, cell({"AP": one}, info=EXACT))
    row = rows(done)["monolingual AP"]
    assert (row.verdict, row.exact) == (Verdict.REGRESSED, True)
    assert rows(done)["multilingual AP"].verdict is Verdict.SAME
    assert verdicts(old, cell({"AP": 2 * BASE - one}, info=EXACT))["monolingual AP"] == "better"
    swapped = BASE.copy()
    swapped[[0, 1]] = BASE[[1, 0]]
    assert verdicts(old, cell({"AP": swapped}, info=EXACT))["monolingual AP"] == "within noise"


def test_an_encoder_that_is_no_longer_exact_is_tested_and_named() -> None:
    old = cell({"AP": BASE}, info=EXACT)
    one = np.where(np.arange(ROWS) == 0, BASE - 0.1, BASE)
    done = checked(old, cell({"AP": one}))
    assert rows(done)["monolingual AP"].verdict is Verdict.WITHIN_NOISE
    assert done.changes == {old.key: ["exact True→False"]}


def test_rounding_is_the_same_of_the_same_encoder_alone() -> None:
    rounded = BASE - RANDOM.uniform(0, 1e-4, ROWS)
    old = cell({"AP": BASE}, info={"options": {"precision": "fp32"}})
    same = cell({"AP": rounded}, info={"options": {"precision": "bf16"}}, device="cuda")
    other = cell({"AP": rounded}, info={"options": {"pooling": "cls", "precision": "fp32"}})
    assert set(verdicts(old, same).values()) == {"same"}
    assert set(verdicts(old, other).values()) == {"within noise"}
    assert set(verdicts(old, same, held={"tolerance": 0.0}).values()) == {"within noise"}


def test_few_clusters_say_that_they_cannot_tell() -> None:
    old, new = (cell({"AP": values}) for values in (BASE, BASE - 0.1))
    one = {
        name: replace(each.queries, cluster=each.queries.setting)
        for name, each in (("old", old), ("new", new))
    }
    done = checked(replace(old, queries=one["old"]), replace(new, queries=one["new"]))
    for row in done.rows:  # a cluster for each of two settings
        assert (row.verdict, row.untold) == (Verdict.WITHIN_NOISE, True)


@pytest.mark.parametrize(
    ("part", "said", "kinds"),
    [
        ("documents hi", "documents hi differ", {"monolingual", "multilingual"}),
        ("queries hi", "queries hi differ", {"monolingual", "multilingual"}),
        ("judgements en→hi", "judgements en→hi differ", {"multilingual"}),
        ("clusters en", "clusters en differ", {"monolingual", "multilingual"}),
        ("measure AP", "measure AP 1→2", {"monolingual", "multilingual"}),
        ("setting hi→all", "setting hi→all differs", {"multilingual"}),
        ("ties", "ties hash→2", {"monolingual", "multilingual"}),
        ("version", "version 1→2", {"monolingual", "multilingual"}),
    ],
)
def test_a_part_that_differs_is_named_and_never_passes(
    part: str, said: str, kinds: set[str]
) -> None:
    new = cell({"AP": BASE}, changes={part: "2"})
    done = checked(cell({"AP": BASE}), new)
    found = {row.pair.group: row for row in done.rows}
    for kind, row in found.items():
        differs = kind in kinds
        assert row.verdict is (Verdict.INCOMPARABLE if differs else Verdict.SAME)
        assert row.reasons == ((said,) if differs else ())
    assert done.exit_code == 5


def test_the_gain_matters_where_a_measure_has_one() -> None:
    changes = {"gain": "exponential"}
    both = {"AP": BASE, "nDCG@10": BASE}
    found = verdicts(cell(both), cell(both, changes=changes))
    assert {name for name, verdict in found.items() if verdict == "incomparable"} == {
        "monolingual nDCG@10",
        "multilingual nDCG@10",
    }


def test_what_is_missing_is_named() -> None:
    old = cell({"AP": BASE, "R@1": BASE})
    cells = {
        "language hi is gone": cell({"AP": BASE[:40], "R@1": BASE[:40]}, languages=["en"]),
        "measure R@1 is gone": cell({"AP": BASE}),
        "all multilingual settings are gone": _without(old, "→all"),
        "setting hi→hi is gone": _without(old, "hi→hi"),
        "query q3 of en→all is gone": _without_query(old, "en→all", "q3"),
    }
    for said, new in cells.items():
        done = checked(old, new)
        missing = [row for row in done.rows if row.verdict is Verdict.MISSING]
        assert missing, said
        assert any(said in row.reasons for row in missing), [row.reasons for row in missing]
        assert done.exit_code == 1
    nothing = cell({"AP": np.where(np.arange(ROWS) == 5, np.nan, BASE), "R@1": BASE})
    found = rows(checked(old, nothing))
    assert found["monolingual AP"].reasons == ("query q5 of en→en is gone",)


def _without(held: Cell, ending: str) -> Cell:
    kept = tuple(setting for setting in held.settings if not setting.id.endswith(ending))
    chosen = [not name.endswith(ending) for name in held.queries.setting.strings()]
    return replace(held, settings=kept, queries=held.queries.of(np.array(chosen)))


def _without_query(held: Cell, setting: str, query: str) -> Cell:
    keys = held.queries.keys()
    chosen = np.array([key != (setting, query) for key in keys])
    return replace(held, queries=held.queries.of(chosen))


def test_a_cell_that_failed_is_missing_with_its_reason_and_one_that_is_new_fails_alone() -> None:
    old, other = cell({"AP": BASE}), cell({"AP": BASE}, encoder="other")
    done = checked(old, [other], failed={("floor", "small"): "no weights"})
    assert {row.reasons for row in done.rows} == {("it failed: no weights",)}
    assert done.exit_code == 1
    assert done.beyond == ("other × small (test, sample data) has no baseline",)
    done = checked(old, [old], failed={("other", "small"): "no weights"})
    assert (done.exit_code, done.failed) == (3, ("other × small: no weights",))


def test_sample_data_is_not_compared_with_real_data() -> None:
    done = checked(cell({"AP": BASE}, data="real"), cell({"AP": BASE}))
    assert {row.verdict for row in done.rows} == {Verdict.INCOMPARABLE}
    assert {row.reasons for row in done.rows} == {("data real→sample",)}
    assert done.exit_code == 5


def test_what_is_new_is_named_and_no_failure() -> None:
    more = np.concatenate([BASE, BASE[:40]])
    done = checked(cell({"AP": BASE}), cell({"AP": more}, languages=["en", "hi", "th"]))
    assert done.beyond == ("language th has no baseline, in floor × small (test, sample data)",)
    assert done.exit_code == 0


def test_another_encoder_is_named_and_tested_or_pinned() -> None:
    before = {"revision": "a1b2", "options": {"prompt": "Query: ", "pooling": "cls"}}
    old = cell({"AP": BASE}, info=before)
    new = cell(
        {"AP": BASE - 0.1},
        info={"revision": "c3d4", "options": {"prompt": "", "width": "8"}},
        fingerprints={"encoder": "e2"},
    )
    changes = [
        "revision a1b2→c3d4",
        "option pooling 'cls'→none",
        "option prompt 'Query: '→''",
        "option width none→'8'",
    ]
    done = checked(old, new)
    assert {row.verdict for row in done.rows} == {Verdict.REGRESSED}
    assert done.changes == {old.key: changes}
    done = checked(old, new, pin_encoder=True)
    assert {row.verdict for row in done.rows} == {Verdict.INCOMPARABLE}
    assert done.rows[0].reasons == tuple(f"encoder: {each}" for each in changes)
    assert set(verdicts(old, old, pin_encoder=True).values()) == {"same"}


@pytest.mark.parametrize("spoilt", ["old", "new"])
@pytest.mark.parametrize(
    ("part", "said"),
    [("ties", "ties "), ("judgements hi→en", "judgements hi→en differ"), ("pooling", "pooling ")],
)
def test_a_part_that_one_side_alone_knows_is_incomparable(
    part: str, said: str, spoilt: str
) -> None:
    held = cell()
    what = "data" if " " in part else "protocol"
    parts = {name: dict(each) for name, each in held.parts.items()}
    if part in parts[what]:
        del parts[what][part]
    else:
        parts[what][part] = "cls"
    other = replace(held, parts=parts)
    old, new = (other, held) if spoilt == "old" else (held, other)
    rows = check(baseline(old), Found([new]), baseline(old).gates).rows
    multilingual = [row for row in rows if row.pair.group == "multilingual"]
    assert {row.verdict for row in multilingual} == {Verdict.INCOMPARABLE}
    assert all(any(said in reason for reason in row.reasons) for row in multilingual)


def test_missing_comes_before_incomparable() -> None:
    old = cell({"AP": BASE})
    changed = cell({"AP": BASE}, changes={"documents hi": "2"})
    done = checked(old, _without_query(changed, "hi→hi", "q1"))
    assert [row.verdict for row in done.rows] == [Verdict.MISSING, Verdict.INCOMPARABLE]
    assert done.rows[0].reasons == ("query q1 of hi→hi is gone", "documents hi differ")
    assert done.exit_code == 1


def test_two_cells_of_one_key_and_no_cell_in_common_are_told() -> None:
    held = cell({"AP": BASE})
    with pytest.raises(UsageError, match="two cells are of floor × small"):
        checked(held, [held, held])
    with pytest.raises(IncomparableError, match=r"has floor × small .* have roof × small"):
        checking.demand_common(baseline(held), Found([cell(encoder="roof")]))
    checking.demand_common(baseline(held), Found([cell(encoder="roof"), held]))
    checking.demand_common(baseline(held), Found([], {("floor", "small"): "failed"}))


def test_measures_and_drops_are_those_of_the_baseline_unless_others_are_given() -> None:
    held = {name: gate(name) for name in ("AP", "R@1")}
    assert chosen(held, (), {}) == held
    assert chosen(held, ("R@1",), {"R@1": 0.02}) == {"R@1": gate("R@1", 0.02)}
    for wanted, deltas, said in (
        (("MRR",), {}, "unknown measure 'MRR'"),
        (("language_preference",), {}, "which way it is better"),
        (("R@5",), {}, "does not hold the measure R@5"),
        (("AP",), {"R@1": 0.1}, "left out by --measures"),
        ((), {"AP": 1.5}, "is no share"),
    ):
        with pytest.raises(UsageError, match=said):
            chosen(held, wanted, deltas)


def test_a_simulated_null_is_seldom_called_a_regression() -> None:
    """With queries of a cluster alike, 300 families of two tests: few have any false finding."""
    random = np.random.default_rng(7)
    families = 300
    cluster = np.tile(np.arange(QUERIES) // 2, ROWS // QUERIES)
    false = 0
    for _ in range(families):
        noise = random.normal(0, 0.1, QUERIES // 2)[cluster] + random.normal(0, 0.02, ROWS)
        found = verdicts(cell({"AP": BASE}), cell({"AP": BASE + noise}))
        false += "regressed" in found.values()
    assert false / families <= 0.08  # 5 % and two and a half standard errors


def test_keys_are_shown_whole() -> None:
    assert str(Key("a", "b", "test", "real")) == "a × b (test)"
