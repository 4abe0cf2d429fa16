"""How encoders differ from a baseline: by kind of settings, by language, by setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlir_harness import directions
from mlir_harness.comparing import queries, significance
from mlir_harness.comparing.agreement import Agreement, agreement
from mlir_harness.comparing.groups import By, Group, grouped, groups
from mlir_harness.comparing.movers import Mover, movers
from mlir_harness.comparing.queries import Queries
from mlir_harness.comparing.sums import Sums
from mlir_harness.errors import IncomparableError, UsageError
from mlir_harness.results import CellResult
from mlir_harness.text import did_you_mean, plain
from mlir_harness.types import DoubleArray

_ROUNDING = 1e-12  # a change of an average that is only rounding


@dataclass(frozen=True, slots=True)
class Pair:
    """Two cells of one task.

    Attributes:
        baseline, other: scored and stored.
        names: what they are called where they are shown.
    """

    baseline: CellResult
    other: CellResult
    names: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much one cell is ahead of another in one group of settings.

    Attributes:
        names: of baseline and other.
        group: which settings.
        queries, clusters: how many were compared; a query counts once per setting.
        before, after: macro averages.
        difference: after - before.
        lower, upper: ends of its 95 % interval, from a bootstrap of clusters.
        effect: mean of what clusters add to the difference, in standard deviations of it.
        p, adjusted: of the sign-flip test, and by Holm's procedure for its family.
        risen, fallen: queries whose value, averaged over the group, rose or fell.
        low: less of the measure is better; None if neither less nor more is.
    """

    names: tuple[str, str]
    group: Group
    queries: int
    clusters: int
    before: float
    after: float
    difference: float
    lower: float
    upper: float
    effect: float
    p: float
    adjusted: float
    risen: int
    fallen: int
    low: bool | None

    @property
    def significant(self) -> bool:
        """In its family."""
        return self.adjusted <= significance.LEVEL

    @property
    def better(self) -> bool | None:
        """Whether the other is ahead; None if they are level, or no way is ahead."""
        if self.difference == 0 or self.low is None:
            return None
        return (self.difference < 0) == self.low


@dataclass(frozen=True)
class Compared:
    """All comparisons on one task.

    Attributes:
        task, split, sample: which.
        measure: compared.
        main: the first family: encoders × kinds of settings.
        exploratory: the second: by language or setting, and variants.
        draws: patterns of signs that each family was tested with.
        seed: of all generators.
        agreements: of the top lists, by pair and kind.
        movers: the queries that changed most, by pair.
    """

    task: str
    split: str
    sample: bool
    measure: str
    main: tuple[Difference, ...]
    exploratory: tuple[Difference, ...]
    draws: tuple[int, ...]
    seed: int
    agreements: tuple[Agreement, ...] = ()
    movers: tuple[Mover, ...] = ()


def compare(
    pairs: Sequence[Pair], *, measure: str = "", by: By = "language", most: int = 0, seed: int = 0
) -> Compared:
    """Compare pairs of cells on one task.

    Args:
        pairs: of the same task and split, one or more.
        measure: which; "" for the task's main measure.
        by: what the second family distinguishes.
        most: how many queries that rose, and that fell, to name for each pair.
        seed: of resampling.

    Raises:
        IncomparableError: the cells of a pair are of other data, protocols or queries.
        StoreError: values cannot be read.
        UsageError: there are no values of the measure.
    """
    found = _tested(pairs, measure, by, seed)
    agreements = [each for p in pairs for each in agreement(p.baseline, p.other, p.names)]
    moved = [
        each
        for pair, (before, after) in zip(pairs, found.values, strict=True)
        for each in movers(
            pair.names, pair.baseline.settings, before, after, found.compared.measure, most
        )
    ]
    return replace(found.compared, agreements=tuple(agreements), movers=tuple(moved))


def by_kind(pairs: Sequence[Pair], *, seed: int = 0) -> Compared:
    """The first family alone, by the main measure; arguments and errors as of `compare`."""
    return _tested(pairs, "", None, seed).compared


@dataclass(frozen=True, slots=True)
class _Tested:
    compared: Compared
    values: list[tuple[Queries, Queries]]


