"""Reads the files of MTOP: one utterance a line, eight columns, no header and no quoting.

id · intent · slots · utterance · domain · locale · decoupled form · tokens (JSON). What a task
needs is the id, the intent, the utterance and the form; ids are strings, whatever they look like.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mlir_harness.errors import DataError
from mlir_tasks.lines import failure, numbered, quoted
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

    A byte order mark, CRLF, blank lines and a missing newline at the end are no errors.

    Args:
        file: UTF-8.
        language: that the locale column must name ("hi" for hi_XX).
        hint: what to do about a bad file, handed on with every error.

    Raises:
        DataError: with file, line and, where there is one, column.
    """
    parsed = cache(parse)  # a few thousand forms without slots are the same
    found: list[Utterance] = []
    lines: dict[str, int] = {}
    for number, line in numbered(file, hint):
        utterance = _utterance(_Line(file, number, line, hint), language, parsed)
        if utterance.id in lines:
            message = f"duplicate id {quoted(utterance.id)}, first in line {lines[utterance.id]}"
            raise failure(file, number, message, hint)
        lines[utterance.id] = number
        found.append(utterance)
    if not found:
        raise DataError(f"{file}: holds no utterance", hint)
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line and where it stands."""

    file: Path
    number: int
    text: str
    hint: str

    def error(self, problem: str, column: int | None = None) -> DataError:
        return failure(self.file, self.number, problem, self.hint, column=column)


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
        raise line.error(f"locale {quoted(locale)} in a file of the language {language!r}")
    try:
        form = parsed(fields[_FORM])
    except FormError as error:
        start = sum(len(field) + 1 for field in fields[:_FORM])
        problem = f"decoupled form: {error.problem}"
        raise line.error(problem, start + error.column + 1) from error
    if form.label != intent:
        raise line.error(f"intent {intent!r}, but its decoupled form begins with {form.label!r}")
    return Utterance(name, fields[_TEXT], form)
