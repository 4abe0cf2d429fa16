"""From a recipe to a trained encoder: data, proof of what was unseen, training, its folder."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlir_harness import api, files
from mlir_harness.errors import UsageError
from mlir_trainers import exposure, finish, models, processes, training, watch
from mlir_trainers.parallel.carve import carve
from mlir_trainers.parallel.data import ParallelData, load
from mlir_trainers.parallel.prepare import prepare
from mlir_trainers.parallel.sources import Source, from_table, parse
from mlir_trainers.recipe import Recipe
from mlir_trainers.samples import SAMPLE, sample

_READY = "ready.json"  # written when other processes may join
_HINT = "Free some space, or name another folder."


@dataclass(frozen=True)
class Places:
    """Where things are.

    Attributes:
        output: trained encoders, each in a folder of its name.
        cache: prepared data, and fetched weights.
        weights: base weights; None for those of the encoder that the recipe names.
        data_dir: folder with the tasks' files, for what must not have been trained on.
        device: auto, cpu or cuda.
    """

    output: Path
    cache: Path
    weights: Path | None = None
    data_dir: Path | None = None
    device: str = "auto"


def run(
    recipe: Recipe,
    places: Places,
    reporter: watch.Reporter,
    *,
    fresh: bool = False,
    allow_contamination: bool = False,
) -> Path:
    """Train, or go on with an interrupted training of the same; the folder of the encoder.

    Args:
        recipe: checked.
        places: where things are.
        reporter: told of progress.
        fresh: train anew what is trained, or interrupted.
        allow_contamination: train although evaluation data is among the texts, and say so in
            the folder.

    Raises:
        UsageError: there is no data, or it is trained already, or the data holds what is
            evaluated on.
        HarnessError: see `training.train`.
    """
    folder = places.output / recipe.name
    _refuse_trained(folder, fresh=fresh)
    weights = _weights(recipe, places)
    train, validation = data(recipe, places, reporter)
    work = places.output / f".training-{recipe.name}"
    job = training.Job(recipe, train, validation, weights, work, places.device)
    training.check(job)
    busy = f"another process trains {recipe.name}; waiting for it"
    identity = _identity(recipe, train, validation, weights)
    if not processes.first():
        _await(work, identity)
        training.train(job, reporter)
        return folder
    with files.locked("a training", work / "lock", _HINT, lambda: reporter.note(busy)):
        _refuse_trained(folder, fresh=fresh)  # by the process that was waited for
        _own(work, identity, fresh=fresh)
        record = exposure.record((train, validation), work)
        found = exposure.exposed(
            work, recipe.data.against, reporter, data_dir=places.data_dir, cache=places.cache
        )
        if found and not allow_contamination:
            raise UsageError(
                f"the training data holds what is evaluated on: {'; '.join(found)}",
                "Leave that out of the data, or train with --allow-contamination: the encoder "
                "is marked then.",
            )
        files.replace_file(work / _READY, identity.encode())
        outcome = training.train(job, reporter)
        finish.finish(job, outcome, record, found, folder)
        shutil.rmtree(work, ignore_errors=True)  # locked: the next process makes its own
    return folder


def _refuse_trained(folder: Path, *, fresh: bool) -> None:
    if (folder / "modules.json").is_file() and not fresh:
        raise UsageError(
            f"{folder.name} is trained already: {folder}",
            "Train anew with --fresh, or under another name with --set name=NAME.",
        )


def data(
    recipe: Recipe, places: Places, reporter: watch.Reporter
) -> tuple[ParallelData, ParallelData]:
    """Training and validation data, prepared; the latter carved out if none is named.

    Raises:
        UsageError: the recipe names no data.
        HarnessError: it cannot be read.
    """
    if not recipe.data.train:
        raise UsageError(
            f"{recipe.name} has nothing to learn from",
            "Give --data FORMAT:PATH, such as --data lareqa:FOLDER; `mlir-harness train --help` "
            "lists the formats.",
        )
    train = _prepared(recipe.data.train, recipe, places, reporter)
    if recipe.validation.data:
        return train, _prepared(recipe.validation.data, recipe, places, reporter)
    return carve(train, recipe.validation.share)


def _prepared(
    named: Sequence[Any], recipe: Recipe, places: Places, reporter: watch.Reporter
) -> ParallelData:
    sources = [_source(each, recipe.data.languages) for each in named]
    return load(prepare(sources, places.cache / "parallel", note=reporter.note))


def _source(named: Any, languages: Sequence[str]) -> Source:
    if named == SAMPLE:
        source = sample()
    else:
        source = from_table(named) if isinstance(named, Mapping) else parse(str(named))
    if languages and "languages" not in source.options:
        source = replace(source, options={**source.options, "languages": tuple(languages)})
    return source


def _weights(recipe: Recipe, places: Places) -> Path | None:
    if recipe.model.base in models.FROM_NOTHING:
        if places.weights is not None:
            raise UsageError(
                f"{recipe.name} begins from nothing, and --weights were given",
                "Leave them out, or set model.base to the encoder they are of.",
            )
        return None
    return api.weights_of(recipe.model.base, weights=places.weights, cache_dir=places.cache)


def _identity(
    recipe: Recipe, train: ParallelData, validation: ParallelData, weights: Path | None
) -> str:
    """What an interrupted training must share with this one to go on from it."""
    held = recipe.as_dict()
    held["training"] = {**held["training"], "workers": None, "report_to": None}
    parts = {
        "recipe": held,
        "train": train.fingerprint,
        "validation": validation.fingerprint,
        "weights": None if weights is None else str(weights),
    }
    return json.dumps(parts, sort_keys=True, default=list)


def _await(work: Path, identity: str) -> None:
    """Until the process that writes has made the work folder ready."""
    ready = work / _READY
    while not (ready.is_file() and ready.read_text("utf-8") == identity):
        time.sleep(0.1)


def _own(work: Path, identity: str, *, fresh: bool) -> None:
    """Empty the work folder unless it is of the same training."""
    path = work / "identity.json"
    same = path.is_file() and path.read_text("utf-8") == identity
    with files.writing("a training", work, _HINT):
        if fresh or not same:
            for each in work.iterdir():
                if each.name == "lock":
                    continue
                if each.is_dir():
                    shutil.rmtree(each)
                else:
                    each.unlink()
        (work / _READY).unlink(missing_ok=True)
        files.replace_file(path, identity.encode())
