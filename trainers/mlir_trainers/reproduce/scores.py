"""Per-query values of checkpoints on one task, paired by query, and how samplers differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlir_harness.api import CellResult
from mlir_harness.comparing.sums import Sums, numbered
from mlir_harness.errors import StoreError
from mlir_harness.types import BoolArray, DoubleArray, IntArray, Retrieval
from mlir_trainers.reproduce import intervals
from mlir_trainers.reproduce.claims import (
    MAIN,
    RANK_DISTANCE,
    Claim,
    Difference,
    Scope,
    against_best,
)

_LEVEL = 0.05  # of each bound


@dataclass(frozen=True)
class Scores:
    """What checkpoints of the samplers scored on a task.

    Attributes:
        kinds: (n,) of the setting of each row; "" for settings of variants.
        settings, clusters: (n,) int64.
        unseen: (n,) bool: query and documents are in languages that were not trained on.
        values: sampler -> seed -> measure (MAIN, RANK_DISTANCE) -> (n,) float64.
    """

    kinds: np.ndarray[Any, np.dtype[np.str_]]
    settings: IntArray
    clusters: IntArray
    unseen: BoolArray
    values: Mapping[str, Mapping[int, Mapping[str, DoubleArray]]]

    def seeds(self, samplers: Sequence[str]) -> list[int]:
        """Those that all of some samplers have."""
        held = [set(self.values.get(each, ())) for each in samplers]
        return sorted(set.intersection(*held)) if held else []

    def difference(self, claim: Claim) -> tuple[Difference | None, str]:
        """By how much a claim's sampler is ahead of the best rival, or why that is unknown."""
        samplers = (claim.sampler, *claim.rivals)
        seeds = self.seeds(samplers)
        if not seeds:
            return None, "no seed of which all samplers were evaluated"
        chosen = self.kinds == claim.kind
        if not chosen.any():
            return None, f"the task has no {claim.kind} settings"
        if claim.scope is Scope.UNSEEN:
            chosen &= self.unseen
            if not chosen.any():
                return None, "no language of the task is unseen in training"
        stacked = {
            each: np.stack([self.values[each][seed][claim.measure][chosen] for seed in seeds])
            for each in samplers
        }
        known = ~np.any([np.isnan(each).any(axis=0) for each in stacked.values()], axis=0)
        if not known.any():
            return None, "no query has relevant documents in two languages of a pool"
        settings = numbered(self.settings[chosen][known])
        clusters = numbered(self.clusters[chosen][known])
        sign = 1 if claim.measure == MAIN else -1
        found = []
        for rival in claim.rivals:
            ahead = sign * (stacked[claim.sampler] - stacked[rival])[:, known]
            values = Sums.of(ahead, settings, clusters)
            lower, upper = intervals.bounds(
                values, lower=_LEVEL, upper=1 - _LEVEL / len(claim.rivals)
            )
            found.append(Difference(rival, float(values.means().mean()), lower, upper))
        return against_best(found), ""


def read(
    cells: Mapping[tuple[str, int], CellResult], retrieval: Retrieval, unseen: Sequence[str]
) -> Scores:
    """The scores in stored cells.

    Args:
        cells: (sampler, seed) -> its cell, scored and stored; at least one.
        retrieval: what they were evaluated on.
        unseen: languages that were not trained on.

    Raises:
        StoreError: a cell's values cannot be read, or are not of the same queries.
    """
    first = next(iter(cells.values()))
    tables = {key: _table(cell) for key, cell in cells.items()}
    keys = next(iter(tables.values()))
    names, queries = (keys.column(name).to_pylist() for name in ("setting", "query"))
    values: dict[str, dict[int, Mapping[str, DoubleArray]]] = {}
    for (sampler, seed), table in tables.items():
        same = names, queries
        if tuple(table.column(name).to_pylist() for name in ("setting", "query")) != same:
            cell = cells[sampler, seed]
            raise StoreError(
                f"{cell.folder} holds other queries than {first.folder}",
                "Evaluate again with --fresh.",
            )
        values.setdefault(sampler, {})[seed] = {
            MAIN: _column(table, first.main_measure),
            RANK_DISTANCE: _column(table, RANK_DISTANCE),
        }
    rows = {each.id: each for each in first.settings}
    foreign = set(unseen)
    known = {
        name: (
            place,
            "" if row.variant else row.kind,
            {row.query_language, *row.document_languages} <= foreign,
        )
        for place, (name, row) in enumerate(rows.items())
    }
    return Scores(
        np.array([known[name][1] for name in names]),
        np.array([known[name][0] for name in names], np.int64),
        _clusters([rows[name].query_language for name in names], queries, retrieval),
        np.array([known[name][2] for name in names], np.bool_),
        values,
    )


def _clusters(languages: Sequence[str], queries: Sequence[str], retrieval: Retrieval) -> IntArray:
    """Number of the cluster of each row; a query of no known cluster is one of its own."""
    held = {
        (language, query): cluster
        for language, clusters in retrieval.clusters.items()
        for query, cluster in zip(retrieval.queries[language].ids, clusters, strict=True)
    }
    numbers: dict[object, int] = {}
    return np.array(
        [
            numbers.setdefault(held.get(key, key), len(numbers))
            for key in zip(languages, queries, strict=True)
        ],
        np.int64,
    )


def _table(cell: CellResult) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = (cell.folder or Path()) / "queries.parquet"
    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"cannot read {path}: {error}", "Evaluate again with --fresh.") from error


def _column(table: Any, name: str) -> DoubleArray:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    held: DoubleArray = table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    return held
