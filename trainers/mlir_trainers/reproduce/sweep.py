"""One recipe with several shares of monolingual batches: trained, evaluated, drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from rich.console import Group, RenderableType
from rich.text import Text

from mlir_harness import api, files
from mlir_harness.api import CellResult
from mlir_harness.errors import Exit, UsageError
from mlir_harness.text import folder_names, plain
from mlir_trainers import processes, session, watch
from mlir_trainers.console import Progressing, console, printed
from mlir_trainers.recipe import Recipe
from mlir_trainers.reproduce import chart, ensure, plan, table
from mlir_trainers.reproduce.claims import RANK_DISTANCE
from mlir_trainers.reproduce.outcome import KINDS, Failure

FOLDER = "alpha-sweep"  # beside the encoders


@dataclass(frozen=True)
class Swept:
    """What became of a sweep.

    Attributes:
        name: of the recipe, without its sampler.
        cells: (alpha, cell), tasks one after the other.
        charts: the SVG files.
    """

    name: str
    cells: tuple[tuple[float, CellResult], ...]
    charts: tuple[Path, ...]

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Cells without scores."""
        return tuple(
            Failure(cell.encoder, cell.task, cell.reason or cell.status, cell.hint or "")
            for _, cell in self.cells
            if cell.status != "ok"
        )


def command(
    recipe: Recipe,
    chosen: Sequence[float],
    tasks: str,
    places: session.Places,
    fresh: bool,
    allow_contamination: bool,
) -> Exit:
    """`mlir-harness train --alpha-sweep`: sweep, print, and the exit code.

    Raises:
        UsageError: no task is named.
        HarnessError: see `sweep`.
    """
    named = list(dict.fromkeys(each.strip() for each in tasks.split(",") if each.strip()))
    if not named:
        raise UsageError("no task was named", "Give some with --tasks, such as xquad-r.")
    errors = console()
    with Progressing(errors) as progress:
        swept = sweep(
            recipe,
            chosen,
            named,
            places,
            progress,
            fresh=fresh,
            allow_contamination=allow_contamination,
        )
    if not processes.first():
        return Exit.OK
    printed().print(render(swept))
    if not swept.failures:
        return Exit.OK
    errors.print(table.failed(swept.failures))
    return Exit.SOME_FAILED if swept.charts else Exit.NOTHING_RAN


def recipe_with(recipe: Recipe, alpha: float) -> Recipe:
    """The recipe with a share of monolingual batches, and a name that tells it."""
    name = f"{plan.stem(recipe.name)}-alpha-{f'{alpha:g}'.replace('.', '_')}"
    return replace(recipe, name=name, training=replace(recipe.training, batches=alpha))


def sweep(
    recipe: Recipe,
    chosen: Sequence[float],
    tasks: Sequence[str],
    places: session.Places,
    reporter: watch.Reporter,
    *,
    fresh: bool = False,
    allow_contamination: bool = False,
) -> Swept:
    """Train and evaluate the recipe with every alpha, and draw the scores.

    Args:
        recipe: its own batches do not matter.
        chosen: alphas.
        tasks: names, at least one.
        places: where things are.
        reporter, fresh, allow_contamination: see `session.run`.

    Raises:
        HarnessError: a training fails, or the charts cannot be written.
    """
    for task in tasks:  # before hours are spent on training
        api.load(task, data_dir=places.data_dir, cache_dir=places.cache)
    folders = {}
    for number, alpha in enumerate(chosen, 1):
        of_alpha = recipe_with(recipe, alpha)
        reporter.note(f"encoder {number} of {len(chosen)}: {of_alpha.name}")
        folders[alpha] = ensure.trained(
            of_alpha, places, reporter, fresh=fresh, allow_contamination=allow_contamination
        )
    home = places.output / FOLDER
    cells = []
    for task in tasks:
        reporter.note(f"evaluating {len(folders)} encoders on {task}")
        report = api.evaluate(
            [f"{folder.name}=st:{folder}" for folder in folders.values()],
            [task],
            data_dir=places.data_dir,
            output=home / "results",
            cache_dir=places.cache,
            fresh=fresh,
            device=cast(Any, places.device),
        )
        cells += list(zip(folders, report.cells, strict=True))
    name = plan.stem(recipe.name)
    names = folder_names([f"{name} {task}" for task in tasks])
    written = []
    for task in tasks:
        scored = [(a, each) for a, each in cells if each.task == task and each.status == "ok"]
        if scored:
            path = home / f"{names[f'{name} {task}']}.svg"
            with files.writing("a chart", path, "Free some space, or name another folder."):
                files.replace_file(path, draw(name, scored).encode())
            written.append(path)
    return Swept(name, tuple(cells), tuple(written))


def draw(name: str, cells: Sequence[tuple[float, CellResult]]) -> str:
    """Effectiveness by kind of settings, and rank distance where there is one, against alpha.

    Args:
        name: of the recipe.
        cells: (alpha, cell) of one task, all scored, at least one.
    """
    cell = cells[0][1]
    label = "α: share of monolingual batches"
    lines = {kind: _line(cells, kind, cell.main_measure) for kind in KINDS}
    panels = [chart.Panel(cell.main_measure, {k: v for k, v in lines.items() if v}, label)]
    distance = _line(cells, "multilingual", RANK_DISTANCE)
    if distance:
        panels.append(
            chart.Panel("rank distance (less is better)", {"multilingual": distance}, label)
        )
    sample = " (SAMPLE DATA)" if cell.sample else ""
    return chart.svg(f"{name} on {cell.task}{sample}", panels)


def render(swept: Swept) -> RenderableType:
    """A table per task: a row per alpha."""
    parts: list[RenderableType] = []
    for task in dict.fromkeys(cell.task for _, cell in swept.cells):
        scored = [(a, c) for a, c in swept.cells if c.task == task and c.status == "ok"]
        if not scored:
            continue
        cell = scored[0][1]
        sample = " · SAMPLE DATA, proves nothing" if cell.sample else ""
        parts.append(Text(plain(f"{swept.name} on {task} · {cell.split}{sample}"), style="bold"))
        columns = {
            f"{table.SHORT[kind]}\n{plain(cell.main_measure)}": (kind, cell.main_measure, 3)
            for kind in KINDS
            if kind in cell.summary
        }
        columns["rank\ndistance"] = ("multilingual", RANK_DISTANCE, 0)
        drawn = table.grid("alpha", [*columns])
        for alpha, each in scored:
            drawn.add_row(
                Text(f"{alpha:g}"),
                *(
                    Text(_shown(_value(each, kind, measure), digits))
                    for kind, measure, digits in columns.values()
                ),
            )
        parts += [drawn, Text()]
    parts += [Text(plain(f"Drawn in {path}", 600)) for path in swept.charts]
    return Group(*parts)


def _line(
    cells: Sequence[tuple[float, CellResult]], kind: str, measure: str
) -> list[tuple[float, float]]:
    values = [(alpha, _value(cell, kind, measure)) for alpha, cell in cells]
    return [(alpha, value) for alpha, value in values if not math.isnan(value)]


def _value(cell: CellResult, kind: str, measure: str) -> float:
    value = cell.summary.get(kind, {}).get(measure)
    return math.nan if value is None else float(value)


def _shown(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"
