"""Plain parallel sentences, each the question and the passage of its row: `sentences:PATH`.

The layouts: a folder with one file a language, aligned by line (`de.txt`, or `name-de.jsonl`
with the sentence in one member); a folder of Moses pairs (`name.de-en.de`, `name.de-en.en`);
one TSV file whose header names the languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from mlir_harness.errors import DataError
from mlir_trainers.parallel.folders import by_language
from mlir_trainers.parallel.languages import chosen, known, tag, tag_in
from mlir_trainers.parallel.reading import kind, lines, listed, parsed, quoted
from mlir_trainers.parallel.rows import Row

_ALIGNED = (".txt", ".txt.gz", ".jsonl", ".jsonl.gz")
_TABLES = (".tsv", ".tsv.gz")
_MOSES = re.compile(r"(?P<pair>.+\.(?P<one>[\w]+)-(?P<other>[\w]+))\.(?P<side>[\w]+)(\.gz)?")
_Pairs: TypeAlias = dict[str, dict[str, Path]]  # name of the pair -> language -> file


def files(path: Path, *, languages: Sequence[str] = (), **_: object) -> tuple[Path, ...]:
    """The files that `read` reads."""
    if _is_table(path):
        return (path,)
    if pairs := _pairs(path, languages):
        return tuple(file for pair in pairs.values() for file in pair.values())
    return tuple(by_language(path, _ALIGNED, languages).values())


def read(path: Path, *, languages: Sequence[str] = (), member: str = "question") -> Iterator[Row]:
    """The sentences; where a line is blank, its language is missing.

    Args:
        path: a folder, or a TSV file.
        languages: only these; none means all.
        member: that holds the sentence in JSON lines.

    Raises:
        DataError: files are missing, malformed, or have not as many lines.
    """
    if _is_table(path):
        yield from _table(path, languages)
    elif pairs := _pairs(path, languages):
        for name, pair in pairs.items():
            yield from _aligned(pair, member, f"{name}:")
    else:
        yield from _aligned(by_language(path, _ALIGNED, languages), member, "")


def _row(name: str, sentences: Mapping[str, str]) -> Row:
    return Row(name, sentences, sentences)


def _is_table(path: Path) -> bool:
    return path.is_file() and path.name.endswith(_TABLES)


def _table(file: Path, languages: Sequence[str]) -> Iterator[Row]:
    rows = enumerate(lines(file), 1)
    header = next(rows, (1, ""))[1].split("\t")
    # A first column that is no language has the ids, and so has "id", though Indonesian is
    # called that too; line numbers serve otherwise.
    named = header[0] == "id" or not known(header[0])
    places: dict[str, int] = {}
    for place, column in enumerate(header):
        if (
            known(column)
            and not (named and place == 0)
            and places.setdefault(tag(column), place) != place
        ):
            raise DataError(
                f"{file}, line 1: two columns are in {tag(column)}", "Leave one of them out."
            )
    if not places:
        raise DataError(
            f"{file}, line 1: no column is named after a language",
            "The first line must name the languages, such as id, de, en, with tabs between.",
        )
    wanted = {language: places[language] for language in chosen(languages, places, file)}
    for number, line in rows:
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(
                f"{file}, line {number}: {len(cells)} columns, the header has {len(header)}",
                "Each line must have a tab between columns, and none within them.",
            )
        yield Row(
            cells[0] if named else str(number),
            sentences := {language: cells[place] for language, place in wanted.items()},
            sentences,
            place=f"{file}, line {number}",
        )


def _pairs(folder: Path, languages: Sequence[str]) -> _Pairs:
    """The pairs of Moses files; none where the folder holds none."""
    matches = [
        (match, file)
        for file in (listed(folder) if not folder.is_file() else [])
        if (match := _MOSES.fullmatch(file.name))
        and match["side"] in (match["one"], match["other"])
    ]
    pairs: _Pairs = {}
    for match, file in matches:
        pairs.setdefault(match["pair"], {})[tag_in(match["side"])] = file
    for name, pair in pairs.items():
        if len(pair) != 2:
            (file,) = pair.values()
            raise DataError(
                f"{file} has no file beside it in the other language of {name}",
                "Put it there, or move this one away.",
            )
    there = {language for pair in pairs.values() for language in pair}
    wanted = set(chosen(languages, there, folder)) if pairs else set()
    return {name: pair for name, pair in pairs.items() if wanted.issuperset(pair)}


def _aligned(files: Mapping[str, Path], member: str, prefix: str) -> Iterator[Row]:
    counts = dict.fromkeys(files, 0)
    for number, row in enumerate(
        zip_longest(*(_sentences(file, member) for file in files.values())), 1
    ):
        here = dict(zip(files, row, strict=True))
        for language, sentence in here.items():
            counts[language] += sentence is not None
        if None not in row:
            yield _row(f"{prefix}{number}", here)
    short, long = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[short] != counts[long]:
        raise DataError(
            f"{files[short]} has {counts[short]} lines, {files[long].name} has {counts[long]}: "
            "they are not aligned",
            "Line n of every file must say the same; a blank line stands for a missing sentence.",
        )


def _sentences(file: Path, member: str) -> Iterator[str]:
    if ".jsonl" not in file.name:
        yield from lines(file)
        return
    for number, line in enumerate(lines(file), 1):
        record = parsed(line, file, number)
        if not isinstance(record, dict) or not isinstance(record.get(member), str):
            raise DataError(
                f"{file}, line {number}: no string {quoted(member)} in {kind(record)}",
                "Name the member that holds the sentence with the option member.",
            )
        yield record[member]
