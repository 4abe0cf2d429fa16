"""The cross product of encoders and tasks: each cell from the store, or computed and stored."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

from mlir_harness import (
    embed,
    environment,
    files,
    fingerprint,
    measures,
    registry,
    scoring,
    speeds,
)
from mlir_harness.cache import Cache
from mlir_harness.embed import Shelf, Tally
from mlir_harness.errors import HarnessError, Unavailable, UsageError
from mlir_harness.measures import Gain
from mlir_harness.protocols import Closes, Encoder, EncoderInfo, Task, TaskInfo, TaskOptions
from mlir_harness.records import settings_rows, tables
from mlir_harness.registry import Choice, Kind
from mlir_harness.results import CellResult, Store
from mlir_harness.scoring import Scoring
from mlir_harness.text import did_you_mean, plain
from mlir_harness.types import Retrieval, Role, SettingKind

KINDS = {
    "mono": SettingKind.MONOLINGUAL,
    "cross": SettingKind.CROSS_LINGUAL,
    "multi": SettingKind.MULTILINGUAL,
}


@dataclass(frozen=True)
class Request:
    """What to evaluate and how; the command line and `evaluate()` both make one.

    Attributes:
        encoders, tasks: names (see registry.resolve); "all" for everything ready here.
        languages: BCP-47 tags to keep; () for all.
        settings: of "mono", "cross", "multi"; () for all.
        split: "" for the task's default.
        data_dir: folder with the tasks' files, or with one folder per task.
        output, cache_dir: where results and vectors go; None for no results, default cache.
        fresh: compute again what is stored.
        options: plugin name or label -> its options.
        offered: options for every encoder that knows them (device, precision, token_budget).
        ties, gain, depth: see scoring.Scoring; depth None for the task's own.
    """

    encoders: Sequence[str]
    tasks: Sequence[str]
    languages: Sequence[str] = ()
    settings: Sequence[str] = ()
    split: str = ""
    data_dir: str | None = None
    output: Path | None = None
    cache_dir: Path | None = None
    fresh: bool = False
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    offered: Mapping[str, Any] = field(default_factory=dict)
    ties: Literal["hash", "trec"] = "hash"
    gain: Gain = "linear"
    depth: int | None = None


class Watcher(embed.Watcher, Protocol):
    """Is told what is going on; the command line draws it, the library is silent."""

    def start(self, what: str, total: int) -> None:
        """A step begins; `total` texts are ahead, 0 if it cannot be counted."""
        ...

    def stop(self) -> None:
        """The step ended."""
        ...


class Silent:
    """A watcher that shows nothing."""

    def start(self, what: str, total: int) -> None: ...
    def stop(self) -> None: ...
    def texts(self, done: int, tokens: int) -> None: ...
    def note(self, message: str) -> None: ...


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
    """A name that cannot be used here, and why; `wanted` unless it came in by `all`."""

    choice: Choice
    error: HarnessError
    wanted: bool


@dataclass(frozen=True)
class Prepared:
    """Everything named, made and loaded; nothing encoded."""

    request: Request
    encoders: tuple[ReadyEncoder | Failed, ...]
    tasks: tuple[LoadedTask | Failed, ...]
    cache: Path

    def shelves(self, encoder: ReadyEncoder, task: LoadedTask) -> dict[Role, Shelf]:
        """Where the vectors of a cell are or will be, by role."""
        cache = Cache(self.cache, encoder.fingerprint)
        held: dict[Role, list[Any]] = {role: [] for role in Role}
        for role, collection in task.retrieval.collections():
            held[role].append(collection)
        return {
            role: embed.shelve(held[role], role, task.info.instruction, encoder.info, cache)
            for role in Role
        }


def prepare(request: Request, watcher: Watcher) -> Prepared:
    """Resolve names, make encoders, load tasks.

    Raises:
        UsageError: a name, language or option is unknown.
    """
    chosen = {
        Kind.ENCODER: _choices(Kind.ENCODER, request.encoders),
        Kind.TASK: _choices(Kind.TASK, request.tasks),
    }
    _check_options(request, [choice for each in chosen.values() for choice, _ in each])
    for name in request.settings:
        if name not in KINDS:
            raise UsageError(
                f"unknown kind of setting {plain(name)!r}", did_you_mean(name, [*KINDS])
            )
    tasks = tuple(
        _attempt(choice, wanted, partial(_load_task, choice, request, watcher))
        for choice, wanted in chosen[Kind.TASK]
    )
    encoders = tuple(
        _attempt(choice, wanted, partial(_make_encoder, choice, request))
        for choice, wanted in chosen[Kind.ENCODER]
    )
    return Prepared(request, encoders, tasks, request.cache_dir or files.cache_folder())


def _choices(kind: Kind, names: Sequence[str]) -> list[tuple[Choice, bool]]:
    found: dict[str, tuple[Choice, bool]] = {}
    for name in names:
        if name == "all":
            for choice in registry.everything(kind):
                found.setdefault(choice.label, (choice, False))
        else:
            choice = registry.resolve(kind, name)
            found[choice.label] = (choice, True)
    if not found:
        raise UsageError(f"no {kind.value} was named", f"Try --{kind.value}s all.")
    return list(found.values())


def _attempt(choice: Choice, wanted: bool, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except UsageError:
        raise
    except HarnessError as error:
        return Failed(choice, error, wanted)


def _names(choice: Choice) -> set[str]:
    spec = f"{choice.plugin.name}:{choice.rest}" if choice.rest else choice.plugin.name
    return {choice.label, choice.plugin.name, spec}


def _check_options(request: Request, chosen: Sequence[Choice]) -> None:
    known = sorted(set().union(*map(_names, chosen)))
    for name in request.options:
        if name not in known:
            raise UsageError(
                f"--option is given for {plain(name)!r}, which is not part of this run",
                did_you_mean(name, known),
            )


def _options(choice: Choice, request: Request) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name in (choice.plugin.name, choice.label):  # the more special name wins
        merged |= request.options.get(name, {})
    return merged


def _load_task(choice: Choice, request: Request, watcher: Watcher) -> LoadedTask:
    task = registry.create(choice, {}, {})
    if not isinstance(task, Task):
        raise _wrong(choice, task, "a task (with `info` and `load`)")
    info = task.info
    split = request.split or info.splits[0]
    if split not in info.splits:
        raise UsageError(
            f"task {plain(choice.label)} has no split {plain(split)!r}",
            did_you_mean(split, list(info.splits)),
        )
    languages = _languages(choice, info, request)
    watcher.start(f"loading {choice.label}", 0)
    try:
        retrieval = task.load(
            TaskOptions(
                split=split,
                languages=languages,
                data_dir=request.data_dir,
                extra=_options(choice, request),
            )
        )
    except HarnessError:
        raise
    except Exception as error:
        raise Unavailable(
            f"task {plain(choice.label)} failed to load: {type(error).__name__}: "
            f"{plain(str(error))}",
            "Run again with --debug for the traceback.",
        ) from error
    finally:
        watcher.stop()
    retrieval = _keep(retrieval, request, choice)
    chosen = Scoring(
        tuple(measures.parse(name) for name in info.measures),
        request.ties,
        request.gain,
        max(info.depth if request.depth is None else request.depth, scoring.LANGUAGES_CUTOFF),
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


def _languages(choice: Choice, info: TaskInfo, request: Request) -> tuple[str, ...]:
    """The languages to ask this task for; one task's may be unknown to another."""
    if len(request.tasks) == 1 and request.tasks[0] != "all":
        return tuple(request.languages)  # the task itself names the unknown one
    known = tuple(language for language in request.languages if language in info.languages)
    if request.languages and not known:
        raise Unavailable(
            f"task {plain(choice.label)} has none of the languages asked for",
            f"It has {', '.join(info.languages)}.",
        )
    return known


