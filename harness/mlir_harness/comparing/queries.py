"""Values per query of an evaluated cell, and those of two cells lined up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlir_harness.errors import IncomparableError, StoreError
from mlir_harness.results import CellResult
from mlir_harness.text import plain
from mlir_harness.types import Array, BoolArray, DoubleArray, IntArray

_NAMED = 3  # queries that a message names
_KEYS = ("setting", "query", "cluster")


@dataclass(frozen=True, slots=True)
class Coded:
    """Strings of which many are alike.

    Attributes:
        names: the different ones.
        codes: (n,) int64 places in `names`.
    """

    names: tuple[str, ...]
    codes: IntArray

    def __len__(self) -> int:
        return len(self.codes)

    def strings(self) -> Array:
        """One by one: (n,) object."""
        return np.array([*self.names, ""], object)[self.codes]

    def of(self, chosen: BoolArray | IntArray) -> Coded:
        """Those in some places."""
        return Coded(self.names, self.codes[chosen])


@dataclass(frozen=True)
class Queries:
    """What a cell scored, a row per setting and query.

    Attributes:
        setting, query, cluster: (n,) names; a query's name is unique in its language.
        values: measure -> (n,) float64, NaN where it is not defined.
    """

    setting: Coded
    query: Coded
    cluster: Coded
    values: Mapping[str, DoubleArray]

    def __len__(self) -> int:
        return len(self.setting)

    def of(self, chosen: BoolArray | IntArray) -> Queries:
        """Some rows, or all in another order."""
        return Queries(
            self.setting.of(chosen),
            self.query.of(chosen),
            self.cluster.of(chosen),
            {name: held[chosen] for name, held in self.values.items()},
        )

    def keys(self) -> list[tuple[str, str]]:
        """Setting and query of each row."""
        return list(zip(self.setting.strings(), self.query.strings(), strict=True))


def read(cell: CellResult) -> Queries:
    """The values of a stored cell.

    Raises:
        StoreError: it is not stored, or its file cannot be read.
    """
    if cell.folder is None:
        raise StoreError(
            f"the values of {plain(cell.encoder)} on {plain(cell.task)} are not stored",
            "Give a folder for results.",
        )
    return read_file(cell.folder / "queries.parquet", "Evaluate again with --fresh.")


def read_file(path: Path, hint: str) -> Queries:
    """The values in a file of the store.

    Raises:
        StoreError: it cannot be read, or lacks columns; with the hint given.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return from_table(pq.ParquetFile(path).read())
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"cannot read {plain(str(path))}: {plain(str(error))}", hint) from error


def from_table(table: Any) -> Queries:
    """The values in an Arrow table of the store's columns.

    Raises:
        KeyError, TypeError, ValueError: it has not these columns.
    """
    setting, query, cluster = (_coded(table.column(name)) for name in _KEYS)
    measures = [name for name in table.column_names if name not in _KEYS]
    values = {
        name: table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
        for name in measures
    }
    return Queries(setting, query, cluster, values)


def _coded(column: Any) -> Coded:
    import pyarrow as pa

    held = column.combine_chunks()
    if not pa.types.is_dictionary(held.type):
        held = held.dictionary_encode()
    codes = held.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Coded(tuple(held.dictionary.to_pylist()), codes)


def lined_up(first: Queries, second: Queries, named: tuple[str, str]) -> Queries:
    """The rows of `second` in the order of `first`.

    Args:
        first, second: values of two cells.
        named: what messages call them.

    Raises:
        IncomparableError: they are not of the same queries in the same settings; says which.
    """
    for name, held in zip(named, (first, second), strict=True):
        _, rows, counts = np.unique(_numbers(held, held), return_index=True, return_counts=True)
        if (counts > 1).any():
            (twice,) = held.of(rows[counts > 1][:1]).keys()
            raise IncomparableError(
                f"{plain(name)} holds {_key(twice)} twice", "Evaluate again with --fresh."
            )
    found = places(first, second)
    gone, new = first.of(found < 0).keys(), second.of(places(second, first) < 0).keys()
    lacking = [(named[1], key) for key in gone] + [(named[0], key) for key in new]
    if lacking:
        shown = "; ".join(f"{plain(name)} lacks {_key(key)}" for name, key in lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else ""
        raise IncomparableError(
            f"{plain(named[0])} and {plain(named[1])} are not of the same queries: {shown}{more}",
            "Evaluate both on the same data, languages and settings.",
        )
    return second.of(found)


def places(first: Queries, second: Queries) -> IntArray:
    """The row of `second` that has the setting and query of each row of `first`; -1 if none has."""
    if not len(second):
        return np.full(len(first), -1, np.int64)
    keys, wanted = _numbers(first, second), _numbers(first, first)
    order = np.argsort(keys, kind="stable")
    rows = order[np.minimum(np.searchsorted(keys, wanted, sorter=order), len(keys) - 1)]
    found: IntArray = np.where(keys[rows] == wanted, rows, -1)
    return found


def _numbers(first: Queries, second: Queries) -> IntArray:
    """A number for setting and query of each row of `second`; -1 if `first` knows no such names."""
    settings = _joined(first.setting, second.setting)
    queries = _joined(first.query, second.query)
    known = (settings >= 0) & (queries >= 0)
    numbers: IntArray = np.where(known, settings * len(first.query.names) + queries, -1)
    return numbers


def _joined(first: Coded, second: Coded) -> IntArray:
    """The codes of `second` as those of `first`, -1 for names that this does not have."""
    index = {name: place for place, name in enumerate(first.names)}
    known = np.array([*(index.get(name, -1) for name in second.names), -1], np.int64)
    codes: IntArray = known[second.codes]
    return codes


def _key(key: tuple[str, str]) -> str:
    return f"query {plain(key[1], 60)} of {plain(key[0], 60)}"
