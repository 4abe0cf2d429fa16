"""Comparison of encoders: what is shown, what is refused, and that the numbers are right."""

from __future__ import annotations

import csv
import io
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cells import failed
from command import Desk, check_golden
from drawing import drawn

from mlir_harness import evaluate, tables
from mlir_harness.comparing import formats, operands, table
from mlir_harness.comparing.compare import Compared, Difference, Pair, by_kind, compare
from mlir_harness.comparing.groups import Group
from mlir_harness.comparing.marks import marks
from mlir_harness.comparing.movers import Mover
from mlir_harness.comparing.queries import lined_up, read
from mlir_harness.errors import IncomparableError, UsageError
from mlir_harness.formats import as_json, as_markdown
from mlir_harness.results import CellResult

NAMES = ("hashing", "smaller")


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], CellResult]:
    """Two encoders on two bundled samples."""
    root = tmp_path_factory.mktemp("compare")
    report = evaluate(
        ["hashing", "smaller=hashing"],
        ["xquad-r", "mtop"],
        data="sample",
        options={"smaller": {"dimension": "64"}},
        output=root / "results",
        cache_dir=root / "cache",
    )
    return {(cell.task, cell.encoder): cell for cell in report.cells}


def pair(cells: dict[tuple[str, str], CellResult], task: str = "xquad-r") -> Pair:
    return Pair(cells[task, "hashing"], cells[task, "smaller"], NAMES)