def _keep(retrieval: Retrieval, request: Request, choice: Choice) -> Retrieval:
    if not request.settings:
        return retrieval
    kinds = {KINDS[name] for name in request.settings}
    settings = tuple(setting for setting in retrieval.settings if setting.kind in kinds)
    if not settings:
        raise UsageError(
            f"task {plain(choice.label)} has no setting of these kinds in these languages",
            "Name more languages, or other --settings.",
        )
    return replace(retrieval, settings=settings)


def _wrong(choice: Choice, made: Any, expected: str) -> Unavailable:
    return Unavailable(
        f"{choice.plugin.kind.value} {plain(choice.label)} made a {type(made).__name__}, "
        f"not {expected}",
        f"Mend {plain(choice.plugin.value)}.",
    )


def _make_encoder(choice: Choice, request: Request) -> ReadyEncoder:
    encoder = registry.create(choice, _options(choice, request), request.offered)
    if not isinstance(encoder, Encoder):
        raise _wrong(choice, encoder, "an encoder (with `info` and `encode`)")
    info = encoder.info
    if not isinstance(info, EncoderInfo):
        raise _wrong(choice, info, "an EncoderInfo as its `info`")
    if not info.revision:
        info = replace(info, revision=registry.revision(choice.plugin))
    return ReadyEncoder(choice, encoder, info, fingerprint.of_encoder(choice.plugin.origin, info))


