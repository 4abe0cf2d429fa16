"""What is stored, as manifests tell it: scores and failures, without the files beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlir_harness import results
from mlir_harness.errors import StoreError
from mlir_harness.results import CellResult
from mlir_harness.text import plain, slug

_PARTS = ("fingerprints", "details", "summary", "deviations")
_WORDS = ("encoder", "task", "split", "status", "main_measure")


@dataclass(frozen=True, slots=True)
class Told:
    """What one manifest tells.

    Attributes:
        path: the manifest, or the last-error.json of a failure.
        written: when, in nanoseconds since 1970.
        cell: without its settings; None if it cannot be read.
        why: it cannot.
    """

    path: Path
    written: int
    cell: CellResult | None = None
    why: str = ""


def told(root: Path, task: str | None = None) -> Iterator[Told]:
    """What every manifest in a folder of results tells, newest first.

    Args:
        root: the folder; need not exist.
        task: None for all.
    """
    home = "*" if task is None else slug(task)
    manifests = root.glob(f"{home}/*/*/manifest.json")
    failures = root.glob(f"{home}/*/{results.LAST_ERROR}")
    for written, path in results.dated([*manifests, *failures]):
        try:
            yield Told(path, written, _cell(path))
        except StoreError as error:
            yield Told(path, written, why=error.message)


def scored(root: Path, task: str) -> Iterator[CellResult]:
    """All scored cells of a task, newest first; what cannot be read is passed over."""
    for each in told(root, task):
        if each.cell is not None and each.cell.status == "ok":
            yield each.cell


def _cell(path: Path) -> CellResult:
    """The cell of a manifest that anyone may have edited.

    Raises:
        StoreError: it is not one.
    """
    manifest = results.read_manifest(path)
    try:
        if manifest is not None and _whole(manifest):
            return results.known(manifest, path.parent)
    except (TypeError, ValueError, AttributeError):  # groups that are no groups
        pass
    raise StoreError(f"{plain(str(path), 400)} is not the manifest of a result")


def _whole(manifest: dict[str, Any]) -> bool:
    """Whether it has all parts, of the right types; scores are numbers or null."""
    parts = [manifest.get(name) for name in _PARTS]
    if not all(isinstance(part, dict) for part in parts):
        return False
    scores = [
        value
        for name in ("summary", "deviations")
        for means in manifest[name].values()
        for value in means.values()
    ]
    return (
        all(isinstance(manifest.get(name), str) for name in _WORDS)
        and isinstance(manifest.get("reason"), str | None)
        and all(isinstance(value, str) for value in manifest["fingerprints"].values())
        and all(isinstance(value, int | float | None) for value in scores)
    )
