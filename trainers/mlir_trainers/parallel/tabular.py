"""Tables with a row a parallel id: `jsonl:PATH`, `parquet:PATH` and `tsv:PATH`.

Without a map of columns they must be as this project writes them: in JSON lines and Parquet
`{"id": …, "source": …, "question": {"de": …, "en": …}, "passage": {"de": …}}`, in TSV columns
`id`, `source`, `question.de`, `passage.de` and so on. `source` may be left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mlir_harness.errors import DataError, UsageError
from mlir_trainers.parallel.languages import tag
from mlir_trainers.parallel.reading import kind, lines, listed, parsed, quoted, unreadable
from mlir_trainers.parallel.rows import Row

Format: TypeAlias = Literal["jsonl", "parquet", "tsv"]
_Record: TypeAlias = Mapping[str, Any]
_ENDINGS = {"jsonl": (".jsonl", ".jsonl.gz"), "parquet": (".parquet",), "tsv": (".tsv", ".tsv.gz")}
_AT_ONCE = 4096  # rows of a Parquet file that become Python objects at a time
_SIDES = ("question", "passage")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column holds what; a language missing from `texts` is in none.

    Attributes:
        id: None where the number of the row serves.
        source: None where none does.
        texts: side -> language -> column, or None where languages are found in each row.
    """

    id: str | None = "id"
    source: str | None = "source"
    texts: Mapping[str, Mapping[str, str]] | None = field(default=None)


def files(path: Path, *, form: Format, **_: object) -> tuple[Path, ...]:
    """The files that `read` reads: `path` itself, or those of its kind in the folder `path`.

    Raises:
        DataError: there is none.
    """
    endings = _ENDINGS[form]
    if path.is_file():
        return (path,)
    found = tuple(each for each in listed(path) if each.name.endswith(endings))
    if not found:
        raise DataError(f"{path} holds no file *{endings[0]}", "Name a file, or another folder.")
    return found


def read(
    path: Path,
    *,
    form: Format,
    languages: Sequence[str] = (),
    columns: Mapping[str, object] | None = None,
) -> Iterator[Row]:
    """The rows of all files, in the order of their names.

    Args:
        path: a file, or a folder of files.
        form: of the files.
        languages: only these; none means all.
        columns: names of columns: {"id": …, "source": …, "question": {language: column},
            "passage": {language: column}}. Without an id, the number of the row is one. In JSON
            and Parquet, "a.b" is member b of a where no column has that name.

    Raises:
        DataError: a file is missing or malformed, or lacks a column.
        UsageError: `columns` is not such a map.
    """
    found = files(path, form=form)
    given = None if columns is None else _given(columns)
    wanted = frozenset(tag(each) for each in languages)
    number = 0
    for file in found:
        for line, record in _records(file, form, given):
            number += 1
            place = f"{file}, {'row' if form == 'parquet' else 'line'} {line}"
            yield _row(record, given or _Columns(), wanted, number, place)


def _given(columns: Mapping[str, object]) -> _Columns:
    """A recipe's map of columns, checked."""
    hint = 'Write columns = {id = "…", question = {en = "…"}, passage = {en = "…"}}.'
    if unknown := sorted(set(columns) - {"id", "source", *_SIDES}):
        raise UsageError(f"columns has no {quoted(unknown[0])}", hint)
    names: dict[str, str | None] = {}
    for what in ("id", "source"):
        value = columns.get(what)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"columns.{what} is {kind(value)}, not the name of a column", hint)
        names[what] = value
    texts: dict[str, dict[str, str]] = {}
    for side in _SIDES:
        value = columns.get(side)
        if not isinstance(value, Mapping) or not all(isinstance(e, str) for e in value.values()):
            raise UsageError(f"columns.{side} must give a column for each language", hint)
        texts[side] = {tag(language): column for language, column in value.items()}
        if len(texts[side]) < len(value):
            raise UsageError(f"columns.{side} names a language twice", hint)
    return _Columns(names["id"], names["source"], texts)


def _records(file: Path, form: Format, given: _Columns | None) -> Iterator[tuple[int, _Record]]:
    """Line or row numbers from 1, and the values by column."""
    if form == "jsonl":
        for number, line in enumerate(lines(file), 1):
            if line and not line.isspace():
                record = parsed(line, file, number)
                if not isinstance(record, dict):
                    raise DataError(
                        f"{file}, line {number}: {kind(record)}, not an object",
                        "Every line must hold one JSON object.",
                    )
                yield number, record
    elif form == "parquet":
        yield from _parquet(file, given)
    else:
        yield from _tsv(file, given)


