"""Parallel data made ready: read once from its sources, kept in memory maps from then on."""

from __future__ import annotations

import json
import os
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from mlir_harness.errors import DataError, StoreError
from mlir_harness.files import locked
from mlir_harness.types import BoolArray, IntArray
from mlir_trainers.parallel.content import content
from mlir_trainers.parallel.data import CHUNK, SCHEMA, Held
from mlir_trainers.parallel.groups import Keys, key_of_passage, key_of_question, key_of_source
from mlir_trainers.parallel.reading import quoted
from mlir_trainers.parallel.rows import Row
from mlir_trainers.parallel.sources import Source, distinct
from mlir_trainers.parallel.spool import Spool

_NO_ROOM = "Free some space, or name another folder."
_READER = 3  # raised when other rows come of the same files


def _untold(message: str) -> None:
    """Nobody listens."""


def prepare(
    sources: Sequence[Source], folder: Path, *, note: Callable[[str], None] = _untold
) -> Path:
    """Write what `data.load` opens, unless it is there already.

    A row's language counts where both question and passage are there; blank texts are missing.
    What has only one of them is left out and counted, as are rows without any language. Rows
    whose questions or passages are equal in any language, or of one source, get one group. Memory
    does not grow with the texts: it takes about 100 bytes a row.

    Args:
        sources: what to read; those called alike are numbered.
        folder: where prepared data is kept, each in a folder named by content and options.
        note: told of progress, for people.

    Returns:
        The folder with the data.

    Raises:
        DataError: a file is missing or malformed, an id is there twice, a language has no
            passages or no questions, or a data set has no row.
        UsageError: a source has an option that does not fit.
        StoreError: there is no room, or `folder` cannot be written.
    """
    sources = distinct(sources)
    with _writing(folder):
        files = [
            [content(file, folder / "hashes") for file in source.files()] for source in sources
        ]
        done = folder / _key(sources, files)
        if (done / "meta.json").exists():
            return done
        folder.mkdir(parents=True, exist_ok=True)
        lock = folder / f".{done.name}.lock"
        busy = "another process prepares the same data: waiting for it"
        with locked("prepared data", lock, _NO_ROOM, lambda: note(busy)):
            if not (done / "meta.json").exists():  # another process may have won
                _write(sources, files, done, note)
    return done