def run(prepared: Prepared, watcher: Watcher) -> Iterator[CellResult]:
    """Evaluate every cell; yields each as it is done, encoder by encoder.

    A cell that fails becomes a result with status "error" or "unavailable"; the others go on.
    """
    for encoder in prepared.encoders:
        try:
            for task in prepared.tasks:
                yield _cell(encoder, task, prepared, watcher)
        finally:
            if isinstance(encoder, ReadyEncoder):
                encoder.close()


def _cell(
    encoder: ReadyEncoder | Failed, task: LoadedTask | Failed, prepared: Prepared, watcher: Watcher
) -> CellResult:
    cell = CellResult(
        encoder=encoder.choice.label,
        task=task.choice.label,
        split=task.split if isinstance(task, LoadedTask) else prepared.request.split,
        status="ok",
    )
    for failed in (encoder, task):
        if isinstance(failed, Failed):
            status = "unavailable" if isinstance(failed.error, Unavailable) else "error"
            unmade = replace(cell, status=status, details={"wanted": failed.wanted})
            return _failure(unmade, failed.error)
    assert isinstance(encoder, ReadyEncoder) and isinstance(task, LoadedTask)  # noqa: S101, PT018
    store = Store(prepared.request.output) if prepared.request.output else None
    cell = replace(
        cell,
        sample=task.retrieval.provenance.sample,
        main_measure=task.info.main_measure,
        fingerprints=fingerprint.Fingerprints(
            task.data, task.protocol, encoder.fingerprint
        ).as_dict(),
    )
    try:
        if store is None:
            return _compute(cell, encoder, task, prepared, watcher, None)
        with store.lock(cell.task, cell.encoder):
            if not prepared.request.fresh:
                depth = task.scoring.depth
                found = store.find(cell.task, cell.encoder, cell.fingerprints, depth)
                if found is not None:
                    return found
            return _compute(cell, encoder, task, prepared, watcher, store)
    except HarnessError as error:
        details = {"wanted": True, "traceback": traceback.format_exc()}
        failed_cell = _failure(replace(cell, status="error", details=details), error)
        return _keep_failure(failed_cell, store)
    finally:
        watcher.stop()


def _failure(cell: CellResult, error: HarnessError) -> CellResult:
    return replace(cell, reason=error.message, hint=error.hint)


def _keep_failure(cell: CellResult, store: Store | None) -> CellResult:
    if store is None:
        return cell
    try:
        return store.write(cell, None)
    except HarnessError:
        return cell  # the store itself may be what failed; the message is shown either way


def _compute(
    cell: CellResult,
    encoder: ReadyEncoder,
    task: LoadedTask,
    prepared: Prepared,
    watcher: Watcher,
    store: Store | None,
) -> CellResult:
    started = time.perf_counter()
    tally = Tally()
    Cache(prepared.cache, encoder.fingerprint).sweep()
    shelves = prepared.shelves(encoder, task)
    if encoder.info.dimension:
        needed = [embed.missing_bytes(shelf, encoder.info.dimension) for shelf in shelves.values()]
        embed.check_room(sum(needed), prepared.cache)
    texts = sum(len(need.rows) for shelf in shelves.values() for need in shelf.needs)
    watcher.start(f"{cell.encoder} · {cell.task} · encoding", texts)
    for role, shelf in shelves.items():
        embed.fill(
            shelf,
            role,
            task.info.instruction,
            lambda: encoder.encoder,
            encoder.info,
            watcher,
            tally,
        )
    encoded = time.perf_counter()
    speeds.remember(prepared.cache, encoder.fingerprint, tally.characters, encoded - started)
    watcher.start(f"{cell.encoder} · {cell.task} · ranking", 0)
    scores, numbering = scoring.score(
        task.retrieval, shelves[Role.QUERY], shelves[Role.DOCUMENT], task.scoring
    )
    ranked = time.perf_counter()
    cell = replace(
        cell,
        summary=scoring.macro(scores),
        settings=settings_rows(scores),
        details={
            "provenance": asdict(task.retrieval.provenance),
            "encoder": asdict(encoder.info) | {"plugin": encoder.choice.plugin.origin},
            "measures": [str(measure) for measure in task.scoring.measures],
            "scoring": {
                "ties": task.scoring.ties,
                "gain": task.scoring.gain,
                "depth": task.scoring.depth,
            },
            "texts": {
                "all": tally.texts,
                "unique": tally.unique,
                "encoded": tally.encoded,
                "truncated": tally.truncated,
                "tokens": tally.tokens,
            },
            "notes": [*task.retrieval.provenance.notes, *tally.notes],
            "environment": environment.describe(),
            "seconds": {"encode": encoded - started, "rank": ranked - encoded},
        },
    )
    return cell if store is None else store.write(cell, tables(scores, numbering))
