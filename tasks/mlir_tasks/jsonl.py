"""JSON lines with an id, a title and a text, such as the corpora of MIRACL and BEIR."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mlir_harness.errors import DataError
from mlir_tasks.lines import failure, numbered, quoted


class Record(NamedTuple):
    """One line.

    Attributes:
        line: its number, from 1.
        id: as in the file; nothing but a string is taken for one.
        text: title and text, a newline between them where both are there; "" where there is
            nothing but white space.
    """

    line: int
    id: str
    text: str


def records(file: Path, key: str, hint: str = "") -> Iterator[Record]:
    """The records of one file, in its order; other members than these three are passed over.

    Args:
        file: `.jsonl` or `.jsonl.gz`.
        key: the member that holds the id.
        hint: what to do about a bad file, handed on with every error.

    Raises:
        DataError: unreadable, malformed, a record without id, text not a string, or one
            that no encoding of Unicode allows; names file and line.
    """
    for number, line in numbered(file, hint):
        try:
            record: Any = json.loads(line)
        except json.JSONDecodeError as error:
            what = f"malformed JSON: {error.msg} at column {error.colno}"
            raise failure(file, number, what, hint) from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, say
            raise failure(file, number, f"malformed JSON: {error}", hint) from error
        try:
            name, title, text = record[key], record.get("title") or "", record["text"]
            usable = name and type(name) is type(title) is type(text) is str
        except (KeyError, TypeError, AttributeError):
            usable = False
        if not usable:
            raise _refused(record, key, file, number, hint)
        joined = f"{title}\n{text}" if title and text else title or text
        if joined.isspace():
            joined = ""
        if "\\ud" in line or "\\uD" in line:  # half a character can only be written so
            _check_surrogates(name, joined, file, number, hint)
        yield Record(number, name, joined)


def _refused(record: Any, key: str, file: Path, number: int, hint: str) -> DataError:
    """Why a record cannot be used."""
    if not isinstance(record, dict):
        return failure(file, number, f"{_kind(record)}, not an object", hint)
    for member in (key, "text"):
        if member not in record:
            return failure(file, number, f'no "{member}"', hint)
    for member in (key, "text", "title"):
        value = record.get(member, "")
        if not isinstance(value, str) and not (member == "title" and value is None):
            return failure(file, number, f'"{member}" is {_kind(value)}, not a string', hint)
    return failure(file, number, f'"{key}" is empty', hint)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "a truth value", str: "a string"}
    numbers = {int: "a number", float: "a number", type(None): "null"}
    return (names | numbers).get(type(value), type(value).__name__)


def _check_surrogates(name: str, text: str, file: Path, number: int, hint: str) -> None:
    for what, value in (("id", name), (f"text of {quoted(name)}", text)):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            code = f"U+{ord(value[error.start]):04X}"
            raise failure(file, number, f"lone surrogate {code} in the {what}", hint) from error
