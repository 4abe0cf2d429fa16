"""A single file of an export: what it may replace, and how it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from mlir_harness import files
from mlir_harness.errors import UsageError
from mlir_harness.text import plain, utf8

Form: TypeAlias = Literal["csv", "latex", "markdown"]

# What an export begins with; by that it is known again.
BEGINNINGS: dict[Form, str] = {
    "csv": "encoder,task,split,data,status,reason",
    "latex": "% Written by mlir-harness",
    "markdown": "<!-- Written by mlir-harness",
}
_HINT = "Free some space, or name another file with -o."


def check(path: Path, form: Form, *, force: bool) -> None:
    """See that an export of this form may be written to `path`.

    Raises:
        UsageError: it is a folder, cannot be read, or is something else, which only `force`
            replaces.
    """
    start = read(path)[: len(BEGINNINGS[form])]
    if not force and start not in (b"", BEGINNINGS[form].encode()):
        raise UsageError(
            f"{plain(str(path))} is there, and is no earlier export to {form}",
            "Name another file with -o, or replace it with --force.",
        )


def read(path: Path) -> bytes:
    """What is in the file; nothing if there is none.

    Raises:
        UsageError: it is a folder or a device, or cannot be read.
    """
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no file that could be replaced"
        raise UsageError(
            f"{plain(str(path))} is {what}", "Name a file with -o, or print with -o -."
        )
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(
            f"cannot read {plain(str(path))}: {error.strerror or error}", "Name another with -o."
        ) from error


def write(path: Path, text: str) -> None:
    """Write the file, whole or not at all; a link to one stays a link.

    Raises:
        StoreError: it cannot be written.
    """
    with files.writing("the export", path, _HINT):
        files.replace_file(path.resolve(), utf8(text).encode())
