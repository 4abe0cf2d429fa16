"""Per-query values of checkpoints on one task, paired by query, and how samplers differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlir_harness.api import CellResult
from mlir_harness.comparing import queries
from mlir_harness.comparing.sums import Sums, numbered
from mlir_harness.types import BoolArray, DoubleArray, IntArray
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


def read(cells: Mapping[tuple[str, int], CellResult], unseen: Sequence[str]) -> Scores:
    """The scores in stored cells.

    Args:
        cells: (sampler, seed) -> its cell, scored and stored; at least one.
        unseen: languages that were not trained on.

    Raises:
        StoreError: a cell's values cannot be read.
        IncomparableError: they are not of the same queries.
    """
    first = next(iter(cells.values()))
    keys = queries.read(first)
    values: dict[str, dict[int, Mapping[str, DoubleArray]]] = {}
    for (sampler, seed), cell in cells.items():
        own = queries.lined_up(keys, queries.read(cell), (first.encoder, cell.encoder))
        undefined = np.full(len(keys), np.nan)
        values.setdefault(sampler, {})[seed] = {
            MAIN: own.values[first.main_measure],
            RANK_DISTANCE: own.values.get(RANK_DISTANCE, undefined),
        }
    rows = {each.id: each for each in first.settings}
    named = [rows[name] for name in keys.setting.names]
    kinds = ["" if row.variant else row.kind for row in named]
    foreign = [{row.query_language, *row.document_languages} <= set(unseen) for row in named]
    return Scores(
        np.array(kinds)[keys.setting.codes],
        keys.setting.codes,
        keys.cluster.codes,
        np.array(foreign, np.bool_)[keys.setting.codes],
        values,
    )