def _tested(pairs: Sequence[Pair], measure: str, by: By | None, seed: int) -> _Tested:
    first = pairs[0].baseline
    measure = measure or first.main_measure
    values = [_lined_up(pair, measure) for pair in pairs]
    sets = [groups(pair.baseline.settings, by or "none") for pair in pairs]
    families, draws = [], []
    for place in range(1 if by is None else 2):
        draws.append(significance.enough(sum(len(each[place]) for each in sets)))
        found = [
            _differences(pair, held, each[place], measure, draws[place], seed)
            for pair, held, each in zip(pairs, values, sets, strict=True)
        ]
        families.append(_adjusted([each for some in found for each in some]))
    main, exploratory = [*families, ()][:2]
    compared = Compared(
        first.task, first.split, first.sample, measure, main, exploratory, tuple(draws), seed
    )
    return _Tested(compared, values)


def _lined_up(pair: Pair, measure: str) -> tuple[Queries, Queries]:
    named = [f"{name} on {pair.baseline.task}" for name in pair.names]
    refused = differing(pair.baseline, pair.other)
    if refused:
        raise IncomparableError(
            f"{plain(named[0])} and {plain(named[1])} cannot be compared: {refused}",
            "Evaluate both on the same data in the same way.",
        )
    before, after = queries.read(pair.baseline), queries.read(pair.other)
    for name, held in zip(named, (before, after), strict=True):
        if measure not in held.values:
            raise UsageError(
                f"{plain(name)} has no values of {plain(measure)}",
                did_you_mean(measure, list(held.values)),
            )
    return before, queries.lined_up(before, after, (named[0], named[1]))


def differing(first: CellResult, second: CellResult) -> str:
    """What of data or protocol differs between cells, for people; "" if nothing does."""
    told = []
    for what in ("data", "protocol"):
        if first.fingerprints.get(what) == second.fingerprints.get(what):
            continue
        before, after = (each.details.get("parts", {}).get(what, {}) for each in (first, second))
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        shown = ", ".join(plain(name, 60) for name in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        told.append(f"other {what} ({shown}{more})" if names else f"other {what}")
    return "; ".join(told)


def _differences(
    pair: Pair,
    values: tuple[Queries, Queries],
    chosen: Sequence[Group],
    measure: str,
    draws: int,
    seed: int,
) -> list[Difference]:
    """Of every group, not adjusted yet."""
    before, after = (each.values[measure] for each in values)
    known = ~(np.isnan(before) | np.isnan(after))
    keys = values[0].of(known)
    held = grouped(keys, pair.baseline.settings, np.stack([before[known], after[known]]))
    masks = [held.settings_of(group) for group in chosen]
    chosen = [group for group, mask in zip(chosen, masks, strict=True) if mask.any()]
    masks = [mask for mask in masks if mask.any()]
    if not masks:
        return []
    changes = held.values[1] - held.values[0]
    found = Sums.of(np.stack([changes, *held.values]), held.settings, held.clusters)
    parts = [Sums(found.sums[:, mask], found.counts[mask]) for mask in masks]
    contributions = np.stack([part.contributions()[0][0] for part in parts])
    p = significance.two_sided(contributions, draws, seed)
    ends = significance.intervals(Sums(found.sums[:1], found.counts), masks, seed=seed)[:, 0]
    rows = []
    for place, (group, mask, part) in enumerate(zip(chosen, masks, parts, strict=True)):
        own = mask[held.settings]
        by_query = np.bincount(held.queries[own], changes[own])
        _, before_mean, after_mean = part.means().tolist()
        rows.append(
            Difference(
                names=pair.names,
                group=group,
                queries=int(own.sum()),
                clusters=int(part.counts.any(axis=0).sum()),
                before=before_mean,
                after=after_mean,
                difference=float(contributions[place].sum()),
                lower=float(ends[place, 0]),
                upper=float(ends[place, 1]),
                effect=_effect(contributions[place][part.counts.any(axis=0)]),
                p=float(p[place]),
                adjusted=float(p[place]),
                risen=int((by_query > _ROUNDING).sum()),
                fallen=int((by_query < -_ROUNDING).sum()),
                low=directions.low(measure),
            )
        )
    return rows


def _effect(contributions: DoubleArray) -> float:
    """Cohen's d of the clusters: NaN where all add the same."""
    if len(contributions) < 2:
        return float("nan")
    spread = contributions.std(ddof=1)
    return float(contributions.mean() / spread) if spread > 0 else float("nan")


def _adjusted(family: Sequence[Difference]) -> tuple[Difference, ...]:
    if not family:
        return ()
    adjusted = significance.holm(np.array([each.p for each in family]))
    return tuple(replace(each, adjusted=float(p)) for each, p in zip(family, adjusted, strict=True))
