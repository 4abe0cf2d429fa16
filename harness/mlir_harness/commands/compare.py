"""The command `compare`: is one encoder better than another, or is it noise?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness.commands import options, requests
from mlir_harness.commands.config import config
from mlir_harness.errors import UsageError
from mlir_harness.text import plain

if TYPE_CHECKING:
    from mlir_harness.comparing.groups import By


@click.command()
@click.argument("operands", nargs=-1, required=True, metavar="A B [C …]")
@click.option("--measure", default="", metavar="NAME", help="Default: each task's main measure.")
@click.option(
    "--by",
    type=click.Choice(["language", "setting", "none"]),
    default="language",
    show_default=True,
    help="What the second, exploratory family of tests tells apart.",
)
@click.option(
    "--queries",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    metavar="N",
    help="How many queries that rose, and that fell, to show.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of random signs and samples.",
)
@config
@options.tasks(required=False)
@options.data
@options.encoding
@options.scoring()
@options.places
@options.form("table", "json", "csv", "markdown")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def compare(
    operands: tuple[str, ...],
    measure: str,
    by: By,
    queries: int,
    seed: int,
    form: str,
    debug: bool,
    **asked: Any,
) -> None:
    """Compare encoders with a baseline, query by query.

    \b
    A is the baseline. All are encoders, as for `run`, evaluated on --tasks unless their
    results are stored; or all are folders: of results, as --output names, or of single cells.

    Differences are tested by flipping the signs of clusters of queries that depend on each
    other, and corrected for the number of tests shown (Holm). What is of other data or of
    another protocol is not compared: exit code 5.
    """
    from mlir_harness import output
    from mlir_harness.comparing import compare as comparing
    from mlir_harness.comparing import formats, table
    from mlir_harness.comparing import operands as given
    from mlir_harness.watch import Bars

    if len(operands) < 2:
        raise UsageError("one thing alone cannot be compared", "Name two encoders or folders.")
    folders = given.are_folders(operands)
    if not folders and all(Path(each).is_dir() for each in operands):
        raise UsageError(
            f"there are no results in {' or '.join(map(plain, operands))}",
            "Name folders as --output of `mlir-harness run` names them.",
        )
    if not folders and not asked["tasks"]:
        raise UsageError(
            "nothing says on what these encoders are to be compared",
            "Add --tasks, such as --tasks xquad-r; or name two folders of results.",
        )
    printed = output.Output(output.take_stdout(), form)
    errors = output.console(sys.stderr)
    with Bars(errors) as bars:
        request = requests.request({**asked, "encoders": () if folders else operands})
        found = (
            given.of_folders(operands, request, bars)
            if folders
            else given.of_encoders(request, bars)
        )
        results = []
        for matched in found.tasks:
            bars.start(f"comparing on {matched.pairs[0].baseline.task}", 0)
            each = comparing.compare(matched.pairs, measure=measure, by=by, most=queries, seed=seed)
            results.append(given.with_texts(each, matched.retrieval))
            bars.stop()
    made = {"json": formats.as_json, "csv": formats.as_csv, "markdown": formats.as_markdown}
    if form in made:
        printed.text(made[form](results))
    else:
        printed.show({}, *map(table.drawn, results))
    output.report(found.cells, errors, debug=debug)
    for line in found.notes:
        errors.print(plain(line, 600), soft_wrap=True)
    sys.exit(output.exit_code(len(results), found.cells))
