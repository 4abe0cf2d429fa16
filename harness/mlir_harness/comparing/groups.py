"""Groups of settings that differences are averaged over, and rows ready to be summed by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from mlir_harness.averages import SEED
from mlir_harness.comparing.queries import Queries
from mlir_harness.comparing.sums import numbered
from mlir_harness.results import SettingRow
from mlir_harness.types import BoolArray, DoubleArray, IntArray

By: TypeAlias = Literal["language", "setting", "none"]


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that a macro average is over.

    Attributes:
        kind: "monolingual", ...
        variant: "spis-5" and the like; "" for the settings that are no variants.
        language: of the queries; "" for all.
        setting: one alone; "" for all.
    """

    kind: str
    variant: str = ""
    language: str = ""
    setting: str = ""

    def __str__(self) -> str:
        """For people: "monolingual", "monolingual/spis-5", "cross-lingual hi", "hi→en"."""
        named = f"{self.kind}/{self.variant}" if self.variant else self.kind
        return self.setting or f"{named} {self.language}".rstrip()

    def holds(self, row: SettingRow) -> bool:
        """Whether a setting, with the seed of its variant left aside, belongs to it."""
        return (
            row.kind == self.kind
            and variant(row) == self.variant
            and self.language in {"", row.query_language}
            and self.setting in {"", row.id}
        )


def variant(row: SettingRow) -> str:
    """The setting's variant without its seed."""
    return row.variant.partition(SEED)[0]


def groups(rows: Sequence[SettingRow], by: By) -> tuple[list[Group], list[Group]]:
    """The groups of the first family of tests, and those of the second.

    The first is the kinds of settings; the second, variants of them and, as asked for, query
    languages within kinds or single settings. Where one would be the same as another, which is
    in the first already, it is left out.
    """
    plain = [row for row in rows if not row.variant]
    kinds = [
        Group(kind, variant) for kind, variant in dict.fromkeys((r.kind, variant(r)) for r in rows)
    ]
    first = [group for group in kinds if not group.variant] or kinds
    second = [group for group in kinds if group not in first]
    if by == "language":
        second += [*dict.fromkeys(Group(row.kind, "", row.query_language) for row in plain)]
    elif by == "setting":
        second += [Group(row.kind, "", row.query_language, row.id) for row in plain]
    told = {tuple(row.id for row in rows if group.holds(row)) for group in first}
    return first, [
        group for group in second if tuple(row.id for row in rows if group.holds(row)) not in told
    ]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Values with the seeds of a variant averaged, query by query.

    Attributes:
        rows: one setting of each, whatever its seed.
        settings, clusters, queries: (n,) int64 from 0 without gaps; a query is one of a language.
        values: (series, n) float64.
    """

    rows: tuple[SettingRow, ...]
    settings: IntArray
    clusters: IntArray
    queries: IntArray
    values: DoubleArray

    def settings_of(self, group: Group) -> BoolArray:
        """Which settings a group holds: (settings,)."""
        return np.array([group.holds(row) for row in self.rows], np.bool_)


def grouped(keys: Queries, rows: Sequence[SettingRow], values: DoubleArray) -> Grouped:
    """Average over seeds, and number what is left.

    Args:
        keys: whose values they are.
        rows: the settings of the cell.
        values: (series, n) float64, no NaN.
    """
    known = {row.id: row for row in rows}
    named = [known[name] for name in keys.setting.names]
    bases = [_base(row) for row in named]
    numbers = {base: number for number, base in enumerate(dict.fromkeys(bases))}
    base = np.array([numbers[each] for each in bases], np.int64)[keys.setting.codes]
    languages = list(dict.fromkeys(row.query_language for row in named))
    language = np.array([languages.index(row.query_language) for row in named], np.int64)
    query = keys.query.codes * len(languages) + language[keys.setting.codes]
    _, first, place = np.unique(
        base * (int(query.max(initial=0)) + 1) + query, return_index=True, return_inverse=True
    )
    counts = np.bincount(place)
    means = np.stack([np.bincount(place, each) / counts for each in values])
    held = sorted(set(base[first].tolist()))
    one = {numbers[each]: row for each, row in zip(bases, named, strict=True)}
    return Grouped(
        tuple(one[number] for number in held),
        numbered(base[first]),
        numbered(keys.cluster.codes[first]),
        numbered(query[first]),
        means,
    )


def _base(row: SettingRow) -> tuple[object, ...]:
    """What settings have in common that differ in the seed of a variant alone."""
    same = row.kind, variant(row), row.query_language, row.document_languages
    return same if SEED in row.variant else (*same, row.id)
