"""Tasks become data: made, loaded, held against their contract, and fingerprinted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from mlir_harness import check, fingerprint, measures, registry, scoring
from mlir_harness.choices import blamed, options_of, wrong
from mlir_harness.errors import DataError, HarnessError, Unavailable, UsageError
from mlir_harness.fetching import needs, supply
from mlir_harness.fetching.web import Web
from mlir_harness.protocols import Task, TaskInfo, TaskOptions
from mlir_harness.registry import Choice
from mlir_harness.request import KINDS, Request, Watcher
from mlir_harness.scoring import Scoring
from mlir_harness.text import did_you_mean, plain
from mlir_harness.types import Retrieval


@dataclass(frozen=True)
class LoadedTask:
    """A task whose data is at hand.

    Attributes:
        choice, info, options, retrieval, scoring: what was asked for, and what came of it.
        data_parts, protocol_parts: see fingerprint.
    """

    choice: Choice
    info: TaskInfo
    options: TaskOptions
    retrieval: Retrieval
    scoring: Scoring
    data_parts: Mapping[str, str]
    protocol_parts: Mapping[str, str]

    @property
    def split(self) -> str:
        return self.options.split

    @cached_property
    def data(self) -> str:
        """Fingerprint of the content."""
        return fingerprint.of_data(self.data_parts)

    @cached_property
    def protocol(self) -> str:
        """Fingerprint of how scores are made."""
        return fingerprint.of_protocol(self.protocol_parts)

    @cached_property
    def corpus(self) -> str:
        """Fingerprint of the documents alone, for encoders that are fitted to them."""
        return fingerprint.of_corpus(self.retrieval.documents.values())


def make_task(choice: Choice) -> Task:
    """The task, not loaded.

    Raises:
        Unavailable: it cannot be made here, or is no task.
    """
    with blamed(choice, given=bool(choice.rest and not choice.plugin.scheme)):
        task = registry.create(choice, {}, {})
    if not isinstance(task, Task):
        raise wrong(choice, task, "a task (with `info` and `load`)")
    if not isinstance(task.info, TaskInfo):
        raise wrong(choice, task.info, "a TaskInfo as its `info`")
    check.check_info(task.info, choice.label)
    return task


def check_languages(request: Request, tasks: Sequence[Task]) -> None:
    """Each language asked for is one of some task; what one task lacks another may have."""
    known = list(dict.fromkeys(language for task in tasks for language in task.info.languages))
    if tasks and all(task.info.languages for task in tasks):
        for language in request.languages:
            if language not in known:
                raise UsageError(
                    f"no task of this run has the language {plain(language)!r}",
                    did_you_mean(language, known),
                )


def load_task(
    choice: Choice, task: Task, request: Request, watcher: Watcher, web: Web | None = None
) -> LoadedTask:
    """The task's data, checked, with the settings asked for.

    Args:
        choice, task: which.
        request: what of it.
        watcher: told of progress.
        web: fetches what is missing, if the request says so; None: nothing is fetched now.

    Raises:
        UsageError: a split, language or option that it does not have.
        HarnessError: its data cannot be loaded or used.
    """
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
    supply.supply(choice, task, tuple(known), request, watcher, web)
    options = replace(task_options(choice, info, request), split=split, languages=tuple(known))
    given = bool(options.extra or request.split or request.languages)
    watcher.start(f"loading {choice.label}", 0)
    try:
        with blamed(choice, given=given):
            retrieval = task.load(options)
    except HarnessError as error:
        supply.advise(error, choice, task, request)
        raise
    finally:
        watcher.stop()
    retrieval = _checked(retrieval, choice, request)
    if retrieval.provenance.sample and request.data == "auto":
        watcher.note(
            f"{choice.label}: SAMPLE DATA, as the real files are not on this machine. "
            f"`{needs.command(choice, request)}` gets them; --data sample says that the "
            "sample is meant."
        )
    return _identified(choice, info, options, retrieval, request)


def task_options(choice: Choice, info: TaskInfo, request: Request) -> TaskOptions:
    """What a request says to a task, but for the languages and the split.

    Raises:
        Unavailable: with several tasks, this one has no folder.
    """
    return TaskOptions(
        data=request.data,
        data_dir=_data_dir(choice, info, request),
        cache_dir=None if request.cache_dir is None else str(request.cache_dir),
        strict=request.strict,
        download=request.download,
        extra=options_of(choice, request),
    )


def _checked(retrieval: object, choice: Choice, request: Request) -> Retrieval:
    """What a task loaded, if it keeps the contract, with the kinds of settings asked for."""
    if not isinstance(retrieval, Retrieval):
        raise wrong(choice, retrieval, "a Retrieval when it was loaded")
    check.check(retrieval, choice.label)
    retrieval = _keep(retrieval, request, choice)
    if not check.answerable(retrieval):
        raise DataError(
            f"task {plain(choice.label)}: no query has a relevant document in any setting",
            "Look whether the judgements name the queries and documents that are there.",
        )
    return retrieval


def _identified(
    choice: Choice, info: TaskInfo, options: TaskOptions, retrieval: Retrieval, request: Request
) -> LoadedTask:
    """Data with the way it is scored, and the fingerprints of both."""
    chosen = Scoring(
        measures=tuple(measures.parse(name) for name in info.measures),
        ties=request.ties,
        gain=request.gain,
        depth=max(request.depth or info.depth, scoring.LANGUAGES_CUTOFF),
        parallel=info.parallel,
        labels=bool(retrieval.labels),
    )
    protocol = fingerprint.protocol_parts(
        choice.plugin.name,
        info.version,
        options.split,
        retrieval.settings,
        chosen.versions(),
        ties=chosen.ties,
        gain=chosen.gain,
        instruction=info.instruction,
    )
    data = fingerprint.data_parts(retrieval)
    return LoadedTask(choice, info, options, retrieval, chosen, data, protocol)


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
