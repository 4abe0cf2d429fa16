"""Lines of text files, plain or compressed, with errors that name the file and the line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from mlir_harness.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST = 60  # characters of foreign text in a message


def lines(file: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, blank ones included, without what ends them.

    LF and CRLF end a line and nothing else does; the last one needs no end. A byte order mark
    at the start is dropped. `….gz` is decompressed on the way.

    Raises:
        DataError: unreadable, damaged, cut short, or not UTF-8.
    """
    number = 0
    try:
        with _opened(file) as stream:
            for number, raw in enumerate(stream, 1):
                content = raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
                yield _decoded(content.removesuffix(b"\n").removesuffix(b"\r"), file, number)
    except EOFError as error:
        raise DataError(
            f"{file}: ends in the middle of its compressed data, after line {number}",
            "It was not copied whole: copy it again.",
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        where = f"damaged after line {number}" if number else "not a gzip file"
        raise DataError(f"{file}: {where} ({error})", "Copy it again.") from error
    except OSError as error:
        raise unreadable(file, error) from error


def parsed(text: str, file: Path, line: int | None = None) -> Any:
    """The value of JSON text that stands in `line` of `file`, or is all of it.

    Raises:
        DataError: it is malformed; names file, line and column.
    """
    hint = "Mend the file, or copy it again."
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {line or error.lineno}, column {error.colno}"
        raise DataError(f"{file}, {place}: malformed JSON: {error.msg}", hint) from error
    except (ValueError, RecursionError) as error:  # absurdly long numbers, absurd nesting
        place = f"{file}, line {line}" if line else f"{file}"
        raise DataError(f"{place}: malformed JSON: {error}", hint) from error


def unreadable(file: Path, error: OSError) -> DataError:
    """The error for a file that the operating system does not let us read."""
    return DataError(f"{file}: {error.strerror or error}", "Check the path and its permissions.")


def listed(folder: Path) -> list[Path]:
    """The files in a folder, by name; hidden ones are left out.

    Raises:
        DataError: it is no folder that can be read.
    """
    try:
        return sorted(
            each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")
        )
    except OSError as error:
        raise unreadable(folder, error) from error


def quoted(text: str) -> str:
    """Foreign text for a message: in quotation marks, cut short."""
    return repr(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def kind(value: object) -> str:
    """What a value of a JSON file is, for people."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")


def _opened(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file) if file.suffix == ".gz" else file.open("rb"))


def _decoded(content: bytes, file: Path, number: int) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}, line {number}: not UTF-8 at byte {error.start + 1}",
            "Convert the file to UTF-8.",
        ) from error
