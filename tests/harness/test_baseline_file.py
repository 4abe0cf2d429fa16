"""A baseline's file: what goes in comes out, and what was not written so is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plugins_for_tests import HOSTILE, LONE
from regression_cells import QUERIES, baseline, cell

from mlir_harness.errors import StoreError, UsageError
from mlir_harness.regression import baseline as baselines
from mlir_harness.regression import file
from mlir_harness.regression.baseline import Baseline, Entry
from mlir_harness.regression.cells import of_this_machine
from mlir_harness.request import Request

_KEY = b"mlir_harness.baseline"
ROWS = 4 * QUERIES


def _equal(one: Baseline, other: Baseline) -> None:
    for mine, theirs in zip(one.cells, other.cells, strict=True):
        assert mine.queries.keys() == theirs.queries.keys()
        assert mine.queries.cluster.strings().tolist() == theirs.queries.cluster.strings().tolist()
        assert set(mine.queries.values) == set(theirs.queries.values)
        for name, values in mine.queries.values.items():
            np.testing.assert_array_equal(values, theirs.queries.values[name])
        assert replace(mine, queries=None) == replace(theirs, queries=None)  # type: ignore[arg-type]
    assert replace(one, cells=()) == replace(other, cells=())


def _some() -> Baseline:
    values = np.random.default_rng(0).random(ROWS)
    values[3] = np.nan
    return baseline(
        cell({"AP": values}),
        cell({"AP": values / 3, "rank_distance": np.full(ROWS, 7.0)}, encoder="other"),
        cell({"R@1": values}, encoder=HOSTILE, task=HOSTILE, info={"options": {LONE: HOSTILE}}),
        variants=True,
        tolerance=0.25,
        measures=("AP", "R@1", "rank_distance"),
        history=(Entry("2026-01-31", "created", "0.1.0", ("1 regressed", "new: a")),),
    )


def test_what_is_written_is_read_and_written_again_with_the_same_bytes(tmp_path: Path) -> None:
    held = _some()
    file.write(tmp_path / "b.parquet", held)
    found = file.read(tmp_path / "b.parquet")
    _equal(found, held)
    assert file.as_bytes(found) == (tmp_path / "b.parquet").read_bytes() == file.as_bytes(_some())
    assert [path.name for path in tmp_path.iterdir()] == ["b.parquet"]


def test_any_reader_of_parquet_reads_the_rows(tmp_path: Path) -> None:
    file.write(tmp_path / "b.parquet", _some())
    table = pq.read_table(tmp_path / "b.parquet").to_pandas()
    assert list(table.columns) == [
        "cell", "setting", "query", "cluster", "AP", "R@1", "rank_distance",
    ]  # fmt: skip
    assert table.groupby("cell")["AP"].count().tolist() == [ROWS - 1, ROWS - 1, 0]
    assert not any("dictionary" in str(kind) for kind in pq.read_schema(tmp_path / "b.parquet"))


def test_no_name_of_a_place_on_this_machine_is_kept() -> None:
    request = Request(
        ["all", "mine=st:/srv/model", "py:mod:made"],
        ["small"],
        options={"mine": {"weights": "/srv/w", "width": "8"}, "small": {"folder": "~/x"}},
    )
    asked = baselines.asked(request, [cell(), cell(encoder="mine"), cell(encoder="py:mod:made")])
    assert asked["encoders"] == ["mine", "py:mod:made", "floor"]
    assert asked["options"] == {"mine": {"width": "8"}}
    assert asked["data"] == "sample"
    for name in ("st:/srv/model", "/srv/model"):
        with pytest.raises(UsageError, match="names a folder of this machine"):
            baselines.asked(replace(request, encoders=[name]), [cell()])
    assert not any(map(of_this_machine, ("st:org/model", "Query: ", "beir:data/x", "a/b")))
    assert all(map(of_this_machine, ("/a", "~/a", "C:\\a", "x=st:/a", "beir:C:/a", "\\\\a\\b")))


def _altered(path: Path, to: Path, **changes: object) -> Path:
    """The same rows with another header."""
    table, metadata = pq.read_table(path), pq.read_metadata(path).metadata
    told = json.loads(metadata[_KEY].decode("utf-8", "surrogatepass")) | changes
    table = table.replace_schema_metadata({_KEY: json.dumps(told).encode()})
    pq.write_table(table, to)
    return to


def test_only_the_version_that_is_known_is_read(tmp_path: Path) -> None:
    file.write(tmp_path / "b.parquet", baseline(cell()))
    later = _altered(tmp_path / "b.parquet", tmp_path / "c.parquet", schema=2)
    with pytest.raises(UsageError, match="has schema 2; this version reads 1") as caught:
        file.read(later)
    assert "mlir-harness baseline create" in caught.value.hint


def test_a_header_that_was_edited_is_refused(tmp_path: Path) -> None:
    file.write(tmp_path / "b.parquet", baseline(cell()))
    same = _altered(tmp_path / "b.parquet", tmp_path / "same.parquet")
    assert file.read(same).gates["AP"].delta == 0.005  # other tools may write the same again
    for changes in ({"measures": {"AP": 0.5}}, {"tolerance": 0.1}, {"history": []}):
        edited = _altered(tmp_path / "b.parquet", tmp_path / "edited.parquet", **changes)
        with pytest.raises(UsageError, match="changed by hand") as caught:
            file.read(edited)
        assert "version control" in caught.value.hint


def test_a_row_that_was_edited_added_or_taken_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    file.write(path, baseline(cell()))
    table, metadata = pq.read_table(path), pq.read_metadata(path).metadata
    values = table.column("AP").to_numpy().copy()
    values[7] -= 1e-9
    place = table.column_names.index("AP")
    for edited in (
        table.set_column(place, "AP", pa.array(values)),
        table.slice(1),
        pa.concat_tables([table, table.slice(0, 1)]),
        table.drop_columns(["cluster"]),
        table.append_column("R@1", pa.array(values)),
        table.select([0, 2, 1, 3, 4]).rename_columns(table.column_names),
    ):
        pq.write_table(edited.replace_schema_metadata({_KEY: metadata[_KEY]}), path)
        with pytest.raises(UsageError, match=r"changed by hand|damaged"):
            file.read(path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 0.999), st.integers(1, 255))
def test_a_flipped_byte_is_found_wherever_it_is(tmp_path: Path, where: float, by: int) -> None:
    held = baseline(cell())
    content = bytearray(file.as_bytes(held))
    content[int(where * len(content))] ^= by
    (tmp_path / "b.parquet").write_bytes(content)
    try:
        found = file.read(tmp_path / "b.parquet")
    except UsageError:
        return
    _equal(found, held)  # a byte that says nothing


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.floats(0, 0.999))
def test_a_file_that_was_cut_is_refused(tmp_path: Path, share: float) -> None:
    content = file.as_bytes(baseline(cell()))
    (tmp_path / "b.parquet").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UsageError, match=r"cannot read .*b\.parquet as Parquet"):
        file.read(tmp_path / "b.parquet")


def test_other_files_and_none_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no baseline"):
        file.read(tmp_path / "b.parquet")
    (tmp_path / "b.parquet").write_text("schema = 1")
    with pytest.raises(UsageError, match="as Parquet"):
        file.read(tmp_path / "b.parquet")
    pq.write_table(pa.table({"cell": [1]}), tmp_path / "b.parquet")
    with pytest.raises(UsageError, match="a Parquet file, but no baseline"):
        file.read(tmp_path / "b.parquet")
    with pytest.raises(UsageError, match="as Parquet"):
        file.read(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write the baseline"):
        file.write(tmp_path / "file" / "b.parquet", baseline(cell()))


def test_two_cells_of_one_key_an_unknown_measure_and_a_doubled_query_are_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "b.parquet"
    file.write(path, baseline(cell(), cell()))
    with pytest.raises(UsageError, match="two cells are of floor × small"):
        file.read(path)
    held = baseline(cell())
    file.write(path, replace(held, gates={"Fame": held.gates["AP"]}))
    with pytest.raises(UsageError, match="unknown measure 'Fame'"):
        file.read(path)
    one = held.cells[0]
    twice = replace(one, queries=one.queries.of(np.array([0, *range(ROWS)])))
    file.write(path, replace(held, cells=(twice,)))
    with pytest.raises(UsageError, match="holds a query twice"):
        file.read(path)
