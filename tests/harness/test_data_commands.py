"""`mlir-harness data`: is it what was published, and what is in it?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import PLUGINS, Desk, Done, check_golden
from web_server import Page, serving

TASK = f"{PLUGINS}:fetching"
TEXTS = b"red bridge\nblue river\ngreen hill\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """With fetched files, of the published size."""
    with serving({"/texts.txt": Page(TEXTS)}) as server:
        listed = json.dumps([{"url": f"{server.url}/texts.txt", "path": "texts.txt"}])
        desk = Desk(tmp_path, {"TEST_DOWNLOADS": listed, "NO_PROXY": "127.0.0.1"})
        assert desk.do("fetch", TASK, "--data-dir", "data").code == 0
    return desk  # verifying needs no server


def verify(desk: Desk, *more: str) -> Done:
    return desk.do("data", "verify", TASK, "--data-dir", "data", *more)


def test_what_is_as_published_is_well(desk: Desk) -> None:
    done = verify(desk)
    assert (done.code, done.err) == (0, "")
    check_golden("verify.txt", done.out.replace(str(desk.root), "FOLDER"))
    held = verify(desk, "--json", "--languages", "de").json()
    assert held["ok"] is True
    assert held["folder"] == str(desk.root / "data/small")
    file, count = held["findings"]
    assert file["expected"].startswith("sha256 ")
    assert count == {"what": "characters (de)", "expected": 30, "found": 30, "ok": True}


def test_what_differs_is_named(desk: Desk) -> None:
    file = desk.root / "data/small/texts.txt"
    file.write_bytes(TEXTS.replace(b"red", b"RED"))
    done = verify(desk)
    assert done.code == 1
    assert "texts.txt" in done.out
    assert done.out.count("DIFFERS") == 1
    file.write_bytes(TEXTS.replace(b"red", b"scarlet"))
    done = verify(desk)
    assert done.code == 1
    assert "33 bytes" in done.out
    assert "37 bytes" in done.out
    assert done.out.count("DIFFERS") == 3
    assert "3 of 3 differ" in done.out
    file.write_bytes(b"one\n")
    done = verify(desk, "--json")
    assert done.code == 1
    findings = {each["what"]: each["found"] for each in done.json()["findings"]}
    assert "has 1 lines, not 3" in findings["its files can be read"]


def test_what_is_not_there_is_told(desk: Desk) -> None:
    (desk.root / "data/small/texts.txt").unlink()
    done = verify(desk)
    assert done.code == 4
    assert "lacks texts.txt" in done.err
    assert f"mlir-harness fetch {TASK}" in done.err
    done = desk.do("data", "verify", "xquad-r")
    assert done.code == 4
    assert "lacks ar.json, de.json" in done.err
    assert desk.do("data", "verify", "xquad").code == 2
    assert desk.do("data", "verify", "xquad-r", "--languages", "xx").code == 2


def test_files_that_nobody_recorded_are_counted(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path)
    done = desk.do("data", "verify", "xquad-r", "--data-dir", "data", "--languages", "de,en")
    assert done.code == 1  # the test's files are no XQuAD-R
    assert "questions (de)" in done.out
    assert "No fetched.json" in done.out


def test_a_recorded_file_of_another_split_may_be_missing_but_not_damaged(desk: Desk) -> None:
    other = desk.root / "data/small/other.txt"
    with serving({"/texts.txt": Page(TEXTS), "/other.txt": Page(b"more\n")}) as server:
        listed = [
            {"url": f"{server.url}/{name}.txt", "path": f"{name}.txt"}
            for name in ("texts", "other")
        ]
        desk = Desk(desk.root, {**desk.env, "TEST_DOWNLOADS": json.dumps(listed)})
        task = f"{PLUGINS}:two_splits"
        assert desk.do("fetch", task, "--data-dir", "data", "--force").code == 0

    def code(*more: str) -> int:
        return desk.do("data", "verify", task, "--data-dir", "data", *more).code

    assert code() == 0
    other.write_bytes(b"less\n")
    assert code() == 1
    assert code("--split", "test") == 0
    other.unlink()
    assert code() == 0


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"schema": 2}', b'{"schema": 1}'])
def test_a_record_that_cannot_be_read_is_told(desk: Desk, content: bytes) -> None:
    (desk.root / "data/small/fetched.json").write_bytes(content)
    for done in (verify(desk), desk.do("fetch", TASK, "--data-dir", "data")):
        assert done.code == 4
        assert "fetched.json" in done.err
        assert "Delete it" in done.err
        assert "Traceback" not in done.err


def test_a_description(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path)
    what = ("data", "describe", "xquad-r", "--data-dir", "data", "--languages", "de,en,hi")
    done = desk.do(*what)
    assert (done.code, done.err) == (0, "")
    check_golden("describe.txt", done.out.replace(str(desk.root), "FOLDER"))
    held = desk.do(*what, "--json").json()
    assert held["settings"] == {"monolingual": 3, "cross-lingual": 6, "multilingual": 3}
    assert held["queries"]["de"]["texts"] == 12
    assert held["documents"]["de"]["texts"] == 15
    assert held["relevant"]["de"] == {"own": 1.0, "all": 3.0, "most": 3, "unanswerable": 0}
    assert held["sample"] is False


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_foreign_text_is_no_markup(tmp_path: Path, form: list[str]) -> None:
    done = Desk(tmp_path).do("data", "describe", f"{PLUGINS}:hostile_task", *form)
    assert done.code == 0, done.err
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    if form:
        assert "[red]a[/b]" in done.json()["source"]
    else:
        assert "=1+1 [red]a[/b]" in done.out


def test_a_task_that_fails_is_told(tmp_path: Path) -> None:
    done = Desk(tmp_path).do("data", "describe", f"{PLUGINS}:failing_task")
    assert done.code == 4
    assert "LookupError: row 7" in done.err
    assert "Traceback" not in done.err


@pytest.mark.data
def test_the_real_files_are_those_published(tmp_path: Path, real_data: Path) -> None:
    done = Desk(tmp_path).do("data", "verify", "xquad-r", "--data-dir", str(real_data))
    assert done.code == 0, done.out
    assert "all 22 as expected" in done.out