def test_differences_are_those_of_the_summaries(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    for task in ("xquad-r", "mtop"):
        both = pair(cells, task)
        found = compare([both], by="none")
        kinds = {each.group.kind: each for each in found.main}
        assert list(kinds) == ["monolingual", "cross-lingual", "multilingual"]
        for kind, each in kinds.items():
            means = [cell.summary[kind][found.measure] for cell in (both.baseline, both.other)]
            assert [each.before, each.after] == pytest.approx(means)
            assert each.difference == pytest.approx(means[1] - means[0])
            assert each.lower <= each.difference <= each.upper
            assert each.better is (means[1] > means[0])


def test_the_test_is_that_of_the_definition(cells: dict[tuple[str, str], CellResult]) -> None:
    """p-values against a slow loop over the stored files with other random signs."""
    both = pair(cells)
    frames = [frame_of(cell) for cell in (both.baseline, both.other)]
    frame = frames[0].assign(change=frames[1]["AP"] - frames[0]["AP"])
    kinds = {row.id: row.kind for row in both.baseline.settings}
    frame["kind"] = frame["setting"].astype(str).map(kinds)
    generator = np.random.default_rng(9)
    for each in compare([both], by="none").main:
        own = frame[frame["kind"] == each.group.kind]
        share = 1 / own.groupby("setting", observed=True)["change"].transform("size")
        settings = own["setting"].nunique()
        added = (own["change"] * share / settings).groupby(own["cluster"].astype(str)).sum()
        assert added.sum() == pytest.approx(each.difference)
        assert each.effect == pytest.approx(added.mean() / added.std(ddof=1))
        signs = generator.choice([-1, 1], (20_000, len(added)))
        p = np.mean(np.abs(signs @ added.to_numpy()) >= abs(added.sum()) - 1e-12)
        assert each.p == pytest.approx(p, abs=0.015)
        assert each.clusters == len(added)


def test_holm_is_over_all_that_is_shown_of_a_family(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    both = pair(cells)
    found = compare([both, replace(both, names=("hashing", "again"))], by="language")
    assert len(found.main) == 6
    assert len(found.exploratory) == 2 * 33
    least = min(found.main, key=lambda each: each.p)
    assert least.adjusted == pytest.approx(min(1, 6 * least.p))
    assert all(each.adjusted >= each.p for each in found.main)


def test_seeds_of_a_variant_are_one_value_of_a_query(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    both = pair(cells, "mtop")
    found = compare([both], by="none")
    spis = next(each for each in found.exploratory if str(each.group) == "monolingual/spis-1")
    frame = frame_of(both.other)
    rows = {row.id: row for row in both.other.settings if row.variant.startswith("spis-1/")}
    own = frame[frame["setting"].isin([i for i, r in rows.items() if r.kind == "monolingual"])]
    own = own.assign(language=own["setting"].astype(str).map(lambda i: rows[i].query_language))
    by_query = own.groupby(["language", "query"], observed=True)["nDCG@10"].mean()
    assert spis.after == pytest.approx(by_query.groupby("language").mean().mean())
    assert spis.queries == len(by_query)


def test_of_a_measure_without_a_better_way_nothing_is_better(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    found = compare([pair(cells)], measure="language_preference", by="none").main
    assert found
    assert any(each.difference for each in found)
    assert {each.better for each in found} == {None}
    ranks = compare([pair(cells)], measure="rank_distance", by="none").main
    assert ranks
    assert all(each.better is (each.difference < 0) for each in ranks)


def test_movers_are_the_queries_that_changed_most(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    found = compare([pair(cells)], by="none", most=3)
    changes = [each.after - each.before for each in found.movers]
    before, after = map(by_query, (pair(cells).baseline, pair(cells).other))
    differences = (after - before).sort_values()
    assert changes[:3] == pytest.approx(differences.to_numpy()[:-4:-1])
    assert changes[3:] == pytest.approx(differences.to_numpy()[:3])
    for each in found.movers:
        assert each.before == pytest.approx(before[each.language, each.query])


def by_query(cell: CellResult) -> pd.Series[float]:
    """AP of each query of each language, averaged over its settings."""
    frame = frame_of(cell)
    languages = {row.id: row.query_language for row in cell.settings}
    language = frame["setting"].astype(str).map(languages)
    return frame.groupby([language, frame["query"].astype(str)])["AP"].mean()


def frame_of(cell: CellResult) -> pd.DataFrame:
    assert cell.folder is not None
    return pd.read_parquet(cell.folder / "queries.parquet")


def test_agreement_is_whole_with_itself(cells: dict[tuple[str, str], CellResult]) -> None:
    cell = cells["xquad-r", "hashing"]
    found = compare([Pair(cell, cell, ("a", "b"))], by="none", most=4)
    assert {(each.overlap, each.first) for each in found.agreements} == {(1.0, 1.0)}
    assert found.movers == ()
    assert {each.adjusted for each in found.main} == {1.0}
    assert not any(each.significant or each.better is not None for each in found.main)


def test_what_is_not_comparable_is_refused_by_name(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    first, second = cells["xquad-r", "hashing"], cells["xquad-r", "smaller"]
    parts = dict(second.details["parts"]["data"]) | {"documents hi": "other"}
    details = {**second.details, "parts": {**second.details["parts"], "data": parts}}
    prints = {**second.fingerprints, "data": "x"}
    changed = replace(second, fingerprints=prints, details=details)
    with pytest.raises(IncomparableError, match=r"other data \(documents hi\)"):
        by_kind([Pair(first, changed, NAMES)])
    with pytest.raises(UsageError, match="no values of Fame"):
        compare([Pair(first, second, NAMES)], measure="Fame")


def test_rows_are_lined_up_or_refused(cells: dict[tuple[str, str], CellResult]) -> None:
    held = read(cells["xquad-r", "hashing"])
    order = np.random.default_rng(0).permutation(len(held))
    again = lined_up(held, held.of(order), ("a", "b"))
    assert again.keys() == held.keys()
    assert (again.values["AP"] == held.values["AP"]).all()
    with pytest.raises(IncomparableError, match=r"b lacks query .* of ar→ar"):
        lined_up(held, held.of(np.arange(len(held)) > 0), ("a", "b"))
    twice = held.of(np.array([0, *range(len(held))]))
    with pytest.raises(IncomparableError, match=r"a holds query .* of ar→ar twice"):
        lined_up(twice, held, ("a", "b"))


def made_up() -> Compared:
    """Comparisons as they are drawn."""

    def difference(kind: str, change: float, adjusted: float, **more: object) -> Difference:
        group = Group(kind, **{key: str(value) for key, value in more.items()})
        before = 0.5
        return Difference(
            ("hashing", "labse"), group, 2380, 240, before, before + change, change,
            change - 0.02, change + 0.02, change * 10, adjusted / 3, adjusted, 900, 800, False,
        )  # fmt: skip

    main = (
        difference("monolingual", 0.0313, 0.0004),
        difference("cross-lingual", -0.0412, 0.012),
        difference("multilingual", 0.0, 1.0),
    )
    languages = itertools.product(("monolingual", "cross-lingual"), ("hi", "th"))
    exploratory = [difference(kind, 0.01, 0.31, language=language) for kind, language in languages]
    exploratory.append(difference("monolingual", -0.1, 0.001, variant="spis-25"))
    moved = (
        Mover(("hashing", "labse"), "hi", "q1", 0.1, 0.9, 12, "भारत की राजधानी क्या है?"),
        Mover(("hashing", "labse"), "en", "q2", 0.9, 0.1, 12, "[red]x[/] \x1b[31m" * 30),
    )
    return Compared(
        "xquad-r", "test", True, "AP", main, tuple(exploratory), (10_000, 10_000), 0, (), moved
    )


@pytest.mark.parametrize("width", [80, 100])
def test_tables(width: int) -> None:
    check_golden(f"compare-{width}.txt", drawn(table.drawn(made_up()), width))


def test_formats() -> None:
    held = made_up()
    check_golden("compare.md", formats.as_markdown([held]))
    rows = list(csv.DictReader(io.StringIO(formats.as_csv([held]))))
    assert [row["family"] for row in rows] == ["main"] * 3 + ["exploratory"] * 5
    assert rows[0]["significant"] == "True"
    (found,) = json.loads(formats.as_json([held]))["comparisons"]
    assert found["data"] == "sample"
    assert found["main"][1]["difference"] == -0.0412
    assert json.loads(formats.as_json([])) == {"schema": 1, "comparisons": []}


def test_rank_distance_is_in_ranks_and_less_is_better(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    found = compare([pair(cells)], measure="rank_distance", by="none", most=2)
    (each,) = found.main
    assert each.better is (each.difference < 0)
    shown = drawn(table.drawn(found), 100) + formats.as_markdown([found])
    for number in (each.before, each.after, found.movers[0].before, found.movers[-1].after):
        assert f"{number:,.0f}" in shown
        assert f"{number:.3f}" not in shown


def test_words_of_queries_come_from_the_data(cells: dict[tuple[str, str], CellResult]) -> None:
    from mlir_harness.api import load

    found = compare([pair(cells)], by="none", most=2)
    shown = operands.with_texts(found, load("xquad-r", data="sample"))
    assert all(each.text for each in shown.movers)


def test_marks_stand_before_values_and_say_what_they_mean(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    own = [cells["xquad-r", "hashing"], cells["xquad-r", "smaller"]]
    found = marks(own, "hashing")
    check_golden("marks-80.txt", drawn(tables.summary(own, marks=found), 80))
    shown = as_markdown(own, marks=found)
    assert "| smaller | ▼† <u>0.217</u> |" in shown
    held = json.loads(as_json(own, marks=found))["cells"]
    assert held[0]["comparison"] is None
    assert held[1]["comparison"]["kinds"]["monolingual"]["significant"] is True


def test_without_scores_of_the_baseline_there_are_no_marks(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    own = [cells["xquad-r", "smaller"], failed("hashing", split="test")]
    found = marks(own, "hashing")
    assert found.mark(own[0], "monolingual", "AP") == ""
    assert "hashing, the baseline, has no scores here" in drawn(
        tables.summary(own, marks=found), 200
    )


def test_marks_that_cannot_be_made_cost_no_table(
    cells: dict[tuple[str, str], CellResult],
) -> None:
    first, second = cells["xquad-r", "hashing"], cells["xquad-r", "smaller"]
    own = [first, replace(second, fingerprints={**second.fingerprints, "data": "x"})]
    found = marks(own, "hashing")
    assert found.note(own[0]).startswith("No marks: hashing on xquad-r and smaller on xquad-r")
    assert "No marks" in drawn(tables.summary(own, marks=found), 200)


SAMPLE = ("--tasks", "xquad-r", "--data", "sample")


def test_the_command_compares_encoders_and_answers_from_the_store(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path)
    more = (*SAMPLE, "--option", "smaller.dimension=64", "--cache-dir", "cache")
    done = desk.do("compare", "hashing", "smaller=hashing", *more, "--output", "out", COLUMNS="100")
    assert done.code == 0, done.err
    assert "xquad-r · test · AP · SAMPLE DATA" in done.out
    assert "smaller against hashing" in done.out
    assert "queries that changed most" in done.out
    again = desk.do("compare", "out", "out", "--by", "none", "--format", "json")
    assert again.code == 0, again.err
    (found,) = again.json()["comparisons"]
    assert {each["difference"] for each in found["main"]} == {0}
    assert "texts" not in again.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("hashing",), 2, "one thing alone cannot be compared"),
        (("hashing", "bm25"), 2, "Add --tasks"),
        (("hashing", "hashing", *SAMPLE), 2, "cannot be compared with itself"),
        (("hashing", "hashign", *SAMPLE), 2, "Did you mean hashing"),
        (("out", "hashing"), 2, "hashing is no folder of results"),
        (("out", "empty", *SAMPLE), 2, "empty is no folder of results"),
        (("empty", "empty"), 2, "there are no results in empty"),
        (("out", "out", "--tasks", "mtop"), 2, "hold no results on mtop"),
        (("out", "out", "--measure", "Fame"), 2, "no values of Fame"),
        (("out", "other"), 5, "other data (queries"),
        (("--encoders", "hashing", *SAMPLE, "--baseline", "hash"), 2, "Did you mean hashing"),
    ],
)
def test_bad_input(arguments: tuple[str, ...], code: int, said: str, stores: Desk) -> None:
    done = stores.do("run" if "--encoders" in arguments else "compare", *arguments)
    assert done.code == code, done.err
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Results of the sample in `out`, of other languages in `other`, and an empty folder."""
    desk = Desk.at(tmp_path_factory.mktemp("stores"))
    (desk.root / "empty").mkdir()
    for output, more in (("out", ()), ("other", ("--languages", "hi,th"))):
        done = desk.do("run", "--encoders", "hashing", *SAMPLE, *more, "--output", output)
        assert done.code == 0, done.err
    return desk
