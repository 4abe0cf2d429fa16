"""Stored top lists, read setting by setting without holding them all."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlir_harness.errors import StoreError
from mlir_harness.results import CellResult, SettingRow
from mlir_harness.text import described, plain, utf8
from mlir_harness.types import Array, FloatArray

_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Lists:
    """Top lists of some queries of one setting.

    Attributes:
        setting: which.
        queries: n ids, as UTF-8 can hold them.
        languages, documents: n lists of k each, best first.
        scores: (n, k) float32.
    """

    setting: SettingRow
    queries: list[str]
    languages: list[list[str]]
    documents: list[list[str]]
    scores: FloatArray


def read(cell: CellResult, depth: int) -> Iterator[Lists]:
    """The first `depth` places of every list of a stored cell, in the order of its settings.

    Args:
        cell: stored, with lists at least `depth` long.
        depth: where the pool is smaller, all of it.

    Raises:
        StoreError: the lists are gone, damaged, or not those of the cell.
    """
    try:
        yield from _read(cell, depth)
    except (OSError, ValueError, KeyError) as error:  # of pyarrow too
        raise StoreError(
            f"cannot read the top lists in {plain(str(cell.folder))}: {described(error)}",
            "Make them anew: mlir-harness run … --fresh, with the depth of this export.",
        ) from error


def _read(cell: CellResult, depth: int) -> Iterator[Lists]:
    kept = int(cell.details["scoring"]["depth"])
    rows = _rows(cell)
    next(rows)
    for setting in cell.settings:
        width = min(kept, setting.documents)
        step = max(_ROWS_AT_ONCE // width, 1)
        for start in range(0, setting.queries, step):
            count = min(step, setting.queries - start)
            yield _lists(rows.send(count * width), setting, (count, width), depth)


def _rows(cell: CellResult) -> Generator[Any, int, None]:
    """Tables of as many rows of top.parquet as are asked for, in their order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    assert cell.folder is not None  # noqa: S101  the caller has seen to it
    with pq.ParquetFile(cell.folder / "top.parquet") as file:
        batches = file.iter_batches(_ROWS_AT_ONCE)
        held = pa.Table.from_batches([], file.schema_arrow)
        count = yield None
        while True:
            while held.num_rows < count:
                batch = next(batches, None)
                if batch is None:
                    raise ValueError("there are too few")
                held = pa.concat_tables([held, pa.Table.from_batches([batch])])
            asked, held = held.slice(0, count), held.slice(count)
            count = yield asked


def _lists(table: Any, setting: SettingRow, shape: tuple[int, int], depth: int) -> Lists:
    """`table` as lists: it holds those of shape[0] queries, of shape[1] places each."""

    def column(name: str) -> Array:
        values: Array = table.column(name).to_numpy().reshape(shape)
        return values

    named = (column("setting") == utf8(setting.id)).all()
    if not named or (column("rank") != np.arange(1, shape[1] + 1)).any():
        raise ValueError("they are not those of its settings")
    return Lists(
        setting,
        queries=column("query")[:, 0].tolist(),
        languages=column("language")[:, :depth].tolist(),
        documents=column("document")[:, :depth].tolist(),
        scores=column("score")[:, :depth],
    )
