"""What the doctor found, for people: a table of plugins, what is wrong, and the machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlir_harness.doctor.diagnosis import Diagnosis, State
from mlir_harness.entry_points import Flaw
from mlir_harness.registry import EVALUATED, Kind
from mlir_harness.text import plain

_STYLES = {
    State.READY: "green",
    State.FAILING: "red",
    State.UNAVAILABLE: "yellow",
    State.BROKEN: "red",
    State.SCHEME: "dim",
    State.UNEXAMINED: "dim",
}
_UNTRIED = (State.SCHEME, State.UNEXAMINED)


def plugins(found: Sequence[Diagnosis]) -> RenderableType:
    """A row for each plugin, encoders first."""
    parts: list[RenderableType] = []
    for kind in EVALUATED:
        some = [each for each in found if each.choice.plugin.kind is kind]
        if some:
            parts += [*([Text()] if parts else []), _table(kind, some)]
    return Group(*parts)


def _table(kind: Kind, found: Sequence[Diagnosis]) -> Table:
    drawn = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0), header_style=""
    )
    drawn.add_column(Text(kind.value), overflow="fold", min_width=12)
    drawn.add_column(Text("from"), overflow="fold", min_width=10)
    drawn.add_column(Text("state"), no_wrap=True)
    drawn.add_column(Text("checks passed"), justify="right", no_wrap=True)
    drawn.add_column(Text("time"), justify="right", no_wrap=True)
    for each in found:
        plugin = each.choice.plugin
        source = f"{plugin.distribution} {plugin.version}".strip() or plugin.value
        drawn.add_row(
            Text(plain(each.choice.label)),
            Text(plain(source)),
            Text(each.state.value, style=_STYLES[each.state]),
            Text(each.score or "–", style="red" if each.state is State.FAILING else ""),
            "–" if each.state in _UNTRIED else f"{each.seconds:.1f} s",
        )
    return drawn


def troubles(found: Sequence[Diagnosis], flaws: Sequence[Flaw]) -> list[Text]:
    """What is wrong, and how to mend it: the first failure of each plugin in full."""
    lines: list[Text] = []
    for each in found:
        name = plain(each.choice.label)
        if each.state in (State.UNAVAILABLE, State.BROKEN):
            lines += _lines(f"{each.state.value}: ", f"{name}: {each.message}", each.hint)
        for first in each.failures[:1]:
            lines += _lines(
                "check failed: ",
                f"{name}, {first.check} ({first.promise}): {first.message}",
                first.hint,
            )
        if each.failures[1:]:
            others = ", ".join(failed.check for failed in each.failures[1:])
            lines.append(Text(f"  Failed too: {others}. --json says why."))
        if each.choice.wanted:
            lines += [
                Text(plain(f"note: {name}, {finding.check}: {note}", 400), style="dim")
                for finding in each.findings
                for note in finding.notes
            ]
    for flaw in flaws:
        named = f"{flaw.name!r} of " if flaw.name else ""
        lines += _lines("passed over: ", f"{named}{flaw.source}: {flaw.why}", flaw.hint)
    return lines


def _lines(what: str, message: str, hint: str) -> Iterable[Text]:
    yield Text.assemble((what, "bold"), plain(message, 600))
    if hint:
        yield Text(f"  {plain(hint, 600)}")


def machine(facts: Mapping[str, str]) -> RenderableType:
    """What this machine has."""
    drawn = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    drawn.add_column(style="dim")
    drawn.add_column(overflow="fold")
    for name, value in facts.items():
        drawn.add_row(Text(name), Text(plain(value, 300)))
    return drawn
