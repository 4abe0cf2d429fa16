"""What a check says to people, whatever it is drawn in."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from mlir_harness.regression.checking import Checked
from mlir_harness.regression.gates import Gate
from mlir_harness.regression.verdicts import FAILURES, ROUNDING, Row, Verdict
from mlir_harness.text import plain

HEADINGS = ("verdict", "encoder", "task", "kind", "measure", "old", "new", "change", "upper", "δ")
TEXTS = 5  # of the headings, those above text; the others are above numbers
_NAMED = 3

_ADVICE = {
    Verdict.MISSING: "Evaluate what is missing; if it is gone for good: {update}",
    Verdict.REGRESSED: "Look for what changed in encoder or packages; if it is meant: {update}",
    Verdict.INCOMPARABLE: "What differs cannot be compared; if it is meant: {update}",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What is said around the rows of a check.

    Attributes:
        result: "FAILED: 2 regressed, 10 same".
        reasons: why rows are missing or incomparable.
        notes: what else a reader must know.
        advice: what to do.
    """

    result: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    advice: tuple[str, ...]


def words(checked: Checked, file: str) -> Words:
    """Everything but the rows.

    Args:
        checked: what came of a check.
        file: where the baseline is, for commands.
    """
    update = f'mlir-harness baseline update {shlex.quote(plain(file, 300))} --reason "…"'
    found = checked.counts()
    return Words(
        result(checked),
        tuple(_reasons(checked.rows)),
        tuple(_notes(checked)),
        tuple(text.format(update=update) for verdict, text in _ADVICE.items() if verdict in found),
    )


def result(checked: Checked) -> str:
    """What came of it, in one line."""
    counts = checked.counts()
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    if any(verdict in counts for verdict in FAILURES):
        return f"FAILED: {told}"
    if Verdict.INCOMPARABLE in counts:
        return f"INCOMPARABLE: {told}"
    return f"PASSED: {told}" if told else "NOTHING TO CHECK"


def kind(row: Row) -> str:
    """The settings that a row is the mean of: "monolingual", "cross-lingual hi"."""
    return plain(f"{row.pair.group} {row.pair.language}".rstrip(), 60)


def cells(row: Row) -> tuple[str, ...]:
    """A row, under the headings."""
    pair = row.pair
    sample = " (sample)" if pair.key.data == "sample" else ""
    return (
        str(row.verdict),
        plain(pair.key.encoder, 60),
        plain(f"{pair.key.task}{sample}", 60),
        kind(row),
        plain(pair.gate.measure, 60),
        value(pair.old, pair.gate),
        value(pair.new, pair.gate),
        points(pair.change),
        "exact" if row.exact else points(row.upper),
        f"{100 * pair.gate.delta:.2f}",
    )


def sentence(row: Row) -> str:
    """A row on its own."""
    pair = row.pair
    what = f"{pair.key}, {kind(row)}, {plain(pair.gate.measure, 60)}"
    if row.reasons:
        return f"{what}: {'; '.join(row.reasons)}"
    shown = f"{value(pair.old, pair.gate)} → {value(pair.new, pair.gate)}"
    told = f"{what}: {shown}, {points(pair.change)} points"
    if row.exact:
        return f"{told}; the encoder is exact, any fall counts"
    if math.isnan(row.upper):
        return told
    return f"{told}, upper end {points(row.upper)}, allowed {100 * pair.gate.delta:.2f}"


def value(mean: float, gate: Gate) -> str:
    """A mean as tables show it."""
    if math.isnan(mean):
        return "–"
    return f"{mean:,.1f}" if gate.low else f"{mean:.3f}"


def points(change: float) -> str:
    """A change with its sign; – where it is not known, or cannot be."""
    if not math.isfinite(change):
        return "–"
    shown = f"{100 * change:+.2f}"
    if shown in ("+0.00", "-0.00"):  # what moved never looks as if it had not
        return f"{100 * change:+.1g}" if abs(change) > ROUNDING else "0.00"
    return shown


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Each reason once, with what it is about."""
    about: dict[tuple[str, tuple[str, ...]], dict[str, None]] = {}
    for row in rows:
        if row.reasons:
            key = f"{row.verdict}: {row.pair.key}", row.reasons
            about.setdefault(key, {})[kind(row)] = None
    return [f"{what}, {', '.join(kinds)}: {'; '.join(why)}" for (what, why), kinds in about.items()]


def _notes(checked: Checked) -> list[str]:
    notes = [f"{name} is another: {what}" for name, what in _changed(checked)]
    notes += [f"new: {each}" for each in checked.beyond]
    notes += [f"could not be evaluated: {each}" for each in checked.failed]
    exact = dict.fromkeys(plain(row.pair.key.encoder) for row in checked.rows if row.exact)
    if exact:
        notes.append(f"exact, so that any fall counts without a test: {', '.join(exact)}")
    tested = [row for row in checked.rows if not math.isnan(row.upper)]
    untold = [row for row in tested if row.untold]
    if untold:
        fewest = min(len(row.pair.contributions) for row in untold)
        notes.append(
            f"{len(untold)} of {len(tested)} tests can find nothing: {fewest} clusters of queries "
            "are too few to tell any drop from chance"
        )
    if any(math.isfinite(row.pair.change) for row in checked.rows):
        notes.append(_legend(checked.rows, len(tested)))
    return notes


def _changed(checked: Checked) -> list[tuple[str, str]]:
    """Encoders that are not what they were; what is so in all tasks is told once."""
    by_encoder: dict[tuple[str, str], list[str]] = {}
    for key, changes in checked.changes.items():
        by_encoder.setdefault((plain(key.encoder), "; ".join(changes)), []).append(str(key))
    names = [name for name, _ in by_encoder]
    return [
        (name if names.count(name) == 1 else ", ".join(keys[:_NAMED]), what)
        for (name, what), keys in by_encoder.items()
    ]


def _legend(rows: Sequence[Row], tested: int) -> str:
    ranks = any(row.pair.gate.low for row in rows)
    of_ranks = "; of rank_distance in % of the largest pool" if ranks else ""
    told = f"change: new − old in points, more is better{of_ranks}."
    if tested:
        told += (
            f" upper: end of its one-sided 95 % interval, adjusted for {tested:,} tests. "
            "regressed: that end is below 0, and the drop is more than δ."
        )
    return told
