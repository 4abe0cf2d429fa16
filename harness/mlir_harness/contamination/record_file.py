"""The file `training-texts.safetensors`: sorted hashes in safetensors' format, checked on reading.

Metadata: `schema`; `languages`, JSON, texts of each; `digest`, of all the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from mlir_harness import files
from mlir_harness.contamination.prints import HashArray
from mlir_harness.errors import RecordError
from mlir_harness.text import plain

NAME = "training-texts.safetensors"
SCHEMA = "1"

_HINT = "Free some space, or name another folder."
_MEND = "Train again, or take the whole folder from where it was trained."
_NEWER = "Upgrade mlir-harness."
_ARRAYS = ("texts", "grams")
_LONGEST = 1 << 24  # bytes of a header
_AT_ONCE = 1 << 20


def write(
    path: Path,
    languages: Mapping[str, int],
    pieces: Mapping[str, Iterable[HashArray]],
    most: Mapping[str, int],
) -> Path:
    """Write a record, whole or not at all; nothing is held but a piece.

    Args:
        path: the file.
        languages: texts of each.
        pieces: `texts` and `grams` -> ascending, also from piece to piece.
        most: how many hashes each may have.

    Raises:
        StoreError: the disk is full, the folder read-only ...
    """
    room = len(_header(languages, most, "0" * 32))
    counts = dict.fromkeys(_ARRAYS, 0)
    state = _state(languages)
    unfinished = files.temporary(path)
    with files.writing("the record of training texts", path, _HINT):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("wb") as file:
                file.write(bytes(8 + room))
                for name in _ARRAYS:
                    for piece in pieces[name]:
                        content = piece.astype("<u8", copy=False).tobytes()
                        file.write(content)
                        state.update(content)
                        counts[name] += len(piece)
                header = _header(languages, counts, _digest(state, counts)).ljust(room)
                file.seek(0)
                file.write(len(header).to_bytes(8, "little") + header)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def describe(path: Path) -> str:
    """What tells this file from another without reading all of it.

    Raises:
        RecordError: it is no record of this schema.
    """
    with _reading(path):
        status = path.stat()
    header, _ = _read_header(path)
    return f"{header['__metadata__']['digest']}:{status.st_size}:{status.st_mtime_ns}"


def read(path: Path) -> tuple[dict[str, int], HashArray, HashArray, str]:
    """Languages with their numbers of texts, `texts`, `grams` (both on disk) and the digest.

    Raises:
        RecordError: it cannot be read, or is not what was written.
    """
    header, start = _read_header(path)
    try:
        metadata = header["__metadata__"]
        languages = {
            str(name): int(count) for name, count in json.loads(metadata["languages"]).items()
        }
        spans = [_span(header[name]) for name in _ARRAYS]
        sound = spans[0][0] == 0 and spans[0][1] == spans[1][0]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, "its header cannot be understood") from error
    with _reading(path):
        if not sound or start + spans[1][1] != path.stat().st_size:
            raise _damaged(path, "it is not as long as it says")
    state = _state(languages)
    held = [_array(path, start + first, (end - first) // 8) for first, end in spans]
    for array in held:
        _check_order(path, array, state)
    counts = {name: len(array) for name, array in zip(_ARRAYS, held, strict=True)}
    if _digest(state, counts) != metadata["digest"]:
        raise _damaged(path, "its checksum does not match")
    return languages, held[0], held[1], str(metadata["digest"])


def _header(languages: Mapping[str, int], counts: Mapping[str, int], digest: str) -> bytes:
    """Padded to a multiple of 8, so that the arrays are aligned."""
    entries: dict[str, Any] = {
        "__metadata__": {
            "schema": SCHEMA,
            "languages": json.dumps(dict(languages), sort_keys=True),
            "digest": digest,
        }
    }
    start = 0
    for name in _ARRAYS:
        end = start + 8 * counts[name]
        entries[name] = {"dtype": "U64", "shape": [counts[name]], "data_offsets": [start, end]}
        start = end
    content = json.dumps(entries, separators=(",", ":")).encode()
    return content.ljust(len(content) + -len(content) % 8)


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header, of the schema that is known here, and where the arrays begin."""
    with _reading(path):
        if not path.is_file():
            raise FileNotFoundError(2, "it is no file")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            content = file.read(length) if 0 < length <= _LONGEST else b""
    try:
        header: Any = json.loads(content)
        schema, digest = (header["__metadata__"][name] for name in ("schema", "digest"))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path, "it has no header of a record") from error
    if schema != SCHEMA:
        raise RecordError(
            f"{plain(str(path))} has schema {plain(str(schema), 40)}; this version reads {SCHEMA}",
            _NEWER,
        )
    if not isinstance(digest, str) or not isinstance(header, dict):
        raise _damaged(path, "it has no header of a record")
    return header, 8 + length


def _span(entry: Mapping[str, Any]) -> tuple[int, int]:
    first, end = map(int, entry["data_offsets"])
    if entry["dtype"] != "U64" or [(end - first) // 8] != entry["shape"] or (end - first) % 8:
        raise ValueError(entry)
    return first, end


def _array(path: Path, start: int, count: int) -> HashArray:
    if count < 1:
        return np.zeros(0, np.uint64)
    with _reading(path):
        return np.memmap(path, "<u8", "r", offset=start, shape=(count,))


def _check_order(path: Path, array: HashArray, state: xxhash.xxh3_128) -> None:
    """Each hash is larger than the one before; all go into `state`."""
    for start in range(0, len(array), _AT_ONCE):
        piece = array[max(start - 1, 0) : start + _AT_ONCE]
        if not (piece[1:] > piece[:-1]).all():
            raise _damaged(path, "its hashes are not sorted")
        state.update(piece[min(start, 1) :].tobytes())


def _state(languages: Mapping[str, int]) -> xxhash.xxh3_128:
    known = json.dumps(dict(languages), sort_keys=True)
    return xxhash.xxh3_128(f"training-texts:{SCHEMA}:{known}:".encode())


def _digest(state: xxhash.xxh3_128, counts: Mapping[str, int]) -> str:
    state.update(json.dumps([counts[name] for name in _ARRAYS]).encode())
    return state.hexdigest()


def _damaged(path: Path, why: str) -> RecordError:
    return RecordError(f"the record of training texts {plain(str(path))} is damaged: {why}", _MEND)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RecordError(
            f"the record of training texts {plain(str(path))} cannot be read: "
            f"{error.strerror or plain(str(error))}",
            _MEND,
        ) from error
