"""Reads the files of MTOP: one utterance a line, eight columns, no header and no quoting.

id · intent · slots · utterance · domain · locale · decoupled form · tokens (JSON). What a task
needs is the id, the intent, the utterance and the form; ids are strings, whatever they look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mlir_harness.errors import DataError
from mlir_tasks.logical_form import Form, FormError, parse

_COLUMNS = 8
_INTENT, _TEXT, _LOCALE, _FORM = 1, 3, 5, 6


@dataclass(frozen=True, slots=True)
class Utterance:
    """One line of a file.

    Attributes:
        id: shared with the same utterance in other languages; unique in its file.
        text: as in the file.
        form: its decoupled logical form.
    """

    id: str
    text: str
    form: Form

    @property
    def intent(self) -> str:
        return self.form.label


def read_mtop(file: Path, language: str, hint: str = "") -> tuple[Utterance, ...]:
    """The utterances of one file, in its order.

    A byte order mark, CRLF and a missing newline at the end are no errors.

    Args:
        file: UTF-8.
        language: that the locale column must name ("hi" for hi_XX).
        hint: what to do about a bad file, handed on with every error.

    Raises:
        DataError: with file, line and, where there is one, column.
        OSError: the file cannot be opened.
    """
    parsed = cache(parse)  # a few thousand forms without slots are the same
    found: list[Utterance] = []
    lines: dict[str, int] = {}
    for number, line in _lines(file, hint):
        utterance = _utterance(_Line(file, number, line, hint), language, parsed)
        if utterance.id in lines:
            message = f"duplicate id {utterance.id!r}, first in line {lines[utterance.id]}"
            raise DataError(f"{file}: line {number}: {message}", hint)
        lines[utterance.id] = number
        found.append(utterance)
    if not found:
        raise DataError(f"{file}: holds no utterance", hint)
    return tuple(found)


def _lines(file: Path, hint: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; only line feeds end them, whatever else is in the texts."""
    content = file.read_bytes().removeprefix(b"\xef\xbb\xbf").removesuffix(b"\n")
    for number, line in enumerate(content.split(b"\n") if content else (), 1):
        try:
            yield number, line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{file}: line {number}: not UTF-8 ({error.reason})", hint) from error


@dataclass(frozen=True, slots=True)
class _Line:
    """A line and where it stands."""

    file: Path
    number: int
    text: str
    hint: str

    def error(self, problem: str, column: int | None = None) -> DataError:
        place = f"{self.file}: line {self.number}"
        place += "" if column is None else f", column {column + 1}"
        return DataError(f"{place}: {problem}", self.hint)


def _utterance(line: _Line, language: str, parsed: Callable[[str], Form]) -> Utterance:
    fields = line.text.split("\t")
    if len(fields) != _COLUMNS:
        stray = ": a stray tab?" if len(fields) > _COLUMNS else ""
        raise line.error(f"{len(fields)} columns, not {_COLUMNS}{stray}")
    name, intent, text, locale = (fields[at].strip() for at in (0, _INTENT, _TEXT, _LOCALE))
    for what, value in (("id", name), ("intent", intent), ("utterance", text)):
        if not value:
            raise line.error(f"the {what} is missing")
    if locale.partition("_")[0] != language:
        raise line.error(f"locale {locale!r} in a file of the language {language!r}")
    try:
        form = parsed(fields[_FORM])
    except FormError as error:
        start = sum(len(field) + 1 for field in fields[:_FORM])
        problem = f"decoupled form: {error.problem}"
        raise line.error(problem, start + error.column) from error
    if form.label != intent:
        raise line.error(f"intent {intent!r}, but its decoupled form begins with {form.label!r}")
    return Utterance(name, fields[_TEXT], form)
