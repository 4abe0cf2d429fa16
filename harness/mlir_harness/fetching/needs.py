"""What a task or an encoder needs that can be fetched, and the command that fetches it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlir_harness import files, registry
from mlir_harness.errors import HarnessError, Unavailable
from mlir_harness.fetching import homes
from mlir_harness.fetching.wanted import Wanted
from mlir_harness.protocols import Download, Fetches, Finishes, Reads, Task, TaskOptions
from mlir_harness.registry import Choice
from mlir_harness.request import Request
from mlir_harness.text import described, plain

_Answer = TypeVar("_Answer")


def of_task(
    choice: Choice, task: Task, languages: tuple[str, ...], request: Request
) -> Wanted | None:
    """The files that `task` is made of in these languages, () for all; None if it does not say.

    The files of other splits than the one asked for are wanted too, but do not decide where the
    task looks.

    Raises:
        UsageError: an unknown language or split.
        Unavailable: the plugin fails, or names files outside its folder.
    """
    if not isinstance(task, Fetches):
        return None
    options = TaskOptions(split=request.split or task.info.splits[0], languages=languages)
    downloads = _downloads(choice, task, languages)
    read = [path for one in downloads for path in homes.paths(one)]
    if isinstance(task, Reads):
        read = list(_asked(choice, partial(task.reads, options)))
    name = homes.folder_name(choice, task.info)
    folder = homes.home(name, read, request.data_dir, request.cache_dir or files.cache_folder())
    kind, licence = choice.plugin.kind, task.info.licence
    return Wanted(kind, choice.label, licence, folder, downloads, frozenset(read))


def of_encoder(choice: Choice, made_by: object, folder: Path) -> Wanted | None:
    """The files without which no encoder can be made; None if there are none.

    Args:
        choice: the encoder.
        made_by: its factory.
        folder: where they belong (making.home).

    Raises:
        Unavailable: the plugin fails, or names files outside its folder.
    """
    if not isinstance(made_by, Fetches):
        return None
    downloads = _downloads(choice, made_by, ())
    read = frozenset(path for one in downloads for path in homes.paths(one))
    licence = str(getattr(made_by, "licence", "") or "")
    finish = partial(made_by.finish, str(folder)) if isinstance(made_by, Finishes) else None
    return Wanted(choice.plugin.kind, choice.label, licence, folder, downloads, read, finish)


def command(choice: Choice, request: Request) -> str:
    """What a person types to fetch what this run lacks."""
    words = ["mlir-harness", "fetch", name(choice)]
    if choice.plugin.kind is registry.Kind.TASK and request.data_dir is not None:
        words += ["--data-dir", request.data_dir]
    elif request.cache_dir not in {None, files.cache_folder()}:
        words += ["--cache-dir", str(request.cache_dir)]
    return " ".join(plain(shlex.quote(word), 300) for word in words)


def directed(hint: str, choice: Choice, request: Request) -> str:
    """A hint as it is, but what it says to fetch is put into the folder that this run looks in."""
    bare = rf"mlir-harness fetch {re.escape(name(choice))}(?! --|[\w:-])"
    return re.sub(bare, lambda _: command(choice, request), hint)


def name(choice: Choice) -> str:
    """By which `fetch` knows a plugin; a person may have given it another label."""
    plugin = choice.plugin
    several = sum(other.name == plugin.name for other in registry.plugins(plugin.kind)) > 1
    return f"{plugin.distribution}/{plugin.name}" if several else plugin.name


def _downloads(choice: Choice, plugin: Fetches, languages: tuple[str, ...]) -> tuple[Download, ...]:
    downloads = _asked(choice, lambda: tuple(plugin.downloads(languages)))
    wanted = [path for one in downloads for path in homes.paths(one)]
    if len(set(wanted)) < len(wanted):
        raise Unavailable(
            f"{plain(choice.label)} is to be fetched from two places for one file",
            "Its plugin must name each path once (Download.path, members).",
        )
    return downloads


def _asked(choice: Choice, question: Callable[[], _Answer]) -> _Answer:
    """What a plugin answers; if it fails at that, it cannot be used."""
    try:
        return question()
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise Unavailable(
            f"{choice.plugin.kind.value} {plain(choice.label)} cannot say what it needs: "
            f"{described(error)}",
            f"Mend {plain(choice.plugin.value)}.",
        ) from error
