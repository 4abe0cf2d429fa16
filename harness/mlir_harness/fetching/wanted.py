"""What is to be fetched for a plugin, in words too: how much, from where, and how by hand."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from mlir_harness import files
from mlir_harness.errors import Unreached
from mlir_harness.fetching import hub
from mlir_harness.fetching.download import ROOM, Part
from mlir_harness.fetching.homes import paths
from mlir_harness.protocols import Download
from mlir_harness.registry import Kind
from mlir_harness.text import plain, size, slug

PARTS = ".partial"  # the folder of what is on its way


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files to have, and where.

    Attributes:
        kind, name: of the plugin they are for.
        licence: of what is in them.
        folder: where they belong.
        downloads: all of them, those that are there included.
        read: paths of those that the split asked for is read from.
        finish: what is to be done once all are there; it may have been done before.
    """

    kind: Kind
    name: str
    licence: str
    folder: Path
    downloads: tuple[Download, ...]
    read: frozenset[str]
    finish: Callable[[], None] | None = None

    def missing(self) -> Wanted:
        """The same without the files that are there; nothing is read, so damage goes unnoticed."""
        absent = [
            one
            for one in self.downloads
            if not all((self.folder / path).is_file() for path in paths(one))
        ]
        return replace(self, downloads=tuple(absent))

    def only(self, chosen: Container[str]) -> Wanted:
        """The same without the files, and members of archives, whose path is not `chosen`."""
        kept = []
        for one in self.downloads:
            members = one.members
            if members is not None:
                below = f"{one.path}/" if one.path else ""
                members = {name: path for name, path in members.items() if below + path in chosen}
            if members if members is not None else one.path in chosen:
                kept.append(replace(one, members=members))
        return replace(self, downloads=tuple(kept))

    def part(self, one: Download) -> Part:
        """What has come of a download."""
        return Part(self.folder / PARTS / slug(one.url))

    def ahead(self) -> int:
        """Bytes that are still to come, as far as is known."""
        return sum(max(0, (one.size or 0) - self.part(one).size) for one in self.downloads)

    def amount(self) -> str:
        """How many files, how many bytes, and from where, in words."""
        hosts = dict.fromkeys(urlsplit(_address(one.url)).netloc for one in self.downloads)
        return f"{_amount(self.downloads)}, from {', '.join(map(plain, hosts))}"

    def described(self) -> str:
        """The amount and the licence, in words."""
        return f"{self.amount()}; licence: {plain(self.licence) or 'unknown'}"


def distinct(several: Iterable[Wanted]) -> list[Wanted]:
    """The same with each file once, for the first that wants it; none to which nothing is left."""
    seen: set[tuple[Path, str]] = set()
    kept = []
    for wanted in several:
        fresh = tuple(one for one in wanted.downloads if (wanted.folder, one.url) not in seen)
        seen |= {(wanted.folder, one.url) for one in fresh}
        if fresh or not wanted.downloads or wanted.finish:
            kept.append(replace(wanted, downloads=fresh))
    return kept


def announcements(several: Sequence[Wanted]) -> list[str]:
    """A line for each that has something to download, and one for the sum of several."""
    lines = [
        f"{plain(wanted.name)}: {wanted.described()}" for wanted in several if wanted.downloads
    ]
    if len(lines) > 1:
        lines.append(f"In all: {_amount([one for each in several for one in each.downloads])}")
    return lines


def check_room(several: Sequence[Wanted]) -> None:
    """Raise StoreError if a disk has not the room for all that belongs on it."""
    by_disk: dict[int, list[Wanted]] = {}
    for wanted in several:
        by_disk.setdefault(files.disk(wanted.folder), []).append(wanted)
    for members in by_disk.values():
        names = ", ".join(plain(each.name) for each in members)
        needed = sum(each.ahead() for each in members)
        files.check_room(needed, members[0].folder, names, ROOM)


def by_hand(error: Unreached, wanted: Wanted, left: Sequence[Download], done: int) -> Unreached:
    """The message for people without a network."""
    first, more = left[0], len(left) - 1
    path = next(iter(paths(first)))
    target = plain(str(wanted.folder / path), 300)
    how = f"copy {plain(_address(first.url), 300)} to {target}"
    if first.members is not None:
        how = f"unpack {plain(_address(first.url), 300)} so that there is {target}"
    state = (
        f"{counted(done)} of {plain(wanted.name)} came before and are kept"
        if done
        else "nothing was changed"
    )
    return Unreached(
        f"{error.message}; {state}",
        f"{error.hint or 'Connect this machine'} and run the command again, or {how} by hand"
        f"{f', and {counted(more)} likewise' if more else ''}.",
    )


def _address(url: str) -> str:
    """Where a browser finds `url`."""
    if not url.startswith(hub.SCHEME):
        return url
    at = hub.parse(url)
    folder = "datasets/" if at.kind == "dataset" else ""
    return f"{hub.endpoint()}/{folder}{at.repository}/resolve/{at.revision}/{at.path}"


def _amount(downloads: Sequence[Download]) -> str:
    known = [one.size for one in downloads if one.size is not None]
    unknown = len(downloads) - len(known)
    amount = size(sum(known)) if known else "size unknown"
    if known and unknown:
        amount += f" and {counted(unknown)} of unknown size"
    return f"{counted(len(downloads))}, {amount}"


def counted(count: int) -> str:
    """A number of files, for people."""
    return f"{count} file{'' if count == 1 else 's'}"
