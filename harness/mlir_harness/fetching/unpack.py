"""Archives from strangers: the members asked for, bounded, and nowhere but where they belong."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from mlir_harness import files
from mlir_harness.errors import FetchError, HarnessError
from mlir_harness.fetching.download import ROOM
from mlir_harness.text import described, plain, size

LARGEST = 64 << 30  # bytes of all members together
RATIO = 100  # unpacked to packed; text packs to a tenth
_SLACK = 16 << 20  # bytes; small files may pack better
_CHUNK = 1 << 20
_AT_ONCE = 16 << 20  # bytes; what reads headers takes as many as they say
_HINT = "It is not the archive that was meant; nothing of it was kept."


def unpack(archive: Path, members: Mapping[str, str], folder: Path, what: str) -> None:
    """Unpack some members of a zip or tar (.gz) file into `folder`.

    Args:
        archive: the file.
        members: member, or the end of its path -> path below `folder`.
        folder: an empty one; to be thrown away if this raises.
        what: the archive's name for people.

    Raises:
        FetchError: no such archive, a member is missing, or anything in it is not to be trusted.
        StoreError: the disk is full.
    """
    packed = archive.stat().st_size
    bound = min(LARGEST, RATIO * packed + _SLACK)
    with archive.open("rb") as file:
        # By its first bytes: a zip file may hide behind another file's end.
        is_zip = file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}
    with _damage(what):
        if is_zip:
            _unzip(archive, members, folder, what, bound)
        else:
            _untar(archive, members, folder, what, bound)


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:  # damage comes to light in many ways, seeking before 0 among them
        raise FetchError(
            f"{what} cannot be unpacked: {described(error)}",
            "--force fetches it anew; if that does not help, its source has changed.",
        ) from error


def _unzip(archive: Path, members: Mapping[str, str], folder: Path, what: str, bound: int) -> None:
    with zipfile.ZipFile(archive) as held:
        entries: dict[str, zipfile.ZipInfo] = {}
        for entry in held.infolist():
            # Python cuts names at NUL, and the original is what the archive says.
            _check_name(entry.orig_filename, what)
            if not entry.is_dir():
                entries.setdefault(entry.orig_filename, entry)
        chosen = {path: entries[name] for path, name in _chosen(members, entries, what).items()}
        for entry in chosen.values():
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in {0, stat.S_IFREG}:
                raise _refused(entry.orig_filename, what, "a link or device")
            if entry.flag_bits & 1:
                raise _refused(entry.orig_filename, what, "encrypted")
        total = sum(entry.file_size for entry in chosen.values())
        _check_total(total, bound, what)
        with files.writing(what, folder, ROOM):
            files.check_room(total, folder, what, ROOM)
        for path, entry in chosen.items():
            with held.open(entry) as source:
                bound -= _copy(source, folder / path, what, bound)


def _untar(archive: Path, members: Mapping[str, str], folder: Path, what: str, bound: int) -> None:
    with archive.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        unpacked = gzip.GzipFile(fileobj=file) if packed else file
        with tarfile.open(fileobj=_Bounded(unpacked, bound, what), mode="r:") as held:
            entries: dict[str, tarfile.TarInfo] = {}
            for entry in held:
                _check_name(entry.name, what)
                if not entry.isdir():
                    entries[entry.name] = entry
            chosen = {path: entries[name] for path, name in _chosen(members, entries, what).items()}
            for entry in chosen.values():
                if not entry.isreg():
                    raise _refused(entry.name, what, "a link or device")
            total = sum(entry.size for entry in chosen.values())
            with files.writing(what, folder, ROOM):
                files.check_room(total, folder, what, ROOM)
            # In the archive's order: going back in a packed file means unpacking it again.
            for path, entry in sorted(chosen.items(), key=lambda pair: pair[1].offset_data):
                source = held.extractfile(entry)
                assert source is not None  # noqa: S101  a regular file has content
                with source:
                    bound -= _copy(source, folder / path, what, bound)


class _Bounded(io.RawIOBase):
    """A file that refuses to be read past `bound`, so that no header can make memory overflow."""

    def __init__(self, file: BinaryIO | gzip.GzipFile, bound: int, what: str) -> None:
        self._file = file
        self._bound = bound
        self._what = what

    def read(self, count: int = -1) -> bytes:
        if not 0 <= count <= _AT_ONCE:
            raise FetchError(f"{self._what} has a header of {size(count)}", _HINT)
        _check_total(self._file.tell() + count - _CHUNK, self._bound, self._what)
        return self._file.read(count)

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        _check_total(place - _CHUNK, self._bound, self._what)
        return self._file.seek(place, whence)


def _check_name(name: str, what: str) -> None:
    """Raise FetchError if `name` is not a path below the archive's own folder."""
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        raise _refused(name, what, "an absolute path")
    if ".." in parts:
        raise _refused(name, what, "a path that leads out of its folder")
    if not name or "\\" in name or any(ord(character) < 32 for character in name):
        raise _refused(name, what, "a path with a backslash or control character")


def _refused(name: str, what: str, why: str) -> FetchError:
    return FetchError(f"{what} holds {plain(name)!r}: {why}, which is never unpacked", _HINT)


def _chosen(members: Mapping[str, str], names: Mapping[str, object], what: str) -> dict[str, str]:
    """Path below the folder -> name in the archive."""
    chosen = {}
    for member, path in members.items():
        found = [name for name in names if name == member] or [
            name for name in names if name.endswith(f"/{member}")
        ]
        if not found:
            raise FetchError(f"{what} holds no {plain(member)}", _HINT)
        if len(found) > 1:
            raise FetchError(
                f"{what} holds {plain(member)} more than once: "
                f"{plain(found[0])}, {plain(found[1])}",
                _HINT,
            )
        chosen[path] = found[0]
    return chosen


def _check_total(total: int, bound: int, what: str) -> None:
    if total > bound:
        raise FetchError(
            f"{what} would unpack to more than {size(bound)}, far more than text packs to", _HINT
        )


def _copy(source: IO[bytes], target: Path, what: str, bound: int) -> int:
    """Write a member, whatever size its header claims; returns the bytes written."""
    with files.writing(what, target, ROOM):
        target.parent.mkdir(parents=True, exist_ok=True)
        file: BinaryIO
        with target.open("xb") as file:
            written = 0
            for chunk in _chunks(source):
                written += len(chunk)
                _check_total(written, bound, what)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    return written


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := source.read(_CHUNK):
            yield chunk
    except OSError as error:  # would be taken for a fault in writing
        raise zlib.error(str(error)) from error
