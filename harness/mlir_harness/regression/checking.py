"""New cells against a baseline: every mean judged, and everything named that is not as it was."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlir_harness.errors import Exit, IncomparableError, UsageError
from mlir_harness.regression import identity, pairs, verdicts
from mlir_harness.regression.baseline import Baseline
from mlir_harness.regression.cells import Cell, Key
from mlir_harness.regression.gates import Gates
from mlir_harness.regression.verdicts import Row, Terms, Verdict
from mlir_harness.text import plain

_NAMED = 3  # cells that a message names


@dataclass(frozen=True)
class Found:
    """What is held against a baseline.

    Attributes:
        cells: evaluated ones.
        failed: encoder and task -> why there are no scores of them.
    """

    cells: Sequence[Cell]
    failed: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """What came of a check.

    Attributes:
        rows: a verdict per mean, worst first.
        changes: cell -> how its encoder is not what it was.
        beyond: what is new and has no baseline, in words.
        failed: what is new and could not be evaluated, in words.
    """

    rows: tuple[Row, ...]
    changes: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    beyond: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Exit:
        return verdicts.exit_code(self.rows, failed=bool(self.failed))

    def counts(self) -> dict[Verdict, int]:
        """How many rows have each verdict that there is, worst first."""
        found = [row.verdict for row in self.rows]
        return {verdict: found.count(verdict) for verdict in Verdict if verdict in found}


def check(
    baseline: Baseline,
    found: Found,
    gates: Gates,
    *,
    languages: bool = False,
    pin_encoder: bool = False,
) -> Checked:
    """Hold cells against a baseline.

    Args:
        baseline: what was.
        found: what is.
        gates: of the measures to compare.
        languages: judge the languages of queries one by one too.
        pin_encoder: another encoder may not be compared.

    Raises:
        UsageError: two cells have one key.
    """
    now = keyed(found.cells)
    terms: list[Terms] = []
    changes: dict[Key, Sequence[str]] = {}
    for old in baseline.cells:
        new = now.get(old.key)
        if new is not None:
            changed = identity.encoder_changes(old, new)
            if changed:
                changes[old.key] = changed
        terms += _terms(baseline, old, new, found, gates, languages, pin_encoder)
    rows = verdicts.judge(terms)
    order = [*Verdict]
    rows.sort(key=lambda row: (order.index(row.verdict), _fallen(row)))
    held = {cell.key for cell in baseline.cells}
    tasks = {(cell.key.encoder, cell.key.task) for cell in baseline.cells}
    return Checked(
        tuple(rows),
        changes,
        tuple(_beyond(baseline, now, held)),
        tuple(
            plain(f"{encoder} × {task}: {reason}", 300)
            for (encoder, task), reason in found.failed.items()
            if (encoder, task) not in tasks
        ),
    )


def demand_common(baseline: Baseline, found: Found) -> None:
    """Raise IncomparableError if nothing of the baseline was even tried, and something was."""
    held = {cell.key[:3] for cell in baseline.cells}
    tried = {cell.key[:3] for cell in found.cells}
    failed = {key[:2] for key in held}.intersection(found.failed)
    if held & tried or failed or not found.cells:
        return
    one = ", ".join(str(cell.key) for cell in baseline.cells[:_NAMED])
    other = ", ".join(str(cell.key) for cell in found.cells[:_NAMED])
    raise IncomparableError(
        f"no cell in common: the baseline has {one}; the results have {other}",
        "Name the encoders and tasks of the baseline; LABEL=NAME gives an encoder its label.",
    )


def keyed(cells: Sequence[Cell]) -> dict[Key, Cell]:
    """Cells by their keys.

    Raises:
        UsageError: two have one.
    """
    held: dict[Key, Cell] = {}
    for cell in cells:
        if cell.key in held:
            raise UsageError(
                f"two cells are of {cell.key}", "Give encoders, or tasks, labels of their own."
            )
        held[cell.key] = cell
    return held


def _terms(
    baseline: Baseline,
    old: Cell,
    new: Cell | None,
    found: Found,
    gates: Gates,
    languages: bool,
    pin_encoder: bool,
) -> Iterator[Terms]:
    """What is to be judged of one cell of the baseline."""
    if new is None:
        missing = pairs.gone(old, gates.values(), _why(old.key, found), languages=languages)
        moved = _other_data(old.key, found.cells)
        told = (f"data {old.key.data}→{moved}",)
        for pair in missing:
            yield Terms(replace(pair, missing=(), differing=told) if moved else pair)
        return
    pinned = pin_encoder and not identity.pinned(old, new)
    exact = old.exact and new.exact
    same = identity.same_encoder(old, new) and not exact
    named = [f"encoder: {each}" for each in identity.encoder_changes(old, new)] if pinned else []
    for pair in pairs.pairs(old, new, gates.values(), languages=languages):
        differing = (*pair.differing, *named)
        yield Terms(replace(pair, differing=differing), exact, baseline.tolerance if same else 0.0)


def _fallen(row: Row) -> float:
    """The order of rows of one verdict: what fell most comes first."""
    change = row.pair.change
    return 0.0 if math.isnan(change) else change


def _why(key: Key, found: Found) -> str:
    reason = found.failed.get((key.encoder, key.task))
    return plain(f"it failed: {reason}", 400) if reason else "the cell is gone"


def _other_data(key: Key, cells: Sequence[Cell]) -> str:
    """The data that a cell was evaluated on now, if it is another kind of data."""
    same = [cell.key.data for cell in cells if cell.key[:3] == key[:3]]
    return next((data for data in same if data != key.data), "")


def _beyond(baseline: Baseline, now: Mapping[Key, Cell], held: set[Key]) -> Iterator[str]:
    known = {cell.key: cell for cell in baseline.cells}
    fresh: dict[str, list[str]] = {}
    for key, cell in now.items():
        if key not in held:
            yield f"{key} has no baseline"
            continue
        for what in pairs.beyond(known[key], cell):
            fresh.setdefault(what, []).append(str(key))
    for what, keys in fresh.items():
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        yield f"{what} has no baseline, in {keys[0]}{more}"
