"""What a reproduction trains and evaluates on: a recipe's three samplers times seeds, tasks."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlir_harness.errors import UsageError
from mlir_trainers import recipe_files, toml
from mlir_trainers.batching import mixture
from mlir_trainers.recipe import Recipe
from mlir_trainers.reproduce.claims import SAMPLERS

_OURS = ("name", "training.batches", "training.seed")  # what is given to each training
_INDIFFERENT = ("workers", "report_to")  # keys of training that change no weights


@dataclass(frozen=True)
class Training:
    """One of those that are compared."""

    sampler: str
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class Task:
    """What is evaluated on.

    Attributes:
        name: as `--tasks` takes it, or LABEL=NAME.
        data_dir: folder with its files; None for where they usually are, or the sample.
        split: "" for its default.
    """

    name: str
    data_dir: Path | None
    split: str = ""


def trainings(
    model: str,
    seeds: int,
    changes: Sequence[str] = (),
    train: Sequence[Any] = (),
    validation: Sequence[str] = (),
    *,
    against: Collection[str] | None = None,
    apart: str = "",
) -> tuple[Training, ...]:
    """Every sampler with every seed, seed by seed.

    Args:
        model: the recipes `model`-mono, -cross and -hybrid, or a TOML file.
        seeds: how many; they are 0, 1, …
        changes: as of `recipe_files.load`.
        train, validation: sources that take the place of the recipes'.
        against: tasks to which the recipes' `data.against` is restricted; None for no restriction.
        apart: a task a part of whose data is trained on, on purpose; it is left out of them, as
            what is evaluated on is another part.

    Raises:
        UsageError: there is no such recipe, or a change is of what a reproduction sets itself.
    """
    if model in recipe_files.bundled():
        raise UsageError(
            f"{model} is one of three recipes that are compared",
            f"Name them together: --recipe {model.rpartition('-')[0]}.",
        )
    for change in changes:
        key = change.partition("=")[0].strip()
        if key in _OURS:
            raise UsageError(f"--set {key}: it is set for each training", "Leave it out.")
    found = []
    for seed in range(seeds):
        for sampler in SAMPLERS:
            held = recipe_files.given(
                model if model.endswith(".toml") else f"{model}-{sampler}",
                changes,
                train,
                validation,
            )
            recipe = _seeded(held, sampler, seed)
            compared = tuple(
                each
                for each in recipe.data.against
                if each != apart and (against is None or each in against)
            )
            data = replace(recipe.data, against=compared)
            found.append(Training(sampler, seed, replace(recipe, data=data)))
    return tuple(found)


def _seeded(recipe: Recipe, sampler: str, seed: int) -> Recipe:
    name = f"{stem(recipe.name)}-{sampler}-s{seed}"
    return replace(recipe, name=name, training=replace(recipe.training, batches=sampler, seed=seed))


def alphas(given: str) -> tuple[float, ...]:
    """The numbers of `--alpha-sweep`, ascending, each once.

    Raises:
        UsageError: one is no number from 0 to 1.
    """
    found = sorted({mixture.alpha(each.strip()) for each in given.split(",") if each.strip()})
    if not found:
        raise UsageError("--alpha-sweep names no alpha", "Like 0,0.25,0.5,0.75,1.")
    return tuple(found)


def stem(name: str) -> str:
    """A recipe's name without the sampler at its end: "tiny" of "tiny-hybrid"."""
    model, dash, last = name.rpartition("-")
    return model if dash and last in mixture.NAMED else name


def done(recipe: Recipe, folder: Path, data: Mapping[str, str]) -> bool:
    """Whether `folder` holds what would be trained.

    Args:
        recipe: what would be.
        folder: of the encoder.
        data: fingerprints of "train" and "validation".

    Raises:
        UsageError: it holds something else of that name.
    """
    if not (folder / "modules.json").is_file():
        return False
    try:
        there = tomllib.loads((folder / "recipe.toml").read_text("utf-8"))
        about = json.loads((folder / "training.json").read_text("utf-8"))
    except (OSError, ValueError):
        there, about = {}, {}
    wanted = tomllib.loads(toml.dumps(recipe.as_dict()))
    for held in (there, wanted):
        for key in _INDIFFERENT:
            held.get("training", {}).pop(key, None)
    if there == wanted and isinstance(about, dict) and about.get("data") == dict(data):
        return True
    raise UsageError(
        f"{folder} was trained by another recipe, or on other data",
        "Name another folder with --output, or train anew with --fresh.",
    )


def languages(folder: Path) -> set[str]:
    """The languages that a trained encoder was trained on; none if its folder does not tell."""
    try:
        about = json.loads((folder / "training.json").read_text("utf-8"))
        return {str(each) for each in about["languages"]}
    except (OSError, ValueError, LookupError, TypeError):
        return set()
