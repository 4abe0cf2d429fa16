"""What a plugin is made of, fetched into its folder: each file whole and recorded, or absent."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from mlir_harness import files
from mlir_harness.errors import DataError, FetchError, HarnessError, Unavailable, Unreached
from mlir_harness.fetching import download, fetched, hub
from mlir_harness.fetching.download import Part, Watcher
from mlir_harness.fetching.fetched import Content, Fetched
from mlir_harness.fetching.homes import paths
from mlir_harness.fetching.placing import Folder
from mlir_harness.fetching.wanted import PARTS, Wanted, announcements, by_hand, check_room, counted
from mlir_harness.fetching.web import Web
from mlir_harness.protocols import Download
from mlir_harness.text import described, plain, size

_LOCK = ".fetch.lock"
_WRITABLE = "Name another folder: --data-dir for tasks, --cache-dir for encoders."


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


def fetch(
    wanted: Wanted,
    web: Web,
    watcher: Watcher,
    *,
    force: bool = False,
    announced: Container[Download] = (),
) -> Outcome:
    """Download what is missing or damaged, and do what is to be done once all is there.

    Args:
        wanted: what.
        web: how.
        watcher: is told of everything; first of all what is downloaded, how large, under which
            licence.
        force: download also what is there.
        announced: what a person was told of before.

    Raises:
        Unreached: no network; says what to do by hand.
        FetchError: the source has something else than was announced.
        StoreError: the folder cannot be written to.
        DataError: the record in the folder cannot be read.
        Unavailable: all files are there, and cannot be made ready for use.
    """
    with _alone(wanted, watcher):
        folder = Folder(wanted, _record(wanted, force=force))
        outcome = Outcome()
        todo = []
        for one in wanted.downloads:
            state = "missing" if force else _state(one, folder, watcher)
            if state == "missing":
                todo.append(one)
            elif state == "intact":
                outcome = replace(outcome, intact=outcome.intact + 1)
            else:
                outcome = replace(outcome, by_hand=outcome.by_hand + 1)
        if todo:
            ahead = replace(wanted, downloads=tuple(todo))
            if not all(one in announced for one in todo):
                for line in announcements([ahead]):
                    watcher.announce(line)
            check_room([ahead])
        for number, one in enumerate(todo):
            try:
                entry = _fetch_one(one, folder, web, watcher, force=force)
            except Unreached as error:
                raise by_hand(error, wanted, todo[number:], done=number) from error
            outcome = replace(
                outcome, fetched=outcome.fetched + 1, bytes=outcome.bytes + entry.bytes
            )
        _finish(wanted, watcher)
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
                (wanted.folder / PARTS).rmdir()
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


def _finish(wanted: Wanted, watcher: Watcher) -> None:
    """What the plugin does once all is there; it must be quick where that was done before."""
    if wanted.finish is None:
        return
    watcher.transfer(f"{wanted.name}: making it ready", 0, None)
    try:
        wanted.finish()
    except KeyboardInterrupt:
        raise
    except HarnessError as error:
        raise _unfinished(wanted, plain(error.message, 400), error.hint) from error
    except BaseException as error:
        hint = "Mend it and run the command again; the files are kept."
        raise _unfinished(wanted, described(error), hint) from error
    finally:
        watcher.stop()


def _unfinished(wanted: Wanted, reason: str, hint: str) -> Unavailable:
    return Unavailable(
        f"the files of {plain(wanted.name)} are there, and could not be made ready: {reason}", hint
    )


def _state(one: Download, folder: Folder, watcher: Watcher) -> str:
    """Of a download's files: "missing" (or damaged), "intact", or put there "by hand"."""
    wanted, record = folder.wanted, folder.record
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
            folder.keep(one, held, {one.path: held})
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
    one: Download, folder: Folder, web: Web, watcher: Watcher, *, force: bool
) -> Fetched:
    what = plain(one.path or urlsplit(one.url).path.rpartition("/")[2] or one.url)
    part = folder.wanted.part(one)
    known = ""
    if one.url.startswith(hub.SCHEME):
        known = _from_hub(one, part, what, folder.record, web, watcher, force=force)
    else:
        download.save(one.url, part, what, one.size, web, watcher)
    came = fetched.content(part.path)
    for pinned, who in ((one.sha256, "its plugin says"), (known, "the hub says")):
        if pinned and came.sha256 != pinned:
            part.drop()
            raise FetchError(
                f"{what} has SHA-256 {came.sha256}, and {who} {plain(pinned)}; it was dropped",
                "It was changed at its source or on the way. Nothing else was changed.",
            )
    with files.writing("files", folder.wanted.folder, _WRITABLE):
        entry = folder.place(one, part, came, what)
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


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(plain, names[:most])) + more
