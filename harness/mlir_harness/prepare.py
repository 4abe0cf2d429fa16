"""Names become encoders and loaded tasks; what cannot be used here is kept with its reason."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlir_harness import check, fingerprint, measures, registry, scoring, shelf, sources
from mlir_harness.cache import Cache
from mlir_harness.errors import DataError, HarnessError, Unavailable, UsageError
from mlir_harness.fetching import supply
from mlir_harness.indexing import index, search
from mlir_harness.indexing.search import Search
from mlir_harness.protocols import Closes, Encoder, EncoderInfo, Task, TaskInfo, TaskOptions
from mlir_harness.registry import Choice, Kind
from mlir_harness.request import KINDS, Request, Watcher
from mlir_harness.scoring import Scoring
from mlir_harness.shelf import Shelf
from mlir_harness.text import described, did_you_mean, plain
from mlir_harness.types import Collection, Retrieval, Role

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class LoadedTask:
    """A task whose data is at hand."""

    choice: Choice
    info: TaskInfo
    split: str
    retrieval: Retrieval
    scoring: Scoring
    data: str  # fingerprint
    protocol: str  # fingerprint


@dataclass(frozen=True)
class ReadyEncoder:
    """An encoder that was made; its weights may not be loaded yet."""

    choice: Choice
    encoder: Encoder
    info: EncoderInfo
    fingerprint: str

    def close(self) -> None:
        if isinstance(self.encoder, Closes):
            self.encoder.close()


@dataclass(frozen=True)
class Failed:
    """A name that cannot be used here, and why."""

    choice: Choice
    error: HarnessError

    @property
    def traceback(self) -> str:
        return "".join(traceback.format_exception(self.error))


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
        cache = Cache(self.cache, encoder.fingerprint)
        held: dict[Role, list[Collection]] = {role: [] for role in Role}
        for role, collection in task.retrieval.collections():
            held[role].append(collection)
        return {
            role: shelf.shelve(held[role], role, task.info.instruction, encoder.info, cache)
            for role in Role
        }


def prepare(request: Request, watcher: Watcher, *, tasks_alone: bool = False) -> Prepared:
    """Resolve names, make encoders, load tasks.

    Args:
        request: what is wanted.
        watcher: told of progress.
        tasks_alone: it is no error to name no encoder.

    Raises:
        UsageError: a name, language or option is unknown.
    """
    request = request.checked()
    bare = tasks_alone and not request.encoders
    encoders = [] if bare else _choices(Kind.ENCODER, request.encoders)
    tasks = _choices(Kind.TASK, request.tasks)
    _check_options(request, [*encoders, *tasks])
    searched = index.checked(search.parse(request.search))
    ready = [_attempt(choice, partial(_make_encoder, choice, request)) for choice in encoders]
    made = [_attempt(choice, partial(_make_task, choice)) for choice in tasks]
    _check_languages(request, [each for each in made if not isinstance(each, Failed)])
    loaded = [
        each
        if isinstance(each, Failed)
        else _attempt(choice, partial(_load, choice, each, request, watcher))
        for choice, each in zip(tasks, made, strict=True)
    ]
    assert request.cache_dir is not None  # noqa: S101  checked() fills it in
    return Prepared(request, tuple(ready), tuple(loaded), request.cache_dir, searched)


def make(name: str) -> tuple[Choice, Task]:
    """The one task that `name` stands for, not loaded.

    Raises:
        HarnessError: there is none, or it cannot be made here.
    """
    choice = registry.resolve(Kind.TASK, name)
    return choice, _or_raise(_attempt(choice, partial(_make_task, choice)))


def load(choice: Choice, task: Task, request: Request, watcher: Watcher) -> LoadedTask:
    """One task alone, loaded and checked as in a run.

    Raises:
        HarnessError: it cannot be.
    """
    request = request.checked()
    _check_options(request, [choice])
    _check_languages(request, [task])
    return _or_raise(_attempt(choice, partial(_load, choice, task, request, watcher)))


def _or_raise(made: _Made | Failed) -> _Made:
    if isinstance(made, Failed):
        raise made.error
    return made


def _choices(kind: Kind, names: Sequence[str]) -> list[Choice]:
    found: dict[str, Choice] = {}
    for name in names:
        for choice in (
            registry.everything(kind) if name == "all" else [registry.resolve(kind, name)]
        ):
            other = found.setdefault(choice.label, choice)
            if (other.plugin, other.rest) != (choice.plugin, choice.rest):
                raise UsageError(
                    f"two {kind.value}s are called {plain(choice.label)}",
                    "Give each a label of its own: LABEL=NAME.",
                )
            if choice.wanted:
                found[choice.label] = choice
    if not found:
        missing = "is installed" if "all" in names else "was named"
        raise UsageError(f"no {kind.value} {missing}", f"See mlir-harness list {kind.value}s.")
    return list(found.values())


def _attempt(choice: Choice, make: Callable[[], _Made]) -> _Made | Failed:
    """What `make` gives, or why not; whatever a plugin does, the others go on."""
    try:
        return make()
    except KeyboardInterrupt:
        raise
    except HarnessError as error:
        if isinstance(error, UsageError) and choice.wanted:
            raise
        return Failed(choice, error)
    except BaseException as error:
        failure = HarnessError(
            f"{choice.plugin.kind.value} {plain(choice.label)} failed: {described(error)}",
            "Run again with --debug for the traceback.",
        )
        failure.__cause__ = error
        return Failed(choice, failure)


def _check_options(request: Request, chosen: Sequence[Choice]) -> None:
    known = sorted(set().union(*map(_names, chosen)))
    for name in request.options:
        if name not in known:
            raise UsageError(
                f"--option is given for {plain(name)!r}, which is not part of this run",
                did_you_mean(name, known),
            )


def _names(choice: Choice) -> set[str]:
    return {choice.label, choice.plugin.name, _spec(choice)}


def _spec(choice: Choice) -> str:
    return f"{choice.plugin.name}:{choice.rest}" if choice.rest else choice.plugin.name


def _options(choice: Choice, request: Request) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name in (choice.plugin.name, _spec(choice), choice.label):  # the more special name wins
        merged |= request.options.get(name, {})
    return merged


def _make_encoder(choice: Choice, request: Request) -> ReadyEncoder:
    options = _options(choice, request)
    given = bool(options) or bool(choice.rest and not choice.plugin.scheme)
    with _blamed(choice, given=given):
        encoder = registry.create(choice, options, request.offered)
    if not isinstance(encoder, Encoder):
        raise _wrong(choice, encoder, "an encoder (with `info` and `encode`)")
    info = encoder.info
    if not isinstance(info, EncoderInfo):
        raise _wrong(choice, info, "an EncoderInfo as its `info`")
    if info.similarity not in ("cosine", "dot"):
        raise Unavailable(
            f"encoder {plain(choice.label)} compares by {plain(str(info.similarity))!r}",
            "Its similarity must be 'cosine' or 'dot'.",
        )
    info = replace(
        info,
        revision=sources.revision(choice.plugin, str(info.revision or "")),
        options={str(name): str(value) for name, value in info.options.items()},
    )
    return ReadyEncoder(choice, encoder, info, fingerprint.of_encoder(choice.plugin.origin, info))


def _make_task(choice: Choice) -> Task:
    with _blamed(choice, given=bool(choice.rest and not choice.plugin.scheme)):
        task = registry.create(choice, {}, {})
    if not isinstance(task, Task):
        raise _wrong(choice, task, "a task (with `info` and `load`)")
    if not isinstance(task.info, TaskInfo):
        raise _wrong(choice, task.info, "a TaskInfo as its `info`")
    check.check_info(task.info, choice.label)
    return task


@contextmanager
def _blamed(choice: Choice, *, given: bool) -> Iterator[None]:
    """A plugin's complaint about how it is used ends the run only if something was `given` to it.

    Where nothing was, it is the plugin that cannot run here.
    """
    try:
        yield
    except UsageError as error:
        if given:
            raise
        what = f"{choice.plugin.kind.value} {plain(choice.label)}"
        said = plain(error.message)
        message = said if said.startswith(what) else f"{what}: {said}"
        raise Unavailable(message, error.hint) from error


def _wrong(choice: Choice, made: Any, expected: str) -> Unavailable:
    return Unavailable(
        f"{choice.plugin.kind.value} {plain(choice.label)} made a {plain(type(made).__name__)}, "
        f"not {expected}",
        f"Mend {plain(choice.plugin.value)}.",
    )


def _check_languages(request: Request, tasks: Sequence[Task]) -> None:
    """Each language asked for is one of some task; what one task lacks another may have."""
    known = list(dict.fromkeys(language for task in tasks for language in task.info.languages))
    if tasks and all(task.info.languages for task in tasks):
        for language in request.languages:
            if language not in known:
                raise UsageError(
                    f"no task of this run has the language {plain(language)!r}",
                    did_you_mean(language, known),
                )


def _load(choice: Choice, task: Task, request: Request, watcher: Watcher) -> LoadedTask:
    info = task.info
    split = request.split or info.splits[0]
    if split not in info.splits:
        raise UsageError(
            f"task {plain(choice.label)} has no split {plain(split)!r}",
            did_you_mean(split, [known for known in info.splits if known]),
        )
    known = [each for each in request.languages if each in info.languages or not info.languages]
    if request.languages and not known:
        raise Unavailable(
            f"task {plain(choice.label)} has none of the languages asked for",
            f"It has {', '.join(map(plain, info.languages))}.",
        )
    extra = _options(choice, request)
    supply.supply(choice, task, tuple(known), request, watcher)
    options = TaskOptions(
        split=split,
        languages=tuple(known),
        data=request.data,
        data_dir=_data_dir(choice, info, request),
        cache_dir=None if request.cache_dir is None else str(request.cache_dir),
        strict=request.strict,
        download=request.download,
        extra=extra,
    )
    given = bool(extra or request.split or request.languages)
    watcher.start(f"loading {choice.label}", 0)
    try:
        with _blamed(choice, given=given):
            retrieval = task.load(options)
    except HarnessError as error:
        supply.advise(error, choice, task, request)
        raise
    finally:
        watcher.stop()
    if not isinstance(retrieval, Retrieval):
        raise _wrong(choice, retrieval, "a Retrieval when it was loaded")
    check.check(retrieval, choice.label)
    if retrieval.provenance.sample and request.data == "auto":
        name = choice.plugin.name
        watcher.note(
            f"{choice.label}: SAMPLE DATA, as the real files are not on this machine. "
            f"`mlir-harness fetch {name}` gets them; --data sample says that the sample is meant."
        )
    retrieval = _keep(retrieval, request, choice)
    if not check.answerable(retrieval):
        raise DataError(
            f"task {plain(choice.label)}: no query has a relevant document in any setting",
            "Look whether the judgements name the queries and documents that are there.",
        )
    chosen = Scoring(
        tuple(measures.parse(name) for name in info.measures),
        request.ties,
        request.gain,
        max(request.depth or info.depth, scoring.LANGUAGES_CUTOFF),
        info.parallel,
        bool(retrieval.labels),
    )
    protocol = fingerprint.of_protocol(
        choice.plugin.name,
        info.version,
        split,
        retrieval.settings,
        chosen.versions(),
        ties=chosen.ties,
        gain=chosen.gain,
        instruction=info.instruction,
    )
    data = fingerprint.of_data(retrieval)
    return LoadedTask(choice, info, split, retrieval, chosen, data, protocol)


def _data_dir(choice: Choice, info: TaskInfo, request: Request) -> str | None:
    """The folder a task looks in: with several tasks, each has one of its own inside.

    A task of a scheme is told by what follows the colon where its files are.
    """
    several = len(request.tasks) > 1 or "all" in request.tasks
    if request.data_dir is None or not several or choice.plugin.scheme:
        return request.data_dir
    name = info.folder or choice.plugin.name
    folder = Path(request.data_dir) / name
    if not folder.is_dir():
        raise Unavailable(
            f"task {plain(choice.label)} has no folder {plain(name)} in {plain(request.data_dir)}",
            f"Put its files there; --tasks {plain(choice.label)} alone tells where they are from.",
        )
    return str(folder)


def _keep(retrieval: Retrieval, request: Request, choice: Choice) -> Retrieval:
    kinds = {KINDS[name] for name in request.settings or KINDS}
    settings = tuple(setting for setting in retrieval.settings if setting.kind in kinds)
    if not settings:
        raise UsageError(
            f"task {plain(choice.label)} has no setting of these kinds in these languages",
            "Name more languages, or other --settings.",
        )
    return replace(retrieval, settings=settings)
