"""Rows on their way to a prepared folder: a few thousand are held, the others lie in parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from mlir_harness.types import BoolArray
from mlir_trainers.parallel.data import CHUNK

_PART = 1 << 12  # rows of a part, a divisor of CHUNK
_TEXT = pa.large_string()
_SIDES = ("question", "passage")


class Spool:
    """Takes rows one by one, and writes them as one Arrow file once all languages are known."""

    def __init__(self, folder: Path) -> None:
        """Keep parts in `folder`."""
        self.rows = 0
        self.languages: set[str] = set()
        self.digest = xxhash.xxh3_128()
        self._folder = folder
        self._parts: list[Path] = []
        self._ids: list[str] = []
        self._columns: dict[str, list[str | None]] = {}

    def add(self, name: str, pairs: Mapping[str, tuple[str, str]]) -> None:
        """Take a row: its id, and question and passage by language.

        Raises:
            OSError: no room on the disk.
        """
        for language, pair in pairs.items():
            for side, text in zip(_SIDES, pair, strict=True):
                column = self._columns.setdefault(f"{side}.{language}", [])
                column += [None] * (len(self._ids) - len(column))
                column.append(text)
        self.languages.update(pairs)
        self._ids.append(name)
        self.rows += 1
        if len(self._ids) == _PART:
            self._flush()

    def finish(self, file: Path, present: Path) -> tuple[str, ...]:
        """Write all rows, in record batches of CHUNK, and which languages they have.

        Args:
            file: columns id, then question.LANGUAGE and passage.LANGUAGE by languages.
            present: array file, (rows, languages) bool.

        Returns:
            The languages, in the order of their tags.

        Raises:
            OSError: no room on the disk.
        """
        self._flush()
        languages = tuple(sorted(self.languages))
        schema = pa.schema(
            [("id", _TEXT)]
            + [(f"{side}.{language}", _TEXT) for language in languages for side in _SIDES]
        )
        with file.open("wb") as rows, present.open("wb") as flags:
            shape = (self.rows, len(languages))
            header = {"descr": "|b1", "fortran_order": False, "shape": shape}
            # Written, not mapped: a mapped file on a full disk ends the process.
            np.lib.format.write_array_header_1_0(flags, header)
            with pa.ipc.new_file(rows, schema) as writer:
                for batch in self._batches(schema):
                    writer.write_batch(batch)
                    flags.write(_present(batch, languages).tobytes())
        return languages

    def _flush(self) -> None:
        if not self._ids:
            return
        columns: dict[str, Sequence[str | None]] = {"id": self._ids}
        for name, column in sorted(self._columns.items()):
            columns[name] = column + [None] * (len(self._ids) - len(column))
        self.digest.update(json.dumps(columns, ensure_ascii=False).encode())
        batch = pa.record_batch({name: pa.array(each, _TEXT) for name, each in columns.items()})
        path = self._folder / f"part-{len(self._parts)}"
        with path.open("wb") as stream, pa.ipc.new_file(stream, batch.schema) as writer:
            writer.write_batch(batch)
        self._parts.append(path)
        self._ids, self._columns = [], {}

    def _batches(self, schema: Any) -> Iterator[Any]:
        """All parts, as batches of CHUNK rows; each part is removed once it was used."""
        step = CHUNK // _PART
        for start in range(0, len(self._parts), step):
            paths = self._parts[start : start + step]
            with ExitStack() as held:
                parts = [
                    pa.ipc.open_file(held.enter_context(pa.memory_map(str(path)))).get_batch(0)
                    for path in paths
                ]
                yield pa.record_batch(
                    [
                        pa.concat_arrays([_column(part, name) for part in parts])
                        for name in schema.names
                    ],
                    schema=schema,
                )
            for path in paths:
                path.unlink()


def _column(part: Any, name: str) -> Any:
    if name in part.schema.names:
        return part.column(name)
    return pa.nulls(part.num_rows, _TEXT)


def _present(batch: Any, languages: Sequence[str]) -> BoolArray:
    """(rows, languages) bool: a row has both of a language's texts, or neither."""
    found = [
        batch.column(f"question.{language}").is_valid().to_numpy(zero_copy_only=False)
        for language in languages
    ]
    return np.stack(found, axis=1)
