"""Passages of JSON-lines files as a collection that memory never holds.

Each file is read once and kept as an Arrow file of ids and texts, which is mapped into memory
from then on. A killed run goes on with the file it was at; a file that changed is read again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from filelock import FileLock

from mlir_harness.errors import DataError, StoreError
from mlir_harness.types import Collection
from mlir_tasks.columns import columns, opened
from mlir_tasks.jsonl import records
from mlir_tasks.lines import quoted

_READER = "2"  # raised when other texts, or other counts, come of the same files
_BATCH, _CHARACTERS = 1 << 15, 1 << 24  # of a record batch at most: what reading holds at once
_SCHEMA = pa.schema([("id", pa.large_string()), ("text", pa.large_string())])
_NO_ROOM = "Free some space, or name another folder with --cache-dir."
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_Row: TypeAlias = tuple[str, str]  # id, text; without a text it is counted and left out


@dataclass(frozen=True, slots=True)
class Source:
    """The files of one collection.

    Attributes:
        language: of the collection.
        files: `.jsonl` or `.jsonl.gz`, in the order of their passages.
        key: the member that holds a passage's id.
        keep: ids of the passages to keep; None for all.
        hint: what to do about a bad file.
    """

    language: str
    files: tuple[Path, ...]
    key: str
    keep: frozenset[str] | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Corpus:
    """What the files of one collection hold.

    Attributes:
        collection: mapped into memory; ids and texts are `Column`s.
        passages: number of passages in the files, those that are not kept included.
        empty: number of those among them that would be kept, had they a text.
    """

    collection: Collection
    passages: int
    empty: int


def prepare(source: Source, home: Path) -> Corpus:
    """The collection of `source`, from what is kept of its files, reading those that changed.

    Args:
        source: which files; each must hold a passage, all ids are different.
        home: where what is read is kept, for every corpus.

    Raises:
        DataError: a file is unreadable, malformed or empty, an id is there twice, or no passage
            has a text.
        StoreError: what is read cannot be kept.
    """
    files = [_Kept.of(file, source, home) for file in source.files]
    marker = _marker(files)
    readers = [each.reader() for each in files]
    if None in readers or not marker.exists():
        with _locked(marker.parent):
            for place, each in enumerate(files):
                readers[place] = each.reader() or each.read()  # another process may have won
            if not marker.exists():
                _check_ids(files, readers)
                with _writing(marker):
                    marker.touch()
    held = _corpus(readers, source.language)
    if held.empty and not len(held.collection):
        where = files[0].file if len(files) == 1 else files[0].file.parent
        raise DataError(f"{where}: none of the {held.passages} passages has a text", source.hint)
    return held


def stored(
    name: str, state: Sequence[str], rows: Iterator[_Row], language: str, home: Path
) -> Corpus:
    """The collection kept as `name`, made from `rows` of id and text where there is none yet.

    Args:
        name: of the collection; one state of it is kept.
        state: tells its content: another one for other rows.
        rows: read only if they are not kept.
        language: of the collection.
        home: as of `prepare`.

    Raises:
        StoreError: the rows cannot be kept.
    """
    path = home / f"{_safe(name)}-{_digest(name)}" / f"rows-{_digest(_READER, *state)}.arrow"
    with _locked(path.parent):
        if not path.exists():
            _keep(path, rows)
            _forget(path, "rows-*.arrow")
    return _corpus([opened(path)], language)


@dataclass(frozen=True, slots=True)
class _Kept:
    """One file, and where what was read of it is kept."""

    file: Path
    source: Source
    path: Path
    older: str  # pattern of what was read of the same file before it changed

    @classmethod
    def of(cls, file: Path, source: Source, home: Path) -> _Kept:
        try:
            state = file.stat()
        except OSError as error:
            raise DataError(f"{file}: {error.strerror or error}", source.hint) from error
        folder = file.parent.absolute()
        what = _digest(source.key, *([] if source.keep is None else ["", *sorted(source.keep)]))
        content = _digest(_READER, str(state.st_size), str(state.st_mtime_ns))
        name = f"{_safe(file.name.split('.')[0])}-{what}"
        at = home / f"{_safe(folder.name)}-{_digest(str(folder))}"
        return cls(file, source, at / f"{name}-{content}.arrow", f"{name}-*.arrow")

    def reader(self) -> Any | None:
        """A reader of what is kept; None if there is nothing, or nothing whole."""
        try:
            return opened(self.path)
        except (OSError, ValueError):
            return None

    def read(self) -> Any:
        """Read the file and keep what it holds, whole or not at all; the caller holds the lock."""
        if not _keep(self.path, self._rows()):
            self.path.unlink()
            raise DataError(f"{self.file}: is empty", self.source.hint)
        _forget(self.path, self.older)
        return opened(self.path)

    def _rows(self) -> Iterator[_Row | None]:
        """Id and text of every passage; None for one that is not kept."""
        keep = self.source.keep
        for record in records(self.file, self.source.key, self.source.hint):
            yield (record.id, record.text) if keep is None or record.id in keep else None

    def places(self, name: str) -> Iterator[str]:
        """Where in the file the passage `name` stands, for people."""
        for record in records(self.file, self.source.key, self.source.hint):
            if record.id == name and record.text:
                yield f"{self.file}, line {record.line}"


def _keep(path: Path, rows: Iterator[_Row | None]) -> int:
    """Write rows to `path`, whole or not at all; the caller holds the lock.

    Returns:
        How many there were, those that are None or without text included.
    """
    unfinished = path.with_name(f".tmp-{path.name}")
    passages = empty = characters = 0
    ids: list[str] = []
    texts: list[str] = []
    with _unfinished(path, unfinished) as writer:

        def flush() -> None:
            columns = [pa.array(values, pa.large_string()) for values in (ids, texts)]
            batch = pa.record_batch(columns, schema=_SCHEMA)
            # Each batch says what was read up to its end: asked for again with every run.
            counts = {"passages": str(passages), "empty": str(empty)}
            with _writing(path):
                writer.write_batch(batch, custom_metadata=counts)
            ids.clear()
            texts.clear()

        for row in rows:  # whose own errors are no errors of writing
            passages += 1
            if row is None:
                continue
            if not row[1]:
                empty += 1
            else:
                ids.append(row[0])
                texts.append(row[1])
                characters += len(row[1])
                if len(ids) >= _BATCH or characters >= _CHARACTERS:
                    flush()
                    characters = 0
        flush()
    return passages


def _forget(path: Path, older: str) -> None:
    """Remove what was kept before `path`: what matches the pattern `older` beside it."""
    with _writing(path):
        for old in path.parent.glob(older):
            if old != path:
                old.unlink(missing_ok=True)


@contextmanager
def _unfinished(path: Path, unfinished: Path) -> Iterator[Any]:
    """A writer to the file `unfinished`, which becomes `path` unless something is raised."""
    try:
        with _writing(path):
            stream = unfinished.open("wb")
        with stream:
            with _writing(path):
                writer = pa.ipc.new_file(stream, _SCHEMA)
            yield writer
            with _writing(path):
                writer.close()
                stream.flush()
                os.fsync(stream.fileno())
        with _writing(path):
            unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _corpus(readers: Sequence[Any], language: str) -> Corpus:
    """What kept files hold, and how much was read for them."""
    counts = [
        reader.get_batch_with_custom_metadata(reader.num_record_batches - 1)[1]
        for reader in readers
    ]
    passages, empty = (sum(int(each[what]) for each in counts) for what in (b"passages", b"empty"))
    ids, texts = columns(readers, "id", "text")
    return Corpus(Collection(language, ids, texts), passages, empty)


def _check_ids(files: Sequence[_Kept], readers: Sequence[Any]) -> None:
    """Refuse an id that is there twice; holds eight bytes per passage.

    Raises:
        DataError: names both places.
    """
    (ids,) = columns(readers, "id")
    hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
    ordered = np.sort(hashes)
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not suspects:
        return
    seen: set[str] = set()
    for name in ids.take(np.flatnonzero(np.isin(hashes, np.array([*suspects])))):
        if name in seen:
            places = list(islice((place for each in files for place in each.places(name)), 2))
            hint = files[0].source.hint
            raise DataError(f"the id {quoted(name)} is there twice: {' and '.join(places)}", hint)
        seen.add(name)


def _marker(files: Sequence[_Kept]) -> Path:
    """The file that says that the ids of `files` are all different."""
    names = _digest(*(str(each.path) for each in files))
    return files[0].path.with_name(f"checked-{names}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process reads the files of a collection; the others wait, and map what it read."""
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot keep passages in {path.parent}: {error.strerror or error}", _NO_ROOM
        ) from error


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _safe(name: str) -> str:
    """`name` for the name of a file or folder."""
    return _UNSAFE.sub("-", name).strip("-.")[:60] or "x"
