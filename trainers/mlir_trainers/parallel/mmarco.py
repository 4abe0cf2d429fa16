"""mMARCO's files as they are published: `mmarco:FOLDER`.

Source: Bonifacio et al. 2021, "mMARCO: A Multilingual Version of the MS MARCO Passage Ranking
Dataset", arXiv:2108.13897. Below the folder lie `collections/{language}_collection.tsv` and
`queries/train/{language}_queries.train.tsv`; the file that says which passage answers which
query, judgements or triples, lies there or one folder up. Texts are read where they lie in the
files, as they are millions.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlir_harness.errors import DataError
from mlir_harness.types import IntArray
from mlir_trainers.parallel.languages import chosen, tag
from mlir_trainers.parallel.reading import lines, quoted, unreadable
from mlir_trainers.parallel.rows import Row

_PAIRS = ("qrels.train.tsv", "triples.train.ids.small.tsv", "triples.train.ids.tsv")
_COLLECTION, _QUERIES = "_collection.tsv", "_queries.train.tsv"
_AT_ONCE = 1 << 20  # pairs read before those met twice are let go
_NUMBERS = 1 << 63  # below that they fit an array
_ROWS = 1 << 12  # that are Python objects at a time


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of all languages that have both queries and passages, and the pairs."""

    queries: dict[str, Path]
    passages: dict[str, Path]
    pairs: Path


def files(
    path: Path, *, languages: Sequence[str] = (), pairs: str | None = None
) -> tuple[Path, ...]:
    """The files that `read` reads."""
    found = _found(path, languages, pairs)
    return (*found.queries.values(), *found.passages.values(), found.pairs)


def read(path: Path, *, languages: Sequence[str] = (), pairs: str | None = None) -> Iterator[Row]:
    """A row for each query and passage that answers it, by passages; the source is the passage.

    Holds 16 bytes a pair, and for each language 8 bytes a query and passage that is in a pair.

    Args:
        path: the folder.
        languages: only these; none means all.
        pairs: file with query, passage and a passage that is no answer in each line (triples),
            or query, 0, passage and grade (judgements), below `path`; None looks for MS MARCO's.

    Raises:
        DataError: a file is missing or malformed.
    """
    found = _found(path, languages, pairs)
    both = _read_pairs(found.pairs)
    queries, passages = np.unique(both[:, 1]), np.unique(both[:, 0])
    with ExitStack() as held:
        asked = {
            language: held.enter_context(_Texts(file, queries))
            for language, file in found.queries.items()
        }
        answers = {
            language: held.enter_context(_Texts(file, passages))
            for language, file in found.passages.items()
        }
        for start in range(0, len(both), _ROWS):
            some = both[start : start + _ROWS]
            places = (
                np.searchsorted(queries, some[:, 1]).tolist(),
                np.searchsorted(passages, some[:, 0]).tolist(),
            )
            for (passage, query), question, answer in zip(some.tolist(), *places, strict=True):
                yield Row(
                    f"{query}-{passage}",
                    {language: texts[question] for language, texts in asked.items()},
                    {language: texts[answer] for language, texts in answers.items()},
                    str(passage),
                )


class _Texts:
    """Some lines of a file of `number<tab>text`, each read where it lies when it is asked for."""

    def __init__(self, file: Path, wanted: IntArray) -> None:
        """Find the lines.

        Args:
            file: UTF-8 with LF between lines.
            wanted: (n,) int64 numbers, ascending; text i is that of number wanted[i].

        Raises:
            DataError: unreadable, or a line has not the form.
        """
        self._file = file
        self._starts = np.full(len(wanted), -1, np.int64)
        places = {number: place for place, number in enumerate(wanted.tolist())}
        start = 0
        try:
            with file.open("rb") as stream:
                for line, raw in enumerate(stream, 1):
                    number, tab, _ = raw.partition(b"\t")
                    if not tab or not number.isdigit():
                        if raw.isspace():
                            start += len(raw)
                            continue
                        raise DataError(
                            f"{file}, line {line}: not a number, a tab and a text",
                            "Take the files as mMARCO publishes them, unpacked.",
                        )
                    place = places.get(int(number))
                    if place is not None:
                        self._starts[place] = start + len(number) + 1
                    start += len(raw)
            with file.open("rb") as stream:
                self._mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise unreadable(file, error) from error
        except ValueError as error:  # an empty file cannot be mapped
            raise DataError(f"{file}: is empty", "Copy it again.") from error

    def __enter__(self) -> _Texts:
        return self

    def __exit__(self, *_: object) -> None:
        self._mapped.close()

    def __getitem__(self, place: int) -> str:
        start = int(self._starts[place])
        if start < 0:
            return ""  # missing in this language
        end = self._mapped.find(b"\n", start)
        raw = self._mapped[start : len(self._mapped) if end < 0 else end]
        try:
            return raw.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self._file}: not UTF-8 at byte {start + error.start + 1}",
                "Convert the file to UTF-8.",
            ) from error


def _read_pairs(file: Path) -> IntArray:
    """The pairs of passage and query: (n, 2) int64, ascending, each once."""
    found = np.zeros((0, 2), np.int64)
    some: list[tuple[int, int]] = []
    for number, line in enumerate(lines(file), 1):
        if not line or line.isspace():
            continue
        cells = line.split()
        try:
            # Judgements: query, 0, passage, grade; else query, passage, perhaps one no answer.
            judged = len(cells) == 4
            pair = (int(cells[2 if judged else 1]), int(cells[0]))
            if not 2 <= len(cells) <= 4 or min(pair) < 0 or max(pair) >= _NUMBERS:
                raise ValueError
            if not judged or int(cells[3]) > 0:
                some.append(pair)
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{file}, line {number}: {quoted(line)} is no judgement and no triple of numbers",
                "Name another file with the option pairs.",
            ) from error
        if len(some) >= _AT_ONCE:
            found = np.unique(np.concatenate([found, np.array(some, np.int64)]), axis=0)
            some.clear()
    if some:
        found = np.unique(np.concatenate([found, np.array(some, np.int64)]), axis=0)
    return found


def _found(path: Path, languages: Sequence[str], pairs: str | None) -> _Files:
    passages = _by_name(path / "collections", _COLLECTION)
    queries = _by_name(path / "queries" / "train", _QUERIES)
    wanted = chosen(languages, passages.keys() & queries.keys(), path)
    if not wanted:
        raise DataError(
            f"{path} has no language with both collections/LANGUAGE{_COLLECTION} and "
            f"queries/train/LANGUAGE{_QUERIES}",
            "Take the files as mMARCO publishes them, unpacked.",
        )
    places = [path, path.parent, path / "qrels", path / "triples"]
    names = [pairs] if pairs else [*_PAIRS]
    for file in (place / name for name in names for place in places):
        if file.is_file():
            return _Files(
                {language: queries[language] for language in wanted},
                {language: passages[language] for language in wanted},
                file,
            )
    raise DataError(
        f"{path} and the folder above hold no {' or '.join(names)}",
        "Put the file there that says which passage answers which query.",
    )


def _by_name(folder: Path, ending: str) -> dict[str, Path]:
    return {tag(file.name.removesuffix(ending)): file for file in sorted(folder.glob(f"*{ending}"))}
