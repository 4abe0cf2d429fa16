"""Comparisons for people: differences by kind, by language, and the queries that changed most."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from mlir_harness import directions, tables
from mlir_harness.comparing.compare import Compared, Difference
from mlir_harness.comparing.movers import Mover
from mlir_harness.comparing.significance import LEVEL
from mlir_harness.text import plain

_LONGEST = 300  # characters of a query's text
_HEADINGS = ("base-\nline", "value", "difference", "95 % interval", "p", "effect")


def drawn(compared: Compared) -> RenderableType:
    """Everything of one task."""
    parts: list[RenderableType] = [*_tables(compared, compared.main)]
    parts += map(_note, notes(compared))
    if compared.exploratory:
        parts += [Text(), *_tables(compared, compared.exploratory, "exploratory · ")]
        parts += [_note(family(compared.exploratory))]
    for names in dict.fromkeys(each.names for each in compared.movers):
        own = [each for each in compared.movers if each.names == names]
        words = f"queries that changed most · {against(names)}"
        parts += [Text(), _title(compared, words), _moved(own, directions.low(compared.measure))]
    return Group(*parts, Text())


def _title(compared: Compared, words: str) -> Text:
    return Text(f"{title(compared)} · {words}", style="bold")


def title(compared: Compared) -> str:
    """What is compared, with a word on samples."""
    sample = " · SAMPLE DATA, not comparable with published figures" if compared.sample else ""
    named = " · ".join(map(plain, (compared.task, compared.split, compared.measure)))
    return f"{named}{sample}"


def notes(compared: Compared) -> list[str]:
    """How to read the first table."""
    clusters = max((each.clusters for each in compared.main), default=0)
    lines = [
        family(compared.main),
        f"Tests flip the signs of {clusters:,} clusters ({compared.draws[0]:,} patterns, seed "
        f"{compared.seed}); 95 % intervals resample clusters; effect: mean over standard "
        "deviation of the clusters' shares.",
    ]
    for names in dict.fromkeys(each.names for each in compared.agreements):
        own = [each for each in compared.agreements if each.names == names]
        shown = ", ".join(
            f"{tables.SHORT[each.kind]} {each.overlap:.2f} ({each.first:.2f})" for each in own
        )
        lines.append(
            f"{against(names)}: share of the first ten documents that both find (of queries with "
            f"the same first document): {shown}"
        )
    return [plain(line, 600) for line in lines]


def family(differences: Sequence[Difference]) -> str:
    """What the marks of a family mean."""
    count = len(differences)
    tests = f"{count} tests" if count > 1 else "1 test"
    return f"† p ≤ {LEVEL:.2f} after Holm's correction for {tests}. ▲ better, ▼ worse."


def _tables(
    compared: Compared, family: Sequence[Difference], words: str = ""
) -> Iterator[RenderableType]:
    """A table for each pair, and space between them."""
    for number, names in enumerate(dict.fromkeys(each.names for each in family)):
        if number:
            yield Text()
        yield _title(compared, f"{words}{against(names)}")
        table = tables.grid("settings", _HEADINGS)
        table.columns[4].min_width = 17  # of two ends
        for each in family:
            if each.names == names:
                table.add_row(*_cells(each))
        yield table


def against(names: tuple[str, str]) -> str:
    """What a pair is called: the other first, then the baseline."""
    return f"{plain(names[1])} against {plain(names[0])}"


def _cells(each: Difference) -> list[Text | str]:
    style = {True: "green", False: "red", None: ""}[each.better if each.significant else None]
    return [
        Text(settings(each)),
        number(each.before, each.low),
        number(each.after, each.low),
        Text(f"{mark(each)} {signed(each, each.difference)}", style=style),
        f"{signed(each, each.lower)} … {signed(each, each.upper)}",
        probability(each.adjusted),
        "–" if math.isnan(each.effect) else f"{each.effect:+.2f}".replace("-", "−"),
    ]


def settings(each: Difference) -> str:
    """Which settings, in few letters."""
    group = each.group
    kind = tables.SHORT.get(group.kind, group.kind)
    return plain(group.setting or f"{kind} {group.variant}{group.language}".strip())


def mark(each: Difference) -> str:
    """▲ or ▼ for better or worse, and † if that is significant."""
    arrow = {None: "", True: "▲", False: "▼"}[each.better]
    return arrow + ("†" if each.significant else "")


def number(value: float, low: bool | None) -> str:
    """A value of a measure: what is better low is in ranks, others are from 0 to 1."""
    return f"{value:,.0f}" if low else f"{value:.3f}"


def signed(each: Difference, value: float) -> str:
    """A difference of the measure."""
    shown = f"{value:+,.0f}" if each.low else f"{value:+.4f}"
    if not float(shown.replace(",", "")):
        return shown[1:]
    return shown.replace("-", "−")


def probability(p: float) -> str:
    """As it is printed in tables."""
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _moved(movers: Sequence[Mover], low: bool | None) -> RenderableType:
    table = tables.grid("before", ["after", "query"])
    table.columns[0].justify = "right"
    table.columns[2].justify = "left"
    table.columns[2].overflow = "fold"
    for column in table.columns:
        column.vertical = "top"
    for each in movers:
        told = f"{plain(each.language, 20)} {plain(each.query, 60)}"
        words = plain(each.text, _LONGEST)
        table.add_row(
            number(each.before, low),
            number(each.after, low),
            Text.assemble((told, "dim"), f" {words}" if words else ""),
        )
    return table


def _note(line: str) -> RenderableType:
    return Padding(Text(line, style="dim"), (0, 0, 0, 2))
