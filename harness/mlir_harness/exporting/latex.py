"""The summary as LaTeX tables, as papers print them; needs booktabs and amssymb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from mlir_harness import exposures, tables
from mlir_harness.results import CellResult
from mlir_harness.scoring import COMMON
from mlir_harness.tables import SHORT, Column
from mlir_harness.text import folder_names, plain

if TYPE_CHECKING:
    from mlir_harness.comparing.marks import Marks

HEAD = "% Written by mlir-harness: needs \\usepackage{booktabs,amssymb}."
_ONE_COLUMN = 8  # columns of scores; more of them take the width of the page
_STYLES = {1: "\\textbf{%s}", 2: "\\underline{%s}"}
_SPECIAL = {
    **{character: f"\\{character}" for character in "{}$&#_%"},
    **{character: f"{{{character}}}" for character in "[]*`"},  # \\[ and \\* break lines
    "\\": "\\textbackslash{}",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    "\u200c": "{}",  # joiners have no glyph of their own
    "\u200d": "{}",
    "\ufffd": "?",
    "†": "$^{\\dagger}$",
    "‡": "$^{\\ddagger}$",
    "▲": "$\\blacktriangle$",
    "▼": "$\\blacktriangledown$",
    "→": "$\\rightarrow$",
    "±": "$\\pm$",
    "≤": "$\\leq$",
    "≥": "$\\geq$",
    "×": "$\\times$",
    "·": "$\\cdot$",
    "✓": "$\\checkmark$",
    "–": "{--}",
    "…": "\\ldots{}",
}
_LIGATURES = ("--", "''", ",,")
_MARKS = {"▲": "\\blacktriangle", "▼": "\\blacktriangledown", "†": "\\dagger"}


def as_latex(cells: Sequence[CellResult], marks: Marks | None = None) -> str:
    """A table per task, and one per kind of settings that has variants; "" without scores.

    Args:
        cells: those with scores are shown.
        marks: what stands at values that were compared with a baseline's.
    """
    parts = []
    found = tables.by_task(cells)
    labels = folder_names([f"{task}-{split}" for task, split, _ in found])
    for task, split, members in found:
        label = f"tab:{labels[f'{task}-{split}']}"
        # The file is the same whether scores were computed now or read.
        told = tables.notes([replace(cell, stored=False) for cell in members], marks)
        parts.append("".join(f"% {line}\n" for line in told))
        # Grouped by kind; within one, in the order of the table on the screen.
        chosen = [c for kind in SHORT for c in tables.columns(members) if _kind(c) == kind]
        title = f"{task} ({split}), means over settings"
        if chosen:
            parts.append(_table(members, chosen, title, label, marks))
        for kind in SHORT:
            for varied in tables.variants(members, kind):
                measure = varied[0].measure
                own = next(iter(folder_names([f"{kind}-{measure}"]).values()))
                title = f"{task} ({split}), {kind}, {measure} by variant"
                parts.append(_table(members, varied, title, f"{label}:{own}", marks))
    return "\n".join([f"{HEAD}\n", *parts]) if parts else ""


def escape(text: str) -> str:
    """`text` as LaTeX typesets it, on one line, whatever is in it."""
    shown = plain(text, 400)
    for pair in _LIGATURES:
        shown = shown.replace(pair, "\u200d".join(pair)).replace(pair, "\u200d".join(pair))
    return "".join(_SPECIAL.get(character, character) for character in shown)


def _table(
    cells: Sequence[CellResult],
    chosen: Sequence[Column],
    title: str,
    label: str,
    marks: Marks | None,
) -> str:
    marked = any(column.mark(cell, marks) for cell in cells for column in chosen)
    legend = marks.note(cells[0]) if marks and marked else ""
    wide = "table*" if len(chosen) > _ONE_COLUMN else "table"
    lines = [
        f"\\begin{{{wide}}}[t]",
        "\\centering\\small\\setlength{\\tabcolsep}{4pt}",
        f"\\caption{{{_caption(cells, chosen, title, legend)}}}",
        f"\\label{{{label}}}",
        f"\\begin{{tabular}}{{l{'r' * len(chosen)}}}",
        "\\toprule",
        *_heading(chosen),
        "\\midrule",
        *_rows(cells, chosen, marks),
        "\\bottomrule",
        "\\end{tabular}",
        f"\\end{{{wide}}}",
    ]
    return "".join(f"{line}\n" for line in lines)


def _caption(cells: Sequence[CellResult], chosen: Sequence[Column], title: str, legend: str) -> str:
    told = [f"{escape(title)}."]
    if cells[0].sample:
        told.append("\\textbf{Sample data, not comparable with published figures.}")
    if any(map(bool, (tables.places(column, cells) for column in chosen))):
        told.append("Best in bold, second underlined.")
    if any(column.deviation(cell) for column in chosen for cell in cells):
        told.append("$\\pm$: standard deviation over seeds.")
    lines = tables.notes(cells)
    if any(column.measure.endswith(COMMON) for column in chosen):
        told += [f"{escape(line)}." for line in lines if line.startswith("common:")]
    told += [escape(line) for line in lines if line.startswith("‡")]
    return " ".join([*told, escape(legend)]).strip()


def _heading(chosen: Sequence[Column]) -> list[str]:
    """Kinds of settings above, with a rule below each; measures or variants beneath."""
    groups, rules, start = [], [], 2
    for kind, members in groupby(chosen, _kind):
        count = len(list(members))
        groups.append(f"\\multicolumn{{{count}}}{{c}}{{{SHORT[kind]}}}")
        rules.append(f"\\cmidrule(lr){{{start}-{start + count - 1}}}")
        start += count
    names = [
        escape(column.heading.removeprefix(f"{SHORT[_kind(column)]} "))
        + (" $\\downarrow$" if column.low else "")
        for column in chosen
    ]
    return [_row(["", *groups]), " ".join(rules), _row(["encoder", *names])]


def _rows(cells: Sequence[CellResult], chosen: Sequence[Column], marks: Marks | None) -> list[str]:
    ranked = [tables.places(column, cells) for column in chosen]
    rows = []
    for cell in cells:
        values = [escape(exposures.name(cell).replace(" ‡", "‡"))]
        for column, places in zip(chosen, ranked, strict=True):
            style = _STYLES.get(places.get(cell.encoder, 0), "%s")
            shown = style % column.show(column.value(cell)).replace("–", "--")
            raised = "".join(_MARKS.get(sign, "") for sign in column.mark(cell, marks))
            deviation = column.deviation(cell).strip()
            values.append(
                shown
                + (f"$^{{{raised}}}$" if raised else "")
                + (f"\\,{{\\scriptsize {escape(deviation)}}}" if deviation else "")
            )
        rows.append(_row(values))
    return rows


def _row(values: Sequence[str]) -> str:
    return f"{' & '.join(values)} \\\\"


def _kind(column: Column) -> str:
    """The kind of settings, without the variant."""
    return column.kind.partition("/")[0]
