"""A baseline: cells with their values per query, what they are held to, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from mlir_harness.errors import UsageError
from mlir_harness.regression.cells import Cell, of_this_machine
from mlir_harness.regression.gates import DELTA, Gate, Gates, gate
from mlir_harness.request import KINDS, Request
from mlir_harness.text import did_you_mean, plain

# Float rounding of other devices, precisions and batches moves near-equal documents past each
# other. A tenth of what tables show is no news, and 50 times less than the drop let pass.
TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Entry:
    """One time that the baseline was written.

    Attributes:
        date: of that day (UTC), 2026-11-25.
        reason: in the words of who did it.
        harness: version.
        changes: what differed from what was there before, in lines.
    """

    date: str
    reason: str
    harness: str
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """What later scores are held against.

    Attributes:
        cells: by key, in the order they were evaluated.
        gates: by measure.
        request: what to ask for to evaluate the same again: fields of `Request`.
        measures: those that were named; () for the main one of each cell.
        variants: settings of variants are held too.
        tolerance: how far a mean may move, in the unit of gates, and count as the same if the
            encoder is the same but for its precision.
        history: oldest first.
    """

    cells: tuple[Cell, ...]
    gates: Gates
    request: Mapping[str, Any]
    measures: tuple[str, ...] = ()
    variants: bool = False
    tolerance: float = TOLERANCE
    history: tuple[Entry, ...] = field(default=())


def entry(reason: str, changes: Sequence[str] = ()) -> Entry:
    """Something done now."""
    today = datetime.now(UTC).date().isoformat()
    return Entry(today, plain(reason, 400), version("mlir-harness"), tuple(changes))


def asked(request: Request, cells: Sequence[Cell]) -> dict[str, Any]:
    """What evaluates cells again on any machine: what was asked, without folders.

    Raises:
        UsageError: an encoder or a task is named by a folder of this machine.
    """
    demand_anywhere(request.encoders, request.tasks)
    data = {cell.key.data for cell in cells}
    options = {
        name: {key: value for key, value in held.items() if not of_this_machine(str(value))}
        for name, held in request.options.items()
    }
    return {
        "encoders": _named(request.encoders, [cell.key.encoder for cell in cells]),
        "tasks": _named(request.tasks, [cell.key.task for cell in cells]),
        "languages": list(request.languages),
        "settings": list(request.settings),
        "split": request.split,
        "data": data.pop() if len(data) == 1 else "auto",
        "ties": request.ties,
        "gain": request.gain,
        "options": {name: held for name, held in options.items() if held},
    }


def demand_anywhere(encoders: Sequence[str], tasks: Sequence[str]) -> None:
    """Raise UsageError if an encoder or a task has no name but a folder of this machine."""
    for flag, names in (("--encoders", encoders), ("--tasks", tasks)):
        for name in names:
            if of_this_machine(name.partition("=")[0]):
                raise UsageError(
                    f"{plain(name, 300)} names a folder of this machine, and a baseline is for any",
                    f"Give it a label, {flag} LABEL={plain(name, 300)}; or a relative path.",
                )


def of_results(cells: Sequence[Cell]) -> dict[str, Any]:
    """What evaluates cells again, as far as the cells themselves tell."""
    kinds = {setting.kind for cell in cells for setting in cell.settings}
    short = [name for name, kind in KINDS.items() if kind.value in kinds]
    languages = {
        language
        for cell in cells
        for setting in cell.settings
        for language in (setting.query_language, *setting.document_languages)
    }
    splits = {cell.key.split for cell in cells}
    protocol = cells[0].parts["protocol"]
    request = Request(
        encoders=[*dict.fromkeys(cell.key.encoder for cell in cells)],
        tasks=[*dict.fromkeys(cell.key.task for cell in cells)],
        languages=sorted(languages),
        settings=() if len(short) == len(KINDS) else short,
        split=splits.pop() if len(splits) == 1 else "",
        ties="trec" if protocol.get("ties") == "trec" else "hash",
        gain="exponential" if protocol.get("gain") == "exponential" else "linear",
    )
    return asked(request, cells)


def _named(names: Sequence[str], labels: Sequence[str]) -> list[str]:
    """What was named, and in the place of "all" what that brought in."""
    named = [_anywhere(name) for name in names if name != "all"]
    known = {name.partition("=")[0] for name in named} | set(named)
    return named + [label for label in dict.fromkeys(labels) if label not in known]


def _anywhere(name: str) -> str:
    """A name without a folder of this machine: what is left is its label."""
    label, equals, use = name.partition("=")
    return label if equals and of_this_machine(use) else name


def renewed(baseline: Baseline, *, tolerance: float | None, history: tuple[Entry, ...]) -> Baseline:
    """The same with its history, and a tolerance if one was given."""
    return replace(
        baseline,
        tolerance=TOLERANCE if tolerance is None else tolerance,
        history=history,
    )


def gates(
    cells: Sequence[Cell], wanted: Sequence[str], deltas: Mapping[str, float], before: Gates
) -> dict[str, Gate]:
    """A gate for every measure of some cells.

    Args:
        cells: with values of the measures that were wanted.
        wanted: measures that were named; () for the main ones.
        deltas: measure -> the drop that is let pass.
        before: gates that hold where no other drop is given.

    Raises:
        UsageError: no cell has one of them.
    """
    held = list(dict.fromkeys(name for cell in cells for name in cell.queries.values))
    for name in (*wanted, *deltas):
        gate(name)
        if name not in held:
            said = f"no result has the measure {plain(name, 60)}"
            if name in deltas and name not in wanted:
                said = f"--delta is given for {plain(name, 60)}, which the baseline would not hold"
            raise UsageError(said, did_you_mean(name, sorted(map(plain, held))))
    for cell in cells:
        if not cell.queries.values:
            raise UsageError(
                f"{cell.key} has none of the measures {plain(', '.join(wanted), 200)}",
                "Name one that it has, or leave --measures out for its main one.",
            )
    names = [name for name in wanted if name in held] or held
    allowed = {name: each.delta for name, each in before.items()} | dict(deltas)
    return {name: gate(name, allowed.get(name, DELTA)) for name in names}
