"""`export` of scores: files for papers, cards and mteb, and what they may replace."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from command import Desk, Done

ENCODERS = ["--encoders", "hashing,other=hashing", "--option", "other.dimension=64"]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One folder of results for all tests here, each of which writes files of its own."""
    desk = Desk.at(tmp_path_factory.mktemp("desk"), ("de", "en"))
    done = desk.run("hashing", "other=hashing", more=ENCODERS[2:])
    assert (done.code, done.err) == (0, "")
    return desk


def export(desk: Desk, form: str, place: str, *more: str) -> Done:
    encoders = [] if "--encoders" in more else ENCODERS
    data = ["--tasks", "xquad-r", "--languages", "de,en", "--data-dir", "data"]
    folders = ["--output", "out", "--cache-dir", "cache", "-o", place]
    return desk.do("export", "--to", form, *data, *folders, *encoders, *more)


def text(desk: Desk, place: str) -> str:
    return (desk.root / place).read_text("utf-8")


@pytest.mark.parametrize("form", ["latex", "markdown", "csv"])
def test_a_file_holds_what_run_prints(desk: Desk, form: str) -> None:
    place = f"new/folder/table.{form}"
    done = export(desk, form, place)
    assert (done.code, done.err) == (0, "")
    assert f"hashing · xquad-r · test, in {desk.root / place}" in done.out
    printed = desk.run("hashing", "other=hashing", more=[*ENCODERS[2:], "--format", form])
    assert text(desk, place).removeprefix("<!-- Written by mlir-harness -->\n\n") == printed.out
    assert export(desk, form, "-").out == text(desk, place)
    assert not (desk.root / "-").exists()


def test_scores_come_from_the_store_whatever_the_length_of_its_lists(desk: Desk) -> None:
    before = desk.files("out")
    assert export(desk, "csv", "-").code == 0
    assert desk.files("out") == before


def test_an_earlier_export_is_replaced_and_nothing_else(desk: Desk) -> None:
    (desk.root / "paper.tex").write_text("\\documentclass{article}")
    done = export(desk, "latex", "paper.tex")
    assert done.code == 2
    assert "is there, and is no earlier export to latex" in done.err
    assert "--force" in done.err
    assert text(desk, "paper.tex") == "\\documentclass{article}"
    assert export(desk, "latex", "paper.tex", "--force").code == 0
    assert export(desk, "latex", "paper.tex", "--encoders", "hashing").code == 0
    assert "other" not in text(desk, "paper.tex")
    assert export(desk, "csv", "paper.tex").code == 2
    assert desk.leftovers() == []


def test_a_link_stays_a_link(desk: Desk) -> None:
    (desk.root / "real.md").write_text("")
    (desk.root / "link.md").symlink_to("real.md")
    assert export(desk, "markdown", "link.md").code == 0
    assert (desk.root / "link.md").is_symlink()
    assert "hashing" in text(desk, "real.md")


def test_a_card_gets_results_and_keeps_the_rest(desk: Desk) -> None:
    (desk.root / "README.md").write_text("---\nlicense: mit  # ours\n---\n# Model\n")
    assert export(desk, "card", "README.md", "--encoders", "hashing").code == 0
    first = text(desk, "README.md")
    assert first.startswith("---\nlicense: mit  # ours\nmodel-index:\n")
    assert first.endswith("---\n# Model\n")
    assert export(desk, "card", "README.md", "--encoders", "hashing").code == 0
    assert text(desk, "README.md") == first
    printed = export(desk, "card", "-", "--encoders", "hashing").out
    index = [yaml.safe_load(each.split("---\n")[1])["model-index"] for each in (first, printed)]
    assert index[0] == index[1]


@pytest.mark.parametrize(
    ("content", "said"),
    [("---\na: [\n---\n", "is no YAML"), ("\xff", "is no text in UTF-8")],
)
def test_a_card_that_cannot_be_read_is_left_alone(desk: Desk, content: str, said: str) -> None:
    place = desk.root / "broken.md"
    place.write_bytes(content.encode("latin-1"))
    done = export(desk, "card", "broken.md", "--encoders", "hashing")
    assert done.code == 3
    assert said in done.err
    assert "Traceback" not in done.err
    assert place.read_bytes() == content.encode("latin-1")


@pytest.mark.parametrize(
    ("form", "place", "more", "said"),
    [
        ("card", "x.md", (), "a card is of one encoder, not of 2"),
        ("latex", "data", (), "data is a folder"),
        ("card", "data", ("--encoders", "hashing"), "data is a folder"),
        ("mteb", "-", (), "--to mteb writes a folder"),
        ("mteb", "data", (), "is not empty and holds no earlier export"),
        ("mteb", "data/xquad-r/xquad.en.json", (), "is a file"),
        ("csv", "x.csv", ("--encoders", ""), "--to csv is of scores"),
        ("trec", "-", (), "writes a folder"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_done(
    desk: Desk, form: str, place: str, more: tuple[str, ...], said: str
) -> None:
    if place.endswith(".json"):
        place = desk.files("data")[0].relative_to(desk.root).as_posix()
    done = export(desk, form, place, *more)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""
    assert not (desk.root / "x.md").exists()


def test_a_device_is_not_replaced(desk: Desk) -> None:
    os.mkfifo(desk.root / "pipe")
    done = export(desk, "latex", "pipe", "--force")
    assert done.code == 2
    assert "pipe is no file that could be replaced" in done.err
    assert (desk.root / "pipe").is_fifo()


def test_nothing_is_written_of_encoders_that_cannot_run(desk: Desk) -> None:
    done = export(desk, "csv", "failed.csv", "--encoders", "py:plugins_for_tests:raises")
    assert done.code == 4
    assert "no such layer" in done.err
    assert not (desk.root / "failed.csv").exists()
    done = export(desk, "csv", "some.csv", "--encoders", "py:plugins_for_tests:raises,hashing")
    assert done.code == 3
    assert "raises" not in text(desk, "some.csv")


def test_mteb_files_are_an_export_like_others(desk: Desk) -> None:
    assert export(desk, "mteb", "mteb").code == 0
    index = json.loads(text(desk, "mteb/index.json"))
    assert (index["layout"], index["complete"]) == ("mteb", True)
    assert len(index["files"]) == 2 * (1 + 3)
    assert all((desk.root / "mteb" / Path(name)).is_file() for name in index["files"])
    done = export(desk, "trec", "mteb")
    assert done.code == 2
    assert "holds an export to mteb" in done.err


def test_a_run_prints_latex(desk: Desk) -> None:
    done = desk.run("hashing", more=["--format", "latex"])
    assert "\\begin{tabular}{l" in done.out
    done = desk.run("hashing", more=["--format", "latex", "--dry-run"])
    assert done.code == 2
    assert "--dry-run cannot be printed as latex" in done.err
