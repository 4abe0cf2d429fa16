"""What did not work, why and what to do: each thing once, and alike things together."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from mlir_harness.results import CellResult
from mlir_harness.text import plain

_WIDTH = 80  # of lists of names
_NAME = "NAME"  # stands for each name of such a list
_FETCH = f"mlir-harness fetch {_NAME}"  # takes several names


def failures(cells: Sequence[CellResult]) -> RenderableType:
    """What went wrong with cells and what to do.

    Each message is told once, with all that it is about. Messages that differ in nothing but the
    name of what they are about count as one.
    """
    troubled = [cell for cell in cells if cell.reason]
    alike = _grouped(troubled, lambda cell: _message(cell, _NAME))
    return Group(*(line for members in alike.values() for line in _told(members)))


def _told(members: Sequence[CellResult]) -> list[Text]:
    """The lines about cells whose messages are alike."""
    names = _names(members)
    status, reason, hint = _message(members[0])
    if any(_message(cell) != (status, reason, hint) for cell in members):
        status, reason, hint = _message(members[0], _NAME)
        hint = re.sub(f"^{_FETCH}", lambda _: f"mlir-harness fetch {' '.join(names)}", hint)
    for name in (*names, _NAME):  # is said already
        reason = reason.removeprefix(f"{name}: ")
    what = "not stored:" if status == "ok" else f"{status}:"
    said = f"{what} {', '.join(names)}: {reason}"
    first, *more = _folded(said) if status == "unavailable" and len(names) > 1 else [said]
    lines = [Text.assemble((what, "bold"), first[len(what) :]), *map(Text, more)]
    if hint:
        lines.append(Text(f"  {hint}"))  # whole, so that commands can be copied
    return lines


def _grouped(
    cells: Sequence[CellResult], key: Callable[[CellResult], tuple[str, str, str]]
) -> dict[tuple[str, str, str], list[CellResult]]:
    groups: dict[tuple[str, str, str], list[CellResult]] = {}
    for cell in cells:
        groups.setdefault(key(cell), []).append(cell)
    return groups


def _message(cell: CellResult, name: str = "") -> tuple[str, str, str]:
    """Status, reason and hint of a cell; with `name` for that of the encoder or task at fault."""
    reason, hint = (plain(each or "", 600) for each in (cell.reason, cell.hint))
    at_fault = _at_fault(cell)
    if name and cell.status == "unavailable" and at_fault:
        own = re.compile(rf"(?<![\w-]){re.escape(plain(at_fault))}(?![\w-])")
        reason, hint = own.sub(name, reason), own.sub(name, hint)
    return cell.status, reason, hint


def _at_fault(cell: CellResult) -> str:
    """The encoder or task without which a cell could not even begin; "" if it did."""
    return {"encoder": cell.encoder, "task": cell.task}.get(cell.details.get("fault", ""), "")


def _names(members: Sequence[CellResult]) -> list[str]:
    whole = (
        _at_fault(cell) or " × ".join(filter(None, (cell.encoder, cell.task))) for cell in members
    )
    return list(dict.fromkeys(map(plain, whole)))


def _folded(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
