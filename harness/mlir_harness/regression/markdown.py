"""A check as Markdown, as a job summary or a comment shows it."""

from __future__ import annotations

from mlir_harness.regression import wording
from mlir_harness.regression.checking import Checked
from mlir_harness.regression.verdicts import FAILURES, Verdict
from mlir_harness.text import markdown as escaped

_MOST = 400  # rows; GitHub shows no summary beyond 1 MiB
_MARKS = dict.fromkeys(FAILURES, "❌") | {Verdict.INCOMPARABLE: "⚠️", Verdict.BETTER: "🟢"}


def checked(found: Checked, file: str) -> str:
    """Result, rows worst first, reasons, notes and what to do."""
    told = wording.words(found, file)
    lines = [f"### {escaped(told.result)}", ""]
    lines += [
        "| " + " | ".join(wording.HEADINGS) + " |",
        "|" + ":--|" * wording.TEXTS + "--:|" * (len(wording.HEADINGS) - wording.TEXTS),
    ]
    for row in found.rows[:_MOST]:
        verdict, *rest = wording.cells(row)
        shown = f"{_MARKS.get(row.verdict, '')} {verdict}".strip()
        if row.verdict in FAILURES:
            shown = f"{_MARKS[row.verdict]} **{verdict}**"
        lines.append("| " + " | ".join([shown, *map(escaped, rest)]) + " |")
    if len(found.rows) > _MOST:
        lines += ["", f"and {len(found.rows) - _MOST:,} more, none worse."]
    for group in (told.reasons, told.notes, told.advice):
        lines += ["", *(f"- {escaped(line, 600)}" for line in group)] if group else []
    return "\n".join(lines) + "\n"
