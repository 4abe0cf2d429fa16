"""What is examined, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mlir_harness.errors import Exit
from mlir_harness.registry import Choice, Kind
from mlir_harness.request import Request


class State(StrEnum):
    """Whether a plugin can be used.

    READY passes all checks that concern it; FAILING can be made here and fails some; UNAVAILABLE
    lacks something that this machine has not; BROKEN cannot be loaded, or ended, or hung, in its
    examination; SCHEME is used as NAME:REST and is examined with a rest; the examination of
    UNEXAMINED was interrupted, or had not begun.
    """

    READY = "ready"
    FAILING = "fails checks"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"
    SCHEME = "scheme"
    UNEXAMINED = "not examined"


@dataclass(frozen=True)
class Order:
    """What the examining process is told.

    Attributes:
        choice: the plugin, named on the command line or not.
        kind: what it is; None: whatever it makes.
        request: options, weights and folders; checked.
    """

    choice: Choice
    kind: Kind | None
    request: Request


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check; see testing.Outcome."""

    check: str
    promise: str
    result: str
    message: str = ""
    hint: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """What was found of one plugin.

    Attributes:
        choice: which; its kind is right now, also where only its code could tell.
        state: see there.
        findings: of its checks, in their order; empty where it could not be made.
        message, hint: why it is unavailable or broken, and how to mend it.
        seconds: that it took.
        output: the last that it printed.
    """

    choice: Choice
    state: State
    findings: tuple[Finding, ...] = ()
    message: str = ""
    hint: str = ""
    seconds: float = 0.0
    output: str = ""

    @property
    def failures(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.result == "failed")

    @property
    def score(self) -> str:
        """Checks passed of those that concern it, for people; "" if that says nothing of it."""
        if self.state not in (State.READY, State.FAILING):
            return ""
        passed = sum(each.result == "passed" for each in self.findings)
        return f"{passed} of {passed + len(self.failures)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        plugin = self.choice.plugin
        return {
            "name": self.choice.label,
            "kind": plugin.kind.value,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "entry_point": plugin.value,
            "state": self.state.value,
            "message": self.message or None,
            "hint": self.hint or None,
            "seconds": round(self.seconds, 2),
            "checks": [
                {
                    "name": each.check,
                    "promise": each.promise,
                    "result": each.result,
                    "message": each.message or None,
                    "hint": each.hint or None,
                    "notes": list(each.notes),
                }
                for each in self.findings
            ],
        }


def exit_code(found: Sequence[Diagnosis], *, flawed: bool = False) -> Exit:
    """Of an examination.

    Args:
        found: what was found.
        flawed: something is installed that cannot even be named.
    """
    if any(each.state is State.UNEXAMINED for each in found):
        return Exit.INTERRUPTED
    if flawed or any(each.state in (State.BROKEN, State.FAILING) for each in found):
        return Exit.CHECK_FAILED
    if any(each.state is State.UNAVAILABLE and each.choice.wanted for each in found):
        return Exit.SOME_FAILED
    return Exit.OK
