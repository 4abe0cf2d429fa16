"""The commands about data: fetch it, verify it, describe it. Imports nothing heavy by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness import options, text
from mlir_harness.errors import DataError, Exit, HarnessError, Unavailable, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mlir_harness.orders import Order
    from mlir_harness.output import Output
    from mlir_harness.request import Request
    from mlir_harness.verify import Finding


def _places(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which languages, and where files are."""
    for add in (
        click.option("--debug", is_flag=True, help="Show tracebacks."),
        click.option(
            "--cache-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where files lie if no folder is given; default the user's cache folder.",
        ),
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder with the task's files, or with a folder of its name.",
        ),
        options.names("--languages", "Languages to keep (BCP-47, such as hi,th); default all."),
    ):
        command = add(command)
    return command


@click.command()
@click.argument("names", nargs=-1, required=True, type=options.Names(), metavar="TASK...|all")
@_places
@click.option("--force", is_flag=True, help="Fetch again what is there.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before fetching all.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="How long a server's first answer may take; default 3.5.",
)
def fetch(
    names: tuple[tuple[str, ...], ...],
    force: bool,
    yes: bool,
    timeout: float | None,
    debug: bool,
    **where: Any,
) -> None:
    """Download the files of tasks; what is there and intact is left alone.

    Licence and size are shown first. A download that broke off goes on where it was. What came
    is recorded, with hashes, in fetched.json beside the files.
    """
    from mlir_harness import output
    from mlir_harness.fetch import fetch as carry_out
    from mlir_harness.watch import Bars
    from mlir_harness.web import FIRST_ANSWER, Web

    asked = tuple(dict.fromkeys(name for some in names for name in some))
    errors = output.console(sys.stderr)
    failed = done = 0
    orders: list[Order] = []
    for each in _orders(asked, _request((), where)):
        if isinstance(each, HarnessError):
            _explain(each, errors, debug=debug)
            failed += 1
        else:
            orders.append(each)
    if "all" in asked and not yes and orders and sys.stdin.isatty():
        _confirm(orders, errors)
    web = Web(first=timeout or FIRST_ANSWER)
    try:
        with Bars(errors) as bars:
            for order in orders:
                try:
                    outcome = carry_out(order, web, bars, force=force)
                except HarnessError as error:
                    _explain(error, errors, debug=debug)
                    failed += 1
                else:
                    where_to = text.plain(str(order.folder), 400)
                    click.echo(f"{text.plain(order.name)}: {outcome} in {where_to}")
                    done += 1
    except KeyboardInterrupt:
        errors.print("Interrupted. What came is kept; run again to go on.")
        sys.exit(Exit.INTERRUPTED)
    if failed:
        sys.exit(Exit.SOME_FAILED if done else Exit.NOTHING_RAN)


def _orders(names: tuple[str, ...], request: Request) -> Iterator[Order | HarnessError]:
    """What there is to fetch, or why not; a file that two tasks share is fetched for the first."""
    from dataclasses import replace

    from mlir_harness import prepare, registry, supply
    from mlir_harness.protocols import Fetches

    # Unknown names first: then nothing is fetched.
    chosen: dict[str, bool] = {}
    for name in names:
        if name == "all":
            for choice in registry.everything(registry.Kind.TASK):
                chosen.setdefault(choice.label, False)
        else:
            registry.resolve(registry.Kind.TASK, name)
            chosen[name] = True
    seen: set[tuple[Path, str]] = set()
    for name, wanted in chosen.items():
        try:
            choice, task = prepare.make(name)
            if not isinstance(task, Fetches):
                if wanted:
                    yield Unavailable(
                        f"task {text.plain(name)} has nothing to fetch: it does not say where its "
                        "files are from",
                        "If it needs any, get them by hand, and name their folder with --data-dir.",
                    )
                continue
            known = task.info.languages
            languages = tuple(each for each in request.languages if wanted or each in known)
            if request.languages and not languages:
                continue
            order = supply.needed(choice, task, languages, request)
        except UsageError:
            raise
        except HarnessError as error:
            yield error
            continue
        assert order is not None  # noqa: S101  it implements Fetches
        fresh = tuple(one for one in order.downloads if (order.folder, one.url) not in seen)
        seen |= {(order.folder, one.url) for one in fresh}
        if fresh or not order.downloads:
            yield replace(order, downloads=fresh)


