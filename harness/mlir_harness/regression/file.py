"""A baseline as one Parquet file: values in rows, all else as JSON in its metadata.

A row is a cell's value of each measure for one query in one setting; `cell` is its place among the
cells of the JSON. Any tool that reads Parquet reads it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mlir_harness import files, fingerprint
from mlir_harness.comparing import queries
from mlir_harness.errors import HarnessError, UsageError
from mlir_harness.regression import header
from mlir_harness.regression.baseline import Baseline
from mlir_harness.regression.cells import Cell, compact
from mlir_harness.text import described, plain
from mlir_harness.types import Array

SCHEMA = 1
_KEY = b"mlir_harness.baseline"
_NAMES = ("setting", "query", "cluster")
_RESTORE = "Take it from version control again; or delete it, and mlir-harness baseline create."


def write(path: Path, baseline: Baseline) -> None:
    """Put a baseline where it is read from, whole or not at all.

    Raises:
        StoreError: it cannot be written there.
    """
    content = as_bytes(baseline)
    with files.writing("the baseline", path, "Name another file."):
        files.replace_file(path, content)


def as_bytes(baseline: Baseline) -> bytes:
    """The file; the same for the same baseline and version of pyarrow."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _rows(baseline.cells)
    told = header.header(baseline)
    told = {"schema": SCHEMA, "digest": _digest(told, columns), **told}
    coded = {
        name: pa.array(column, pa.string()).dictionary_encode() if name in _NAMES else column
        for name, column in {**columns, "cell": columns["cell"].astype(np.int32)}.items()
    }
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    table = pa.table(coded)
    written = io.BytesIO()
    with pq.ParquetWriter(
        written,
        table.schema,
        compression="zstd",
        compression_level=19,
        store_schema=False,
        write_statistics=False,
    ) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({_KEY: text.encode("utf-8", "surrogatepass")})
    return written.getvalue()


def read(path: Path) -> Baseline:
    """A baseline from its file.

    Raises:
        UsageError: there is none, or it is damaged, changed by hand or of another version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    named = plain(str(path), 300)
    try:
        opened = pq.ParquetFile(path)
        table, metadata = opened.read(), opened.metadata.metadata or {}
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no baseline {named}", f"mlir-harness baseline create {named} makes one."
        ) from error
    except (OSError, pa.ArrowException, ValueError) as error:
        raise UsageError(f"cannot read {named} as Parquet: {described(error)}", _RESTORE) from error
    told = _told(metadata.get(_KEY), named)
    try:
        return _baseline(told, table)
    except HarnessError as error:
        raise UsageError(f"{named}: {error.message}", error.hint) from error
    except (LookupError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise UsageError(f"{named} is damaged: {described(error)}", _RESTORE) from error


def _told(text: bytes | None, named: str) -> Mapping[str, Any]:
    """The JSON of a file, of this version."""
    if text is None:
        raise UsageError(
            f"{named} is a Parquet file, but no baseline",
            "mlir-harness baseline create makes one; results are read with --results.",
        )
    try:
        told: Any = json.loads(text.decode("utf-8", "surrogatepass"))
        schema = told["schema"]
    except (ValueError, LookupError, TypeError) as error:
        raise UsageError(f"{named} is damaged: {described(error)}", _RESTORE) from error
    if schema != SCHEMA:
        raise UsageError(
            f"{named} has schema {plain(str(schema), 20)}; this version reads {SCHEMA}",
            "Use the version of mlir-harness that wrote it, or delete it and make it anew: "
            "mlir-harness baseline create.",
        )
    return dict(told)


def _baseline(told: Mapping[str, Any], table: Any) -> Baseline:
    place = table.column("cell").to_numpy()
    every = queries.from_table(table.drop_columns(["cell"]))
    names = {name: getattr(every, name).strings() for name in _NAMES}
    content = {name: value for name, value in told.items() if name not in {"schema", "digest"}}
    if _digest(content, {"cell": place, **names, **every.values}) != told["digest"]:
        raise UsageError(
            "it was changed by hand, or is damaged: its digest is not its own", _RESTORE
        )
    values = [compact(every.of(place == number)) for number in range(len(told["cells"]))]
    found = header.baseline(told, values)
    _check_keys(found)
    return found


def _check_keys(baseline: Baseline) -> None:
    """Raise UsageError where a cell, or a query of it, is there twice."""
    keys = [cell.key for cell in baseline.cells]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise UsageError(f"two cells are of {twice}", _RESTORE)
    for cell in baseline.cells:
        rows = cell.queries
        pairs = rows.setting.codes * (len(rows.query.names) + 1) + rows.query.codes
        if len(np.unique(pairs)) < len(pairs):
            raise UsageError(f"{cell.key} holds a query twice in one setting", _RESTORE)


def _rows(cells: Sequence[Cell]) -> dict[str, Array]:
    """The rows of all cells; NaN where a cell lacks a measure."""
    lengths = [len(cell.queries) for cell in cells]
    columns: dict[str, Array] = {"cell": np.repeat(np.arange(len(cells)), lengths)}
    for name in _NAMES:
        columns[name] = np.concatenate([getattr(cell.queries, name).strings() for cell in cells])
    for name in sorted({name for cell in cells for name in cell.queries.values}):
        columns[name] = np.concatenate(
            [cell.queries.values.get(name, np.full(len(cell.queries), np.nan)) for cell in cells]
        )
    return columns


def _digest(told: Mapping[str, Any], columns: Mapping[str, Array]) -> str:
    """A hash of everything that a file says."""
    hashes = {}
    for name, column in columns.items():
        if name in _NAMES:
            hashes[name] = fingerprint.of_texts("column", {}, column)
        else:
            numbers = np.where(np.isnan(column), np.nan, column)  # one kind of NaN
            hashes[name] = sha256(numbers.astype("<f8").tobytes()).hexdigest()
    return fingerprint.of_json("baseline", [dict(told), hashes])
