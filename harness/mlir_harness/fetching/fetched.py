"""The record of what was fetched, and with what content: fetched.json beside the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlir_harness import files
from mlir_harness.errors import DataError
from mlir_harness.text import plain

SCHEMA = 1
NAME = "fetched.json"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds.

    Attributes:
        bytes: how many.
        sha256: of them, in hexadecimal digits.
    """

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """A download that was carried out.

    Attributes:
        url: as the plugin gave it.
        revision: the commit or tag that the address names; "" if it names none.
        date: UTC, ISO 8601.
        bytes, sha256: of the file as it came; an archive is not kept.
        files: path below the folder -> what lies there.
        members: of an archive, path -> the member it was.
    """

    url: str
    revision: str
    date: str
    bytes: int
    sha256: str
    files: Mapping[str, Content]
    members: Mapping[str, str] = field(default_factory=dict)


Record = Mapping[str, Fetched]  # by url


def read(folder: Path) -> dict[str, Fetched]:
    """The record in `folder`; empty if there is none.

    Raises:
        DataError: it is damaged, or of a later version.
    """
    path = folder / NAME
    try:
        held = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", _HINT) from error
    schema = held.get("schema") if isinstance(held, dict) else None
    if schema != SCHEMA:
        raise DataError(
            f"{path} has schema {plain(str(schema))}, not {SCHEMA}",
            "It was written by another version of mlir-harness: use that one. " + _HINT,
        )
    try:
        return {one.url: one for one in map(_entry, held["downloads"])}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error!r}", _HINT) from error


_HINT = "Delete it to fetch the files again; they are not touched before."


def _entry(held: Mapping[str, Any]) -> Fetched:
    contents = {
        str(file["path"]): Content(int(file["bytes"]), str(file["sha256"]))
        for file in held["files"]
    }
    members = {str(f["path"]): str(f["member"]) for f in held["files"] if "member" in f}
    return Fetched(
        str(held["url"]),
        str(held["revision"]),
        str(held["date"]),
        int(held["bytes"]),
        str(held["sha256"]),
        contents,
        members,
    )


def write(folder: Path, record: Record, kind: str, name: str, licence: str) -> None:
    """Replace the record in `folder`, whole or not at all; the caller holds the folder's lock.

    Args:
        folder: where the files are.
        record: of all of them.
        kind: "task" or "encoder"; `name` is its name.
        licence: of the files.
    """
    downloads = []
    for one in record.values():
        entry = asdict(one)
        del entry["members"]
        entry["files"] = [
            {"path": path}
            | ({"member": one.members[path]} if path in one.members else {})
            | asdict(content)
            for path, content in one.files.items()
        ]
        downloads.append(entry)
    held = {"schema": SCHEMA, kind: name, "licence": licence, "downloads": downloads}
    content = json.dumps(held, indent=1, ensure_ascii=False).encode("utf-8", "replace")
    files.replace_file(folder / NAME, content + b"\n")


def content(path: Path, progress: Callable[[int], None] = lambda _: None) -> Content:
    """Size and SHA-256 of a file; `progress` is called with the bytes read since the last call."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            progress(len(chunk))
    return Content(size, digest.hexdigest())
