"""The verdicts, the samplers' means and the paper's own figures, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlir_harness.text import plain
from mlir_trainers.reproduce import published, shown
from mlir_trainers.reproduce.claims import CLAIMS, PAPER_NAMES, Verdict
from mlir_trainers.reproduce.outcome import KINDS, Failure, Outcome, TaskOutcome

_STYLES = {Verdict.SUPPORTED: "green", Verdict.NOT_SUPPORTED: "red"}
SHORT = {"monolingual": "Mo.", "cross-lingual": "Cr.", "multilingual": "Mul."}


def render(outcome: Outcome) -> RenderableType:
    """Everything, task by task, then the paper's own figures."""
    parts: list[RenderableType] = []
    for task in outcome.tasks:
        parts += [_title(shown.title(outcome, task)), _verdicts(task)]
        parts += map(_note, shown.notes(outcome, task))
        parts += [Text(), _means(task), Text()]
    if parts:
        parts.append(_title("The paper's own figures, by point estimates"))
        parts += [_published(), _note(f"{shown.LEGEND}. {published.source()}.")]
    return Group(*parts)


def failed(failures: Sequence[Failure]) -> RenderableType:
    """Cells without scores, and what to do."""
    lines: list[RenderableType] = []
    for each in failures:
        lines.append(Text(plain(f"{each.encoder} × {each.task}: {each.reason}", 600)))
        if each.hint:
            lines.append(Text(f"  {plain(each.hint, 600)}"))
    return Group(*lines)


def grid(first: str, headings: Sequence[str]) -> Table:
    """Words on the left, which are folded where room is short, and numbers, which never are."""
    drawn = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style=""
    )
    lines = max(heading.count("\n") for heading in headings)
    drawn.add_column(Text("\n" * lines + first), overflow="fold", min_width=8)
    for heading in headings:
        width = max(map(len, heading.split("\n")))
        above = "\n" * (lines - heading.count("\n"))
        drawn.add_column(Text(above + heading), justify="right", no_wrap=True, min_width=width)
    return drawn


def _note(words: str) -> RenderableType:
    return Padding(Text(plain(words, 600), style="dim"), (0, 0, 0, 2), expand=False)


def _title(words: str) -> Text:
    return Text(plain(words), style="bold")


def _verdicts(task: TaskOutcome) -> RenderableType:
    headings = ["ours", "verdict", *(["published"] if task.beside else [])]
    drawn = grid("claim, and what must hold", headings)
    for finding in task.findings:
        claim = Text(shown.sentence(finding))
        claim.append(f"\n  {shown.need(finding, plain(task.measure))}", style="dim")
        ours = "\n".join(filter(None, (shown.value(finding), shown.interval(finding))))
        verdict = Text(finding.verdict.value, style=_STYLES.get(finding.verdict, ""))
        row = [claim, Text(ours or "–"), verdict]
        if task.beside:
            row.append(Text("\n".join(shown.beside(finding, task.beside)) or "–"))
        drawn.add_row(*row)
    return drawn


def _means(task: TaskOutcome) -> RenderableType:
    measure = plain(task.measure)
    kinds = [kind for kind in KINDS if any(kind in each.by_kind for each in task.means)]
    ranks = any(each.rank_distance for each in task.means)
    headings = [f"{SHORT[kind]}\n{measure}" for kind in kinds]
    drawn = grid("batches", headings + (["rank\ndistance"] if ranks else []))
    for each in task.means:
        name = PAPER_NAMES.get(each.name, f"{each.name} (not trained by us)")
        row = [Text(plain(name))]
        row += [Text(shown.mean(each.by_kind.get(kind, ()), 3)) for kind in kinds]
        if ranks:
            row.append(Text(shown.mean(each.rank_distance, 0)))
        drawn.add_row(*row)
    return drawn


def _published() -> RenderableType:
    held = published.everything()
    drawn = grid("claim", [f"{shown.TITLES[each.task]}\n{each.title}" for each in held])
    for claim in CLAIMS:
        row = [Text(claim.sentence)]
        for each in held:
            finding = each.finding(claim.id)
            known = finding is not None and finding.difference is not None
            if finding is None or not known:
                row.append(Text(shown.SIGNS[Verdict.UNTESTABLE]))
                continue
            sign = shown.SIGNS[finding.verdict]
            row.append(Text(f"{shown.value(finding)} {sign}", _STYLES.get(finding.verdict, "")))
        drawn.add_row(*row)
    return drawn
