"""What a plugin is made of, fetched into its folder: each file whole and recorded, or absent."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from mlir_harness import files
from mlir_harness.errors import DataError, FetchError, StoreError, Unreached
from mlir_harness.fetching import download, fetched, hub, unpack
from mlir_harness.fetching.download import Part, Watcher
from mlir_harness.fetching.fetched import Content, Fetched
from mlir_harness.fetching.homes import paths
from mlir_harness.fetching.wanted import Wanted, by_hand, counted
from mlir_harness.fetching.web import Web
from mlir_harness.protocols import Download
from mlir_harness.text import plain, size, slug

_PARTS = ".partial"
_LOCK = ".fetch.lock"
_COMMIT = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_WRITABLE = "Name another folder with --data-dir."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of what was wanted.

    Attributes:
        fetched: files that were downloaded.
        bytes: of them.
        intact: files that were there, and are what was once fetched.
        by_hand: files that were there, and are nobody knows what.
    """

    fetched: int = 0
    bytes: int = 0
    intact: int = 0
    by_hand: int = 0

    def __str__(self) -> str:
        parts = []
        if self.fetched:
            parts.append(f"fetched {counted(self.fetched)} ({size(self.bytes)})")
        if self.intact:
            parts.append(f"{counted(self.intact)} already fetched and intact")
        if self.by_hand:
            parts.append(f"{counted(self.by_hand)} put there by hand")
        return ", ".join(parts) or "nothing to fetch"


def fetch(wanted: Wanted, web: Web, watcher: Watcher, *, force: bool = False) -> Outcome:
    """Download what is missing or damaged; says what, how large and under which licence first.

    A file is recorded before it gets its name: whatever happens between the two, the next fetch
    sees that it is not there, or not the right one.

    Args:
        wanted: what.
        web: how.
        watcher: is told of everything.
        force: download also what is there.

    Raises:
        Unreached: no network; says what to do by hand.
        FetchError: the source has something else than was announced.
        StoreError: the folder cannot be written to.
        DataError: the record in the folder cannot be read.
    """
    with _alone(wanted, watcher):
        record = _record(wanted, force=force)
        outcome = Outcome()
        todo = []
        for one in wanted.downloads:
            state = "missing" if force else _state(one, wanted, record, watcher)
            if state == "missing":
                todo.append(one)
            elif state == "intact":
                outcome = replace(outcome, intact=outcome.intact + 1)
            else:
                outcome = replace(outcome, by_hand=outcome.by_hand + 1)
        if todo:
            shown = replace(wanted, downloads=tuple(todo)).announced()
            watcher.note(f"{wanted.name}: {shown}; licence: {wanted.licence or 'unknown'}")
            known = sum(one.size or 0 for one in todo)
            files.check_room(known, wanted.folder, plain(wanted.name), download.ROOM)
        for number, one in enumerate(todo):
            try:
                entry = _fetch_one(one, wanted, record, web, watcher, force=force)
            except Unreached as error:
                raise by_hand(error, wanted, todo[number:], done=number) from error
            outcome = replace(
                outcome, fetched=outcome.fetched + 1, bytes=outcome.bytes + entry.bytes
            )
        return outcome


@contextmanager
def _alone(wanted: Wanted, watcher: Watcher) -> Iterator[None]:
    """Hold the folder's lock; an empty folder is not left behind, or tasks would look in it."""

    def busy() -> None:
        watcher.note(f"waiting for another fetch of {wanted.name} to end")

    lock = wanted.folder / _LOCK
    with files.locked("files", lock, _WRITABLE, busy):
        try:
            yield
        finally:
            with suppress(OSError):
                (wanted.folder / _PARTS).rmdir()
            if [*wanted.folder.iterdir()] == [lock]:
                with suppress(OSError):
                    lock.unlink()
                    wanted.folder.rmdir()


def _record(wanted: Wanted, *, force: bool) -> dict[str, Fetched]:
    try:
        return fetched.read(wanted.folder)
    except DataError:
        if force:
            return {}
        raise


def _state(one: Download, wanted: Wanted, record: dict[str, Fetched], watcher: Watcher) -> str:
    """Of a download's files: "missing" (or damaged), "intact", or put there "by hand"."""
    entry = record.get(one.url)
    targets = paths(one)
    there = [path for path in targets if (wanted.folder / path).exists()]
    if entry is not None and set(entry.files) == set(targets):
        if one.sha256 and entry.sha256 != one.sha256:
            return "missing"
        for path in targets:
            if path in there and _content(wanted, path, watcher) != entry.files[path]:
                watcher.note(f"{path} is not what was fetched: fetching it again")
                return "missing"
        return "intact" if len(there) == len(targets) else "missing"
    recorded = {path for other in record.values() for path in other.files}
    strange = [path for path in there if path not in recorded]
    if not strange:
        return "missing"  # or of an earlier revision
    if len(there) < len(targets):
        raise FetchError(
            f"{plain(str(wanted.folder / strange[0]))} was put there by hand, and files that come "
            "with it are missing",
            "--force replaces it; nothing was changed.",
        )
    if one.sha256 and one.members is None:
        held = _content(wanted, one.path, watcher)
        if held.sha256 == one.sha256:
            _keep(wanted, record, _entry(one, held, {one.path: held}))
            return "intact"
        watcher.note(f"{one.path} was put there by hand and is not the published file")
    else:
        watcher.note(f"{_listed(strange)}: put there by hand, kept; --force replaces")
    return "by hand"


