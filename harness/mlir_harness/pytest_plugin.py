"""Fixtures for the tests of plugins: each check of the conformance suite is a test of its own.

    from my_package import create

    def test_conformance(encoder_check):
        encoder_check(create)

Found by pytest through its entry point; nothing heavy is imported unless a test asks for a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mlir_harness.protocols import TaskOptions
    from mlir_harness.testing.checks import Check, Outcome

_ENCODER = "mlir_harness_encoder_check"
_TASK = "mlir_harness_task_check"


class _Bench:
    """What was checked last, kept for the next check of it; one model is in memory at a time."""

    def __init__(self) -> None:
        self._of: tuple[object, object] = (self, None)
        self._held: Any = None

    def hold(self, plugin: object, given: object, make: Callable[[], Any]) -> Any:
        """What `make` gives; what it gave before if it is of the same plugin, given the same."""
        if plugin is not self._of[0] or given != self._of[1]:
            self.close()
            self._held, self._of = make(), (plugin, given)
        return self._held

    def close(self) -> None:
        """Free what is held."""
        held, self._held, self._of = self._held, None, (self, None)
        if hasattr(held, "close"):
            held.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each check, where a test asks for one of the fixtures below."""
    for name in (_ENCODER, _TASK):
        if name in metafunc.fixturenames:
            from mlir_harness import testing

            every = testing.ENCODER_CHECKS if name == _ENCODER else testing.TASK_CHECKS
            metafunc.parametrize(name, every, ids=[check.name for check in every], indirect=True)


@pytest.fixture(name=_ENCODER)
def _one_encoder_check(request: pytest.FixtureRequest) -> Check[Any]:
    check: Check[Any] = request.param
    return check


@pytest.fixture(name=_TASK)
def _one_task_check(request: pytest.FixtureRequest) -> Check[Any]:
    check: Check[Any] = request.param
    return check


@pytest.fixture(scope="session", name="mlir_harness_bench")
def _bench() -> Iterator[_Bench]:
    bench = _Bench()
    yield bench
    bench.close()


@pytest.fixture
def encoder_check(
    mlir_harness_encoder_check: Check[Any], mlir_harness_bench: _Bench
) -> Callable[..., None]:
    """Checks an encoder, one promise a test: `encoder_check(create)`.

    Takes what `mlir_harness.testing.check_encoder` takes.
    """

    def carry_out(encoder: Any, **given: Any) -> None:
        from mlir_harness.testing import specimen_of

        subject = mlir_harness_bench.hold(encoder, given, lambda: specimen_of(encoder, **given))
        _report(mlir_harness_encoder_check, subject)

    return carry_out


@pytest.fixture
def task_check(
    mlir_harness_task_check: Check[Any], mlir_harness_bench: _Bench
) -> Callable[..., None]:
    """Checks a task, one promise a test: `task_check(create)`.

    Takes what `mlir_harness.testing.check_task` takes.
    """

    def carry_out(task: Any, options: TaskOptions | None = None) -> None:
        from mlir_harness.testing import loadable_of

        subject = mlir_harness_bench.hold(task, options, lambda: loadable_of(task, options))
        _report(mlir_harness_task_check, subject)

    return carry_out


def _report(check: Check[Any], subject: Any) -> None:
    """Pass, fail or skip the test that is running."""
    from mlir_harness.testing.checks import outcome

    found: Outcome = outcome(check, subject)
    for note in found.notes:
        print(f"{check.name}: {note}")  # noqa: T201  pytest shows it with -rP
    if found.result == "skipped":
        pytest.skip(found.message)
    if found.error is not None:
        pytest.fail(
            f"{check.promise}: not so.\n{found.message}\n{found.hint}{_cause(found.error)}",
            pytrace=False,
        )


def _cause(error: BaseException) -> str:
    """The traceback of the plugin's own exception, where there is one."""
    import traceback

    from mlir_harness.errors import HarnessError

    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, HarnessError):
        return ""
    return "\n\n" + "".join(traceback.format_exception(error, chain=False)).rstrip()
