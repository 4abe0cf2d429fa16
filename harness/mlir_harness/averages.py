"""Averages over settings: by kind, by variant, and how seeds of a variant differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mlir_harness.types import Setting

SEED = "/seed-"  # parts the name of a variant from the number of its seed


def macro(
    settings: Sequence[Setting], means: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Per group of settings, the mean over its settings of every measure.

    A group is a kind of settings ("monolingual"), or a kind in a variant
    ("monolingual/spis-5"), whose seeds are averaged over.

    Args:
        settings: of one encoder on one task.
        means: of each of them, by measure; NaN is passed over.
    """
    names = [group(each.kind.value, each.variant) for each in settings]
    return _means(names, means)


def deviations(
    settings: Sequence[Setting], means: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Per group that has seeds, the standard deviation (n - 1) of the seeds' macro averages."""
    seeded = [place for place, each in enumerate(settings) if SEED in each.variant]
    names = [_joined(settings[place].kind.value, settings[place].variant) for place in seeded]
    by_group: dict[str, list[dict[str, float]]] = {}
    for name, held in _means(names, [means[place] for place in seeded]).items():
        by_group.setdefault(name.partition(SEED)[0], []).append(held)
    return {
        group: {
            measure: float(np.std([each[measure] for each in seeds], ddof=1))
            for measure in seeds[0]
        }
        for group, seeds in by_group.items()
        if len(seeds) > 1
    }


def group(kind: str, variant: str) -> str:
    """The group of a setting: its kind, and its variant without the seed."""
    return _joined(kind, variant.partition(SEED)[0])


def _joined(kind: str, variant: str) -> str:
    return f"{kind}/{variant}" if variant else kind


def _means(
    names: Sequence[str], means: Sequence[Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    groups: dict[str, list[Mapping[str, float]]] = {}
    for name, held in zip(names, means, strict=True):
        groups.setdefault(name, []).append(held)
    return {
        name: {
            measure: _mean(each.get(measure, np.nan) for each in members)
            for measure in dict.fromkeys(measure for each in members for measure in each)
        }
        for name, members in groups.items()
    }


def _mean(values: Iterable[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
