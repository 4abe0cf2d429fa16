"""What `mlir-harness fetch` is asked for: encoders and tasks by name, and the files each wants."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import partial

from mlir_harness import registry
from mlir_harness.choices import Failed, attempt, blamed, of_either_kind
from mlir_harness.errors import HarnessError, Unavailable
from mlir_harness.fetching import needs
from mlir_harness.fetching.fetch import fetch
from mlir_harness.fetching.wanted import Wanted, distinct
from mlir_harness.fetching.web import Web
from mlir_harness.loading import make_task
from mlir_harness.making import home, make_encoder
from mlir_harness.protocols import Download, Encoder, Fetches, Isolated
from mlir_harness.registry import EVALUATED, Choice, Kind
from mlir_harness.request import Request, Watcher
from mlir_harness.text import plain


@dataclass(frozen=True, slots=True)
class Asked:
    """A plugin that was asked for.

    Attributes:
        choice: which.
        wanted: what there is to fetch for it, or why that cannot be said; None for nothing, as
            it works without.
    """

    choice: Choice
    wanted: Wanted | HarnessError | None


def asked(names: Sequence[str], request: Request, watcher: Watcher) -> list[Asked]:
    """What is to be fetched for each of `names`; a name of both kinds stands for both.

    A file that two tasks share is wanted for the first.

    Args:
        names: as registry.resolve takes them; "all" for everything that says what it needs.
        request: languages and folders; checked.
        watcher: told of progress.

    Raises:
        UsageError: a name or language is unknown; names are looked at first of all.
    """
    chosen: dict[tuple[Kind, str], Choice] = {}
    for name in names:
        for choice in _choices(name):
            key = (choice.plugin.kind, choice.label)
            if choice.wanted or key not in chosen:
                chosen[key] = choice
    labels = [label for _, label in chosen]
    found: list[Asked] = []
    for choice in chosen.values():
        # Of a name of both kinds, one that has nothing to fetch is not worth a word.
        alone = choice.wanted and labels.count(choice.label) == 1
        each = attempt(choice, partial(_of, choice, request, watcher, alone=alone))
        if isinstance(each, Failed):
            found.append(Asked(choice, each.error))
        elif each is not None:
            found.append(each)
    return _shared(found)


def _shared(found: Sequence[Asked]) -> list[Asked]:
    """The same without the files that another wants too, and without those that want no more."""
    left = distinct(each.wanted for each in found if isinstance(each.wanted, Wanted))
    by_name = {(wanted.kind, wanted.name): wanted for wanted in left}
    kept = []
    for each in found:
        if not isinstance(each.wanted, Wanted):
            kept.append(each)
        elif (each.wanted.kind, each.wanted.name) in by_name:
            kept.append(replace(each, wanted=by_name[each.wanted.kind, each.wanted.name]))
    return kept


def bring(
    each: Asked,
    request: Request,
    web: Web,
    watcher: Watcher,
    *,
    force: bool,
    announced: Container[Download],
) -> str:
    """Fetch what was asked for; first of all an environment is built, which may be impossible.

    Args:
        each: from `asked`.
        request, web, watcher, force, announced: see fetch.fetch.

    Returns:
        What was done, on one line for people.

    Raises:
        HarnessError: it cannot be fetched, or not be made ready; see fetch.fetch.
    """
    if isinstance(each.wanted, HarnessError):
        raise each.wanted
    built = attempt(each.choice, partial(environment, each.choice, request, watcher))
    if isinstance(built, Failed):
        raise built.error
    said = [built] if built else []
    if each.wanted is not None:
        outcome = fetch(each.wanted, web, watcher, force=force, announced=announced)
        if each.wanted.downloads:
            said.append(f"{outcome} in {plain(str(each.wanted.folder), 400)}")
    what = "; ".join(said) or "has nothing to fetch; it works as it is"
    return f"{plain(each.choice.label)}: {what}"


def environment(choice: Choice, request: Request, watcher: Watcher) -> str:
    """Build the environment that an encoder works in, if it needs one and it is not there.

    Returns:
        Where it is, for people; "" if none is needed.

    Raises:
        Unavailable: it cannot be built here.
    """
    made_by: object = registry.factory(choice.plugin)
    if choice.plugin.kind is not Kind.ENCODER or not isinstance(made_by, Isolated):
        return ""
    from mlir_harness.isolation import environments, housing

    assert request.cache_dir is not None  # noqa: S101  checked() fills it in
    wanted = housing.declared(choice, made_by)
    there = environments.find(wanted, request.cache_dir)
    python = there or environments.build(wanted, request.cache_dir, watcher)
    return f"{'has' if there else 'built'} its environment, {plain(str(python), 400)}"


def _choices(name: str) -> list[Choice]:
    if name == "all":
        return [choice for kind in EVALUATED for choice in registry.everything(kind)]
    return of_either_kind(name)


def _unregistered(choice: Choice) -> bool:
    """A py:MODULE:ATTRIBUTE, which does not say of what kind it is."""
    return choice.plugin.name.startswith("py:")


def _of(choice: Choice, request: Request, watcher: Watcher, *, alone: bool) -> Asked | None:
    if _unregistered(choice):
        choice = _told_apart(choice)
    of = _of_task if choice.plugin.kind is Kind.TASK else _of_encoder
    return of(choice, request, watcher, alone=alone)


def _told_apart(choice: Choice) -> Choice:
    """The same as an encoder, if it is one."""
    made_by: object = registry.factory(choice.plugin)
    if isinstance(made_by, type):
        encoder = hasattr(made_by, "encode")
    elif isinstance(made_by, Fetches | Isolated):
        encoder = True  # of tasks it is not the factory that says so
    else:
        with blamed(choice, given=False):
            encoder = isinstance(registry.create(choice, {}, {}), Encoder)
    kind = Kind.ENCODER if encoder else Kind.TASK
    return replace(choice, plugin=replace(choice.plugin, kind=kind))


def _of_encoder(choice: Choice, request: Request, watcher: Watcher, *, alone: bool) -> Asked | None:
    made_by = registry.factory(choice.plugin)
    wanted = needs.of_encoder(choice, made_by, home(choice.plugin, request))
    if wanted is None and not isinstance(made_by, Isolated):
        if not alone:
            return None
        make_encoder(choice, request, watcher).close()  # or it says what else it needs
    return Asked(choice, wanted)


def _of_task(choice: Choice, request: Request, watcher: Watcher, *, alone: bool) -> Asked | None:
    del watcher
    task = make_task(choice)
    if not isinstance(task, Fetches):
        if not alone:
            return None
        raise Unavailable(
            f"task {plain(choice.label)} has nothing to fetch: it does not say where its files "
            "are from",
            "If it needs any, get them by hand, and name their folder with --data-dir.",
        )
    known = task.info.languages
    languages = tuple(each for each in request.languages if choice.wanted or each in known)
    if request.languages and not languages:
        return None
    return Asked(choice, needs.of_task(choice, task, languages, request))
