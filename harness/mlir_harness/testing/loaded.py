"""A task on the bench: made when it is needed, what it loads remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mlir_harness.errors import DataError, HarnessError
from mlir_harness.protocols import Task, TaskInfo, TaskOptions
from mlir_harness.testing.checks import NotApplicable
from mlir_harness.text import described, plain
from mlir_harness.types import Retrieval


@dataclass
class Loadable:
    """One task, as checks use it.

    Attributes:
        make: gives the task; the same one each time, or a new one.
        options: what it is loaded with unless a check says otherwise.
        name: for messages.
    """

    make: Callable[[], object]
    options: TaskOptions
    name: str = "this"
    _made: Task | None = None
    _loaded: Retrieval | None = None

    @property
    def task(self) -> Task:
        """The task.

        Raises:
            DataError: what the factory makes is none.
        """
        if self._made is None:
            made = said("making it", self.make)
            if not said("reading its info", lambda: isinstance(made, Task)) or isinstance(
                made, type
            ):
                raise DataError(
                    f"the factory made a {plain(type(made).__name__)}, which has no `info` and "
                    "`load`",
                    "It must return a task: see mlir_harness.protocols.Task.",
                )
            self._made = made
        return self._made

    @property
    def info(self) -> TaskInfo:
        """What it says of itself.

        Raises:
            DataError: that is no TaskInfo.
        """
        info: object = said("reading its info", lambda: self.task.info)
        if not isinstance(info, TaskInfo):
            raise DataError(
                f"`info` is a {plain(type(info).__name__)}, not a TaskInfo",
                "Return mlir_harness.protocols.TaskInfo(version=..., languages=..., measures=...).",
            )
        return info

    def load(self, **changes: Any) -> Retrieval:
        """What it loads now; `changes` are options other than the usual.

        Raises:
            HarnessError: it cannot be loaded, or is no Retrieval.
        """
        options = replace(self.options, **changes)
        loaded: object = said("loading it", lambda: self.task.load(options))
        if not isinstance(loaded, Retrieval):
            raise DataError(
                f"`load` returned a {plain(type(loaded).__name__)}, not a Retrieval",
                "Return mlir_harness.types.Retrieval(...).",
            )
        return loaded

    def usual(self) -> Retrieval:
        """What it loads with the usual options; loaded once.

        Raises:
            NotApplicable: that fails; the check `loads` says why.
        """
        if self._loaded is None:
            try:
                self._loaded = self.load()
            except HarnessError as error:
                raise NotApplicable(f"it does not load: {error.message}") from error
        return self._loaded

    def another(self) -> Loadable:
        """Another instance, not loaded."""
        return Loadable(self.make, self.options, self.name)


def said(doing: str, work: Callable[[], Any]) -> Any:
    """What a task's code gives; what it raises is told in words.

    Raises:
        DataError: it raised something that is no HarnessError.
    """
    try:
        return work()
    except (HarnessError, KeyboardInterrupt, NotApplicable):
        raise
    except BaseException as error:
        raise DataError(
            f"{doing} raised {described(error)}",
            "A task raises UsageError, Unavailable or DataError, with what to do about it.",
        ) from error
