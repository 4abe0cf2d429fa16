"""Measures that a baseline may hold: which way is better, and how large a drop must be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlir_harness import directions
from mlir_harness.errors import UsageError
from mlir_harness.text import did_you_mean, plain

DELTA = 0.005  # half a point: what a reader of tables would not call a difference
_RANKS = "rank_distance"

_KNOWN = "AP, nDCG@k, R@k, RR, RR@k, Success@k, kNN@k, PEER@k, rank_distance"


@dataclass(frozen=True, slots=True)
class Gate:
    """A measure that is watched.

    Attributes:
        measure: its name, as results have it.
        delta: a drop up to this is let pass, whatever the test says: in the measure's own unit,
            0 to 1; of rank distance a share of the pool.
    """

    measure: str
    delta: float = DELTA

    @property
    def low(self) -> bool:
        """Lower is better."""
        return directions.low(self.measure) is True

    def unit(self, pool: int) -> float:
        """What a difference of 1 is in the values of results.

        Args:
            pool: documents in the largest pool that is averaged over.
        """
        return float(pool) if self.measure == _RANKS else 1.0


def gate(measure: str, delta: float = DELTA) -> Gate:
    """The gate of a measure.

    Raises:
        UsageError: nothing is known by that name, no direction of it is better, or the drop is
            no share.
    """
    name, at, cutoff = measure.partition("@")
    known = [each.partition("@")[0] for each in _KNOWN.split(", ")]
    if name not in known or (at and not cutoff.isdecimal()):
        near = did_you_mean(name, sorted(set(known))).partition("Known")[0]
        raise UsageError(
            f"unknown measure {plain(measure, 60)!r}: nothing says which way it is better",
            f"{near}Known: {_KNOWN}.",
        )
    if not (math.isfinite(delta) and 0 <= delta < 1):
        raise UsageError(
            f"a drop of {delta:g} in {plain(measure, 60)} is no share",
            "Give it from 0 to below 1, such as AP=0.005 for half a point.",
        )
    return Gate(measure, delta)


def chosen(held: Mapping[str, Gate], wanted: Sequence[str], deltas: Mapping[str, float]) -> Gates:
    """Some of the gates that are held, or all, with other drops where these are given.

    Raises:
        UsageError: one is not held.
    """
    for name in (*wanted, *deltas):
        gate(name)
        if name not in held:
            raise UsageError(
                f"the baseline does not hold the measure {plain(name, 60)}",
                f"{did_you_mean(name, sorted(map(plain, held)))} "
                "mlir-harness baseline update --measures adds some.",
            )
    names = [name for name in held if not wanted or name in wanted]
    for name in deltas:
        if name not in names:
            raise UsageError(
                f"--delta is given for {plain(name, 60)}, which is left out by --measures",
                "Leave one of them out.",
            )
    return {name: gate(name, deltas.get(name, held[name].delta)) for name in names}


Gates = Mapping[str, Gate]
