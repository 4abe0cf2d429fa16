"""Where recipes come from: bundled by name, or TOML files, with changes of single keys."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from mlir_harness.errors import UsageError
from mlir_trainers.batching import mixture
from mlir_trainers.recipe import Recipe, checked, keys


def bundled() -> list[str]:
    """Names of the recipes that come with the package: each model with each way to mix batches."""
    files = resources.files("mlir_trainers.recipes").iterdir()
    models = sorted(file.name.removesuffix(".toml") for file in files if file.name[-5:] == ".toml")
    return [f"{model}-{batches}" for model in models for batches in mixture.NAMED]


def load(name: str, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a name, or in a file, with changes.

    Paths of data become absolute, so that the recipe beside an encoder says what it learnt from.

    Args:
        name: of a bundled recipe, or the path of a TOML file, to whose folder its paths are
            relative.
        changes: "training.learning_rate=1e-4", applied in their order; their paths are relative
            to the current folder.

    Raises:
        UsageError: there is no such recipe, a key is unknown, or a value is out of range.
    """
    content, origin, folder = _read(name)
    content = _placed(checked(content, origin), folder).as_dict()
    for change in changes:
        _apply(content, change)
    return _placed(checked(content, origin), Path.cwd())


def given(
    name: str, changes: Sequence[str], train: Sequence[Any], validation: Sequence[Any]
) -> Recipe:
    """The recipe with other data, where there is any.

    Args:
        name, changes: see `load`.
        train, validation: sources that take the place of the recipe's, as FORMAT:PATH or as
            tables; their paths are relative to the current folder.

    Raises:
        UsageError: see `load`.
    """
    recipe = load(name, changes)
    if train:
        recipe = replace(recipe, data=replace(recipe.data, train=tuple(train)))
    if validation:
        recipe = replace(recipe, validation=replace(recipe.validation, data=tuple(validation)))
    return _placed(recipe, Path.cwd())


def _placed(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with the paths of its data absolute, those relative to `folder` until now."""
    train = tuple(_source(each, folder) for each in recipe.data.train)
    validation = tuple(_source(each, folder) for each in recipe.validation.data)
    return replace(
        recipe,
        data=replace(recipe.data, train=train),
        validation=replace(recipe.validation, data=validation),
    )


def _source(named: Any, folder: Path) -> Any:
    """A source as it is named; what names no path is refused where it is read."""
    if isinstance(named, Mapping):
        path = named.get("path")
        if isinstance(path, str) and path:
            return {**named, "path": _absolute(path, folder)}
        return named
    form, _, path = named.partition(":")
    return f"{form}:{_absolute(path, folder)}" if path else named


def _absolute(path: str, folder: Path) -> str:
    return os.path.abspath(folder / Path(path).expanduser())  # noqa: PTH100  keeps symbolic links


def _read(name: str) -> tuple[dict[str, Any], str, Path]:
    """What a recipe says, how to call it in messages, and what its paths are relative to."""
    if name in bundled():
        model, _, batches = name.rpartition("-")
        file = resources.files("mlir_trainers.recipes").joinpath(f"{model}.toml")
        content = tomllib.loads(file.read_text("utf-8"))
        content["name"] = name
        content.setdefault("training", {})["batches"] = batches
        return content, f"recipe {name}", Path.cwd()
    if not name.endswith(".toml"):
        close = get_close_matches(name, bundled(), 1)
        known = f"Did you mean {close[0]}?" if close else f"There are {', '.join(bundled())}."
        raise UsageError(f"there is no recipe {name!r}", f"{known} Or name a .toml file.")
    try:
        content = tomllib.loads(Path(name).read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{name} is not TOML: {error}", "Mend the line it names.") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the recipe {name}: {error}", "Check the path.") from None
    content.setdefault("name", Path(name).stem)
    return content, name, Path(name).parent


def _apply(content: dict[str, Any], change: str) -> None:
    """Put one `key=value` into nested mappings; a value that is no TOML is a string."""
    key, found, value = change.partition("=")
    if not found or not key.strip():
        raise UsageError(
            f"--set {change}: it is not KEY=VALUE", "Like training.learning_rate=1e-4."
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    *tables, last = key.strip().split(".")
    for table in tables:
        content = content.setdefault(table, {})
        if not isinstance(content, dict):
            raise UsageError(f"--set {change}: {table} is not a table", keys())
    content[last] = parsed
