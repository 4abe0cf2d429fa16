"""One file from the web to disk: resumed where it broke, bounded in size, never half there."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from mlir_harness import files
from mlir_harness.errors import FetchError
from mlir_harness.fetching.web import Broken, Web
from mlir_harness.text import described, plain, size

LARGEST = 4 << 30  # bytes of a file of which no size is announced
_SLACK = 1 << 20  # bytes; small files are described in round numbers
_TRIES = 4  # without a byte more than ever before
_CHUNK = 1 << 16
ROOM = (
    "Free some space, or name a folder on another disk (--data-dir for tasks, --cache-dir for "
    "encoders); what is there is kept."
)
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)")


class Watcher(Protocol):
    """Is told how downloads go on."""

    def announce(self, message: str) -> None:
        """What is about to be downloaded, how large, under which licence: always shown."""
        ...

    def transfer(self, what: str, done: int, total: int | None) -> None:
        """A file begins, or goes on after `done` bytes; `total` None if it is not known."""
        ...

    def received(self, count: int) -> None:
        """Another `count` bytes."""
        ...

    def stop(self) -> None:
        """The file is there, or will not be."""
        ...

    def note(self, message: str) -> None:
        """Something a person should know."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A file on its way, and beside it what it is a part of.

    Attributes:
        path: what has come so far.
    """

    path: Path

    @property
    def about(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return 0

    def validators(self, url: str) -> Mapping[str, str]:
        """What the server said of the version that was begun; empty if it cannot go on."""
        try:
            known = json.loads(self.about.read_bytes())
            if known["url"] == url and self.size:
                return {str(name): str(value) for name, value in known["validators"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            pass  # no part, or none that a whole note belongs to
        return {}

    def begin(self, url: str, validators: Mapping[str, str]) -> None:
        """Start over: first the old bytes go, then the note says what the new ones are of."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"")
        note = json.dumps({"url": url, "validators": dict(validators)})
        files.replace_file(self.about, note.encode())

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)


def save(
    url: str, part: Part, what: str, announced: int | None, web: Web, watcher: Watcher
) -> None:
    """Download `url` into `part`, going on with what is there if the server has the same still.

    Args:
        url: https.
        part: whole and synced to disk when this returns.
        what: the file's name for people.
        announced: bytes, as far as is known; much more is refused.
        web: what to ask with.
        watcher: is told of every chunk.

    Raises:
        Unreached: the server does not answer.
        FetchError: it answers with an error or something too large, or breaks off again and again.
        StoreError: the disk is full.
    """
    most, fruitless = part.size, 0
    while True:
        try:
            return _attempt(url, part, what, announced, web, watcher)
        except Broken as error:
            fruitless = 0 if part.size > most else fruitless + 1
            most = max(most, part.size)
            if fruitless == _TRIES:
                raise FetchError(
                    f"{what} could not be fetched from {plain(urlsplit(url).netloc)}: {error}",
                    f"Run the command again later: it goes on after {size(part.size)}.",
                ) from error
            watcher.note(f"{what}: {error}; trying again")
            time.sleep(max(error.wait, web.pause * 2**fruitless))
        finally:
            watcher.stop()


def _attempt(
    url: str, part: Part, what: str, announced: int | None, web: Web, watcher: Watcher
) -> None:
    """One request; `part` is whole if it returns."""
    known = part.validators(url)
    headers = {"Accept-Encoding": "identity"}
    unchanged = known.get("ETag") or known.get("Last-Modified")
    if unchanged:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": unchanged}
    with closing(web.open(url, headers)) as answer:
        start, total = _extent(answer, part, known, what)
        if start and start == total:
            return
        check_size(total, announced, what)
        with files.writing(what, part.path, ROOM):
            if not start:
                part.begin(url, _validators(answer))
            if total is not None:
                files.check_room(total - start, part.path.parent, what, ROOM)
        watcher.transfer(what, start, total)
        _receive(answer, part, start, announced, what, watcher)
    if total is not None and part.size != total:
        raise Broken(f"the connection broke after {size(part.size)} of {size(total)}")


def _extent(
    answer: http.client.HTTPResponse, part: Part, known: Mapping[str, str], what: str
) -> tuple[int, int | None]:
    """Where the bytes of `answer` begin, and how many the whole file has."""
    status = answer.status
    if status in {206, 416}:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        told = _validators(answer)
        # A server may know Range and not If-Range.
        changed = any(told.get(name, value) != value for name, value in known.items())
        begins = part.size if found and found[1] is None else int(found[1] or 0) if found else -1
        if not found or changed or begins != part.size or (status == 416) != (found[1] is None):
            part.drop()
            raise Broken("it changed on the server")
        total = int(found[2])
        if status == 416 and total != part.size:
            part.drop()
            raise Broken(f"the server has {size(total)}, and sent more")
        return part.size, total
    if status in {408, 429} or status >= 500:
        asked = answer.headers.get("Retry-After", "")
        raise Broken(
            f"the server says {_status(answer)}",
            min(float(asked or 0), 30.0) if asked.isdecimal() else 0.0,
        )
    if status != 200:
        raise FetchError(
            f"{what} is not to be had: {plain(answer.geturl())} says {_status(answer)}",
            "See its source for where it went; a copy may be put there by hand.",
        )
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError(
            f"{what} comes compressed as {plain(answer.headers['Content-Encoding'])}, "
            "which nobody asked for",
            "A proxy may do this: try without it.",
        )
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() and not answer.chunked else None


def _status(answer: http.client.HTTPResponse) -> str:
    return plain(f"{answer.status} {answer.reason}".strip())


def _validators(answer: http.client.HTTPResponse) -> dict[str, str]:
    """What tells one version of a file from another, byte for byte."""
    told = {name: answer.headers.get(name, "") for name in ("ETag", "Last-Modified")}
    return {name: value for name, value in told.items() if value and not value.startswith("W/")}


def _receive(
    answer: http.client.HTTPResponse,
    part: Part,
    start: int,
    announced: int | None,
    what: str,
    watcher: Watcher,
) -> None:
    bound = _bound(announced)
    with files.writing(what, part.path, ROOM), part.path.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        try:
            while chunk := _read(answer):
                if file.tell() + len(chunk) > bound:
                    file.truncate(0)
                    raise _too_large(what, f"more than {size(bound)}", announced)
                file.write(chunk)
                watcher.received(len(chunk))
        finally:
            file.flush()
            os.fsync(file.fileno())


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read1(_CHUNK)
    except TimeoutError as error:
        raise Broken("the server stopped sending") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Broken(f"the connection broke ({described(error)})") from error


def _bound(announced: int | None) -> int:
    return LARGEST if announced is None else int(announced * 1.1) + _SLACK


def check_size(total: int | None, announced: int | None, what: str) -> None:
    """Raise FetchError if `total` bytes are much more than were announced."""
    if total is not None and total > _bound(announced):
        raise _too_large(what, size(total), announced)


def _too_large(what: str, found: str, announced: int | None) -> FetchError:
    if announced is None:
        return FetchError(
            f"{what} has {found}: too large for a file whose size is not announced",
            "Its plugin must say how large it is (Download.size).",
        )
    return FetchError(
        f"{what} has {found}, and {size(announced)} were announced",
        "It is not the file that was meant; see its source.",
    )
