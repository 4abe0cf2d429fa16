"""How tables say what a model was trained on of the data that it is evaluated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlir_harness.results import CellResult
from mlir_harness.text import plain

_CAVEAT = "of fine-tuning: what pre-training saw is unknown"
_SIDES = ("queries", "documents")


def verdict(cell: CellResult) -> str:
    """ "zero-shot", "contaminated" or "unknown"; "" where it was not looked for."""
    return str(_exposure(cell).get("verdict", ""))


def counts(cell: CellResult) -> dict[str, tuple[int, int]]:
    """ "queries" and "documents" -> how many were trained on, and of how many; empty if unknown."""
    held = _exposure(cell)
    return {side: (held[side]["found"], held[side]["of"]) for side in _SIDES if side in held}


def unseen(cell: CellResult) -> tuple[str, ...]:
    """Languages that are known never to have been trained on."""
    return tuple(map(str, _exposure(cell).get("unseen", ())))


def name(cell: CellResult) -> str:
    """The encoder, with a mark if it was trained on what it is evaluated on."""
    mark = " ‡" if verdict(cell) == "contaminated" else ""
    return f"{plain(cell.encoder)}{mark}"


def language(cell: CellResult, tag: str) -> str:
    """A language, with a word if the encoder was never trained on it."""
    return f"{plain(tag)} (unseen)" if tag in unseen(cell) else plain(tag)


def notes(cells: Sequence[CellResult]) -> list[str]:
    """Lines for encoders on one task: those alike share one."""
    lines = []
    by_verdict = {
        each: [cell for cell in cells if verdict(cell) == each]
        for each in ("contaminated", "zero-shot", "unknown")
    }
    for cell in by_verdict["contaminated"]:
        found = ", ".join(f"{n:,} of {m:,} {side}" for side, (n, m) in counts(cell).items())
        lines.append(f"‡ contaminated: {plain(cell.encoder)} was trained on {found}.")
    clean = by_verdict["zero-shot"]
    untrained = [cell for cell in clean if _exposure(cell).get("untrained")]
    trained = [cell for cell in clean if cell not in untrained]
    for members, why in ((trained, _CAVEAT), (untrained, "trained on nothing")):
        if members:
            lines.append(f"zero-shot ✓: {_names(members)} ({why})")
    for languages in dict.fromkeys(filter(None, map(unseen, cells))):
        alike = [cell for cell in cells if unseen(cell) == languages]
        lines.append(f"never trained on {', '.join(map(plain, languages))}: {_names(alike)}")
    if by_verdict["unknown"]:
        lines.append(f"unknown whether trained on this data: {_names(by_verdict['unknown'])}")
    return lines


def columns(cell: CellResult, languages: Sequence[str]) -> dict[str, Any]:
    """For a row of one setting: the verdict, counts of the whole cell, its unseen languages."""
    found = counts(cell)
    return {
        "exposure": verdict(cell),
        **{f"contaminated_{side}": found[side][0] if side in found else None for side in _SIDES},
        "unseen": " ".join(each for each in dict.fromkeys(languages) if each in unseen(cell)),
    }


def _names(cells: Sequence[CellResult]) -> str:
    return ", ".join(plain(cell.encoder) for cell in cells)


def _exposure(cell: CellResult) -> Mapping[str, Any]:
    held = cell.details.get("exposure", {})
    return held if isinstance(held, Mapping) else {}