def _confirm(orders: list[Order], errors: Console) -> None:
    """Show what would be fetched and ask; ends the program if the answer is no."""
    missing = [order.missing() for order in orders]
    if not any(order.downloads for order in missing):
        return
    for order in missing:
        if order.downloads:
            licence = order.licence or "unknown"
            errors.print(text.plain(f"{order.name}: {order.announced()}; licence: {licence}", 400))
    if not click.confirm("Fetch all this?", err=True):
        click.echo("Nothing was fetched.", err=True)
        sys.exit(Exit.NOTHING_RAN)


@click.group()
def data() -> None:
    """Verify or describe the data of a task."""


@data.command()
@click.argument("task", metavar="TASK")
@_places
@click.option("--split", default="", help="Part of the data; default the task's own.")
@options.plugin_options
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def verify(task: str, as_json: bool, debug: bool, **asked: Any) -> None:
    """Compare a task's files with those once fetched, and its sizes with those published.

    The exit code is 0 if all is well, 1 if something differs, 4 if the data is not there.
    """
    del debug
    from mlir_harness import output, prepare, supply, verify
    from mlir_harness.watch import Bars

    printed = _output(as_json)
    request = _request((task,), asked | {"data": "real"})
    choice, made = prepare.make(task)
    known = made.info.languages
    languages = tuple(each for each in request.languages if not known or each in known)
    order = supply.needed(choice, made, languages, request)
    notes = []
    with _nothing_ran(), Bars(output.console(sys.stderr)) as bars:
        if order is not None:
            _check_there(order)
        found = list(verify.contents(order, bars)) if order else []
        if not found:
            notes.append("No fetched.json: what the files hold is compared with nothing.")
        try:
            loaded = prepare.load(choice, made, request, bars)
        except DataError as error:
            found.append(verify.Finding("its files can be read", "yes", error.message))
            notes.append(error.hint)
        else:
            counted = list(verify.counts(made, loaded.retrieval))
            found += counted
            if not counted:
                notes.append("No sizes are published, or the task does not know them.")
    _show_findings(printed, task, order, found, notes)


def _show_findings(
    printed: Output, task: str, order: Order | None, found: list[Finding], notes: list[str]
) -> None:
    from dataclasses import asdict

    from mlir_harness import data_tables

    ok = all(each.ok for each in found)
    folder = None if order is None else str(order.folder)
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


def _check_there(order: Order) -> None:
    from mlir_harness.homes import paths

    missing = [
        path
        for one in order.missing().downloads
        for path in paths(one)
        if not (order.folder / path).is_file()
    ]
    if missing:
        more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
        raise Unavailable(
            f"{text.plain(str(order.folder))} lacks "
            f"{', '.join(map(text.plain, missing[:6]))}{more}",
            f"mlir-harness fetch {text.plain(order.name)} downloads it; --languages or --data-dir "
            "name what is there.",
        )


@data.command()
@click.argument("task", metavar="TASK")
@_places
@options.source
@click.option("--split", default="", help="Part of the data; default the task's own.")
@options.plugin_options
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def describe(task: str, as_json: bool, debug: bool, **asked: Any) -> None:
    """Show what a task holds: origin, licence, settings, texts and judgements by language."""
    del debug
    from mlir_harness import data_tables, describe, output, prepare
    from mlir_harness.watch import Bars

    printed = _output(as_json)
    request = _request((task,), asked)
    with _nothing_ran(), Bars(output.console(sys.stderr)) as bars:
        choice, made = prepare.make(task)
        held = describe.describe(prepare.load(choice, made, request, bars))
    printed.show({"schema": 1} | held.as_dict(), data_tables.description(held))


def _request(tasks: tuple[str, ...], asked: dict[str, Any]) -> Request:
    from mlir_harness.request import Request

    given = asked.pop("data_dir")
    return Request((), tasks, **asked, data_dir=None if given is None else str(given)).checked()


def _output(as_json: bool) -> Output:
    from mlir_harness import output

    return output.Output(output.take_stdout(), "json" if as_json else "table")


def _explain(error: HarnessError, errors: Console, *, debug: bool) -> None:
    """One failure of several."""
    errors.print(text.plain(f"Error: {error.message}", 600), soft_wrap=True)
    if error.hint:
        errors.print(text.plain(f"  {error.hint}", 600), soft_wrap=True)
    if debug:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            errors.print(text.plain(line, 1000), soft_wrap=True)


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
