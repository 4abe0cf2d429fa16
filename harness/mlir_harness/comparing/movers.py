"""The queries that changed most from one cell to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.comparing.queries import Queries
from mlir_harness.results import SettingRow


@dataclass(frozen=True, slots=True)
class Mover:
    """A query whose values rose or fell.

    Attributes:
        names: of baseline and other.
        language, query: which.
        before, after: its values, averaged over its settings.
        settings: how many those are.
        text: its words; "" where they are not at hand.
    """

    names: tuple[str, str]
    language: str
    query: str
    before: float
    after: float
    settings: int
    text: str = ""


def movers(
    names: tuple[str, str],
    rows: Sequence[SettingRow],
    before: Queries,
    after: Queries,
    measure: str,
    most: int,
) -> list[Mover]:
    """The queries with the greatest changes: those that rose, then those that fell.

    A query's value is the mean over all its settings that are no variants and have one.

    Args:
        names: see Mover.
        rows: the settings.
        before, after: lined up.
        measure: which.
        most: how many of each.
    """
    known = {row.id: row for row in rows}
    settings = [known[name] for name in before.setting.names]
    languages = list(dict.fromkeys(row.query_language for row in settings))
    language = np.array([languages.index(row.query_language) for row in settings], np.int64)
    usable = np.array([not row.variant for row in settings], np.bool_)[before.setting.codes]
    values = np.stack([before.values[measure], after.values[measure]])
    usable &= ~np.isnan(values).any(axis=0)
    key = before.query.codes * len(languages) + language[before.setting.codes]
    keys, place = np.unique(key[usable], return_inverse=True)
    counts = np.bincount(place)
    means = [np.bincount(place, each[usable]) / counts for each in values]
    order = np.argsort(means[1] - means[0], kind="stable")
    risen, fallen = order[::-1][:most], order[:most]
    return [
        Mover(
            names,
            languages[int(keys[row]) % len(languages)],
            before.query.names[int(keys[row]) // len(languages)],
            float(means[0][row]),
            float(means[1][row]),
            int(counts[row]),
        )
        for chosen, sign in ((risen, 1), (fallen, -1))
        for row in chosen.tolist()
        if sign * (means[1][row] - means[0][row]) > 0
    ]
