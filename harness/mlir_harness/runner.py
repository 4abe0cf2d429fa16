"""The cross product of encoders and tasks: each cell from the store, or computed and stored."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from mlir_harness import averages, embed, environment, fingerprint, scoring, shelf, speeds
from mlir_harness.choices import Failed, options_of
from mlir_harness.contamination.cell import exposed
from mlir_harness.embed import Tally
from mlir_harness.errors import HarnessError, StoreError, Unavailable
from mlir_harness.fetching.equip import Lacking
from mlir_harness.fitting import fitted
from mlir_harness.indexing import trial
from mlir_harness.loading import LoadedTask
from mlir_harness.making import ReadyEncoder
from mlir_harness.prepare import Prepared, prepare
from mlir_harness.records import settings_rows, tables
from mlir_harness.request import TIMEOUT, Request, Silent, Watcher
from mlir_harness.results import CellResult, Store
from mlir_harness.text import described
from mlir_harness.types import Role

__all__ = [
    "TIMEOUT",
    "Failed",
    "LoadedTask",
    "Prepared",
    "ReadyEncoder",
    "Request",
    "Silent",
    "Watcher",
    "prepare",
    "run",
    "unusable",
]


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
                _close(encoder, watcher)


def unusable(prepared: Prepared) -> list[CellResult]:
    """The cells that cannot run, with the reason; without encoders, the tasks that cannot.

    An encoder that is `Lacking` could.
    """
    if not prepared.encoders:
        return [
            _failure(
                CellResult("", task.choice.label, prepared.request.split, "ok"),
                task.error,
                wanted=task.choice.wanted,
                fault="task",
            )
            for task in prepared.tasks
            if isinstance(task, Failed)
        ]
    return [
        _failed(encoder, task, prepared)
        for encoder in prepared.encoders
        for task in prepared.tasks
        if isinstance(task, Failed)
        or (isinstance(encoder, Failed) and not isinstance(encoder, Lacking))
    ]


def _failed(
    encoder: ReadyEncoder | Failed, task: LoadedTask | Failed, prepared: Prepared
) -> CellResult:
    failed = encoder if isinstance(encoder, Failed) else task
    if isinstance(encoder, Lacking) and isinstance(task, Failed):
        failed = task  # nothing is fetched for what could not be used
    assert isinstance(failed, Failed)  # noqa: S101
    cell = _named(encoder, task, prepared)
    fault = "encoder" if failed is encoder else "task"
    return _failure(cell, failed.error, wanted=failed.choice.wanted, fault=fault)


def _named(
    encoder: ReadyEncoder | Failed, task: LoadedTask | Failed, prepared: Prepared
) -> CellResult:
    return CellResult(
        encoder=encoder.choice.label,
        task=task.choice.label,
        split=task.split if isinstance(task, LoadedTask) else prepared.request.split,
        status="ok",
    )


def _close(encoder: ReadyEncoder, watcher: Watcher) -> None:
    try:
        encoder.close()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        watcher.note(f"{encoder.choice.label} did not close: {described(error)}")


def _cell(
    encoder: ReadyEncoder | Failed, task: LoadedTask | Failed, prepared: Prepared, watcher: Watcher
) -> CellResult:
    if isinstance(encoder, Failed) or isinstance(task, Failed):
        return _failed(encoder, task, prepared)
    cell = replace(
        _named(encoder, task, prepared),
        sample=task.retrieval.provenance.sample,
        main_measure=task.info.main_measure,
        fingerprints=fingerprint.Fingerprints(
            task.data, task.protocol, encoder.fingerprint
        ).as_dict(),
    )
    output = prepared.request.output
    store = Store(output) if output else None
    try:
        exposure = exposed(encoder.info.training, task, prepared.cache, watcher)
        cell = replace(cell, details={"exposure": exposure})
        scored = _scored(cell, encoder, task, prepared, watcher, store)
        return trial.searched(scored, encoder, task, prepared, watcher, store)
    except KeyboardInterrupt:
        raise
    except HarnessError as error:
        failed = _failure(cell, error, wanted=encoder.choice.wanted)
    except MemoryError as error:
        full = HarnessError("ran out of memory", "Name fewer languages, or use a larger machine.")
        full.__cause__ = error
        failed = _failure(cell, full)
    except BaseException as error:  # of a task's judgements, say, or a fault of our own
        surprise = HarnessError(described(error), "Run again with --debug for the traceback.")
        surprise.__cause__ = error
        failed = _failure(cell, surprise)
    finally:
        watcher.stop()
    return _keep_failure(failed, store)


def _failure(
    cell: CellResult, error: HarnessError, *, wanted: bool = True, fault: str = ""
) -> CellResult:
    """A cell that failed; `fault` is "encoder" or "task" if one of them could not be had."""
    status = "unavailable" if isinstance(error, Unavailable) else "error"
    trace = "".join(traceback.format_exception(error))
    details = {"wanted": wanted, "fault": fault, "traceback": trace}
    return replace(cell, status=status, reason=error.message, hint=error.hint, details=details)


def _keep_failure(cell: CellResult, store: Store | None) -> CellResult:
    if store is None:
        return cell
    try:
        with store.lock(cell.task, cell.encoder):
            return store.write(cell, None)
    except Exception:
        return cell  # the store itself may be what failed; the message is shown either way


def _scored(
    cell: CellResult,
    encoder: ReadyEncoder,
    task: LoadedTask,
    prepared: Prepared,
    watcher: Watcher,
    store: Store | None,
) -> CellResult:
    """The cell from the store, or computed by whoever gets its lock first."""
    if store is None:
        return _compute(cell, encoder, task, prepared, watcher, None)

    def found() -> CellResult | None:
        if prepared.request.fresh:
            return None
        return store.find(cell.task, cell.encoder, cell.fingerprints, task.scoring.depth)

    def busy() -> None:
        watcher.note(f"waiting for another run of {cell.encoder} on {cell.task} to end")

    stored = found()
    if stored is None:
        with store.lock(cell.task, cell.encoder, busy):
            stored = found()
            if stored is None:
                return _compute(cell, encoder, task, prepared, watcher, store)
    # The same data may lie in another folder now, data and encoder may be described in other words,
    # and more may be known of what the encoder was trained on.
    provenance = task.retrieval.provenance
    now = {**cell.details, "encoder": _said(encoder), "provenance": asdict(provenance)}
    return replace(stored, sample=provenance.sample, details={**stored.details, **now})


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
    shelves = prepared.shelves(encoder, task)
    if encoder.info.dimension:
        needed = [shelf.missing_bytes(each, encoder.info.dimension) for each in shelves.values()]
        shelf.check_room(sum(needed), prepared.cache)
    texts = sum(len(need.rows) for each in shelves.values() for need in each.needs)
    watcher.start(f"{cell.encoder} · {cell.task} · encoding", texts)
    asked = fitted(encoder.encoder, task.retrieval)
    for role, each in shelves.items():
        embed.fill(each, role, task.info.instruction, asked, encoder.info, watcher, tally)
    encoded = time.perf_counter()
    speeds.remember(prepared.cache, encoder.fingerprint, tally.characters, encoded - started)
    watcher.start(f"{cell.encoder} · {cell.task} · ranking", 0)
    scores, numbering = scoring.score(
        task.retrieval, shelves[Role.QUERY], shelves[Role.DOCUMENT], task.scoring
    )
    means = [each.means for each in scores]
    ranked = time.perf_counter()
    cell = replace(
        cell,
        summary=averages.macro(task.retrieval.settings, means),
        deviations=averages.deviations(task.retrieval.settings, means),
        settings=settings_rows(scores),
        details={
            **cell.details,
            "provenance": asdict(task.retrieval.provenance),
            "encoder": _said(encoder),
            "parts": {"data": dict(task.data_parts), "protocol": dict(task.protocol_parts)},
            "measures": [str(measure) for measure in task.scoring.measures],
            "scoring": {
                "ties": task.scoring.ties,
                "gain": task.scoring.gain,
                "depth": task.scoring.depth,
            },
            "texts": {
                "all": tally.texts,
                "unique": tally.unique,
                "truncated": tally.truncated,
                "zero": tally.zero,
                "dimension": tally.dimension,
            },
            "work": {  # of this run; the next one may find vectors in the cache
                "encoded": tally.encoded,
                "tokens": tally.tokens,
                "encode_seconds": encoded - started,
                "rank_seconds": ranked - encoded,
                "notes": tally.notes,
            },
            "environment": environment.describe(),
            "device": _device(encoder, prepared.request),
        },
    )
    if store is None:
        return cell
    try:
        return store.write(cell, tables(scores, numbering))
    except StoreError as error:  # the scores are there all the same
        return replace(cell, reason=error.message, hint=error.hint)
    except Exception as error:
        return replace(
            cell,
            reason=f"cannot write results: {described(error)}",
            hint="Run again with --debug for the traceback.",
        )


def _said(encoder: ReadyEncoder) -> dict[str, Any]:
    """What an encoder says of itself, and what it is made by."""
    return asdict(encoder.info) | {"plugin": encoder.choice.plugin.origin}


def _device(encoder: ReadyEncoder, request: Request) -> str:
    """What was asked for: auto, cpu or cuda."""
    asked = {**request.offered, **options_of(encoder.choice, request)}
    return str(asked.get("device", "auto"))
