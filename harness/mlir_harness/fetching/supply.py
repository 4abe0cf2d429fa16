"""What a run fetches before it loads a task, if it may, and what it says where it may not."""

from __future__ import annotations

from mlir_harness.errors import HarnessError, Missing, Unavailable
from mlir_harness.fetching import needs
from mlir_harness.fetching.download import Watcher
from mlir_harness.fetching.fetch import fetch
from mlir_harness.fetching.web import Web
from mlir_harness.protocols import Fetches, Task
from mlir_harness.registry import Choice
from mlir_harness.request import Request


def supply(
    choice: Choice,
    task: Task,
    languages: tuple[str, ...],
    request: Request,
    watcher: Watcher,
    web: Web | None,
) -> None:
    """Fetch a task asked for by name, if files of its split are missing and the request allows it.

    Args:
        choice, task: which.
        languages: to fetch, () for all.
        request: says whether it may be.
        watcher: told of it.
        web: what to ask with; None if this is not the time: then what would be fetched is told.

    Raises:
        Unavailable: it is to be fetched, and this is not the time.
        HarnessError: see fetch.fetch.
    """
    if not request.download or not choice.wanted or request.data == "sample":
        return
    wanted = needs.of_task(choice, task, languages, request)
    if wanted is None or not wanted.only(wanted.read).missing().downloads:
        return
    missing = wanted.missing()
    if web is None:
        raise Unavailable(
            f"files are missing; a run would fetch {missing.amount()}",
            f"{needs.command(choice, request)} fetches them now.",
        )
    fetch(missing, web, watcher)


def advise(error: HarnessError, choice: Choice, task: Task, request: Request) -> None:
    """Add to the hint of `error` that the files which are missing can be fetched."""
    if not isinstance(task, Fetches) or not isinstance(error, Unavailable | Missing):
        return
    known = tuple(each for each in request.languages if each in task.info.languages)
    try:
        wanted = needs.of_task(choice, task, known, request)
    except Exception:
        return  # the error at hand is the one to be told
    missing = wanted is not None and wanted.only(wanted.read).missing().downloads
    if missing and "mlir-harness fetch" not in error.hint:
        error.hint = f"{needs.command(choice, request)} downloads it. {error.hint}"
