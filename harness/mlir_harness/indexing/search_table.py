"""The table of an index beside the exact search: what it finds, what it costs and saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from mlir_harness import tables
from mlir_harness.indexing.search import DEPTH, SearchResult
from mlir_harness.results import CellResult
from mlir_harness.text import plain

_Row = tuple[str, ...]


def headings(measure: str) -> _Row:
    """Above the columns that follow the encoder; lines of one heading are split at "\\n"."""
    return (
        "kind",
        f"recall\n@{DEPTH}",
        f"exact\n{plain(measure)}",
        "differ-\nence",
        "queries\n/s",
        "exact\n/s",
        "build\ns",
        "index\nMB",
        "vectors\nMB",
    )


def rows(result: SearchResult) -> Iterator[_Row]:
    """A row per kind of setting and variant; speed and size, of all of them, in the first."""
    cost = result.cost
    whole: _Row = (
        f"{cost['queries_per_second']:,.0f}",
        f"{cost['exact_queries_per_second']:,.0f}",
        f"{cost['build_seconds']:,.1f}",
        f"{cost['index_bytes'] / 1e6:,.1f}",
        f"{cost['vector_bytes'] / 1e6:,.1f}",
    )
    for group, means in result.summary.items():
        kind, _, variant = group.partition("/")
        difference = f"{means['found'] - means['exact']:+.3f}".replace("-", "−")
        if not float(f"{means['found'] - means['exact']:.3f}"):
            difference = "0.000"
        values = f"{means['recall']:.3f}", f"{means['exact']:.3f}", difference
        yield (f"{tables.SHORT[kind]} {variant}".strip(), *values, *whole)
        whole = ("",) * len(whole)


def groups(cells: Sequence[CellResult]) -> list[tuple[str, list[tuple[CellResult, SearchResult]]]]:
    """A title for each task and search, and the cells that have figures of it."""
    found: dict[str, list[tuple[CellResult, SearchResult]]] = {}
    for cell in cells:
        result = cell.search
        if result is not None and result.summary:
            sample = " · SAMPLE DATA" if cell.sample else ""
            title = f"{plain(cell.task)} · {plain(cell.split)} · {plain(result.search)}{sample}"
            found.setdefault(title, []).append((cell, result))
    return list(found.items())


def summary(cells: Sequence[CellResult]) -> RenderableType:
    """One table per task, a row per encoder and kind of setting; empty without a search."""
    parts: list[RenderableType] = []
    for title, members in groups(cells):
        table = tables.grid("encoder", headings(members[0][1].measure))
        for cell, result in members:
            name = plain(cell.encoder)
            for row in rows(result):
                table.add_row(Text(name), *map(Text, row))
                name = ""
        notes = [Padding(Text(line, style="dim"), (0, 0, 0, 2)) for line in notes_of(members)]
        parts += [Text(title, style="bold"), table, *notes, Text()]
    return Group(*parts[:-1])


def notes_of(members: Sequence[tuple[CellResult, SearchResult]]) -> list[str]:
    """What a reader must know to read the numbers."""
    result = members[0][1]
    cost = result.cost
    lines = [
        f"{plain(result.measure)} and recall are of the first {DEPTH} places; exact: by the exact "
        "search. Means over settings.",
        f"{cost['indexes']:,.0f} indexes, each of a language or a part of one; a pool of several "
        "is searched index by index and merged by score."
        if cost["indexes"] > 1
        else "",
        f"queries/s: a query counts once for each index it is put to; "
        f"{_threads(cost['threads'])} for both searches. Built by one thread.",
        f"{plain(result.engine)}; {cost['documents']:,.0f} documents.",
    ]
    if "IVF" in result.search and "nprobe" not in result.search:
        more = plain(f"{result.search}{',' if '@' in result.search else '@'}nprobe=8")
        lines.append(
            f"One list of IVF is looked into, faiss's default; --search {more} takes more."
        )
    cell = members[0][0]
    if any(s.variant for s in cell.settings) and not any("/" in group for group in result.summary):
        lines.append("Variants are left out: only whole pools are searched through an index.")
    stored = [plain(cell.encoder) for cell, each in members if each.stored]
    if stored:
        lines.append(f"From stored results: {', '.join(stored)}")
    return [line for line in lines if line]


def _threads(number: float) -> str:
    return "one thread" if number == 1 else f"{number:.0f} threads"


def failures(cells: Sequence[CellResult]) -> RenderableType:
    """Searches that gave nothing, why, and what to do."""
    lines: list[Text] = []
    for cell in cells:
        result = cell.search
        if result is not None and result.reason:
            name = plain(f"{cell.encoder} × {cell.task} × {result.search}")
            what = ("search failed: ", "bold")
            lines.append(Text.assemble(what, f"{name}: {plain(result.reason, 600)}"))
            if result.hint:
                lines.append(Text(f"  {plain(result.hint, 600)}"))
    return Group(*lines)
