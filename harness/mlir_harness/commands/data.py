"""The commands that look at data: verify it, describe it. Imports nothing heavy by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mlir_harness import text
from mlir_harness.commands import options, requests
from mlir_harness.errors import DataError, Exit, HarnessError, Unavailable, UsageError

if TYPE_CHECKING:
    from mlir_harness.fetching.verify import Finding
    from mlir_harness.fetching.wanted import Wanted
    from mlir_harness.output import Output


@click.group()
def data() -> None:
    """Verify or describe the data of a task."""


@data.command()
@click.argument("task", metavar="TASK")
@options.files
@click.option("--split", default="", help="Part of the data; default the task's own.")
@options.plugin_options
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def verify(task: str, as_json: bool, debug: bool, **asked: Any) -> None:
    """Compare a task's files with those once fetched, and its sizes with those published.

    Only the files of the split have to be there, and only its sizes are compared.

    The exit code is 0 if all is well, 1 if something differs, 4 if the data is not there.
    """
    del debug
    from mlir_harness import output, prepare
    from mlir_harness.fetching import needs, verify
    from mlir_harness.watch import Bars

    printed = _output(as_json)
    request = requests.tasks_alone((task,), asked | {"data": "real"})
    choice, made = prepare.make(task)
    wanted = needs.of_task(choice, made, tuple(request.languages), request)
    notes = []
    with _nothing_ran(), Bars(output.console(sys.stderr)) as bars:
        found: list[Finding] = []
        if wanted is not None:
            taken = wanted.only(wanted.read)
            _check_there(taken)
            found += verify.contents(taken if request.split else wanted, bars)
        if not found:
            notes.append("No fetched.json: what the files hold is compared with nothing.")
        try:
            loaded = prepare.load(choice, made, request, bars)
        except DataError as error:
            found.append(verify.Finding("its files can be read", "yes", error.message))
            notes.append(error.hint)
        else:
            counted = list(verify.counts(made, loaded))
            found += counted
            if not counted:
                notes.append("No sizes are published, or the task does not know them.")
    _show_findings(printed, task, wanted, found, notes)


def _show_findings(
    printed: Output, task: str, wanted: Wanted | None, found: list[Finding], notes: list[str]
) -> None:
    from dataclasses import asdict

    from mlir_harness.commands import data_tables

    ok = all(each.ok for each in found)
    folder = None if wanted is None else str(wanted.folder)
    held = {
        "schema": 1,
        "task": task,
        "folder": folder,
        "ok": ok,
        "findings": [asdict(each) | {"ok": each.ok} for each in found],
        "notes": notes,
    }
    printed.show(
        held, data_tables.findings(found, f"{task}{f' · {folder}' if folder else ''}", notes)
    )
    sys.exit(Exit.OK if ok else Exit.CHECK_FAILED)


def _check_there(wanted: Wanted) -> None:
    from mlir_harness.fetching.homes import paths

    missing = [
        path
        for one in wanted.missing().downloads
        for path in paths(one)
        if not (wanted.folder / path).is_file()
    ]
    if missing:
        more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
        raise Unavailable(
            f"{text.plain(str(wanted.folder))} lacks "
            f"{', '.join(map(text.plain, missing[:6]))}{more}",
            f"mlir-harness fetch {text.plain(wanted.name)} downloads it; --languages or --data-dir "
            "name what is there.",
        )


@data.command()
@click.argument("task", metavar="TASK")
@options.files
@options.source
@click.option("--split", default="", help="Part of the data; default the task's own.")
@options.plugin_options
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def describe(task: str, as_json: bool, debug: bool, **asked: Any) -> None:
    """Show what a task holds: origin, licence, settings, texts and judgements by language."""
    del debug
    from mlir_harness import output, prepare
    from mlir_harness.commands import data_tables
    from mlir_harness.fetching import describe
    from mlir_harness.watch import Bars

    printed = _output(as_json)
    request = requests.tasks_alone((task,), asked)
    with _nothing_ran(), Bars(output.console(sys.stderr)) as bars:
        choice, made = prepare.make(task)
        held = describe.describe(prepare.load(choice, made, request, bars))
    printed.show({"schema": 1} | held.as_dict(), data_tables.description(held))


def _output(as_json: bool) -> Output:
    from mlir_harness import output

    return output.Output(output.take_stdout(), "json" if as_json else "table")


@contextmanager
def _nothing_ran() -> Iterator[None]:
    """What goes wrong within means that there was no data to look at, unless it was the command."""
    try:
        yield
    except UsageError:
        raise
    except HarnessError as error:
        error.exit_code = Exit.NOTHING_RAN
        raise
