"""Published figures as tables, JSON and CSV show them beside results, and why they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlir_harness.references.held import Figure, Source, Table
from mlir_harness.references.matching import KINDS, Match, Value, match
from mlir_harness.text import plain

if TYPE_CHECKING:
    from mlir_harness.results import CellResult


@dataclass(frozen=True)
class Row:
    """A system below the encoders of a table.

    Attributes:
        name: of the system, and its source.
        values: (kind, measure) -> its figure.
        digits: after the point, as printed.
    """

    name: str
    values: Mapping[tuple[str, str], Value]
    digits: int

    def show(self, kind: str, measure: str, show: Callable[[float], str]) -> str:
        """The figure as `show` shows numbers, but with no digit that was not printed."""
        held = self.values.get((kind, measure))
        if held is None:
            return "–"
        return show(held.value) if self.digits >= 3 else f"{held.value:.{self.digits}f}"


def beside(cells: Sequence[CellResult], sources: Iterable[Source]) -> list[Match]:
    """What may stand below a table of cells of one task: only what may beside each of them."""
    scored = [cell for cell in cells if cell.status == "ok"]
    found = []
    for source in sources:
        matches = [each for cell in scored if (each := match(cell, source)) is not None]
        if matches:
            found.append(min(matches, key=lambda each: sum(map(len, each.values.values()))))
    return found


def rows(matches: Sequence[Match], columns: Iterable[tuple[str, str]]) -> list[Row]:
    """The systems that have a figure in one of the columns.

    Args:
        matches: of a table.
        columns: (kind, measure) of each.
    """
    wanted = set(columns)
    return [
        Row(_name(each, system), values, each.source.digits)
        for each in matches
        for system, values in each.values.items()
        if wanted & values.keys()
    ]


def notes(matches: Sequence[Match], task: str) -> list[str]:
    """A line for each source that is shown, and lines why figures are not.

    Args:
        matches: of a table; sources that do not know the task are not among them.
        task: of the table.
    """
    if not matches:
        return [f"The published figures asked for have none of {plain(task)}."]
    lines = [_protocol(each) for each in matches if each.values]
    refused: dict[str, list[str]] = {}
    for each in matches:
        for reason, what in _refused(each).items():
            refused.setdefault(reason, []).append(f"{each.source.short}{what}")
    lines += [f"Not shown ({reason}): {', '.join(of)}" for reason, of in refused.items()]
    return [plain(line, 600) for line in lines]


def as_objects(matches: Sequence[Match], task: str, split: str) -> list[dict[str, Any]]:
    """For JSON: of each source what is shown of which protocol, and why the rest is not."""
    return [
        {
            "task": task,
            "split": split,
            "source": each.source.source,
            "url": each.source.url,
            "licence": each.source.licence,
            "remark": each.table.remark if each.table else "",
            "trained_languages": list(each.source.trained_languages),
            "systems": [
                {
                    "system": system,
                    "name": each.source.systems[system].name,
                    "summary": _by_kind(values, lambda value: value.value),
                    "mean_made_of": _by_kind(values, lambda value: list(value.languages) or None),
                }
                for system, values in each.values.items()
            ],
            "not_shown": [_refusal(one.figure, one.reason) for one in each.refusals],
        }
        for each in matches
    ]


def as_rows(matches: Sequence[Match], task: str, split: str) -> list[dict[str, Any]]:
    """For CSV: a row for each system and kind of settings, with a column per measure."""
    return [
        {
            "encoder": _name(each, system),
            "task": task,
            "split": split,
            "data": "published",
            "status": "reference",
            "kind": kind,
            **measures,
            "source": each.source.source,
        }
        for each in matches
        for system, values in each.values.items()
        for kind, measures in _by_kind(values, lambda value: value.value).items()
    ]


def _name(found: Match, system: str) -> str:
    return f"{found.source.systems[system].name} ({found.source.short})"


def _protocol(found: Match) -> str:
    """Where what is shown is from, and of what protocol it is."""
    source, table = found.source, found.table
    assert table is not None  # noqa: S101  there are values
    made = {value.languages for own in found.values.values() for value in own.values()} - {()}
    parts = [f"{source.short}: {source.source}", f"{table.split} split, {_sizes(table)}"]
    for languages in made:
        whole = set(languages) == set(table.languages)
        over = f"all {len(languages)} languages" if whole else ", ".join(languages)
        parts.append(f"means over {over} made here of figures by language")
    unseen = [each for each in table.languages if each not in source.trained_languages]
    if source.trained_languages and unseen:
        parts.append(f"never fine-tuned on {', '.join(unseen)}")
    return " · ".join([*parts, *filter(None, [table.remark])])


def _sizes(table: Table) -> str:
    sizes = [("queries", table.queries), ("candidates", table.documents)]
    told = [f"{_range(held)} {what}" for what, held in sizes if held]
    return f"{len(table.languages)} languages of {' and '.join(told)}"


def _range(counts: Mapping[str, int]) -> str:
    least, most = min(counts.values()), max(counts.values())
    return f"{least:,}" if least == most else f"{least:,}–{most:,}"


def _refused(found: Match) -> dict[str, str]:
    """Reason -> which figures, in parentheses; "" for all there are."""
    reasons: dict[str, list[Figure]] = {}
    for each in found.refusals:
        if each.figure is None:
            return {each.reason: ""}
        reasons.setdefault(each.reason, []).append(each.figure)
    if len(reasons) == 1 and not found.values:
        return dict.fromkeys(reasons, "")
    every = {figure.system for figure in found.table.figures} if found.table else set()
    return {reason: f" ({_named(figures, found, every)})" for reason, figures in reasons.items()}


def _named(figures: Sequence[Figure], found: Match, every: set[str]) -> str:
    """Systems, where it is not `every` one of the table, and measures by kind of settings."""
    systems = dict.fromkeys(figure.system for figure in figures)
    parts = [] if set(systems) == every else [found.source.systems[each].name for each in systems]
    kinds: dict[str, dict[str, None]] = {}
    for figure in figures:
        kinds.setdefault(figure.kind, {})[figure.measure] = None
    parts += [f"{kind} {', '.join(kinds[kind])}" for kind in KINDS if kind in kinds]
    return "; ".join(parts)


def _refusal(figure: Figure | None, reason: str) -> dict[str, Any]:
    """Why a figure, or all of them, are not shown, for JSON."""
    names = ("system", "kind", "measure")
    return {name: getattr(figure, name, None) for name in names} | {"reason": reason}


def _by_kind(
    values: Mapping[tuple[str, str], Value], show: Callable[[Value], Any]
) -> dict[str, dict[str, Any]]:
    kinds: dict[str, dict[str, Any]] = {}
    for (kind, measure), value in values.items():
        kinds.setdefault(kind, {})[measure] = show(value)
    return kinds
