"""One plugin examined, in this process: what becomes known is said at once, as an event."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlir_harness import loading, registry
from mlir_harness.choices import options_of
from mlir_harness.doctor.diagnosis import Order, State
from mlir_harness.errors import Broken, HarnessError, Missing, Unavailable, UsageError
from mlir_harness.fetching import needs
from mlir_harness.making import make_encoder, offered
from mlir_harness.protocols import Encoder
from mlir_harness.registry import Choice, Kind
from mlir_harness.request import Request, Silent
from mlir_harness.testing import ENCODER_CHECKS, TASK_CHECKS, parameters_of
from mlir_harness.testing.checks import Check, NotApplicable, outcomes
from mlir_harness.testing.comparing import ALIKE
from mlir_harness.testing.loaded import Loadable
from mlir_harness.testing.specimen import Source, Specimen

Say = Callable[[dict[str, Any]], None]
_HALF = 5e-2  # how far vectors of equal texts may lie apart in half precision
_Subject = TypeVar("_Subject")


def examine(order: Order, say: Say) -> None:
    """Make the plugin, and carry out the checks of its kind."""
    if not order.choice.plugin.distribution:
        sys.path.insert(0, str(Path.cwd()))  # as where the command was given
    kind = order.kind or _kind(order)
    say({"kind": kind.value})
    plugin = replace(order.choice.plugin, kind=kind)
    # Not wanted: nothing is fetched and no environment is built, whoever asks.
    choice = replace(order.choice, plugin=plugin, wanted=False)
    begin = _encoder if kind is Kind.ENCODER else _task
    try:
        begin(choice, order.request, say)
    except UsageError as error:
        say({"usage": [error.message, error.hint]})
    except (Unavailable, Missing) as error:
        error.hint = needs.directed(error.hint, choice, order.request)
        state = State.BROKEN if isinstance(error, Broken) else State.UNAVAILABLE
        say({"state": state.value, "message": error.message, "hint": error.hint})
    except HarnessError as error:
        say({"state": State.BROKEN.value, "message": error.message, "hint": error.hint})


def _kind(order: Order) -> Kind:
    """Whether py:MODULE:ATTRIBUTE is a task or an encoder: only what it makes can tell."""
    choice, request = order.choice, order.request
    try:
        made = registry.create(choice, options_of(choice, request), offered(choice, request))
    except HarnessError:
        return Kind.ENCODER
    return Kind.TASK if hasattr(made, "load") and not hasattr(made, "encode") else Kind.ENCODER


def _encoder(choice: Choice, request: Request, say: Say) -> None:
    make = partial(_make, choice, request)
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


def _make(choice: Choice, request: Request, **more: Any) -> Encoder:
    """The encoder, with general options beside those of the request."""
    asked = replace(request, offered={**request.offered, **more})
    return make_encoder(choice, asked, Silent()).encoder


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
