"""The command `export`: tasks and runs for other tools to read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness.commands import options
from mlir_harness.commands.config import config
from mlir_harness.text import plain

if TYPE_CHECKING:
    from mlir_harness.exporting.export import Layout
    from mlir_harness.loading import LoadedTask
    from mlir_harness.results import CellResult


@click.command()
@click.option(
    "--to",
    "layout",
    type=click.Choice(["trec", "beir"]),
    required=True,
    help="Topics, qrels and runs as trec_eval reads them; or corpus, queries and qrels of BEIR.",
)
@click.option(
    "-o",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="Where to; an earlier export there is replaced.",
)
@click.option("--force", is_flag=True, help="Write into a folder that holds something else.")
@config
@options.encoders(required=False)
@options.tasks()
@options.data
@options.encoding
@options.scoring(depth=100)
@options.places
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def export(layout: Layout, folder: Path, force: bool, debug: bool, **asked: Any) -> None:
    """Write tasks and runs in the files of other tools.

    \b
    FOLDER/<task>/<setting>/ holds the queries, the judgements, with beir the documents, and a
    run of each encoder; FOLDER/index.json says which setting is where, and its scores.
    Runs come from stored results whose lists are long enough; else they are computed.
    """
    from mlir_harness import output, runner
    from mlir_harness.exporting import export as exports
    from mlir_harness.watch import Bars

    folder = folder.absolute()
    exports.check(folder, layout, force=force)
    printed = output.Output(output.take_stdout(), "text")
    errors = output.console(sys.stderr)
    with Bars(errors) as bars:
        prepared = runner.prepare(options.request(asked), bars, tasks_alone=True)
        tasks = [each for each in prepared.tasks if isinstance(each, runner.LoadedTask)]
        labels = [encoder.choice.label for encoder in prepared.encoders]
        cells = runner.run(prepared, bars) if labels else runner.unusable(prepared)
        done = (
            exports.write(folder, layout, tasks, labels, cells, bars, force=force)
            if tasks
            else list(cells)
        )
    printed.lines([_summary(task, done, folder) for task in tasks])
    output.report(done, errors, debug=debug)
    sys.exit(output.exit_code(len(tasks), done))


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
