"""What came gets its name: unpacked if it is an archive, recorded, then moved to where it belongs.

A file is recorded before it gets its name: whatever happens between the two, the next fetch sees
that it is not there, or not the right one.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mlir_harness.errors import FetchError, StoreError
from mlir_harness.fetching import fetched, hub, unpack
from mlir_harness.fetching.download import Part
from mlir_harness.fetching.fetched import Content, Fetched
from mlir_harness.fetching.homes import paths
from mlir_harness.fetching.wanted import Wanted
from mlir_harness.protocols import Download
from mlir_harness.text import plain

_COMMIT = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Folder:
    """Where files belong, and what is recorded of it.

    Attributes:
        wanted: says where, and for what.
        record: changed and written as files come.
    """

    wanted: Wanted
    record: dict[str, Fetched]

    def place(self, one: Download, part: Part, came: Content, what: str) -> Fetched:
        """Record what came in `part`, and give it its name.

        Raises:
            FetchError: it is an archive that is not to be trusted, or lacks a member.
            StoreError: a folder is where a file belongs.
        """
        if one.members is not None:
            return self._unpack(one, part, came, what)
        entry = self.keep(one, came, {one.path: came})
        _put(part.path, self.wanted.folder / one.path)
        return entry

    def keep(
        self,
        one: Download,
        came: Content,
        contents: Mapping[str, Content],
        members: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Record a download; what it replaces is recorded no longer.

        Args:
            one: the download.
            came: the file as it came.
            contents: path below the folder -> what lies there, or will in a moment.
            members: of an archive, path -> the member it was.
        """
        entry = _entry(one, came, contents, members or {})
        for url, other in [*self.record.items()]:
            if set(other.files) & set(entry.files):
                del self.record[url]
        self.record[entry.url] = entry
        wanted = self.wanted
        fetched.write(wanted.folder, self.record, wanted.kind.value, wanted.name, wanted.licence)
        return entry

    def _unpack(self, one: Download, part: Part, came: Content, what: str) -> Fetched:
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
            contents = {path: fetched.content(fresh / path) for path in targets}
            entry = self.keep(one, came, contents, targets)
            for path in targets:
                _put(fresh / path, self.wanted.folder / path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return entry


def _put(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise StoreError(f"{plain(str(target))} is a folder, where a file belongs", "Move it away.")
    file.replace(target)


def _entry(
    one: Download, came: Content, contents: Mapping[str, Content], members: Mapping[str, str]
) -> Fetched:
    named = hub.parse(one.url).revision if one.url.startswith(hub.SCHEME) else ""
    commit = _COMMIT.search(one.url)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    revision = named or (commit[0] if commit else "")
    return Fetched(one.url, revision, date, came.bytes, came.sha256, contents, members)