def _tsv(file: Path, given: _Columns | None) -> Iterator[tuple[int, _Record]]:
    rows = enumerate(lines(file), 1)
    header = next(rows, (1, ""))[1].split("\t")
    _require(header, given, file)
    sides: list[tuple[str, str, int]] = []
    if given is None:
        for place, column in enumerate(header):
            side, _, language = column.partition(".")
            if side in _SIDES and language:
                sides.append((side, language, place))
    for number, line in rows:
        cells = line.split("\t")
        if len(cells) != len(header):
            raise DataError(
                f"{file}, line {number}: {len(cells)} columns, the header has {len(header)}",
                "Each line must have a tab between columns, and none within them.",
            )
        record: dict[str, Any] = dict(zip(header, cells, strict=True))
        for side, language, place in sides:
            record.setdefault(side, {})[language] = cells[place]
        yield number, record


def _parquet(file: Path, given: _Columns | None) -> Iterator[tuple[int, _Record]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            names = table.schema_arrow.names
            _require(names, given, file)
            used = [each for each in names if given is None or each in _heads(given, names)]
            number = 0
            for batch in table.iter_batches(_AT_ONCE, columns=used):
                for record in batch.to_pylist():
                    number += 1
                    yield number, record
    except pa.ArrowInvalid as error:
        first = str(error).split("\n", maxsplit=1)[0]
        raise DataError(f"{file}: no Parquet file: {first}", "Copy it again.") from error
    except OSError as error:
        raise unreadable(file, error) from error


def _heads(given: _Columns, names: Sequence[str]) -> set[str]:
    """The top columns that `given` needs of `names`."""
    texts = (given.texts or {}).values()
    needed = [given.id, given.source, *(column for side in texts for column in side.values())]
    return {
        each if each in names else each.partition(".")[0] for each in needed if each is not None
    }


def _require(names: Sequence[str], given: _Columns | None, file: Path) -> None:
    """Refuse a table that lacks a column."""
    needed = {"id"} if given is None else _heads(given, names)
    if missing := sorted(needed - set(names)):
        shown = ", ".join(quoted(each) for each in names[:20])
        raise DataError(
            f"{file} has no column {quoted(missing[0])}; it has {shown}",
            "Say with columns which column holds what.",
        )


def _row(
    record: _Record, columns: _Columns, wanted: frozenset[str], number: int, place: str
) -> Row:
    name = str(number) if columns.id is None else _name(record, columns.id, place)
    source = None
    if columns.source is not None and _value(record, columns.source) not in (None, ""):
        source = _name(record, columns.source, place)
    sides: dict[str, dict[str, str]] = {}
    for side in _SIDES:
        if columns.texts is None:
            found = _by_language(record, side, place)
        else:
            found = {
                language: _value(record, column) for language, column in columns.texts[side].items()
            }
        sides[side] = {}
        for language, text in found.items():
            if text is None or (wanted and language not in wanted):
                continue
            if not isinstance(text, str):
                raise _wrong(f"{side} in {language}", text, "a string", place)
            sides[side][language] = text
    return Row(name, sides["question"], sides["passage"], source, place)


def _by_language(record: _Record, side: str, place: str) -> dict[str, Any]:
    texts = record.get(side)
    if not isinstance(texts, Mapping):
        raise _wrong(quoted(side), texts, "an object of texts by language", place)
    try:
        return {tag(language): text for language, text in texts.items()}
    except DataError as error:
        raise DataError(f"{place}, {side}: {error.message}", error.hint) from error


def _name(record: _Record, column: str, place: str) -> str:
    value = _value(record, column)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise _wrong(quoted(column), value, "a string or a number", place)
    return str(value)


def _value(record: _Record, column: str) -> Any:
    """The value of a column, or of a member of one; None where there is none."""
    if column in record:
        return record[column]
    value: Any = record
    for part in column.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _wrong(what: str, value: object, expected: str, place: str) -> DataError:
    found = "empty" if value == "" else kind(value)
    return DataError(
        f"{place}: {what} is {found}, not {expected}",
        "Mend the file, or say with columns which column holds what.",
    )
