"""What files hold, as hashes; a file that did not change is not read again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import xxhash

from mlir_trainers.parallel.reading import unreadable

_AT_ONCE = 1 << 20
_SMALL = 1 << 24  # bytes that are hashed again rather than remembered


def content(file: Path, memory: Path) -> dict[str, Any]:
    """Name, size in bytes and XXH3-128 of a file.

    Args:
        file: any.
        memory: folder where hashes of large files are remembered, by path, size and time of
            change; made if it is not there.

    Raises:
        DataError: the file cannot be read.
        OSError: `memory` cannot be written.
    """
    try:
        state = file.stat()
        found = {"name": file.name, "size": state.st_size}
        if state.st_size < _SMALL:
            return found | {"xxh3_128": _hash(file)}
    except OSError as error:
        raise unreadable(file, error) from error
    seen = {"size": state.st_size, "time": state.st_mtime_ns, "inode": state.st_ino}
    note = memory / f"{xxhash.xxh3_64_hexdigest(os.fsencode(file.resolve()))}.json"
    try:
        known = json.loads(note.read_text("utf-8"))
        if known["seen"] == seen:
            return found | {"xxh3_128": str(known["hash"])}
    except (OSError, ValueError, LookupError, TypeError):
        pass  # not there, or not whole: it is made again
    try:
        found["xxh3_128"] = _hash(file)
    except OSError as error:
        raise unreadable(file, error) from error
    memory.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"seen": seen, "hash": found["xxh3_128"]}), encoding="utf-8")
    return found


def _hash(file: Path) -> str:
    digest = xxhash.xxh3_128()
    with file.open("rb") as stream:
        while block := stream.read(_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()
