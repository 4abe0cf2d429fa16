"""The command that downloads what encoders and tasks need. Imports nothing heavy by itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mlir_harness import text
from mlir_harness.commands import options, requests
from mlir_harness.errors import Exit, HarnessError, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from mlir_harness.fetching.asked import Asked
    from mlir_harness.protocols import Download


@click.command()
@click.argument("names", nargs=-1, required=True, type=options.Names(), metavar="NAME...|all")
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
    """Download what encoders and tasks need; what is there and intact is left alone.

    NAME is an encoder or a task, all every one that says what it needs. Licences and sizes are
    shown first. A download that broke off goes on where it was. What came is recorded, with
    hashes, in fetched.json beside the files. --languages and --data-dir are for tasks; the files
    of encoders are kept in the cache.
    """
    from mlir_harness import output
    from mlir_harness.fetching.asked import asked, bring
    from mlir_harness.fetching.web import FIRST_ANSWER, Web
    from mlir_harness.watch import Bars

    named = tuple(dict.fromkeys(name for some in names for name in some))
    request = requests.tasks_alone((), where)
    printed = output.Output(output.take_stdout(), "table")
    errors = output.console(sys.stderr)
    web, bars = Web(first=timeout or FIRST_ANSWER), Bars(errors)
    several = asked(named, request, bars)
    announced = _announced(several, errors, force=force)
    if announced and "all" in named and not yes and sys.stdin.isatty():
        _confirm()
    failed = 0
    try:
        with bars:
            for each in several:
                try:
                    said = bring(each, request, web, bars, force=force, announced=announced)
                except HarnessError as error:
                    _explain(error, errors, debug=debug)
                    failed += 1
                else:
                    printed.lines([said])
    except KeyboardInterrupt:
        errors.print("Interrupted. What came is kept; run again to go on.")
        sys.exit(Exit.INTERRUPTED)
    if failed:
        sys.exit(Exit.SOME_FAILED if failed < len(several) else Exit.NOTHING_RAN)


def _announced(several: Sequence[Asked], errors: Console, *, force: bool) -> list[Download]:
    """What is to be downloaded, as far as can be told without reading files; it is shown."""
    from mlir_harness.fetching.wanted import Wanted, announcements, check_room

    wanted = [each.wanted for each in several if isinstance(each.wanted, Wanted)]
    ahead = wanted if force else [each.missing() for each in wanted]
    for line in announcements(ahead):
        errors.print(line, soft_wrap=True)
    try:
        check_room(ahead)
    except StoreError as error:
        error.exit_code = Exit.NOTHING_RAN
        raise
    return [one for each in ahead for one in each.downloads]


def _confirm() -> None:
    """Ask; ends the program if the answer is no."""
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
