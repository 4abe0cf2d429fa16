"""What is to be fetched for a plugin, in words too: how much, from where, and how by hand."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from mlir_harness.errors import Unavailable, Unreached
from mlir_harness.fetching import hub
from mlir_harness.fetching.homes import home, paths
from mlir_harness.protocols import Download, Fetches, Reads, TaskOptions
from mlir_harness.text import plain, size


@dataclass(frozen=True, slots=True)
class Wanted:
    """The files to have, and where.

    Attributes:
        name: of the plugin they are for.
        licence: of what is in them.
        folder: where they belong.
        downloads: all of them, those that are there included.
        read: paths of those that the split asked for is read from.
    """

    name: str
    licence: str
    folder: Path
    downloads: tuple[Download, ...]
    read: frozenset[str]

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

    def announced(self) -> str:
        """How many files, how many bytes, and from where, in words."""
        known = [one.size for one in self.downloads if one.size is not None]
        unknown = len(self.downloads) - len(known)
        amount = f"{size(sum(known))}" if known else "size unknown"
        if known and unknown:
            amount += f" and {counted(unknown)} of unknown size"
        hosts = dict.fromkeys(urlsplit(_address(one.url)).netloc for one in self.downloads)
        return f"{counted(len(self.downloads))}, {amount}, from {', '.join(map(plain, hosts))}"


def want(
    name: str,
    folder: str,
    licence: str,
    plugin: Fetches,
    options: TaskOptions,
    data_dir: str | None,
    cache: Path,
) -> Wanted:
    """What `plugin` wants, and where it belongs.

    Args:
        name: for people.
        folder: name of the data folder (homes.folder_name).
        licence: shown before anything is downloaded.
        plugin: says which files.
        options: the languages, () for all, and the split; the files of other splits are wanted
            too, but do not decide where a task looks.
        data_dir, cache: see homes.home.

    Raises:
        UsageError: an unknown language or split.
        Unavailable: the plugin names files outside its folder.
    """
    downloads = tuple(plugin.downloads(options.languages))
    wanted = [path for one in downloads for path in paths(one)]
    if len(set(wanted)) < len(wanted):
        raise Unavailable(
            f"{plain(name)} is to be fetched from two places for one file",
            "Its plugin must name each path once (Download.path, members).",
        )
    read = tuple(plugin.reads(options)) if isinstance(plugin, Reads) else wanted
    lies = home(folder, read, data_dir, cache)
    return Wanted(name, licence, lies, downloads, frozenset(read))


def by_hand(error: Unreached, wanted: Wanted, left: Sequence[Download], done: int) -> Unreached:
    """The message for people without a network."""
    first, more = left[0], len(left) - 1
    path = next(iter(paths(first)))
    target = plain(str(wanted.folder / path), 300)
    how = f"copy {plain(_address(first.url), 300)} to {target}"
    if first.members is not None:
        how = f"unpack {plain(_address(first.url), 300)} so that there is {target}"
    state = (
        f"{counted(done)} of {wanted.name} came before and are kept"
        if done
        else "nothing was changed"
    )
    return Unreached(
        f"{error.message}; {state}",
        f"Connect this machine and run the command again, or {how} by hand"
        f"{f', and {counted(more)} likewise' if more else ''}.",
    )


def _address(url: str) -> str:
    """Where a browser finds `url`."""
    if not url.startswith(hub.SCHEME):
        return url
    at = hub.parse(url)
    folder = "datasets/" if at.kind == "dataset" else ""
    return f"{hub.endpoint()}/{folder}{at.repository}/resolve/{at.revision}/{at.path}"


def counted(count: int) -> str:
    """A number of files, for people."""
    return f"{count} file{'' if count == 1 else 's'}"