@dataclass
class _Read:
    """What is known of a data set once it was read."""

    source: Source
    start: int
    stop: int = 0
    empty: int = 0
    differs: bool = False
    halves: Counter[str] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    ids: array[int] = field(default_factory=lambda: array("Q"))

    def check(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            DataError: see `prepare`.
        """
        what = f"data set {quoted(self.source.name)} ({self.source.path})"
        for side, lacking in (
            ("passages", self.asked - self.answered),
            ("questions", self.answered - self.asked),
        ):
            if lacking:
                raise DataError(
                    f"{what} has no {side} in {', '.join(sorted(lacking))}",
                    "Add them, or name the other languages with languages = […].",
                )
        if absent := sorted(set(self.source.languages) - self.asked):
            raise DataError(
                f"{what} has nothing in {', '.join(absent)}",
                f"It is in {', '.join(sorted(self.asked)) or 'no language'}.",
            )
        if self.start == self.stop:
            raise DataError(
                f"{what} has no row with question and passage in one language",
                "Check its files and the map of its columns.",
            )
        hashes = np.sort(np.frombuffer(self.ids, np.uint64))
        twice = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
        met: dict[str, str] = {}
        for number, row in enumerate(self.source.rows() if twice else (), 1):
            if _hash(row.id) in twice:
                place = row.place or f"row {number}"
                if first := met.get(row.id):
                    raise DataError(
                        f"{what}: the id {quoted(row.id)} is there twice: {first} and {place}",
                        "Each row needs an id of its own; translations of it are in the same row.",
                    )
                met[row.id] = place


def _write(
    sources: Sequence[Source],
    files: Sequence[Sequence[Mapping[str, Any]]],
    done: Path,
    note: Callable[[str], None],
) -> None:
    """Read everything and write it, whole or not at all."""
    unfinished = done.with_name(f".tmp-{done.name}")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a process that was killed
    unfinished.mkdir()
    try:
        spool = Spool(unfinished)
        with Keys(unfinished) as keys:
            read = [
                _read(number, source, spool, keys, note) for number, source in enumerate(sources)
            ]
            languages = spool.finish(unfinished / "rows.arrow", unfinished / "present.npy")
            group = keys.groups(spool.rows)
        np.save(unfinished / "group.npy", group)
        present = np.load(unfinished / "present.npy", mmap_mode="r")
        spool.digest.update(group.tobytes())
        spool.digest.update(json.dumps([each.stop for each in read]).encode())
        meta = {
            "schema": SCHEMA,
            "languages": languages,
            "datasets": [
                {
                    "name": each.source.name,
                    "format": each.source.format,
                    "start": each.start,
                    "stop": each.stop,
                    "monolingual": each.differs,
                    **_held(
                        present[each.start : each.stop], group[each.start : each.stop], languages
                    ),
                    "halves": dict(sorted(each.halves.items())),
                    "empty": each.empty,
                    "files": held,
                }
                for each, held in zip(read, files, strict=True)
            ],
            "fingerprint": spool.digest.hexdigest(),
        }
        text = json.dumps(meta, ensure_ascii=False, indent=1)
        (unfinished / "meta.json").write_text(text, encoding="utf-8")
        for file in unfinished.iterdir():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
        shutil.rmtree(done, ignore_errors=True)  # without its meta.json it is none
        unfinished.rename(done)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _read(
    number: int, source: Source, spool: Spool, keys: Keys, note: Callable[[str], None]
) -> _Read:
    found = _Read(source, spool.rows)
    pending: list[tuple[int, int]] = []
    for row in source.rows():
        questions, passages = _said(row, row.questions), _said(row, row.passages)
        found.asked.update(questions)
        found.answered.update(passages)
        found.halves.update(questions.keys() ^ passages.keys())
        pairs = {each: (questions[each], passages[each]) for each in questions if each in passages}
        if not pairs:
            found.empty += 1
            continue
        found.differs |= any(question != passage for question, passage in pairs.values())
        pending += ((key_of_passage(passage), spool.rows) for _, passage in pairs.values())
        pending += (
            (key_of_question(q), spool.rows) for q, passage in pairs.values() if q != passage
        )
        if row.source is not None:
            pending.append((key_of_source(number, row.source), spool.rows))
        found.ids.append(_hash(row.id))
        spool.add(row.id, pairs)
        if len(pending) >= CHUNK:
            keys.add(pending)
            pending.clear()
        if spool.rows % CHUNK == 0:
            note(f"{source.name}: {spool.rows - found.start:,} rows read")
    keys.add(pending)
    found.stop = spool.rows
    found.check()
    note(f"{source.name}: {found.stop - found.start:,} rows")
    return found


def _said(row: Row, texts: Mapping[str, str]) -> dict[str, str]:
    """The texts that are not blank.

    Raises:
        DataError: one that no encoding of Unicode allows.
    """
    for language, text in texts.items():
        try:
            text.isascii() or text.encode()
        except UnicodeEncodeError as error:  # JSON can escape half of a surrogate pair
            code = f"U+{ord(text[error.start]):04X}"
            raise DataError(
                f"{row.place or f'row {quoted(row.id)}'}: lone surrogate {code} in {language}",
                "Mend the file: that is no character.",
            ) from error
    return {language: text for language, text in texts.items() if text.strip().strip("\ufeff")}


def _held(present: BoolArray, group: IntArray, languages: Sequence[str]) -> dict[str, Any]:
    """What a data set holds, by language and across them; languages it is not in are left out."""
    found = {
        language: asdict(_counted(group[present[:, place]]))
        for place, language in enumerate(languages)
    }
    crossing = np.count_nonzero(present, axis=1) >= 2
    return {
        "languages": {language: held for language, held in found.items() if held["rows"]},
        "crossing": asdict(_counted(group[crossing])),
    }


def _counted(group: IntArray) -> Held:
    return Held(len(group), len(np.unique(group)))


def _hash(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))


def _key(sources: Sequence[Source], files: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """A name for the content of files and how it is read."""
    parts = [
        [source.name, source.format, sorted(source.options.items()), held]
        for source, held in zip(sources, files, strict=True)
    ]
    text = json.dumps([SCHEMA, CHUNK, _READER, parts], sort_keys=True, default=str)
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot keep prepared data in {folder}: {error.strerror or error}",
            _NO_ROOM,
        ) from error
