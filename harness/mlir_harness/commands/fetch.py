"""The command that downloads what tasks are made of. Imports nothing heavy by itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness import text
from mlir_harness.commands import options
from mlir_harness.errors import Exit, HarnessError, Unavailable, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mlir_harness.fetching.wanted import Wanted
    from mlir_harness.request import Request


@click.command()
@click.argument("names", nargs=-1, required=True, type=options.Names(), metavar="TASK...|all")
@options.files
@click.option("--force", is_flag=True, help="Fetch again what is there.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before fetching all.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="How long a server's first answer may take; default 3.",
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
    from mlir_harness.fetching.fetch import fetch as carry_out
    from mlir_harness.fetching.web import FIRST_ANSWER, Web
    from mlir_harness.watch import Bars

    asked = tuple(dict.fromkeys(name for some in names for name in some))
    errors = output.console(sys.stderr)
    failed = done = 0
    several: list[Wanted] = []
    for each in _wanted(asked, options.tasks_alone((), where)):
        if isinstance(each, HarnessError):
            _explain(each, errors, debug=debug)
            failed += 1
        else:
            several.append(each)
    if "all" in asked and not yes and several and sys.stdin.isatty():
        _confirm(several, errors)
    web = Web(first=timeout or FIRST_ANSWER)
    try:
        with Bars(errors) as bars:
            for wanted in several:
                try:
                    outcome = carry_out(wanted, web, bars, force=force)
                except HarnessError as error:
                    _explain(error, errors, debug=debug)
                    failed += 1
                else:
                    where_to = text.plain(str(wanted.folder), 400)
                    click.echo(f"{text.plain(wanted.name)}: {outcome} in {where_to}")
                    done += 1
    except KeyboardInterrupt:
        errors.print("Interrupted. What came is kept; run again to go on.")
        sys.exit(Exit.INTERRUPTED)
    if failed:
        sys.exit(Exit.SOME_FAILED if done else Exit.NOTHING_RAN)


def _wanted(names: tuple[str, ...], request: Request) -> Iterator[Wanted | HarnessError]:
    """What there is to fetch, or why not; a file that two tasks share is fetched for the first."""
    from dataclasses import replace

    from mlir_harness import prepare, registry
    from mlir_harness.fetching import supply
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
    for name, named in chosen.items():
        try:
            choice, task = prepare.make(name)
            if not isinstance(task, Fetches):
                if named:
                    yield Unavailable(
                        f"task {text.plain(name)} has nothing to fetch: it does not say where its "
                        "files are from",
                        "If it needs any, get them by hand, and name their folder with --data-dir.",
                    )
                continue
            known = task.info.languages
            languages = tuple(each for each in request.languages if named or each in known)
            if request.languages and not languages:
                continue
            wanted = supply.needed(choice, task, languages, request)
        except UsageError:
            raise
        except HarnessError as error:
            yield error
            continue
        assert wanted is not None  # noqa: S101  it implements Fetches
        fresh = tuple(one for one in wanted.downloads if (wanted.folder, one.url) not in seen)
        seen |= {(wanted.folder, one.url) for one in fresh}
        if fresh or not wanted.downloads:
            yield replace(wanted, downloads=fresh)


def _confirm(several: list[Wanted], errors: Console) -> None:
    """Show what would be fetched and ask; ends the program if the answer is no."""
    missing = [wanted.missing() for wanted in several]
    if not any(wanted.downloads for wanted in missing):
        return
    for wanted in missing:
        if wanted.downloads:
            licence = wanted.licence or "unknown"
            errors.print(
                text.plain(f"{wanted.name}: {wanted.announced()}; licence: {licence}", 400)
            )
    if not click.confirm("Fetch all this?", err=True):
        click.echo("Nothing was fetched.", err=True)
        sys.exit(Exit.NOTHING_RAN)


def _explain(error: HarnessError, errors: Console, *, debug: bool) -> None:
    """One failure of several."""
    errors.print(text.plain(f"Error: {error.message}", 600), soft_wrap=True)
    if error.hint:
        errors.print(text.plain(f"  {error.hint}", 600), soft_wrap=True)
    if debug:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            errors.print(text.plain(line, 1000), soft_wrap=True)