def _content(wanted: Wanted, path: str, watcher: Watcher) -> Content:
    file = wanted.folder / path
    try:
        watcher.transfer(f"checking {path}", 0, file.stat().st_size)
        return fetched.content(file, watcher.received)
    except OSError as error:
        raise DataError(
            f"{plain(str(file))} cannot be read: {error.strerror}", "--force replaces it."
        ) from error
    finally:
        watcher.stop()


def _fetch_one(
    one: Download,
    wanted: Wanted,
    record: dict[str, Fetched],
    web: Web,
    watcher: Watcher,
    *,
    force: bool,
) -> Fetched:
    what = plain(one.path or urlsplit(one.url).path.rpartition("/")[2] or one.url)
    part = Part(wanted.folder / _PARTS / slug(one.url))
    known = ""
    if one.url.startswith(hub.SCHEME):
        known = _from_hub(one, part, what, record, web, watcher, force=force)
    else:
        download.save(one.url, part, what, one.size, web, watcher)
    came = fetched.content(part.path)
    for pinned, who in ((one.sha256, "its task says"), (known, "the hub says")):
        if pinned and came.sha256 != pinned:
            part.drop()
            raise FetchError(
                f"{what} has SHA-256 {came.sha256}, and {who} {plain(pinned)}; it was dropped",
                "It was changed at its source or on the way. Nothing else was changed.",
            )
    with files.writing("files", wanted.folder, _WRITABLE):
        entry = (
            _move(one, wanted, record, part, came)
            if one.members is None
            else _unpack(one, wanted, record, part, came, what)
        )
    part.drop()
    return entry


def _from_hub(
    one: Download,
    part: Part,
    what: str,
    record: dict[str, Fetched],
    web: Web,
    watcher: Watcher,
    *,
    force: bool,
) -> str:
    """The SHA-256 the hub knows; a file of its cache that was edited is downloaded anew."""
    saved = hub.save(one.url, part.path, what, one.size, web, watcher, fresh=force)
    before = record[one.url].sha256 if one.url in record else ""
    pinned = {one.sha256, saved.sha256, before} - {""}
    if saved.cached and pinned - {fetched.content(part.path).sha256}:
        saved = hub.save(one.url, part.path, what, one.size, web, watcher, fresh=True)
    return saved.sha256


def _move(
    one: Download, wanted: Wanted, record: dict[str, Fetched], part: Part, came: Content
) -> Fetched:
    entry = _entry(one, came, {one.path: came})
    _keep(wanted, record, entry)
    _put(part.path, wanted.folder / one.path)
    return entry


def _unpack(
    one: Download,
    wanted: Wanted,
    record: dict[str, Fetched],
    part: Part,
    came: Content,
    what: str,
) -> Fetched:
    targets = paths(one)
    fresh = part.path.with_name(f"{part.path.name}.unpacked")
    shutil.rmtree(fresh, ignore_errors=True)  # of a fetch that was killed
    try:
        fresh.mkdir(parents=True)
        try:
            unpack.unpack(
                part.path, {member: path for path, member in targets.items()}, fresh, what
            )
        except FetchError:
            part.drop()
            raise
        entry = _entry(one, came, {path: fetched.content(fresh / path) for path in targets})
        _keep(wanted, record, replace(entry, members=targets))
        for path in targets:
            _put(fresh / path, wanted.folder / path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return entry


def _put(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise StoreError(f"{plain(str(target))} is a folder, where a file belongs", "Move it away.")
    file.replace(target)


def _entry(one: Download, came: Content, contents: dict[str, Content]) -> Fetched:
    named = hub.parse(one.url).revision if one.url.startswith(hub.SCHEME) else ""
    commit = _COMMIT.search(one.url)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    revision = named or (commit[0] if commit else "")
    return Fetched(one.url, revision, date, came.bytes, came.sha256, contents)


def _keep(wanted: Wanted, record: dict[str, Fetched], entry: Fetched) -> None:
    """Record `entry`; what it replaces is recorded no longer."""
    for url, other in [*record.items()]:
        if set(other.files) & set(entry.files):
            del record[url]
    record[entry.url] = entry
    fetched.write(wanted.folder, record, wanted.name, wanted.licence)


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(plain, names[:most])) + more
