"""A check as the commands that GitHub Actions reads from a log."""

from __future__ import annotations

from mlir_harness.regression import wording
from mlir_harness.regression.checking import Checked
from mlir_harness.regression.verdicts import FAILURES, Verdict

_MOST = 10  # annotations of a kind that GitHub shows of one step


def checked(found: Checked) -> list[str]:
    """An error for each mean that fell, is missing or cannot be compared, and for the result."""
    bad = [row for row in found.rows if row.verdict in FAILURES]
    bad += [row for row in found.rows if row.verdict is Verdict.INCOMPARABLE]
    shown = bad[: _MOST - 1] if len(bad) > _MOST else bad
    lines = [_command("error", f"{row.verdict}", wording.sentence(row)) for row in shown]
    if len(bad) > len(shown):
        more = f"and {len(bad) - len(shown):,} more; {wording.result(found)}"
        lines.append(_command("error", "mlir-harness check", more))
    changed = [f"{key}: {'; '.join(changes)}" for key, changes in found.changes.items()]
    lines += [_command("notice", "another encoder", each) for each in changed[:_MOST]]
    return lines


def _command(kind: str, title: str, message: str) -> str:
    head = _data(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={head}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
