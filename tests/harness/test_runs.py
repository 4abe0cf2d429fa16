"""`runs` lists what is stored, and is stopped by nothing that lies there."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cells import failed, hostile, scored
from command import Desk, Done
from plugins_for_tests import HOSTILE

from mlir_harness import listing
from mlir_harness.results import CellResult, Store, Tables
from mlir_harness.runs import Wanted, lines

DAY = 86_400
START = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()


def store(root: Path, cells: Sequence[CellResult]) -> list[Path]:
    """Store cells, the first a day before the second and so on; their manifests."""
    paths = []
    for day, cell in enumerate(cells):
        scores = cell.status == "ok"
        tables = Tables({"query": ["q"]}, {"query": ["q"]}) if scores else None
        written = Store(root).write(replace(cell, folder=None), tables)
        assert written.folder is not None
        paths.append(written.folder / ("manifest.json" if scores else "last-error.json"))
        os.utime(paths[-1], (START + day * DAY, START + day * DAY))
    return paths


CELLS = [
    scored("tiny-mono", 0.5),
    scored("tiny-mono", 0.625),
    scored("labse", 0.75, sample=True),
    scored("labse", 0.75, task="mtop", main_measure="nDCG@10"),
    failed("tiny-cross", main_measure="AP"),
    hostile(),
]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    store(tmp_path / "results", CELLS)
    return Desk(tmp_path)


def listed(root: Path, **wanted: Any) -> list[int]:
    """The places in CELLS of the stored cells that are asked for, by the day they were written."""
    found = listing.told(root / "results")
    cells = Wanted(**wanted).of((each, each.cell) for each in found if each.cell is not None)
    return [round((told.written / 1e9 - START) / DAY) for told, _ in cells]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"encoders": ["tiny-*"]}, [4, 1, 0]),
        ({"encoders": ["TINY-*"]}, []),
        ({"encoders": ["labse", "*-cross"]}, [4, 3, 2]),
        ({"tasks": ["m*"]}, [3]),
        ({"since": datetime(2026, 1, 4, 12, tzinfo=UTC)}, [5, 4, 3]),
        ({"status": "error"}, [4]),
        ({"status": "ok", "encoders": ["tiny*"]}, [1, 0]),
        ({"data": "sample"}, [5, 2]),
        ({"data": "real", "tasks": ["xquad-r"]}, [4, 1, 0]),
        ({"newest": True}, [5, 4, 3, 2, 1]),
        ({"newest": True, "since": datetime(2026, 1, 5, tzinfo=UTC)}, [5, 4]),
    ],
)
def test_filters(tmp_path: Path, wanted: dict[str, Any], found: list[int]) -> None:
    store(tmp_path / "results", CELLS)
    assert listed(tmp_path, **wanted) == found


def test_one_piece_tells_scores_of_a_task(tmp_path: Path) -> None:
    store(tmp_path, CELLS)
    assert [cell.encoder for cell in listing.scored(tmp_path, "xquad-r")] == [
        *("labse", "tiny-mono", "tiny-mono")
    ]


def runs(desk: Desk, *more: str, **env: str) -> Done:
    return desk.do("runs", *more, TZ="UTC", **env)


def test_the_list_for_people(desk: Desk) -> None:
    done = runs(desk)
    assert (done.code, done.err) == (0, "")
    newest, _, broken, _, mtop, place, *_ = done.out.splitlines()[2:]
    assert newest.startswith("2026-01-06 12:00  =1+1 [red]a[/b]")
    assert "tiny-cross xquad-r · test real – – – error: raised ValueError" in " ".join(
        broken.split()
    )
    assert "2026-01-04 12:00" in mtop
    assert "real" in mtop
    assert "dddddd aaaaaa eeeeee" in mtop
    assert "nDCG@10 Mo. 0.750 Cr. 0.625 Mul. 0.688" in mtop
    assert (desk.root / place.strip() / "manifest.json").is_file()
    assert "\x1b" not in done.out
    assert len(done.out.splitlines()) == 2 + 2 * len(CELLS) + 1


def test_the_list_for_programs(desk: Desk) -> None:
    held = runs(desk, "--format", "json").json()
    assert held["schema"] == 1
    assert [each["encoder"] for each in held["runs"]][1:] == [
        *("tiny-cross", "labse", "labse", "tiny-mono", "tiny-mono")
    ]
    newest, error, mtop, *_ = held["runs"]
    assert newest["encoder"] == HOSTILE
    assert (error["status"], error["monolingual"]) == ("error", None)
    assert mtop["written"] == "2026-01-04T12:00:00+00:00"
    assert mtop["data_fingerprint"] == "d" * 32
    assert (mtop["measure"], mtop["monolingual"], mtop["data"]) == ("nDCG@10", 0.75, "real")
    rows = list(csv.DictReader(io.StringIO(runs(desk, "--format", "csv").out)))
    assert len(rows) == len(CELLS)
    assert list(rows[0]) == list(newest)
    assert rows[0]["encoder"] == f"'{rows[0]['encoder'][1:]}"  # no formula
    assert float(rows[2]["monolingual"]) == 0.75


def test_options_are_filters(desk: Desk) -> None:
    more = ["--encoder", "tiny-*", "--encoder", "labse", "--task", "xquad*", "--status", "ok"]
    held = runs(desk, *more, "--data", "real", "--newest", "--format", "json").json()
    assert [each["encoder"] for each in held["runs"]] == ["tiny-mono"]
    held = runs(desk, "--since", "2026-01-05", "--format", "json").json()
    assert len(held["runs"]) == 2
    done = runs(desk, "--task", "nix")
    assert (done.code, done.out) == (0, "")
    assert "None of 6 stored results is such." in done.err
    done = runs(desk, "--since", "soon")
    assert done.code == 2
    assert "'soon' does not match the formats" in done.err


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_an_empty_store_says_so(tmp_path: Path, form: str) -> None:
    done = runs(Desk(tmp_path), "--output", "nowhere", "--format", form)
    assert done.code == 0
    assert "No results in nowhere" in done.err
    assert [line[:8] for line in done.out.splitlines()[:1]] == {
        "table": [],
        "json": ["{"],
        "csv": ["written,"],
    }[form]
    assert not (tmp_path / "nowhere").exists()


SPOILT: list[Any] = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    {"schema": 99},
    {"encoder": 1},
    {"task": None},
    {"status": ["ok"]},
    {"main_measure": {}},
    {"fingerprints": {"data": 7}},
    {"fingerprints": "d"},
    {"summary": {"monolingual": 0.5}},
    {"summary": {"monolingual": {"AP": "0.5"}}},
    {"summary": [1]},
    {"deviations": None},
    {"reason": ["x"]},
]


@pytest.mark.parametrize("spoilt", SPOILT, ids=str)
def test_what_cannot_be_read_is_named_and_passed_over(tmp_path: Path, spoilt: Any) -> None:
    good, bad = store(tmp_path, [scored("good", 0.5), scored("bad", 0.5)])
    if isinstance(spoilt, bytes):
        bad.write_bytes(spoilt)
    else:
        bad.write_text(json.dumps(json.loads(bad.read_text()) | spoilt))
    found = {each.path: each for each in listing.told(tmp_path)}
    assert found[good].cell is not None
    assert found[bad].cell is None
    assert str(bad) in found[bad].why


def test_a_half_deleted_store_is_no_error(desk: Desk) -> None:
    manifest = desk.files("results", "manifest.json")[0]
    manifest.write_text("{")
    (manifest.parent / "queries.parquet").unlink()
    manifest.parent.joinpath("top.parquet").unlink()
    done = runs(desk)
    assert done.code == 0
    assert f"passed over: {manifest.relative_to(desk.root)} is not the manifest" in done.err
    assert "Traceback" not in done.err
    assert len(done.out.splitlines()) == 2 + 2 * (len(CELLS) - 1) + 1


def test_rows_are_in_line_whatever_the_names(tmp_path: Path) -> None:
    store(tmp_path, [scored("日本語", 0.5), scored("plain", 0.5, split=""), hostile()])
    found = [(each, each.cell) for each in listing.told(tmp_path) if each.cell is not None]
    head, _, *rows = lines(found)
    column = head.index("scores")
    for row in rows[:-1:2]:
        wide = sum(character in "日本語" for character in row[:column])
        assert row[column - wide - 2 :].startswith("  AP Mo.")
