"""Prepared parallel data, memory-mapped: opening it costs the same for a thousand rows and for
ten million."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlir_harness.errors import DataError
from mlir_harness.types import BoolArray, IntArray

SCHEMA = 1
CHUNK = 1 << 16  # rows of every record batch but the last, so that a row's place is a shift


@dataclass(frozen=True, slots=True)
class Held:
    """How much of a data set a way to draw pairs can use: rows, and sources they are of."""

    rows: int
    sources: int


@dataclass(frozen=True, slots=True)
class DataSet:
    """A range of rows that came from one source.

    Attributes:
        name: as the recipe calls it.
        start, stop: its rows.
        languages: BCP-47 tag -> rows with question and passage in it.
        crossing: rows with two such languages or more.
        ids: rows that are to be learnt from; all, unless some were carved out.
        monolingual: questions differ from their passages. Where they do not, as in parallel
            sentences, a pair in one language teaches nothing, and is not drawn.
    """

    name: str
    start: int
    stop: int
    languages: Mapping[str, Held]
    crossing: Held
    ids: int
    monolingual: bool = True


@dataclass(frozen=True)
class ParallelData:
    """Rows of parallel questions and passages.

    Attributes:
        folder: where it lies.
        languages: BCP-47 tags; their order numbers them.
        datasets: contiguous ranges that cover all rows.
        questions, passages: per language a list of Arrow large_string arrays of CHUNK rows each,
            null where it is missing.
        present: (rows, languages) bool: question and passage are both there.
        group: (rows,) int64; rows of one source share a number.
        fingerprint: hash of the content.
    """

    folder: Path
    languages: tuple[str, ...]
    datasets: tuple[DataSet, ...]
    questions: Sequence[Sequence[Any]]
    passages: Sequence[Sequence[Any]]
    present: BoolArray
    group: IntArray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.group)

    @property
    def ids(self) -> int:
        """Rows to learn from."""
        return sum(each.ids for each in self.datasets)

    def question(self, row: int, language: int) -> str:
        """The question of a row in a language, given by their numbers."""
        return str(self.questions[language][row >> 16][row & 0xFFFF].as_py())

    def passage(self, row: int, language: int) -> str:
        """The passage of a row in a language, given by their numbers."""
        return str(self.passages[language][row >> 16][row & 0xFFFF].as_py())


def load(folder: Path) -> ParallelData:
    """Open what `prepare` wrote.

    Raises:
        DataError: it is not that, or of another version, or damaged.
    """
    import pyarrow as pa

    try:
        meta = json.loads((folder / "meta.json").read_text("utf-8"))
        if meta["schema"] != SCHEMA:
            raise DataError(
                f"{folder} was prepared by another version of mlir-harness",
                "Delete the folder; it is made anew from its sources.",
            )
        languages = tuple(meta["languages"])
        with pa.memory_map(str(folder / "rows.arrow")) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
        present = np.load(folder / "present.npy", mmap_mode="r")
        group = np.load(folder / "group.npy", mmap_mode="r")
        if len(table) != len(group) or present.shape != (len(group), len(languages)):
            raise ValueError("its files do not fit together")
        return ParallelData(
            folder,
            languages,
            tuple(_dataset(each) for each in meta["datasets"]),
            [table.column(f"question.{language}").chunks for language in languages],
            [table.column(f"passage.{language}").chunks for language in languages],
            present,
            group,
            str(meta["fingerprint"]),
        )
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowInvalid) as error:
        raise DataError(
            f"{folder} does not hold prepared parallel data: {error}",
            "Delete the folder; it is made anew from its sources.",
        ) from error


def _dataset(held: Mapping[str, Any]) -> DataSet:
    return DataSet(
        name=held["name"],
        start=held["start"],
        stop=held["stop"],
        languages={name: Held(**each) for name, each in held["languages"].items()},
        crossing=Held(**held["crossing"]),
        ids=held["stop"] - held["start"],
        monolingual=held["monolingual"],
    )
