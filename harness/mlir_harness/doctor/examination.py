"""One plugin examined, in this process: run as `python -m mlir_harness.doctor.examination`.

Reads an Order from standard input, and writes a line of JSON to standard output for each thing
that becomes known, so that the other side knows where it was if this process ends or hangs.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from mlir_harness import loading, registry
from mlir_harness.choices import options_of
from mlir_harness.doctor.diagnosis import Order, State
from mlir_harness.errors import Broken, HarnessError, Missing, Unavailable, UsageError
from mlir_harness.making import make_encoder, offered
from mlir_harness.registry import Choice, Kind
from mlir_harness.request import Request, Silent
from mlir_harness.testing import ENCODER_CHECKS, TASK_CHECKS, parameters_of
from mlir_harness.testing.checks import Check, NotApplicable, outcomes
from mlir_harness.testing.comparing import ALIKE
from mlir_harness.testing.loaded import Loadable
from mlir_harness.testing.specimen import Source, Specimen
from mlir_harness.text import described, plain

Say = Callable[[dict[str, Any]], None]
_HALF = 5e-2  # how far vectors of equal texts may lie apart in half precision
_Subject = TypeVar("_Subject")


def examine(order: Order, say: Say) -> None:
    """Make the plugin, and carry out the checks of its kind."""
    kind = order.kind or _kind(order)
    say({"kind": kind.value})
    # Not wanted: nothing is fetched and no environment is built, whoever asks.
    choice = replace(registry.resolve(kind, order.spec), wanted=False)
    begin = _encoder if kind is Kind.ENCODER else _task
    try:
        begin(choice, order.request, say)
    except UsageError as error:
        say({"usage": [error.message, error.hint]})
    except (Unavailable, Missing) as error:
        state = State.BROKEN if isinstance(error, Broken) else State.UNAVAILABLE
        say({"state": state.value, "message": error.message, "hint": error.hint})
    except HarnessError as error:
        say({"state": State.BROKEN.value, "message": error.message, "hint": error.hint})


def _kind(order: Order) -> Kind:
    """Whether py:MODULE:ATTRIBUTE is a task or an encoder: only what it makes can tell."""
    choice = registry.resolve(Kind.ENCODER, order.spec)
    try:
        options = options_of(choice, order.request)
        made = registry.create(choice, options, offered(choice, order.request))
    except HarnessError:
        return Kind.ENCODER
    return Kind.TASK if hasattr(made, "load") and not hasattr(made, "encode") else Kind.ENCODER


def _encoder(choice: Choice, request: Request, say: Say) -> None:
    def make(**more: Any) -> Any:
        asked = replace(request, offered={**request.offered, **more})
        return make_encoder(choice, asked, Silent()).encoder

    make()
    half = request.offered.get("precision", "fp32") != "fp32"
    source = Source(
        make,
        parameters_of(registry.factory(choice.plugin)) - set(options_of(choice, request)),
        tolerance=_HALF if half else ALIKE,
    )
    specimen = Specimen(source)
    _carry_out(ENCODER_CHECKS, specimen, say)
    specimen.close()


def _task(choice: Choice, request: Request, say: Say) -> None:
    info = loading.make_task(choice).info
    options = loading.task_options(choice, info, request)
    subject = Loadable(lambda: loading.make_task(choice), options, choice.label)
    try:
        subject.usual()
    except NotApplicable as refused:
        if isinstance(refused.__cause__, Unavailable | Missing | UsageError):
            raise refused.__cause__ from None
    _carry_out(TASK_CHECKS, subject, say)


def _carry_out(checks: Sequence[Check[_Subject]], subject: _Subject, say: Say) -> None:
    say({"state": State.READY.value, "checks": [[each.name, each.promise] for each in checks]})
    for found in outcomes(checks, subject, lambda name: say({"begun": name})):
        held = {"check": found.check, "result": found.result, "message": found.message}
        say(held | {"hint": found.hint, "notes": list(found.notes)})
        if found.error is not None and found.error.__cause__ is not None:
            traceback.print_exception(found.error.__cause__)


def _leave_with_parent(pipe: int) -> None:
    """End when the command does, however it ends: its end of this pipe is closed then."""
    os.read(pipe, 1)
    os._exit(1)


def main() -> None:
    """Do what standard input says; what the plugin prints goes to standard error."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301  written by our own parent
    threading.Thread(target=_leave_with_parent, args=[os.dup(0)], daemon=True).start()
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a plugin that asks gets no answer

    def say(event: dict[str, Any]) -> None:
        told.write(f"{json.dumps(event)}\n")
        told.flush()

    try:
        examine(order, say)
    except BaseException as error:  # whatever a plugin does, a line says so
        hint = "Its output, and the traceback, are shown with --debug."
        say({"state": State.BROKEN.value, "message": plain(described(error)), "hint": hint})
        raise
    finally:
        say({"end": True})


if __name__ == "__main__":
    main()
