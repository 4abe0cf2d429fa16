"""A training, unless the same was done before."""

from __future__ import annotations

from pathlib import Path

from mlir_trainers import session, watch
from mlir_trainers.recipe import Recipe
from mlir_trainers.reproduce import plan


def trained(
    recipe: Recipe,
    places: session.Places,
    reporter: watch.Reporter,
    *,
    fresh: bool = False,
    allow_contamination: bool = False,
) -> Path:
    """The folder of the encoder; arguments are those of `session.run`.

    Raises:
        UsageError: the folder holds what was trained by another recipe or on other data.
        HarnessError: see `session.run`.
    """
    folder = places.output / recipe.name
    if not fresh:
        train, validation = session.data(recipe, places, reporter)
        data = {"train": train.fingerprint, "validation": validation.fingerprint}
        if plan.done(recipe, folder, data):
            return folder
    return session.run(
        recipe, places, reporter, fresh=fresh, allow_contamination=allow_contamination
    )
