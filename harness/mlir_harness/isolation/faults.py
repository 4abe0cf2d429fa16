"""Exceptions across the pipe: raised there, put into words, raised here as what they were."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from mlir_harness import errors
from mlir_harness.errors import HarnessError
from mlir_harness.text import described, plain

_LONGEST_TRACE = 20_000  # characters


class Elsewhere(Exception):
    """The traceback of an exception in another process, shown as its cause."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class Surprise(Exception):
    """An exception of a foreign class; see `raised`."""


def fields(error: BaseException) -> dict[str, Any]:
    """An exception as what JSON can hold."""
    trace = "".join(traceback.format_exception(error))
    held: dict[str, Any] = {"trace": trace[-_LONGEST_TRACE:]}
    if isinstance(error, HarnessError):
        names = [each.__name__ for each in type(error).__mro__]
        return held | {"names": names, "message": str(error.message), "hint": str(error.hint)}
    if isinstance(error, MemoryError):
        return held | {"names": ["MemoryError"], "message": "", "hint": ""}
    name, _, message = described(error).partition(": ")
    return held | {"names": [name], "message": message, "hint": ""}


def raised(held: Mapping[str, Any]) -> Exception:
    """The exception that `fields` described, to be raised here.

    A HarnessError is of its class again, or of the nearest one that the harness knows; so is a
    MemoryError. Any other becomes a Surprise whose class has the name of the foreign one.
    """
    names = [str(name) for name in held["names"]]
    message, hint = str(held["message"]), str(held["hint"])
    error = _known(names, message, hint)
    error.__cause__ = Elsewhere(str(held["trace"]))
    return error


def _known(names: list[str], message: str, hint: str) -> Exception:
    for name in names:
        found = getattr(errors, name, None)
        if isinstance(found, type) and issubclass(found, HarnessError):
            return found(message, hint)
    if names == ["MemoryError"]:
        return MemoryError(message)
    named: type[Surprise] = type(plain(names[0]), (Surprise,), {})
    return named(*filter(None, [message]))
