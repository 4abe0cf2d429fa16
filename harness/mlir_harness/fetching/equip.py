"""Encoders of a run get the files that they lack; those that may not are told how to get them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mlir_harness import registry
from mlir_harness.choices import Failed, attempt, options_of
from mlir_harness.errors import HarnessError, Refused, StoreError, Unavailable, Unreached
from mlir_harness.fetching import needs
from mlir_harness.fetching.fetch import fetch
from mlir_harness.fetching.wanted import Wanted, announcements, check_room, distinct
from mlir_harness.fetching.web import Web
from mlir_harness.isolation.faults import Elsewhere
from mlir_harness.making import ReadyEncoder, home, make_encoder
from mlir_harness.protocols import Finishes, Isolated
from mlir_harness.registry import Choice
from mlir_harness.request import Request, Watcher
from mlir_harness.text import plain


@dataclass(frozen=True)
class Lacking(Failed):
    """An encoder that cannot be made before its files are fetched, which the run would do.

    Attributes:
        wanted: the files; none if they are there and only have to be made ready.
    """

    wanted: Wanted


def equip(
    made: Sequence[ReadyEncoder | Failed], request: Request, watcher: Watcher, web: Web | None
) -> list[ReadyEncoder | Failed]:
    """Fetch what encoders lack: those asked for by name, and all with `request.download`.

    Everything is announced, and the disk looked at, before the first byte comes.

    Args:
        made: by `make_encoder`, or why not.
        request: checked.
        watcher: told of everything.
        web: what to ask with, and what knows which hosts are out of reach; None if this is not
            the time: what would be fetched is then `Lacking`.

    Returns:
        The encoders in the same order, made again where their files came.
    """
    equipped = [*made]
    lacking: dict[int, Lacking] = {}
    for place, each in enumerate(made):
        if not isinstance(each, Failed):
            continue
        wanted = _lacks(each, request)
        _advise(each, request, fetchable=wanted is not None)
        if wanted is not None and (each.choice.wanted or request.download):
            fit = attempt(each.choice, partial(_check_environment, each.choice, request))
            if isinstance(fit, Failed):
                equipped[place] = fit
                continue
            equipped[place] = lacking[place] = Lacking(each.choice, each.error, wanted)
        elif wanted is not None and wanted.downloads:
            equipped[place] = _away(each, "files are missing")
    if web is None or not lacking:
        return equipped
    ahead = distinct(each.wanted for each in lacking.values())
    try:
        check_room(ahead)
    except StoreError as error:
        for place, each in lacking.items():
            equipped[place] = Failed(each.choice, error)
        return equipped
    for line in announcements(ahead):
        watcher.announce(line)
    for place, each in lacking.items():
        equipped[place] = _equipped(each, request, watcher, web)
    return equipped


def _lacks(failed: Failed, request: Request) -> Wanted | None:
    """What `failed` could not be made without; None if files to be fetched are not the cause."""
    choice, error = failed.choice, failed.error
    if not isinstance(error, Unavailable) or isinstance(error, Refused):
        return None
    if "weights" in options_of(choice, request):
        return None
    if request.isolate and not isinstance(error.__cause__, Elsewhere):
        return None  # it is not the plugin that said so: what killed a worker is not imported here
    try:
        made_by: object = registry.factory(choice.plugin)
        folder = home(choice.plugin, request)
        wanted = needs.of_encoder(choice, made_by, folder)
        if wanted is None:
            return None
        missing = wanted.missing()
        due = isinstance(made_by, Finishes) and not made_by.finished(str(folder))
    except Exception:
        return None  # the error at hand is the one to be told
    return missing if missing.downloads or due else None


def _check_environment(choice: Choice, request: Request) -> None:
    """Before gigabytes come for it: whether it can have the environment that it works in.

    Raises:
        Unavailable: it is not there, and cannot be built here (no uv, say).
    """
    made_by: object = registry.factory(choice.plugin)
    if not isinstance(made_by, Isolated):
        return
    from mlir_harness.isolation import environments, housing

    assert request.cache_dir is not None  # noqa: S101  checked() fills it in
    environment = housing.declared(choice, made_by)
    if environments.find(environment, request.cache_dir) is None:
        environments.check(environment)


def _advise(failed: Failed, request: Request, *, fetchable: bool) -> None:
    """If a hint says how to fetch, it is into the folder that this run looks in."""
    error, command = failed.error, needs.command(failed.choice, request)
    error.hint = needs.directed(error.hint, failed.choice, request)
    if fetchable and command not in error.hint:
        error.hint = f"{command}. {error.hint}".strip()


def _equipped(
    lacking: Lacking, request: Request, watcher: Watcher, web: Web
) -> ReadyEncoder | Failed:
    choice = lacking.choice
    announced = lacking.wanted.downloads
    missing = lacking.wanted.missing()  # another encoder may be made of the same files
    came = attempt(choice, partial(fetch, missing, web, watcher, announced=announced))
    if not isinstance(came, Failed):
        return attempt(choice, partial(make_encoder, choice, request, watcher))
    if isinstance(came.error, Unreached):
        cause = came.error.__cause__
        reason = plain(cause.message if isinstance(cause, HarnessError) else came.error.message)
        return _away(lacking, f"files are missing, and {reason}", came.error)
    return came


def _away(failed: Failed, reason: str, cause: HarnessError | None = None) -> Failed:
    """The same in words that are alike for all encoders, so that they make one short list."""
    away = Unavailable(reason, failed.error.hint)
    away.__cause__ = cause or failed.error
    return Failed(failed.choice, away)
