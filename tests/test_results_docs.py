"""What docs/results.md says of stored results is so, in each of the tools that it names."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow.parquet as pq
import pytest
from command import Desk

TEXT = (Path(__file__).parent.parent / "docs" / "results.md").read_text("utf-8")
BLOCKS = re.findall(r"```python (\w+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Results of two encoders on `xquad-r`, of one on `mtop`, where the page says they are."""
    desk = Desk.at(tmp_path_factory.mktemp("desk"))
    named = ["--encoders", "hashing,other=hashing", "--option", "other.dimension=64"]
    data = ["--languages", "de,en,hi", "--data-dir", "data"]
    for what in (
        [*named, "--tasks", "xquad-r", *data],
        ["--encoders", "hashing", "--tasks", "mtop"],
    ):
        assert desk.do("run", *what, "--cache-dir", "cache").code == 0
    done = desk.do(*re.findall(r"\nmlir-harness (runs --newest.*csv) > runs.csv", TEXT)[-1].split())
    (desk.root / "runs.csv").write_text(done.out)
    return desk


def manifests(desk: Desk) -> dict[str, Any]:
    """By the name of the encoder's folder, those of xquad-r."""
    paths = desk.root.glob("results/xquad-r-*/*/*/manifest.json")
    return {path.parts[-3]: json.loads(path.read_text("utf-8")) for path in paths}


def shown(tool: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """What the lines of one tool make of the results."""
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"pip install {tool}")
    monkeypatch.chdir(desk.root)
    names: dict[str, Any] = {}
    for block in (code for name, code in BLOCKS if name == tool):
        exec(compile(block, "docs/results.md", "exec"), names)
    return names


def rows(tool: str, frame: Any) -> list[tuple[Any, ...]]:
    if tool == "pandas":
        return [(*(key if isinstance(key, tuple) else (key,)), v) for key, v in frame.items()]
    return list(frame.rows() if tool == "polars" else frame.fetchall())


@pytest.mark.parametrize("tool", ["pandas", "polars", "duckdb"])
def test_one_line_gives_the_means_of_the_manifests(
    tool: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        (encoder if tool == "pandas" else Path(encoder).parts[-3], kind): value
        for encoder, kind, value in rows(tool, shown(tool, desk, monkeypatch)["means"])
    }
    expected = {
        (encoder, kind): means["AP"]
        for encoder, manifest in manifests(desk).items()
        for kind, means in manifest["summary"].items()
    }
    assert len(expected) == 6
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("tool", ["pandas", "polars", "duckdb"])
def test_one_line_finds_the_worst_queries(
    tool: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rows(tool, shown(tool, desk, monkeypatch)["worst"])
    (path,) = desk.root.glob("results/xquad-r-*/hashing-*/*/queries.parquet")
    values: dict[str, list[float]] = {}
    for row in pq.read_table(path).to_pylist():
        values.setdefault(row["query"], []).append(row["AP"])
    expected = sorted(map(fmean, values.values()))[:10]
    assert [value for _, value in found] == pytest.approx(expected)
    assert dict(found) == pytest.approx({query: fmean(values[query]) for query, _ in found})


def test_duckdb_counts_first_places(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict(rows("duckdb", shown("duckdb", desk, monkeypatch)["first"]))
    assert set(found) <= {"de", "en", "hi"}
    assert sum(found.values()) == 3 * 12


def test_what_is_current_is_read_through_the_list(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = shown("pandas", desk, monkeypatch)["current"]
    assert set(current.index.get_level_values("encoder")) == {"hashing", "other"}
    assert len(current) == 2 * 12


@pytest.mark.parametrize("file", ["settings", "queries", "top"])
def test_every_column_is_explained_with_its_type(desk: Desk, file: str) -> None:
    section = TEXT.split(f"## `{file}.parquet`")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section, re.MULTILINE))
    measures = "| a measure | double |" in section
    types = {
        "string": "string",
        "list of string": "list<element: string>",
        "string, dictionary-encoded": "dictionary<values=string, indices=int32, ordered=0>",
    }
    paths = list(desk.root.glob(f"results/*/*/*/{file}.parquet"))
    assert len(paths) == 3
    for path in paths:
        for column in pq.read_schema(path):
            kind = told.get(column.name)
            if kind is None:
                assert measures, column.name
                assert str(column.type) == "double", column.name
            else:
                assert str(column.type) == types.get(kind, kind), column.name


def test_the_folder_holds_what_the_page_names(desk: Desk) -> None:
    drawn = re.search(r"```text\nresults/\n(.*?)```", TEXT, re.DOTALL)
    assert drawn is not None
    named = set(re.findall(r"[├└]── ([\w.-]+?)(?=\s)", drawn[1]))
    held = {path.name for path in desk.files("results") if path.name != ".lock"}
    assert held <= named
    assert named - held <= {"last-error.json", "xquad-r-ef3290b8", "hashing-e365cd9c", "search-"}
