"""The command `check`: scores against a committed baseline."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness.commands import held, options
from mlir_harness.errors import Exit, HarnessError, StoreError
from mlir_harness.text import plain

if TYPE_CHECKING:
    from rich.console import Console

    from mlir_harness.regression.checking import Checked


@click.command()
@click.option(
    "--baseline",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="What `mlir-harness baseline create` made.",
)
@held.gates
@click.option(
    "--per",
    type=click.Choice(["kind", "language"]),
    default="kind",
    show_default=True,
    help="Judge kinds of settings; or the languages of queries within them too.",
)
@click.option("--pin-encoder", is_flag=True, help="Another encoder is not tested but incomparable.")
@options.form("table", "json", "markdown")
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write JUnit XML, a test case per mean.",
)
@click.option(
    "--summary",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also append Markdown to this; default $GITHUB_STEP_SUMMARY where it is set.",
)
@click.option(
    "--annotations",
    is_flag=True,
    help="Also write GitHub's annotations to standard error; default where GitHub runs it.",
)
@held.evaluation
def check(
    file: Path,
    measures: tuple[str, ...],
    deltas: dict[str, float],
    per: str,
    pin_encoder: bool,
    form: str,
    junit: Path | None,
    summary: Path | None,
    annotations: bool,
    folder: Path | None,
    debug: bool,
    **asked: Any,
) -> None:
    """Tell whether scores fell below a baseline, by more than noise.

    \b
    Encoders, tasks, languages and data are those of the baseline unless others are named.
    Each kind of settings of each cell gets a verdict: same, better, within noise; regressed or
    missing (exit code 1); incomparable, which is no pass (5).
    """
    from mlir_harness import output
    from mlir_harness.regression import checking, gates, gathering, table
    from mlir_harness.regression import file as files

    printed = output.Output(output.take_stdout(), form)
    errors = output.console(sys.stderr)
    baseline = files.read(file)
    chosen = gates.chosen(baseline.gates, measures, deltas)
    what = held.gathered(asked, folder, errors, baseline.request)
    found = gathering.evaluated(what.results, [*chosen], variants=baseline.variants)
    checking.demand_common(baseline, found)
    done = checking.check(
        baseline, found, chosen, languages=per == "language", pin_encoder=pin_encoder
    )
    if form == "markdown":
        from mlir_harness.regression import markdown

        printed.text(markdown.checked(done, str(file)))
    elif form == "json":
        from mlir_harness.regression import document

        printed.show(document.checked(done, str(file)))
    else:
        printed.show({}, table.checked(done, str(file)))
    output.report(what.results, errors, debug=debug)
    if annotations or os.environ.get("GITHUB_ACTIONS") == "true":
        from mlir_harness.regression import annotations as commands

        for line in commands.checked(done):
            click.echo(line, err=True)
    told = os.environ.get("GITHUB_STEP_SUMMARY")
    summary = summary or (Path(told) if told else None)
    written = _reports(done, str(file), junit, summary, errors)
    sys.exit(done.exit_code if written or done.exit_code else Exit.SOME_FAILED)


def _reports(
    done: Checked, file: str, junit: Path | None, summary: Path | None, errors: Console
) -> bool:
    """Write what else was asked for; whether all of it could be."""
    from mlir_harness import files
    from mlir_harness.regression import junit as xml
    from mlir_harness.regression import markdown

    def whole(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        written = xml.checked(done, file)
        if path.exists() and not path.is_file():
            path.write_bytes(written)  # a device, which is not to be replaced
        else:
            files.replace_file(path.resolve(), written)

    def appended(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(markdown.checked(done, file))

    wrote = [_wrote(write, path, errors) for write, path in ((whole, junit), (appended, summary))]
    return all(wrote)


def _wrote(write: Callable[[Path], None], path: Path | None, errors: Console) -> bool:
    """A report that cannot be written does not hide what came of the check."""
    from mlir_harness import files

    if path is None:
        return True
    try:
        with files.writing("the report", path, "Name another file."):
            write(path)
    except StoreError as error:
        _tell(error, errors)
        return False
    return True


def _tell(error: HarnessError, errors: Console) -> None:
    errors.print(f"Error: {plain(error.message, 600)}\n  {plain(error.hint)}", soft_wrap=True)
