"""Tables about data for people: what a task holds, and whether it is what was published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlir_harness.fetching.describe import Description, Texts
from mlir_harness.fetching.verify import Finding
from mlir_harness.text import plain

_SHOWN = 24  # characters of a hash


def findings(found: Sequence[Finding], title: str, notes: Sequence[str]) -> RenderableType:
    """What was expected beside what was found; what differs stands out."""
    table = _table(("what", "left"), ("expected", "right"), ("found", "right"), ("", "left"))
    for each in found:
        style = "" if each.ok else "bold"
        table.add_row(
            Text(plain(each.what), style=style),
            Text(_value(each.expected, short=each.ok), style=style),
            Text(_value(each.found, short=each.ok), style=style),
            Text("ok" if each.ok else "DIFFERS", style=style),
        )
    wrong = sum(not each.ok for each in found)
    outcome = f"{wrong} of {len(found)} differ" if wrong else f"all {len(found)} as expected"
    parts: list[RenderableType] = [Text(plain(title), style="bold")]
    if found:
        parts += [table, Text(f"  {outcome}", style="dim")]
    return Group(*parts, *_lines(notes))


def _value(value: str | int, *, short: bool) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return plain(value, _SHOWN) if short else plain(value, 400)


def description(held: Description) -> RenderableType:
    """Origin, settings, and a row for each language."""
    sample = " · SAMPLE DATA" if held.sample else ""
    head = f"{plain(held.name)} · {plain(held.split)}{sample}"
    facts = [
        ("", held.description),
        ("source", held.source),
        ("revision", held.revision),
        ("licence", held.licence),
        ("citation", held.citation),
        ("languages", ", ".join(held.languages)),
        ("splits", ", ".join(held.splits)),
        ("measures", ", ".join(held.measures)),
        ("settings", ", ".join(f"{count:,} {kind}" for kind, count in held.settings.items())),
        ("variants", _variants(held.variants)),
    ]
    about = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    about.add_column(style="dim")
    about.add_column(overflow="fold")
    for name, value in facts:
        if value:
            about.add_row(Text(name), Text(plain(value, 1000)))
    return Group(Text(head, style="bold"), about, Text(), _languages(held), *_lines(held.notes))


def _languages(held: Description) -> Table:
    number = "right"
    table = _table(
        ("language", "left"),
        ("queries", number),
        ("characters\nmean", number),
        ("\nmost", number),
        ("documents", number),
        ("characters\nmean", number),
        ("\nmost", number),
        ("relevant\nown", number),
        ("\nall", number),
        ("\nmost", number),
        ("without\nany", number),
    )
    for language in dict.fromkeys([*held.queries, *held.documents]):
        relevant = held.relevant.get(language)
        judged = ("–",) * 4
        if relevant:
            own = "–" if relevant.own is None else f"{relevant.own:,.2f}"
            judged = (
                own,
                f"{relevant.all:,.2f}",
                f"{relevant.most:,}",
                f"{relevant.unanswerable:,}",
            )
        cells = (*_texts(held.queries.get(language)), *_texts(held.documents.get(language)))
        table.add_row(Text(plain(language)), *cells, *judged)
    return table


def _texts(held: Texts | None) -> tuple[str, str, str]:
    if held is None:
        return "–", "–", "–"
    return f"{held.texts:,}", f"{held.mean:,.0f}", f"{held.longest:,}"


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style=""
    )
    for heading, justify in columns:
        side = "right" if justify == "right" else "left"
        table.add_column(Text(heading), justify=side, vertical="bottom", overflow="fold")  # type: ignore[arg-type]
    return table


def _lines(notes: Sequence[str]) -> list[Text]:
    return [Text(f"  {plain(note, 400)}", style="dim") for note in notes]


def _variants(names: Sequence[str]) -> str:
    """Names without their seeds, and how many seeds each has."""
    seeds = Counter(name.partition("/seed-")[0] for name in names)
    return ", ".join(
        f"{plain(name)} ({count} seeds)" if count > 1 else plain(name)
        for name, count in seeds.items()
    )
