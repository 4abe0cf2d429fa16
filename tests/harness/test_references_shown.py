"""Published figures as people and programs see them, below results or not at all."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cells import hostile
from command import Desk, check_golden
from drawing import drawn, styled
from reference_cells import cell

from mlir_harness import formats, references, tables
from mlir_harness.api import Report, evaluate
from mlir_harness.errors import UsageError

EVERY = references.sources()
WHOLE = [cell(encoder="hashing", value=0.625), cell(encoder="labse", value=0.25)]
PART = [cell(languages=["hi", "th"], encoder="hashing")]


@pytest.mark.parametrize("width", [80, 100])
def test_tables_with_published_figures(width: int) -> None:
    shown = drawn(tables.summary([*WHOLE, cell("miracl")], EVERY), width)
    shown += "\n" + drawn(tables.summary(PART, EVERY), width)
    shown += "\n" + drawn(tables.summary([cell(sample=True)], EVERY), width)
    assert max(map(len, shown.splitlines())) <= width
    check_golden(f"references-{width}.txt", shown)


def test_without_the_option_tables_and_files_are_as_they_were() -> None:
    assert "Elmahdy" not in drawn(tables.summary(WHOLE), 100)
    assert "Elmahdy" not in formats.as_markdown(WHOLE) + formats.as_csv(WHOLE)
    assert "references" not in json.loads(formats.as_json(WHOLE))


def test_published_figures_are_in_italics_and_neither_best_nor_second() -> None:
    lines = styled(tables.summary(WHOLE, EVERY)).splitlines()
    ours = [line for line in lines if "hashing" in line or "labse " in line]
    assert "\x1b[1m0.625" in ours[0]
    assert "\x1b[4m0.250" in ours[1]
    theirs = [line for line in lines if "X-" in line or "hybrid" in line]
    assert len(theirs) == 3 + 3 + 3
    for line in theirs:
        assert "\x1b[2;3m" in line
        assert "\x1b[1m" not in line
        assert "\x1b[4m" not in line


def test_no_digit_is_shown_that_was_not_printed() -> None:
    shown = drawn(tables.summary(WHOLE, references.chosen(["lareqa"])), 100)
    (line,) = (line for line in shown.splitlines() if "mBERT X-Y" in line)
    assert line.split()[-7:] == ["–", "–", "0.66", "–", "–", "–", "–"]


def test_what_stands_beside_one_encoder_only_is_not_shown() -> None:
    shown = drawn(tables.summary([*WHOLE, *PART], EVERY), 100)
    assert "languages hi, th only, 11 published" in shown
    assert "LAReQA)" not in shown


def test_a_task_without_figures_says_so() -> None:
    shown = drawn(tables.summary(WHOLE, references.chosen(["pyserini"])), 100)
    assert "The published figures asked for have none of xquad-r." in shown


def test_markdown() -> None:
    text = formats.as_markdown([*WHOLE, cell("miracl", ["sw", "te"])], EVERY)
    check_golden("references.md", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert "| *XLM-R hybrid (Elmahdy 24)* | *0.798* | *0.705* |" in text
    assert not any("**" in row for row in rows if "Elmahdy" in row)


def test_csv_has_a_row_for_each_system_and_kind_of_settings() -> None:
    rows = list(csv.DictReader(io.StringIO(formats.as_csv(WHOLE, EVERY))))
    ours = [row for row in rows if row["data"] == "real"]
    theirs = [row for row in rows if row["data"] == "published"]
    assert len(ours) == 2 * 132
    assert len(theirs) == 6 * 3 + 4
    assert {row["status"] for row in theirs} == {"reference"}
    assert all(row["source"].startswith("arXiv") for row in theirs)
    (row,) = (
        row
        for row in theirs
        if row["encoder"].startswith("LaBSE hybrid") and row["kind"] == "multilingual"
    )
    assert (float(row["AP"]), float(row["rank_distance"])) == (0.6817, 221.1)
    assert row["setting"] == row["queries"] == ""


def test_json_tells_what_is_shown_where_a_mean_is_from_and_why_the_rest_is_not() -> None:
    paper, lareqa = json.loads(formats.as_json(PART, EVERY))["references"]
    hybrid = next(each for each in paper["systems"] if each["system"] == "xlmr-hybrid")
    assert hybrid["name"] == "XLM-R hybrid"
    assert hybrid["summary"] == {"monolingual": {"AP": pytest.approx((0.787 + 0.7697) / 2)}}
    assert hybrid["mean_made_of"] == {"monolingual": {"AP": ["hi", "th"]}}
    reason = "languages hi, th only, 11 published"
    refused = {"system": "xlmr-hybrid", "kind": "monolingual", "measure": "R@1", "reason": reason}
    assert refused in paper["not_shown"]
    assert (paper["task"], paper["split"]) == ("xquad-r", "test")
    assert lareqa["systems"] == []


def test_what_comes_from_data_is_harmless() -> None:
    shown = drawn(tables.summary([hostile()], EVERY), 200)
    assert "\x1b" not in shown
    row = cell(languages=["hi"]).settings[0]
    named = replace(row, query_language="[b]\x1b|")
    odd = cell(settings=(named,))
    assert "no published figures of [b]�|" in drawn(tables.summary([odd], EVERY), 200)
    assert "\\[b\\]�\\|" in formats.as_markdown([odd], EVERY)


def test_a_report_shows_them_too() -> None:
    report = Report(tuple(WHOLE), EVERY)
    assert "XLM-R hybrid (Elmahdy 24)" in drawn(report, 100)
    assert len(json.loads(report.to_json())["references"]) == 2
    with pytest.raises(UsageError, match="no published figures are called 'papers'"):
        evaluate("hashing", "xquad-r", reference="papers")


# The command line.


def test_an_unknown_name_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    done = Desk.at(tmp_path).run("hashing", more=["--reference", "pyserinni[/]"])
    assert done.code == 2
    assert done.out == ""
    assert "no published figures are called 'pyserinni[/]'" in done.err
    assert "Did you mean pyserini? Known: published, hybrid-batch, lareqa, pyserini." in done.err
    assert not (tmp_path / "out").exists()


def test_files_of_other_sizes_have_no_figures_beside_them_and_say_why(tmp_path: Path) -> None:
    (tmp_path / "mlir-harness.toml").write_text('reference = ["published"]\n')
    desk = Desk.at(tmp_path)
    done = desk.run("hashing", more=["--config", "mlir-harness.toml"])
    assert done.code == 0, done.err
    assert "XLM-R" not in done.out
    assert "Not shown (other candidates: 1,276 published" in done.out
    assert "Not shown (languages de, en, hi only, 11 published)" in done.out


def test_sample_data_has_no_figures_beside_it(tmp_path: Path) -> None:
    done = Desk(tmp_path).do(
        *("run", "--encoders", "hashing", "--tasks", "xquad-r,mtop-parallel", "--data", "sample"),
        *("--languages", "hi,th", "--cache-dir", "cache", "--reference", "lareqa,hybrid-batch"),
    )
    assert done.code == 0, done.err
    assert "Not shown (sample data): Elmahdy 24, LAReQA" in done.out
    assert "The published figures asked for have none of mtop-parallel." in done.out


@pytest.mark.slow
@pytest.mark.data
def test_real_files_have_figures_beside_them(tmp_path: Path, real_data: Path) -> None:
    done = Desk(tmp_path, {"COLUMNS": "100"}).do(
        *("run", "--encoders", "hashing", "--tasks", "xquad-r", "--languages", "hi,th"),
        *("--data-dir", str(real_data / "xquad-r"), "--cache-dir", "cache"),
        *("--reference", "published"),
    )
    assert done.code == 0, done.err
    shown = done.out.replace(str(real_data), "DATA")
    check_golden("references-real-100.txt", shown)


def test_the_list_shows_sources_protocols_and_systems(tmp_path: Path) -> None:
    done = Desk(tmp_path).do("list", "references")
    assert done.code == 0
    assert "pyserini: pyserini's two-click reproductions of MIRACL v1.0" in done.out
    assert "miracl, train split, 16 languages: monolingual nDCG@10, R@100" in done.out
    held = Desk(tmp_path).do("list", "references", "--json").json()
    assert [each["name"] for each in held] == ["hybrid-batch", "lareqa", "pyserini"]
    assert held[0]["tables"][0]["figures"][0]["headline"] == 0.792
