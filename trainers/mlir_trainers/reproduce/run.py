"""Trains what is not trained yet, evaluates all of it, and holds the claims against the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from mlir_harness import api, contamination
from mlir_harness.api import CellResult
from mlir_harness.types import Retrieval
from mlir_trainers import models, processes, session, training, watch
from mlir_trainers.reproduce import ensure, plan, published, scores
from mlir_trainers.reproduce.claims import CLAIMS, SAMPLERS, Finding, judged, separate
from mlir_trainers.reproduce.outcome import Failure, Means, Outcome, TaskOutcome
from mlir_trainers.reproduce.plan import Task, Training
from mlir_trainers.samples import SAMPLE


@dataclass(frozen=True)
class Job:
    """A reproduction.

    Attributes:
        model: the recipes' common name.
        trainings: of that model, at least one.
        tasks: to evaluate on.
        places: where things are; trained encoders go to `places.output`.
        results: folder of scores.
        fresh: train and evaluate anew.
        allow_contamination: see `session.run`.
    """

    model: str
    trainings: tuple[Training, ...]
    tasks: tuple[Task, ...]
    places: session.Places
    results: Path
    fresh: bool = False
    allow_contamination: bool = False


def run(job: Job, reporter: watch.Reporter) -> Outcome:
    """Do all of it; what was done before is not done again.

    Raises:
        HarnessError: a task has no data, a training cannot be done, or was of something else.
    """
    loaded = {task: _load(task, job) for task in job.tasks}  # before hours are spent on training
    folders, failures = train(job, reporter)
    outcomes = []
    for task, retrieval in loaded.items() if folders else ():
        cells = evaluate(job, task, folders, reporter)
        scored = {key: cell for key, cell in cells.items() if cell.status == "ok" and cell.folder}
        failures += [_failure(cell) for key, cell in cells.items() if key not in scored]
        if any(key is not None for key in scored):
            outcomes.append(_held(scored, _unseen(retrieval, folders.values())))
    sources = job.trainings[0].recipe.data.train
    return Outcome(
        job.model,
        tuple(map(_named, sources)),
        SAMPLE in sources,
        tuple(outcomes),
        tuple(failures),
    )


def train(job: Job, reporter: watch.Reporter) -> tuple[dict[tuple[str, int], Path], list[Failure]]:
    """The folders of the encoders by sampler and seed; trains those that are not there.

    One whose loss is no number any more leaves the others going, and is among the failures.

    Raises:
        HarnessError: see `ensure.trained`.
    """
    folders, failures = {}, []
    for number, each in enumerate(job.trainings, 1):
        reporter.note(f"encoder {number} of {len(job.trainings)}: {each.recipe.name}")
        try:
            folders[each.sampler, each.seed] = ensure.trained(
                each.recipe,
                job.places,
                reporter,
                fresh=job.fresh,
                allow_contamination=job.allow_contamination,
            )
        except training.Diverged as error:
            if processes.count() > 1:
                raise  # the others wait for this process in the middle of a step
            reporter.note(f"{each.recipe.name}: {error.message}")
            failures.append(Failure(each.recipe.name, "training", error.message, error.hint))
    return folders, failures


def evaluate(
    job: Job, task: Task, folders: Mapping[tuple[str, int], Path], reporter: watch.Reporter
) -> dict[tuple[str, int] | None, CellResult]:
    """The cells of all encoders on a task; that of what training began with is under None.

    Raises:
        UsageError: the task is unknown.
    """
    named = [f"{folder.name}=st:{folder}" for folder in folders.values()]
    labels: dict[str, tuple[str, int] | None] = {each.name: key for key, each in folders.items()}
    weights: dict[str, Path] = {}
    base = job.trainings[0].recipe.model.base
    if base not in models.FROM_NOTHING:
        named.append(base)
        labels[base] = None
        if job.places.weights is not None:
            weights[base] = job.places.weights
    reporter.note(f"evaluating {len(named)} encoders on {task.name.partition('=')[0]}")
    report = api.evaluate(
        named,
        [task.name],
        split=task.split,
        data_dir=task.data_dir,
        output=job.results,
        cache_dir=job.places.cache,
        fresh=job.fresh,
        device=cast(Any, job.places.device),
        weights=weights,
    )
    return {labels[cell.encoder]: cell for cell in report.cells}


def _load(task: Task, job: Job) -> Retrieval:
    return api.load(task.name, split=task.split, data_dir=task.data_dir, cache_dir=job.places.cache)


def _held(
    scored: Mapping[tuple[str, int] | None, CellResult], unseen: Sequence[str]
) -> TaskOutcome:
    """What the cells of a task say."""
    trained = {key: cell for key, cell in scored.items() if key is not None}
    first = next(iter(trained.values()))
    held = scores.read(trained, unseen)
    findings: list[Finding] = [judged(claim, *held.difference(claim)) for claim in CLAIMS]
    findings.append(separate([_exposure(cell) for cell in trained.values()]))
    means = [
        Means.of(sampler, cells)
        for sampler in SAMPLERS
        if (cells := [cell for key, cell in trained.items() if key[0] == sampler])
    ]
    base = scored.get(None)
    if base is not None:
        means.append(Means.of(base.encoder, [base]))
    beside, apart = published.beside(first)
    return TaskOutcome(
        first.task,
        first.split,
        first.main_measure,
        first.sample,
        tuple(held.seeds(SAMPLERS)),
        tuple(findings),
        tuple(means),
        beside,
        apart,
    )


def _unseen(retrieval: Retrieval, folders: Any) -> list[str]:
    """Languages of a task that no encoder was trained on; none where that is not known."""
    trained = [plan.languages(folder) for folder in folders]
    if not all(trained):
        return []
    asked = {*retrieval.queries, *retrieval.documents}
    return contamination.unseen(sorted(asked), [each for held in trained for each in held])


def _exposure(cell: CellResult) -> Mapping[str, object]:
    held = cell.details.get("exposure")
    return held if isinstance(held, Mapping) else {}


def _failure(cell: CellResult) -> Failure:
    if cell.status == "ok":  # the scores are there, and their values nowhere
        return Failure(cell.encoder, cell.task, cell.reason or "not stored", cell.hint or "")
    return Failure(cell.encoder, cell.task, cell.reason or cell.status, cell.hint or "")


def _named(source: Any) -> str:
    """A source of training data for people."""
    if not isinstance(source, Mapping):
        return str(source)
    told = f"{source.get('format')}:{source.get('path')}"
    options = source.get("options")
    chosen = options.get("articles") if isinstance(options, Mapping) else None
    kept = chosen.get("only") if isinstance(chosen, Mapping) else None
    return f"{told} ({len(kept)} articles)" if isinstance(kept, Sequence) else told
