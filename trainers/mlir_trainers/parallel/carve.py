"""Validation data carved out of the training data: whole sources, the same ones every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mlir_harness.errors import DataError
from mlir_harness.types import BoolArray, IntArray
from mlir_trainers.parallel.data import DataSet, Held, ParallelData


def carve(data: ParallelData, share: float, seed: int = 0) -> tuple[ParallelData, ParallelData]:
    """What is left to learn from, and what was carved out; both are views of the same rows.

    A source is in one of the two with all its rows, in every language.

    Args:
        data: prepared rows.
        share: of the sources, above 0.
        seed: decides which.

    Raises:
        DataError: there are too few sources to take so small a share of.
    """
    sources = np.unique(data.group)
    taken = round(len(sources) * share)
    if not 0 < taken < len(sources):
        raise DataError(
            f"a share of {share} of {len(sources)} sources leaves nothing on one side",
            "Change validation.share, or give validation data with --validation.",
        )
    chosen = np.random.default_rng(seed).permutation(sources)[:taken]
    out: BoolArray = np.isin(data.group, chosen)
    return _only(data, ~out, "rest"), _only(data, out, "carved")


def _only(data: ParallelData, rows: BoolArray, part: str) -> ParallelData:
    """The data as if all but some rows, (n,) bool, were in no language."""
    present = data.present & rows[:, None]
    return replace(
        data,
        datasets=tuple(_counted(each, data, present) for each in data.datasets),
        present=present,
        fingerprint=f"{data.fingerprint}-{part}-{int(rows.sum())}",
    )


def _counted(dataset: DataSet, data: ParallelData, present: BoolArray) -> DataSet:
    rows = slice(dataset.start, dataset.stop)
    here, group = present[rows], data.group[rows]
    return replace(
        dataset,
        languages={
            name: held(here[:, number], group)
            for number, name in enumerate(data.languages)
            if name in dataset.languages
        },
        crossing=held(here.sum(axis=1) >= 2, group),
        ids=int(here.any(axis=1).sum()),
    )


def held(rows: BoolArray, group: IntArray) -> Held:
    """How many rows are marked, (n,) bool, and of how many sources, (n,) int64."""
    return Held(int(rows.sum()), len(np.unique(group[rows])))
