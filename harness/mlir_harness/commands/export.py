"""The command `export`: tasks, runs and scores for papers and other tools to read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness.commands import options, requests
from mlir_harness.commands.config import config
from mlir_harness.errors import UsageError
from mlir_harness.text import plain

if TYPE_CHECKING:
    from mlir_harness.loading import LoadedTask
    from mlir_harness.prepare import Prepared
    from mlir_harness.results import CellResult
    from mlir_harness.watch import Bars

_LAYOUTS = ("trec", "beir")  # of tasks and runs; the others are of scores
_FILES = ("latex", "markdown", "csv", "card")
_DEPTH = 100  # of their runs


@click.command()
@click.option(
    "--to",
    "form",
    type=click.Choice([*_LAYOUTS, "mteb", *_FILES]),
    required=True,
    help="What to write; see above.",
)
@click.option(
    "-o",
    "place",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|FOLDER",
    required=True,
    help="Where to; an earlier export there is replaced. - prints a file.",
)
@options.baseline
@click.option("--force", is_flag=True, help="Write over, or beside, what is something else.")
@config
@options.encoders(required=False)
@options.tasks()
@options.data
@options.encoding
@options.scoring(depth=f"{_DEPTH} with trec and beir, else the task's own")
@options.places
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def export(
    form: Any, place: Path, baseline: str | None, force: bool, debug: bool, **asked: Any
) -> None:
    """Write tasks, runs and scores for papers and other tools.

    \b
    --to trec      folder: topics, qrels and runs, as trec_eval and its kin read them
    --to beir      folder: corpus, queries and qrels of BEIR, and runs
    --to mteb      folder: result files that mteb loads
    --to latex     file: the tables of `run`, as papers print them
    --to markdown  file: the same for GitHub
    --to csv       file: a row per setting, every measure
    --to card      file: results in the metadata of a model card, which may exist

    Scores come from stored results; what is not stored is computed. Of trec and beir,
    FOLDER/index.json says which setting is where, and its scores; --encoders may be left out.
    """
    from mlir_harness import output, runner
    from mlir_harness.exporting import export as exports
    from mlir_harness.exporting import scores
    from mlir_harness.watch import Bars

    to = None if str(place) == "-" else place.absolute()
    if to is None and form not in _FILES:
        raise UsageError(f"--to {form} writes a folder", "Name one with -o.")
    lists = form in _LAYOUTS
    if lists:
        exports.check(place.absolute(), form, force=force)
        asked["depth"] = asked["depth"] or _DEPTH
    else:
        scores.check(form, to, asked["encoders"], force=force)
    printed = output.Output(output.take_stdout(), "text")
    errors = output.console(sys.stderr)
    write = _tasks if lists else partial(_scores, baseline=baseline)
    with Bars(errors) as bars:
        prepared = runner.prepare(requests.request(asked), bars, tasks_alone=lists)
        done, cells, told = write(prepared, form, to, bars, force=force)
    printed.text(told)
    output.report(cells, errors, debug=debug)
    sys.exit(output.exit_code(done, cells))


def _tasks(
    prepared: Prepared, layout: Any, folder: Any, bars: Bars, *, force: bool
) -> tuple[int, list[CellResult], str]:
    """Write tasks and their runs; how many, the cells, of which some may have none, and words."""
    from mlir_harness import runner
    from mlir_harness.exporting import export as exports

    tasks = [each for each in prepared.tasks if isinstance(each, runner.LoadedTask)]
    labels = [encoder.choice.label for encoder in prepared.encoders]
    cells = runner.run(prepared, bars) if labels else runner.unusable(prepared)
    if not tasks:
        return 0, list(cells), ""
    done = exports.write(folder, layout, tasks, labels, cells, bars, force=force)
    return len(tasks), done, "".join(f"{_summary(task, done, folder)}\n" for task in tasks)


def _scores(
    prepared: Prepared,
    form: Any,
    place: Path | None,
    bars: Bars,
    *,
    force: bool,
    baseline: str | None,
) -> tuple[int, list[CellResult], str]:
    """Write scores, if there are any; how many cells have some, the cells, and what to print."""
    from mlir_harness import runner
    from mlir_harness.comparing.marks import known_baseline, marks
    from mlir_harness.exporting import scores

    if baseline is not None:
        known_baseline(baseline, [each.choice.label for each in prepared.encoders])
    cells = list(runner.run(prepared, bars))
    done = sum(cell.status == "ok" for cell in cells)
    if not done:
        return done, cells, ""
    found = marks(cells, baseline) if baseline is not None else None
    return done, cells, scores.write(form, place, cells, found, force=force)


def _summary(task: LoadedTask, cells: Sequence[CellResult], folder: Path) -> str:
    label = task.choice.label
    runs = sum(cell.status == "ok" for cell in cells if cell.task == label)
    sample = " (sample data)" if task.retrieval.provenance.sample else ""
    settings = len(task.retrieval.settings)
    counted = [
        f"{count:,} {noun if count == 1 else f'{noun}s'}"
        for count, noun in ((settings, "setting"), (runs, "run"))
    ]
    line = f"{label} · {task.split}{sample}: {', '.join(counted)} of each, in {folder}"
    return plain(line, 600)
