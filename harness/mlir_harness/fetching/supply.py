"""What a run fetches before it loads a task, if it may, and what it says where it may not."""

from __future__ import annotations

from pathlib import Path

from mlir_harness import files
from mlir_harness.errors import HarnessError, Missing, Unavailable
from mlir_harness.fetching import homes
from mlir_harness.fetching.download import Watcher
from mlir_harness.fetching.fetch import fetch
from mlir_harness.fetching.wanted import Wanted, want
from mlir_harness.fetching.web import Web
from mlir_harness.protocols import Fetches, Task, TaskOptions
from mlir_harness.registry import Choice
from mlir_harness.request import Request
from mlir_harness.text import plain


def needed(
    choice: Choice, task: Task, languages: tuple[str, ...], request: Request
) -> Wanted | None:
    """The files that `task` is made of in these languages; None if it does not say."""
    if not isinstance(task, Fetches):
        return None
    folder = homes.folder_name(choice, task.info)
    cache = request.cache_dir or files.cache_folder()
    options = TaskOptions(split=request.split or task.info.splits[0], languages=languages)
    return want(
        choice.label, folder, task.info.licence, task, options, request.data_dir, Path(cache)
    )


def supply(
    choice: Choice,
    task: Task,
    languages: tuple[str, ...],
    request: Request,
    watcher: Watcher,
) -> None:
    """Fetch a task asked for by name, if files of its split are missing and the request allows it.

    Raises:
        HarnessError: see fetch.fetch.
    """
    if not request.download or not choice.wanted or request.data == "sample":
        return
    wanted = needed(choice, task, languages, request)
    if wanted and wanted.only(wanted.read).missing().downloads:
        fetch(wanted.missing(), Web(), watcher)


def advise(error: HarnessError, choice: Choice, task: Task, request: Request) -> None:
    """Add to the hint of `error` that the files which are missing can be fetched."""
    if not isinstance(task, Fetches) or not isinstance(error, Unavailable | Missing):
        return
    known = tuple(each for each in request.languages if each in task.info.languages)
    try:
        wanted = needed(choice, task, known, request)
    except Exception:
        return  # the error at hand is the one to be told
    missing = wanted is not None and wanted.only(wanted.read).missing().downloads
    if missing and "mlir-harness fetch" not in error.hint:
        command = f"mlir-harness fetch {plain(choice.plugin.name)}"
        if request.data_dir is not None:
            command += f" --data-dir {plain(request.data_dir)}"
        error.hint = f"{command} downloads it. {error.hint}"
