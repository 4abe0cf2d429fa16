"""Lines of text files, plain or compressed, with errors that name the file and the line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from mlir_harness.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST = 60  # characters of foreign text in a message


def numbered(file: Path, hint: str = "") -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, counted from 1, without what ends them.

    LF and CRLF end a line and nothing else does; the last one needs no end. A byte order mark
    at the start is dropped. Blank lines are passed over, and counted.

    Args:
        file: `….gz` is decompressed on the way.
        hint: what to do about a bad file, handed on with every error.

    Raises:
        DataError: unreadable, damaged, cut short, or not UTF-8.
    """
    number = 0
    try:
        with _opened(file) as stream:
            for number, raw in enumerate(stream, 1):
                content = raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
                content = content.removesuffix(b"\n").removesuffix(b"\r")
                if content and not content.isspace():
                    yield number, _decoded(content, file, number, hint)
    except EOFError as error:
        raise DataError(
            f"{file}: ends in the middle of its compressed data, after line {number}: "
            "it was not copied whole",
            hint,
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        where = f"damaged after line {number}" if number else "not a gzip file"
        raise DataError(f"{file}: {where} ({error})", hint) from error
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}", hint) from error


def failure(
    file: Path, number: int, what: str, hint: str = "", *, column: int | None = None
) -> DataError:
    """The error that says `what` is wrong in line `number` of `file`, `column` from 1 if known."""
    place = f"{file}, line {number}" + ("" if column is None else f", column {column}")
    return DataError(f"{place}: {what}", hint)


def quoted(text: str) -> str:
    """Foreign text for a message: in quotation marks, cut short."""
    return repr(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def _opened(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file) if file.suffix == ".gz" else file.open("rb"))


def _decoded(content: bytes, file: Path, number: int, hint: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise failure(file, number, f"not UTF-8 at byte {error.start + 1}", hint) from error
