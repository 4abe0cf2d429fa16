"""Everything named, made and loaded, before anything is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from mlir_harness import registry, shelf
from mlir_harness.cache import Cache
from mlir_harness.choices import Failed, attempt, check_options, choices
from mlir_harness.fetching.equip import equip
from mlir_harness.fetching.web import Web
from mlir_harness.indexing import index, search
from mlir_harness.indexing.search import Search
from mlir_harness.loading import LoadedTask, check_languages, load_task, make_task
from mlir_harness.making import ReadyEncoder, make_encoder
from mlir_harness.protocols import Fits, Task
from mlir_harness.registry import Choice, Kind
from mlir_harness.request import Request, Watcher
from mlir_harness.shelf import Shelf
from mlir_harness.types import Collection, Role

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Prepared:
    """Everything named, made and loaded; nothing encoded."""

    request: Request
    encoders: tuple[ReadyEncoder | Failed, ...]
    tasks: tuple[LoadedTask | Failed, ...]
    cache: Path
    search: Search | None = None

    def shelves(self, encoder: ReadyEncoder, task: LoadedTask) -> dict[Role, Shelf]:
        """Where the vectors of a cell are or will be, by role."""
        corpus = task.corpus if isinstance(encoder.encoder, Fits) else ""
        cache = Cache(self.cache, encoder.fingerprint, corpus)
        held: dict[Role, list[Collection]] = {role: [] for role in Role}
        for role, collection in task.retrieval.collections():
            held[role].append(collection)
        return {
            role: shelf.shelve(held[role], role, task.info.instruction, encoder.info, cache)
            for role in Role
        }


def prepare(
    request: Request, watcher: Watcher, *, tasks_alone: bool = False, dry: bool = False
) -> Prepared:
    """Resolve names, make encoders, load tasks; what is missing of them is fetched, if it may be.

    Encoders come last: nothing is fetched for a run that could not use it.

    Args:
        request: what is wanted.
        watcher: told of progress.
        tasks_alone: it is no error to name no encoder.
        dry: nothing is fetched; encoders that would be are `Lacking`.

    Raises:
        UsageError: a name, language or option is unknown.
    """
    request = request.checked()
    bare = tasks_alone and not request.encoders
    encoders = [] if bare else choices(Kind.ENCODER, request.encoders)
    tasks = choices(Kind.TASK, request.tasks)
    check_options(request, [*encoders, *tasks])
    searched = index.checked(search.parse(request.search))
    ready = [
        attempt(choice, partial(make_encoder, choice, request, watcher)) for choice in encoders
    ]
    web = None if dry else Web()
    made = [attempt(choice, partial(make_task, choice)) for choice in tasks]
    check_languages(request, [each for each in made if not isinstance(each, Failed)])
    loaded = [
        each
        if isinstance(each, Failed)
        else attempt(choice, partial(load_task, choice, each, request, watcher, web))
        for choice, each in zip(tasks, made, strict=True)
    ]
    useful = any(isinstance(each, LoadedTask) for each in loaded)
    ready = equip(ready, request, watcher, web if useful else None)
    assert request.cache_dir is not None  # noqa: S101  checked() fills it in
    return Prepared(request, tuple(ready), tuple(loaded), request.cache_dir, searched)


def make(name: str) -> tuple[Choice, Task]:
    """The one task that `name` stands for, not loaded.

    Raises:
        HarnessError: there is none, or it cannot be made here.
    """
    choice = registry.resolve(Kind.TASK, name)
    return choice, _or_raise(attempt(choice, partial(make_task, choice)))


def load(choice: Choice, task: Task, request: Request, watcher: Watcher) -> LoadedTask:
    """One task alone, loaded and checked as in a run.

    Raises:
        HarnessError: it cannot be.
    """
    request = request.checked()
    check_options(request, [choice])
    check_languages(request, [task])
    return _or_raise(attempt(choice, partial(load_task, choice, task, request, watcher)))


def _or_raise(made: _Made | Failed) -> _Made:
    if isinstance(made, Failed):
        raise made.error
    return made
