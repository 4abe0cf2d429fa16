"""Whether plugins keep the contracts that the harness relies on: checks to call in tests.

    from mlir_harness.testing import check_encoder

    def test_my_encoder():
        check_encoder(create)

`create` is the factory that the entry point names. With the fixtures `encoder_check` and
`task_check`, which pytest finds by itself, each check is a test of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mlir_harness.protocols import Encoder, Task, TaskOptions
from mlir_harness.testing import answers, conduct, identity, tasks
from mlir_harness.testing.checks import Check, NotApplicable, Outcome, outcomes, raise_first
from mlir_harness.testing.comparing import ALIKE
from mlir_harness.testing.loaded import Loadable
from mlir_harness.testing.specimen import Source, Specimen

__all__ = [
    "ENCODER_CHECKS",
    "TASK_CHECKS",
    "Check",
    "NotApplicable",
    "Outcome",
    "check_encoder",
    "check_task",
]

ENCODER_CHECKS: tuple[Check[Specimen], ...] = (
    *identity.FIRST,
    *answers.CHECKS,
    *identity.CHECKS,
    *conduct.CHECKS,
)
TASK_CHECKS: tuple[Check[Loadable], ...] = tasks.CHECKS


def check_encoder(
    encoder: Encoder | Callable[..., object],
    *,
    options: Mapping[str, Any] | None = None,
    others: Sequence[Mapping[str, Any]] = (),
    tolerance: float = ALIKE,
) -> list[Outcome]:
    """Carry out every check of an encoder.

    Args:
        encoder: its factory, as the entry point names it; or one instance, which leaves out the
            checks that need a second one.
        options: given to the factory.
        others: options to try beside them: where they change vectors, `info` must change.
        tolerance: how far vectors of equal texts may lie apart, in units of their length: by the
            composition of batches, or low precision.

    Returns:
        What came of each check; none has failed.

    Raises:
        EncoderError: the first promise that is not kept; the others are notes on it.
    """
    specimen = specimen_of(encoder, options=options, others=others, tolerance=tolerance)
    try:
        found = list(outcomes(ENCODER_CHECKS, specimen))
    finally:
        specimen.close()
    raise_first(found)
    return found


def check_task(
    task: Task | Callable[..., object], options: TaskOptions | None = None
) -> list[Outcome]:
    """Carry out every check of a task.

    Args:
        task: its factory, as the entry point names it, or the task itself.
        options: what it is loaded with; None for its bundled sample.

    Returns:
        What came of each check; none has failed.

    Raises:
        HarnessError: the first promise that is not kept; the others are notes on it.
    """
    found = list(outcomes(TASK_CHECKS, loadable_of(task, options)))
    raise_first(found)
    return found


def specimen_of(
    encoder: Encoder | Callable[..., object],
    *,
    options: Mapping[str, Any] | None = None,
    others: Sequence[Mapping[str, Any]] = (),
    tolerance: float = ALIKE,
) -> Specimen:
    """An encoder, or its factory, as the checks take it; arguments as of `check_encoder`."""
    if not _factory(encoder, "encode"):
        return Specimen(Source(lambda: encoder, anew=False, tolerance=tolerance))
    make: Any = encoder
    return Specimen(
        Source(
            partial(make, **(options or {})),
            parameters_of(make),
            others=tuple(others),
            tolerance=tolerance,
        )
    )


def loadable_of(task: Task | Callable[..., object], options: TaskOptions | None = None) -> Loadable:
    """A task, or its factory, as the checks take it; arguments as of `check_task`."""
    given: Any = task
    make = given if _factory(task, "load") else lambda: given
    return Loadable(make, options or TaskOptions(data="sample"))


def parameters_of(factory: Callable[..., object]) -> frozenset[str]:
    """The options that a factory names."""
    try:
        return frozenset(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _factory(given: object, method: str) -> bool:
    """Whether it makes plugins, rather than being one: a class has the methods of its instances."""
    return isinstance(given, type) or (callable(given) and not hasattr(given, method))
