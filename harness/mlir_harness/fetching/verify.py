"""Whether a task's files are those once fetched, and hold what was published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.fetching import fetched
from mlir_harness.fetching.download import Watcher
from mlir_harness.fetching.homes import paths
from mlir_harness.fetching.wanted import Wanted
from mlir_harness.loading import LoadedTask
from mlir_harness.protocols import Published, Task


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was expected, beside what is there.

    Attributes:
        what: for people.
        expected, found: numbers, hashes or words.
    """

    what: str
    expected: str | int
    found: str | int

    @property
    def ok(self) -> bool:
        return self.expected == self.found


def contents(wanted: Wanted, watcher: Watcher) -> Iterator[Finding]:
    """Every file of `wanted` that is in its folder's record, hashed again.

    What is not there and is not read either is no finding.

    Raises:
        DataError: the record cannot be read.
    """
    record = fetched.read(wanted.folder)
    for one in wanted.downloads:
        entry = record.get(one.url)
        for path in paths(one):
            file = wanted.folder / path
            if entry and path in entry.files and (path in wanted.read or file.is_file()):
                yield _content(path, file, entry.files[path], watcher)


def _content(path: str, file: Path, expected: fetched.Content, watcher: Watcher) -> Finding:
    try:
        watcher.transfer(f"checking {path}", 0, file.stat().st_size)
        found = fetched.content(file, watcher.received)
    except OSError as error:
        return Finding(path, f"{expected.bytes} bytes", str(error.strerror or error))
    finally:
        watcher.stop()
    if found.bytes != expected.bytes:
        return Finding(path, f"{expected.bytes} bytes", f"{found.bytes} bytes")
    return Finding(path, f"sha256 {expected.sha256}", f"sha256 {found.sha256}")


def counts(task: Task, loaded: LoadedTask) -> Iterator[Finding]:
    """What the publication says; nothing if the task does not know."""
    if isinstance(task, Published):
        for count in task.published(loaded.retrieval, loaded.options):
            yield Finding(count.what, count.expected, count.found)
