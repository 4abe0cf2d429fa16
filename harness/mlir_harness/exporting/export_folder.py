"""The folder of an export: whole files, and an index that says which of them belong to it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mlir_harness import files
from mlir_harness.errors import UsageError
from mlir_harness.results import finite
from mlir_harness.text import plain

INDEX = "index.json"
SCHEMA = 1
_LOCK = ".lock"
_HINT = "Free some space, or name another folder with -o."


@dataclass
class Folder:
    """An export under way.

    Attributes:
        root: the folder.
        layout: what its files are for.
        known: files that this export may write, and those of the one before.
        kept: files that belong to it, relative to the root, with forward slashes.
    """

    root: Path
    layout: str
    known: frozenset[str]
    kept: set[str] = field(default_factory=set)

    def write(self, name: str, lines: Iterable[str]) -> int:
        """Write a file line by line, whole or not at all; returns the number of lines."""
        count = 0
        with (
            self._whole(name) as unfinished,
            unfinished.open("w", encoding="utf-8", newline="") as file,
        ):
            for line in lines:
                file.write(line)
                count += 1
        return count

    def share(self, name: str, other: str) -> None:
        """Make `name` the same file as `other`, or a copy of it where files cannot be shared."""
        with self._whole(name) as unfinished:
            try:
                os.link(self.root / other, unfinished)
            except OSError:
                shutil.copyfile(self.root / other, unfinished)

    @contextmanager
    def _whole(self, name: str) -> Iterator[Path]:
        """A path that takes the place of `name` once it is written."""
        path = self.root / name
        unfinished = files.temporary(path)
        try:
            with files.writing("the export", path, _HINT):
                path.parent.mkdir(parents=True, exist_ok=True)
                yield unfinished
                unfinished.replace(path)
            self.kept.add(name)
        finally:
            with suppress(OSError):  # also after replacing a file by itself, which does nothing
                unfinished.unlink(missing_ok=True)

    def finish(self, content: Mapping[str, Any]) -> None:
        """Delete what belongs to the export no longer, and say in the index that it is whole."""
        for name in sorted(self.known - self.kept):
            _delete(self.root, name)
        with files.writing("the export", self.root, _HINT):
            _write_index(self.root, self.layout, self.kept, True, content)


def check(root: Path, layout: str, *, force: bool) -> None:
    """See that an export of this layout may be written to `root`.

    Raises:
        UsageError: something else is there, and it is not to be written into by `force`.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"{plain(str(root))} is a file", "Name a folder with -o.")
    if force or not root.is_dir() or all(path.name == _LOCK for path in root.iterdir()):
        return
    index = _read_index(root)
    if index is None:
        raise UsageError(
            f"{plain(str(root))} is not empty and holds no earlier export",
            "Name another folder with -o, or write into this one with --force.",
        )
    if index["layout"] != layout:
        raise UsageError(
            f"{plain(str(root))} holds an export to {plain(index['layout'])}",
            "Name another folder with -o, or replace it with --force.",
        )


@contextmanager
def opened(root: Path, layout: str, planned: Sequence[str], *, force: bool) -> Iterator[Folder]:
    """The folder, locked, for an export that takes the place of an earlier one.

    Args:
        root: made if it is not there.
        layout: what the files are for.
        planned: every file that may be written, relative to `root`.
        force: see `check`.

    Raises:
        UsageError: see `check`.
        StoreError: the folder cannot be written to.
    """
    check(root, layout, force=force)
    with files.locked("the export", root / _LOCK, _HINT):
        check(root, layout, force=force)
        index = _read_index(root)
        known = frozenset([*planned, *(index["files"] if index else ())])
        for place in {(root / name).parent for name in known}:
            files.sweep(place)
        with files.writing("the export", root, _HINT):
            # Should this export be broken off, the next one knows what may be left of it.
            _write_index(root, layout, known, False, {})
        yield Folder(root, layout, known)


def _write_index(
    root: Path, layout: str, names: Iterable[str], complete: bool, content: Mapping[str, Any]
) -> None:
    head = {"schema": SCHEMA, "harness": "mlir-harness", "layout": layout, "complete": complete}
    index = finite({**head, **content, "files": sorted(names)})
    text = json.dumps(index, indent=1, ensure_ascii=False, allow_nan=False)
    files.replace_file(root / INDEX, f"{text}\n".encode("utf-8", "replace"))


def _read_index(root: Path) -> dict[str, Any] | None:
    """The index of an earlier export, or None if there is none that this version knows."""
    try:
        index: Any = json.loads((root / INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    known = (
        isinstance(index, dict)
        and (index.get("schema"), index.get("harness")) == (SCHEMA, "mlir-harness")
        and isinstance(index.get("layout"), str)
        and isinstance(index.get("files"), list)
        and all(isinstance(name, str) and _inside(root, name) for name in index["files"])
    )
    return dict(index) if known else None


def _inside(root: Path, name: str) -> bool:
    """Whether `name` is a file below `root`: an index is a file that anyone may have edited."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        return False
    return (root / path).parent.resolve().is_relative_to(root.resolve())


def _delete(root: Path, name: str) -> None:
    """Delete a file of an export, and the folders that are empty without it."""
    path = root / name
    with suppress(OSError):
        path.unlink()
    for folder in path.parents:
        if folder == root:
            break
        try:
            folder.rmdir()
        except OSError:
            break
