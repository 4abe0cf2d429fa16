"""Tables as people see them, at the widths of terminals."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from cells import contaminated, exposed, failed, hostile, scored
from command import check_golden
from drawing import drawn, styled

from mlir_harness import details, failures, tables
from mlir_harness.output import console
from mlir_harness.plan import PlannedCell
from mlir_harness.results import CellResult

CELLS = [scored("hashing", 0.5), scored("st:models/e5-small", 0.75), scored("labse", 0.625)]


@pytest.mark.parametrize("width", [80, 100])
def test_summary(width: int) -> None:
    stored = replace(CELLS[0], stored=True)
    cut = replace(CELLS[1], details={**CELLS[1].details, "texts": {"unique": 50, "truncated": 4}})
    other = replace(scored("hashing", 0.5), task="mlqa-r", sample=True)
    shown = drawn(tables.summary([stored, cut, CELLS[2], other, failed("broken")]), width)
    check_golden(f"summary-{width}.txt", shown)


def test_what_was_trained_on_stands_below_and_at_names_and_languages() -> None:
    cells = [
        contaminated(CELLS[1]),
        exposed(scored("tiny-hybrid", 0.5), unseen=["hi"]),
        exposed(scored("tiny-mono", 0.5)),
        exposed(CELLS[0], untrained=True),
        exposed(CELLS[2], verdict="unknown"),
    ]
    check_golden(
        "exposure-80.txt",
        drawn(tables.summary(cells), 80) + drawn(details.details(cells[:1]), 80),
    )


def test_details() -> None:
    check_golden("details-80.txt", drawn(details.details([CELLS[0], failed("broken")]), 80))


def varied(encoder: str, base: float) -> CellResult:
    whole = scored(encoder, base)
    means = {"AP": base / 2, "AP_common": base / 2 + 0.01, "kNN@1": base / 3}
    groups = {f"{kind}/few-{k}": means for kind in ("monolingual", "multilingual") for k in (1, 5)}
    plain = {kind: held | means for kind, held in whole.summary.items()}
    row = replace(
        whole.settings[0],
        id="en→en/few-1/seed-0",
        variant="few-1/seed-0",
        common=1100,
        queries=1190,
    )
    return replace(
        whole,
        summary=plain | groups,
        deviations={group: {"AP": 0.0125} for group in groups},
        settings=(*whole.settings, row, replace(row, variant="few-1/seed-1")),
    )


def test_variants_have_tables_of_their_own() -> None:
    cells = [varied("hashing", 0.5), varied("labse", 0.625)]
    check_golden("variants-80.txt", drawn(tables.summary(cells), 80))


def test_eleven_languages_fit_a_terminal() -> None:
    languages = ["ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"]
    shown = [(language, lambda _: "0.123") for language in [*languages, "all"]]
    lines = drawn(details._by_language(CELLS[0], shown, mean=False), 100).splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in "".join(lines)


def test_plan() -> None:
    planned = [
        PlannedCell("hashing", "xquad-r", 132, 26104, 0, None, 53_460_992, 4.2),
        PlannedCell("st:models/e5-small", "xquad-r", 132, 26104, 13000, 812_345, None, None),
        PlannedCell("labse", "mlqa-r", 56, 26104, 26104, 0, 0, 0.0),
        PlannedCell("slow", "mlqa-r", 56, 26104, 26104, 0, 0, 12_345.0),
        PlannedCell("xlmr", "mlqa-r", 56, None, None, fetches="3 files, 1.1 GB; licence: MIT"),
    ]
    check_golden("plan-100.txt", drawn(tables.planned(planned)))


def test_failures_say_each_thing_once() -> None:
    cells = [
        failed("a"),
        failed("a", task="mlqa-r"),
        failed("b", status="unavailable", reason="no weights here", hint="fetch b"),
        scored("c", 0.5, reason="cannot write results to out: No space left", hint="Free some."),
        scored("d", 0.5),
    ]
    check_golden("failures-100.txt", drawn(failures.failures(cells)))


def bare(*names: str, reason: str, hint: str) -> list[CellResult]:
    """Encoders of `all` that are not ready, on two tasks; {} stands for their names."""
    details = {"wanted": False, "fault": "encoder"}
    return [
        failed(
            name,
            task=task,
            status="unavailable",
            reason=reason.format(name),
            hint=hint.format(name),
            details=details,
        )
        for name in names
        for task in ("mtop", "xquad-r")
    ]


def test_what_is_not_ready_is_a_short_list() -> None:
    trained = [f"{base}-{how}" for base in ("labse", "xlmr") for how in ("cross", "hybrid", "mono")]
    cells = [
        *bare(
            "labse",
            "mdeberta",
            "xlmr",
            reason="files are missing",
            hint="mlir-harness fetch {0}, or --weights {0}=FOLDER",
        ),
        *bare(
            "sonar",
            reason="the weights of {0} are pickles: {0}/model.pt",
            hint="mlir-harness convert {0}",
        ),
        *bare(
            *trained,
            reason="{0} has not been trained here: there is no folder checkpoints/{0}",
            hint="mlir-harness train {0}, or --weights {0}=FOLDER",
        ),
        *bare("laser", "x", reason="no uv to build its environment with", hint="pip install uv"),
    ]
    task = failed("hashing", task="irds:x", status="unavailable", reason="no x", hint="")
    cells.append(replace(task, details={"fault": "task"}))
    check_golden("not-ready-80.txt", drawn(failures.failures(cells), 80))


def test_names_within_words_are_not_taken_for_names() -> None:
    cells = bare("a", "b", reason="{0} has an a, and a-c", hint="")[::2]
    shown = drawn(failures.failures(cells))
    assert shown == "unavailable: a: a has an a, and a-c\nunavailable: b: b has an a, and a-c\n"


def test_hostile_strings_stay_text() -> None:
    shown = drawn(tables.summary([hostile()])) + drawn(details.details([hostile()]))
    check_golden("hostile-100.txt", shown)
    assert "\x1b" not in shown


def test_best_is_bold_and_second_underlined_in_each_column() -> None:
    lines = styled(tables.summary(CELLS)).splitlines()
    rows = {name: next(line for line in lines if name in line) for name in ("hash", "e5", "labse")}
    assert rows["e5"].count("\x1b[1m") == 7
    assert rows["labse"].count("\x1b[4m") == 6
    # All have the same rank distance: all are best.
    assert rows["hash"].count("\x1b[1m") == 1
    assert rows["labse"].count("\x1b[1m") == 1


def test_places() -> None:
    up = tables.Column("monolingual", "AP", "Mo. AP")
    down = tables.Column("multilingual", "rank_distance", "rank distance", low=True)
    cells = [scored(name, value) for name, value in (("a", 0.5), ("b", 0.7), ("c", 0.7001))]
    # What is shown as equal shares a place.
    assert tables.places(up, cells) == {"a": 2, "b": 1, "c": 1}
    assert tables.places(down, cells) == {"a": 1, "b": 1, "c": 1}
    assert tables.places(up, cells[:1]) == {}
    assert tables.places(up, [cells[0], failed("x")]) == {}


def test_columns_without_values_are_left_out() -> None:
    one = scored("a", 0.5, summary={"monolingual": {"AP": 0.5, "R@1": float("nan")}})
    assert [column.heading for column in tables.columns([one])] == ["Mo. AP"]


def test_ties_are_noted_where_they_are_many_in_every_kind_of_settings() -> None:
    cell = scored("hashing", 0.5)
    for kinds, said in ((set(), False), ({"cross-lingual", "multilingual"}, False), (None, True)):
        rows = [
            replace(row, tie_rate=0.9 if kinds is None or row.kind in kinds else 0.1)
            for row in cell.settings
        ]
        shown = drawn(tables.summary([replace(cell, settings=tuple(rows))]), 100)
        assert ("hashing × xquad-r: 90% of relevant documents tie" in shown) is said


def test_no_cells_no_table() -> None:
    assert drawn(tables.summary([failed("a")])).strip() == ""


def test_tables_for_files_are_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console(io.StringIO()).width == 160
    monkeypatch.setenv("COLUMNS", "70")
    assert console(io.StringIO()).width == 70
