"""What a reproduction found: on each task, verdicts, and means of the samplers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlir_harness.api import CellResult
from mlir_trainers.reproduce import published
from mlir_trainers.reproduce.claims import RANK_DISTANCE, Finding

KINDS = ("monolingual", "cross-lingual", "multilingual")


@dataclass(frozen=True)
class Means:
    """The scores of a sampler's checkpoints, or of what their training began with.

    Attributes:
        name: of the sampler, or of the encoder.
        by_kind: kind of settings -> the task's main measure, a value per seed.
        rank_distance: a value per seed; () where it is not defined.
    """

    name: str
    by_kind: Mapping[str, tuple[float, ...]]
    rank_distance: tuple[float, ...]

    @classmethod
    def of(cls, name: str, cells: Sequence[CellResult]) -> Means:
        """From cells of one task, all scored."""
        by_kind = {kind: _values(cells, kind, cells[0].main_measure) for kind in KINDS}
        return cls(
            name,
            {kind: values for kind, values in by_kind.items() if values},
            _values(cells, "multilingual", RANK_DISTANCE),
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """An encoder that could not be evaluated."""

    encoder: str
    task: str
    reason: str
    hint: str


@dataclass(frozen=True)
class TaskOutcome:
    """One task.

    Attributes:
        task, split, measure, sample: of the cells; the measure is of effectiveness.
        seeds: that all samplers have.
        findings: one per claim, then whether training and evaluation data are separate.
        means: of each sampler, then of the base encoder if there is one.
        beside: the paper's figures of this task.
        apart: why there are none.
    """

    task: str
    split: str
    measure: str
    sample: bool
    seeds: tuple[int, ...]
    findings: tuple[Finding, ...]
    means: tuple[Means, ...]
    beside: tuple[published.Published, ...] = ()
    apart: str = ""


@dataclass(frozen=True)
class Outcome:
    """All tasks.

    Attributes:
        recipe: what was trained, as it was named.
        data: what it was trained on, for people.
        sample: it was trained on the data that comes with the package.
        tasks: those with scores.
        failures: cells without.
    """

    recipe: str
    data: tuple[str, ...]
    sample: bool
    tasks: tuple[TaskOutcome, ...]
    failures: tuple[Failure, ...] = field(default=())


def _values(cells: Sequence[CellResult], kind: str, measure: str) -> tuple[float, ...]:
    held: list[Any] = [cell.summary.get(kind, {}).get(measure) for cell in cells]
    known = [float(each) for each in held if each is not None and not math.isnan(each)]
    return tuple(known)
