"""The public function does what the command line does, and prints nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command import PLUGINS
from lareqa_files import write_lareqa
from rich.console import Console

import mlir_harness
from mlir_harness import evaluate
from mlir_harness.errors import UsageError


@pytest.fixture
def where(tmp_path: Path) -> dict[str, Any]:
    write_lareqa(tmp_path / "data", ("de", "en", "hi"))
    folders = {"data_dir": tmp_path / "data", "cache_dir": tmp_path / "cache"}
    return folders | {"languages": "de,en,hi"}


def test_names_as_strings_and_lists_are_the_same(
    where: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    one = evaluate("hashing,b=hashing", "xquad-r", **where)
    where["languages"] = ("de", "en", "hi")
    two = evaluate(
        ["hashing", "b=hashing"], ["xquad-r"], settings=["mono", "cross", "multi"], **where
    )
    assert [cell.settings for cell in one.cells] == [cell.settings for cell in two.cells]
    assert capfd.readouterr() == ("", "")


def test_a_report_as_table_json_and_html(where: dict[str, Any]) -> None:
    report = evaluate(["hashing", f"{PLUGINS}:raises"], "xquad-r", **where)
    frame = report.to_pandas()
    assert len(frame) == 12 + 1
    assert set(frame["kind"].dropna()) == {"monolingual", "cross-lingual", "multilingual"}
    ok = frame[frame["status"] == "ok"]
    assert ok["AP"].between(0, 1).all()
    assert ok["rank_distance"].notna().sum() == 3
    held = json.loads(report.to_json())
    assert [cell["status"] for cell in held["cells"]] == ["ok", "error"]
    assert held["cells"][0]["folder"] is None  # nothing was stored
    scored, failed = repr(report).splitlines()
    assert re.fullmatch(
        r"hashing × xquad-r: monolingual AP [01]\.\d{3}, cross-lingual AP .*", scored
    )
    assert failed == f"{PLUGINS}:raises × xquad-r: error: {report.cells[1].reason}"
    html = report._repr_html_()
    assert "<td>hashing</td>" in html
    console = Console(width=100)
    with console.capture() as shown:
        console.print(report)
    assert "rank" in shown.get()
    assert "no such layer" in shown.get()


def test_results_are_stored_and_answered_where_a_folder_is_given(
    where: dict[str, Any], tmp_path: Path
) -> None:
    first = evaluate("hashing", "xquad-r", output=tmp_path / "out", **where)
    again = evaluate("hashing", "xquad-r", output=str(tmp_path / "out"), **where)
    assert (first.cells[0].stored, again.cells[0].stored) == (False, True)
    assert repr(first.cells[0].settings) == repr(again.cells[0].settings)
    assert evaluate("hashing", "xquad-r", **where).cells[0].folder is None


def test_options(where: dict[str, Any]) -> None:
    options = {"small": {"dimension": 8}}
    small, usual = evaluate("small=hashing,hashing", "xquad-r", options=options, **where).cells
    assert small.details["texts"]["dimension"] == 8
    assert usual.details["texts"]["dimension"] == 512


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoders": "hashin"}, "no encoder is called"),
        ({"tasks": "xquad"}, "no task is called"),
        ({"encoders": []}, "no encoder was named"),
        ({"languages": "xx"}, "has the language 'xx'"),
        ({"settings": "bi"}, "unknown kind of setting 'bi'"),
        ({"ties": "random"}, "unknown order of ties 'random'"),
        ({"gain": "cubic"}, "unknown gain 'cubic'"),
        ({"depth": 3}, "a depth of 3 is too small"),
        ({"options": {"hashing": {"size": 1}}}, "hashing has no option 'size'"),
        ({"options": {"labse": {"size": 1}}}, "not part of this run"),
    ],
    ids=str,
)
def test_wrong_words_raise_with_a_hint(
    where: dict[str, Any], wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        evaluate(**({"encoders": "hashing", "tasks": "xquad-r"} | where | wrong))
    assert caught.value.hint


def test_the_package_offers_two_names() -> None:
    assert mlir_harness.__all__ == ["Report", "evaluate"]
    with pytest.raises(AttributeError, match="nothing_else"):
        _ = mlir_harness.nothing_else
