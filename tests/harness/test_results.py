"""Results are whole or absent, found by what they are of, and refused if unknown."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import PLUGINS, Desk

from mlir_harness.errors import StoreError
from mlir_harness.results import CellResult, SettingRow, Store, Tables, finite

PRINTS = {"data": "d", "protocol": "p", "encoder": "e"}
TABLES = Tables({"query": ["q"], "AP": [0.5]}, {"query": ["q"], "rank": [1]})


def cell(**changes: object) -> CellResult:
    measures = {"AP": 0.5, "PEER@20": math.nan}
    settings = (
        SettingRow("en→en", "monolingual", "", "en", ("en",), 3, 0, 9, 0.0, {"AP": 0.5}),
        SettingRow(
            *("en→all", "multilingual", "", "en", ("de", "en"), 3, 1, 18, 0.25, measures),
            languages={"top": {"de": 0.25, "en": 0.75}},
        ),
    )
    held = CellResult(
        encoder="../e",
        task="t",
        split="test",
        status="ok",
        fingerprints=PRINTS,
        summary={"multilingual": measures},
        settings=settings,
        main_measure="AP",
        details={"scoring": {"depth": 10}, "odd": np.inf},
    )
    return replace(held, **changes)  # type: ignore[arg-type]


def write(store: Store, held: CellResult) -> CellResult:
    with store.lock(held.task, held.encoder):
        return store.write(held, TABLES if held.status == "ok" else None)


def test_what_is_stored_is_found_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    written = write(store, cell())
    found = store.find("t", "../e", PRINTS, 10)
    assert found is not None
    assert (found.folder, found.stored) == (written.folder, True)
    assert found.details["odd"] is None
    # NaN is told from absent, as when it was computed.
    assert repr(found.settings) == repr(written.settings)
    assert repr(found.summary) == repr(written.summary)
    assert written.folder is not None
    assert (written.folder.parent / "current").read_text() == f"{written.folder.name}\n"
    assert written.folder.is_relative_to(tmp_path)
    assert "NaN" not in (written.folder / "manifest.json").read_text()


def test_only_the_same_prints_and_enough_depth_are_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.find("t", "../e", PRINTS, 10) is None
    write(store, cell())
    for name in PRINTS:
        assert store.find("t", "../e", PRINTS | {name: "x"}, 10) is None
    assert store.find("t", "../e", PRINTS, 11) is None
    assert store.find("t", "../e", PRINTS, 5) is not None
    assert store.find("t", "other", PRINTS, 5) is None


def test_failures_are_stored_and_never_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    good = write(store, cell())
    for reason in ("first", "\ud800"):
        bad = write(store, cell(status="error", reason=reason, summary={}, settings=()))
    assert bad.folder is not None
    assert good.folder is not None
    # The last failure alone is kept, beside the scores.
    assert {path.name for path in bad.folder.iterdir()} >= {"current", "last-error.json"}
    assert [path for path in bad.folder.iterdir() if path.is_dir()] == [good.folder]
    assert (bad.folder / "current").read_text() == f"{good.folder.name}\n"
    content = (bad.folder / "last-error.json").read_text("utf-8", "surrogatepass")
    assert json.loads(content)["reason"] == "\ud800"
    found = store.find("t", "../e", PRINTS, 10)
    assert found is not None
    assert found.folder == good.folder


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "queries.parquet").unlink(),
        lambda folder: (folder / "settings.parquet").unlink(),
        lambda folder: (folder / "top.parquet").write_bytes(b"PAR1"),
        lambda folder: (folder / "manifest.json").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
        lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "manifest.json").write_text('{"schema": 2, "status": "ok"}'),
        lambda folder: (folder / "manifest.json").write_text('{"schema": 1, "status": "ok"}'),
        lambda folder: (folder / "manifest.json").write_text(
            json.dumps({"schema": 2, "status": "ok", "fingerprints": PRINTS, "details": []})
        ),
        shutil.rmtree,
    ],
)
def test_half_of_a_result_is_none(tmp_path: Path, spoil: object) -> None:
    store = Store(tmp_path)
    written = write(store, cell())
    spoil(written.folder)  # type: ignore[operator]
    assert store.find("t", "../e", PRINTS, 10) is None
    again = write(store, cell())
    found = store.find("t", "../e", PRINTS, 10)
    assert found is not None
    assert found.folder == again.folder


@pytest.mark.parametrize("schema", [3, 0, "2", None, "\x1b[31m"])
def test_an_unknown_schema_is_refused(tmp_path: Path, schema: object) -> None:
    store = Store(tmp_path)
    written = write(store, cell())
    assert written.folder is not None
    manifest = written.folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema": schema}))
    with pytest.raises(StoreError, match="this version reads 2") as caught:
        store.find("t", "../e", PRINTS, 10)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for status in ("ok", "error"):
        with pytest.raises(StoreError, match="this version reads 2"):
            write(store, cell(status=status))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "--output" in caught.value.hint
    assert "\x1b" not in caught.value.message


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    home = store.home("t", "../e")
    (home / ".tmp-old").mkdir(parents=True)
    (home / ".tmp-old" / "queries.parquet").write_bytes(b"PAR1")
    (home / ".tmp-current").write_text("x")
    write(store, cell())
    assert not list(home.glob(".tmp*"))


def test_finite() -> None:
    held = {1: (math.nan, 1.0), "a": [{"b": math.inf}], "c": np.float64("nan"), "d": "NaN"}
    assert finite(held) == {"1": [None, 1.0], "a": [{"b": None}], "c": None, "d": "NaN"}
    foreign = [np.int64(3), np.float32("inf"), np.array([1, 2]), Path("a"), True, None]
    assert finite(foreign) == [3, None, [1, 2], "a", True, None]


def test_words_that_are_no_json_lose_no_scores(tmp_path: Path) -> None:
    store = Store(tmp_path)
    details = {"scoring": {"depth": np.int64(10)}, "folder": Path("a"), "seen": {"x"}}
    written = write(store, cell(details=details))
    found = store.find("t", "../e", PRINTS, 10)
    assert found is not None
    assert found.folder == written.folder
    assert found.details == {"scoring": {"depth": 10}, "folder": "a", "seen": ["x"]}


def test_a_run_explains_results_of_another_version(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ("de", "en"))
    assert desk.run("hashing").code == 0
    (manifest,) = desk.files("out", "manifest.json")
    manifest.write_text(manifest.read_text().replace('"schema": 2', '"schema": 99'))
    done = desk.run("hashing", f"{PLUGINS}:spelling")
    assert done.code == 3
    assert "has schema 99; this version reads 2" in " ".join(done.err.split())
    assert "Upgrade mlir-harness, or name another folder with --output" in done.err
    assert f"{PLUGINS}:spelling" in done.out


def test_the_files_hold_every_query_and_list(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ("de", "en"))
    done = desk.run("hashing", more=["--format", "json", "--depth", "12"])
    (given,) = done.cells().values()
    folder = Path(given["folder"])
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "settings.parquet",
        "queries.parquet",
        "top.parquet",
    }
    queries = pq.read_table(folder / "queries.parquet").to_pandas()
    top = pq.read_table(folder / "top.parquet").to_pandas()
    for setting in given["settings"]:
        own = queries[queries["setting"] == setting["id"]]
        assert len(own) == setting["queries"] == 12
        assert own["AP"].mean() == pytest.approx(setting["measures"]["AP"])
        lists = top[top["setting"] == setting["id"]].groupby("query", observed=True)
        assert set(lists.size()) == {12}
        assert all(list(each["rank"]) == list(range(1, 13)) for _, each in lists)
        assert all(each["score"].is_monotonic_decreasing for _, each in lists)
