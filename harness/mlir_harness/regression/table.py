"""A check, and a baseline, as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlir_harness.regression import wording
from mlir_harness.regression.baseline import Baseline
from mlir_harness.regression.checking import Checked
from mlir_harness.regression.verdicts import FAILURES, Verdict
from mlir_harness.tables import SHORT
from mlir_harness.text import plain

_STYLES = {Verdict.BETTER: "green", Verdict.INCOMPARABLE: "yellow"} | dict.fromkeys(FAILURES, "red")


def checked(found: Checked, file: str, *, advice: bool = True) -> RenderableType:
    """A row per mean, worst first; what is to be known, and to be done, below."""
    told = wording.words(found, file)
    drawn = _grid(wording.HEADINGS, wording.TEXTS)
    for row in found.rows:
        verdict, *rest = wording.cells(row)
        drawn.add_row(Text(verdict, style=_STYLES.get(row.verdict, "")), *map(Text, rest))
    return Group(
        drawn,
        *_lines(told.reasons),
        *_lines(told.notes, "dim"),
        *([Text(told.result, style="bold"), *_lines(told.advice)] if advice else []),
    )


def baseline(held: Baseline, file: str) -> RenderableType:
    """What a baseline holds: means, what they are held to, where they were made, its history."""
    drawn = _grid(("encoder", "task", "measure", *SHORT.values(), "settings", "values", "δ"), 3)
    for cell in held.cells:
        for name in cell.queries.values:
            gate = held.gates[name]
            sample = " (sample)" if cell.key.data == "sample" else ""
            means = [cell.summary.get(group, {}).get(name, float("nan")) for group in SHORT]
            drawn.add_row(
                Text(plain(cell.key.encoder, 60)),
                Text(plain(f"{cell.key.task}{sample}", 60)),
                Text(plain(name, 60)),
                *(wording.value(mean, gate) for mean in means),
                f"{len(cell.settings):,}",
                f"{len(cell.queries):,}",
                f"{100 * gate.delta:.2f}",
            )
    environments = dict.fromkeys(_environment(cell.environment) for cell in held.cells)
    exact = dict.fromkeys(plain(cell.key.encoder) for cell in held.cells if cell.exact)
    notes = [f"made with {each}" for each in environments if each]
    if exact:
        notes.append(f"exact, so that any fall counts without a test: {', '.join(exact)}")
    history = []
    for entry in held.history:
        history.append(f"{entry.date}, {entry.harness}: {entry.reason}")
        history += [f"  {change}" for change in entry.changes]
    return Group(
        Text(plain(file, 300), style="bold"),
        drawn,
        *_lines([plain(note, 400) for note in notes], "dim"),
        Text("history", style="bold"),
        *_lines([plain(line, 400) for line in history]),
    )


def _environment(held: object) -> str:
    if not isinstance(held, dict):
        return ""
    return ", ".join(f"{name} {value}" for name, value in held.items())


def _grid(headings: Sequence[str], texts: int) -> Table:
    drawn = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style=""
    )
    for place, heading in enumerate(headings):
        if place < texts:
            drawn.add_column(Text(heading), overflow="fold")
        else:
            drawn.add_column(Text(heading), justify="right", no_wrap=True)
    return drawn


def _lines(lines: Sequence[str], style: str = "") -> list[RenderableType]:
    return [Padding(Text(line, style=style), (0, 0, 0, 2)) for line in lines]
