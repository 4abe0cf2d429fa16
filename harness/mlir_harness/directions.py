"""Which way each measure is better."""

from __future__ import annotations

from mlir_harness import measures

_MORE = frozenset({*measures.VERSION, "kNN", "PEER"})
_LESS = frozenset({"rank_distance", "rank_distance_share", "rank_distance_median"})


def low(measure: str) -> bool | None:
    """Whether less of a measure is better; None where neither way is, or none is known.

    Language preference, say, is to be near its chance level.

    Args:
        measure: its name, with or without a cutoff.
    """
    name = measure.partition("@")[0]
    if name in _LESS:
        return True
    return False if name in _MORE else None
