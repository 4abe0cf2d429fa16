"""A check: its name, what it promises, and how it is carried out; and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from mlir_harness.errors import HarnessError
from mlir_harness.text import described

_Subject = TypeVar("_Subject")


@dataclass(frozen=True, slots=True)
class Check(Generic[_Subject]):
    """One promise of a contract.

    Attributes:
        name: for the command line and for names of tests: lower case, with hyphens.
        promise: what holds of a plugin that passes, in a sentence.
        carry_out: looks whether it holds; returns what is worth knowing all the same, raises
            HarnessError if it does not hold and `NotApplicable` if it does not concern the plugin.
    """

    name: str
    promise: str
    carry_out: Callable[[_Subject], Iterable[str] | None]


class NotApplicable(Exception):
    """The check has nothing to look at: the plugin does not claim what it is about."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check.

    Attributes:
        check: its name.
        result: "skipped" if it does not concern the plugin.
        message: what is wrong, or why it was skipped; "" if it passed.
        hint: how to mend it.
        notes: worth knowing though it passed.
        error: the exception, where there was one.
    """

    check: str
    result: Literal["passed", "failed", "skipped"]
    message: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()
    error: HarnessError | None = None


def outcomes(
    checks: Sequence[Check[_Subject]], subject: _Subject, begun: Callable[[str], None] | None = None
) -> Iterator[Outcome]:
    """Carry out checks in their order.

    Args:
        checks: which.
        subject: what is looked at.
        begun: told the name of each check as it begins.
    """
    for check in checks:
        if begun:
            begun(check.name)
        yield outcome(check, subject)


def outcome(check: Check[_Subject], subject: _Subject) -> Outcome:
    """Carry out one check; whatever the plugin raises is an outcome."""
    try:
        notes = tuple(check.carry_out(subject) or ())
    except NotApplicable as reason:
        return Outcome(check.name, "skipped", str(reason))
    except HarnessError as error:
        return Outcome(check.name, "failed", error.message, error.hint, error=error)
    except Exception as error:
        wrapped = HarnessError(
            f"raised {described(error)}",
            "Its traceback shows where; mlir-harness doctor has it with --debug.",
        )
        wrapped.__cause__ = error
        return Outcome(check.name, "failed", wrapped.message, wrapped.hint, error=wrapped)
    return Outcome(check.name, "passed", notes=notes)


def raise_first(found: Sequence[Outcome]) -> None:
    """Raise the first failure, the others as notes on it; none raises nothing."""
    failed = [(each, each.error) for each in found if each.error is not None]
    if not failed:
        return
    first, error = failed[0]
    error.add_note(f"check: {first.check}")
    if error.hint:
        error.add_note(f"to mend it: {error.hint}")
    for other, _ in failed[1:]:
        error.add_note(f"failed too: {other.check}: {other.message}")
    raise error
