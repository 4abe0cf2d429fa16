"""The commands `baseline create`, `update` and `show`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness import text
from mlir_harness.commands import held, options
from mlir_harness.errors import Exit, StoreError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mlir_harness.commands.held import Gathered
    from mlir_harness.regression.baseline import Baseline
    from mlir_harness.regression.checking import Checked
    from mlir_harness.regression.gates import Gates

_FILE = click.argument("file", type=click.Path(path_type=Path))
_MOST = 5  # means that history names


def _kept(command: Any) -> Any:
    """What a baseline keeps besides."""
    command = click.option(
        "--variants/--no-variants",
        default=None,
        help="Hold the settings of variants too, such as low-resource subsets; default not.",
    )(command)
    return click.option(
        "--tolerance",
        type=click.FloatRange(0, 1, max_open=True),
        metavar="VALUE",
        help="How far the mean of an unchanged encoder may move and be called the same, where "
        "its vectors are not exact; default 0.0001, a hundredth of a point.",
    )(command)


@click.group()
def baseline() -> None:
    """Make, renew and show the file that `check` holds scores against."""


@baseline.command()
@_FILE
@held.gates
@_kept
@held.evaluation
def create(
    file: Path,
    measures: tuple[str, ...],
    deltas: dict[str, float],
    variants: bool | None,
    tolerance: float | None,
    folder: Path | None,
    debug: bool,
    **asked: Any,
) -> None:
    """Evaluate, or read stored results, and keep the scores per query in FILE.

    Takes the options of `run`. A FILE that is there is not overwritten: see update.
    """
    from mlir_harness import output
    from mlir_harness.regression import baseline as baselines
    from mlir_harness.regression import file as files

    printed = output.Output(output.take_stdout(), "text")
    errors = output.console(sys.stderr)
    _refuse(file)
    _check(asked, measures, deltas)
    what = held.gathered(asked, folder, errors)
    made = _made(what, measures, deltas, variants=bool(variants))
    if _failed(what, errors, debug=debug):
        sys.exit(_failed_code(what))
    made = baselines.renewed(made, tolerance=tolerance, history=(baselines.entry("created"),))
    _refuse(file)
    files.write(file, made)
    printed.lines([_summary(file, made)])


@baseline.command()
@_FILE
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the file's history.")
@held.gates
@_kept
@held.evaluation
def update(
    file: Path,
    reason: str,
    measures: tuple[str, ...],
    deltas: dict[str, float],
    variants: bool | None,
    tolerance: float | None,
    folder: Path | None,
    debug: bool,
    **asked: Any,
) -> None:
    """Evaluate again, show what differs from FILE, and put the new scores into it.

    What the command line does not say is as it was. Nothing is written if a cell fails.
    """
    from mlir_harness import output
    from mlir_harness.regression import baseline as baselines
    from mlir_harness.regression import checking, gathering, table
    from mlir_harness.regression import file as files

    printed = output.Output(output.take_stdout(), "table")
    errors = output.console(sys.stderr)
    if not reason.strip():
        raise UsageError("the reason is empty", 'Say why: --reason "new tokenizer".')
    old = files.read(file)
    _check(asked, measures, deltas)
    what = held.gathered(asked, folder, errors, old.request)
    keep = old.variants if variants is None else variants
    made = _made(what, measures or old.measures, deltas, variants=keep, before=old.gates)
    if _failed(what, errors, debug=debug):
        sys.exit(_failed_code(what))
    found = gathering.evaluated(what.results, [*old.gates], variants=old.variants)
    done = checking.check(old, found, old.gates)
    history = (*old.history, baselines.entry(reason, _changes(done)))
    tolerance = old.tolerance if tolerance is None else tolerance
    made = baselines.renewed(made, tolerance=tolerance, history=history)
    files.write(file, made)
    printed.show({}, table.checked(done, str(file), advice=False), _summary(file, made))


@baseline.command()
@_FILE
@options.form("table", "json")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def show(file: Path, form: str, debug: bool) -> None:
    """Show what FILE holds: cells, means, allowed drops, environment and history."""
    del debug
    from mlir_harness import output
    from mlir_harness.regression import document, table
    from mlir_harness.regression import file as files

    printed = output.Output(output.take_stdout(), form)
    found = files.read(file)
    printed.show(document.baseline(found, str(file)), table.baseline(found, str(file)))


def _refuse(file: Path) -> None:
    """Raise UsageError if there is something in the place of a new baseline."""
    if file.exists():
        named = text.plain(str(file), 300)
        raise UsageError(
            f"{named} is there already",
            f'mlir-harness baseline update {named} --reason "…" replaces it, and says how.',
        )


def _check(asked: Mapping[str, Any], measures: Sequence[str], deltas: Mapping[str, float]) -> None:
    """Raise UsageError, before anything is evaluated, if a baseline could not name it."""
    from mlir_harness.regression import baseline as baselines
    from mlir_harness.regression import gates

    baselines.demand_anywhere(asked["encoders"], asked["tasks"])
    for name in (*measures, *deltas):
        gates.gate(name)


def _made(
    what: Gathered,
    measures: Sequence[str],
    deltas: dict[str, float],
    *,
    variants: bool,
    before: Gates | None = None,
) -> Baseline:
    """A baseline of results; its history is still to be told."""
    from mlir_harness.regression import baseline as baselines
    from mlir_harness.regression import checking, gathering

    found = gathering.evaluated(what.results, measures, variants=variants)
    checking.keyed(found.cells)
    scored = {(cell.encoder, cell.task) for cell in what.results if cell.status == "ok"}
    for key, reason in found.failed.items():
        if key in scored:
            raise StoreError(
                f"the scores of {' on '.join(map(text.plain, key))} cannot be kept: {reason}",
                "Evaluate again with --fresh; nothing was written.",
            )
    if not found.cells:
        return baselines.Baseline((), {}, {})
    request = (
        baselines.of_results(found.cells)
        if what.request is None
        else baselines.asked(what.request, found.cells)
    )
    held_to = baselines.gates(found.cells, measures, deltas, before or {})
    return baselines.Baseline(tuple(found.cells), held_to, request, tuple(measures), variants)


def _failed(what: Gathered, errors: Console, *, debug: bool) -> bool:
    """Tell of cells that failed, but for those that nobody named; whether there are any."""
    from mlir_harness import output

    output.report(what.results, errors, debug=debug)
    done = sum(cell.status == "ok" for cell in what.results)
    failed = output.exit_code(done, what.results) is not Exit.OK
    if failed:
        errors.print("Nothing was written.")
    return failed


def _failed_code(what: Gathered) -> Exit:
    from mlir_harness import output

    return output.exit_code(sum(cell.status == "ok" for cell in what.results), what.results)


def _changes(done: Checked) -> list[str]:
    """What history keeps of a difference."""
    from mlir_harness.regression import wording
    from mlir_harness.regression.verdicts import Verdict

    told = [wording.result(done).partition(": ")[2]]
    moved = [row for row in done.rows if row.verdict is not Verdict.SAME]
    told += [f"{row.verdict}: {wording.sentence(row)}" for row in moved[:_MOST]]
    if len(moved) > _MOST:
        told.append(f"and {len(moved) - _MOST:,} more")
    told += [f"{key}: {'; '.join(changes)}" for key, changes in [*done.changes.items()][:_MOST]]
    return told + [f"new: {each}" for each in done.beyond[:_MOST]]


def _summary(file: Path, made: Baseline) -> str:
    rows = sum(len(cell.queries) for cell in made.cells)
    measures = ", ".join(made.gates)
    size = text.size(file.stat().st_size)
    told = f"{file}: {len(made.cells)} cells, {rows:,} rows of {measures}, {size}"
    return text.plain(told, 600)
