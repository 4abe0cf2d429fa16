"""The command `runs`: what is stored."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from mlir_harness.commands import options
from mlir_harness.text import plain

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results"),
    show_default=True,
    metavar="DIR",
    help="Where results are stored.",
)
@click.option(
    "--encoder", "encoders", multiple=True, metavar="GLOB", help="Such as 'tiny-*'; repeatable."
)
@click.option("--task", "tasks", multiple=True, metavar="GLOB", help="Likewise.")
@click.option(
    "--since",
    type=click.DateTime(_DATES),
    metavar="DATE",
    help="Written then or later: 2026-01-31 or 2026-01-31T12:00, local time.",
)
@click.option("--status", type=click.Choice(["ok", "error"]), help="With scores, or without.")
@click.option("--data", type=click.Choice(["real", "sample"]), help="Real data, or the sample.")
@click.option("--newest", is_flag=True, help="Of an encoder, task and split the newest alone.")
@options.form("table", "json", "csv")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def runs(
    output: Path,
    encoders: tuple[str, ...],
    tasks: tuple[str, ...],
    since: datetime | None,
    status: str | None,
    data: str | None,
    newest: bool,
    form: str,
    debug: bool,
) -> None:
    """List what is stored: scores and failures, newest first.

    Manifests alone are read. What cannot be read is named on standard error.
    """
    del debug  # main() looks for it
    from mlir_harness import files, listing
    from mlir_harness import runs as stored
    from mlir_harness.output import Output

    found = list(listing.told(files.expanded(output)))
    wanted = stored.Wanted(
        encoders,
        tasks,
        since.astimezone() if since else None,
        status or "",
        data or "",
        newest,
    )
    readable = [(each, each.cell) for each in found if each.cell is not None]
    cells = list(wanted.of(readable))
    printed = Output(sys.stdout, form)
    if form == "json":
        printed.text(stored.as_json(cells))
    elif form == "csv":
        printed.text(stored.as_csv(cells))
    elif cells:
        printed.lines(stored.lines(cells))
    for each in found:
        if each.why:
            click.echo(f"passed over: {plain(each.why, 600)}", err=True)
    if not found:
        click.echo(
            f"No results in {plain(str(output), 400)}: `mlir-harness run` stores some there; "
            "--output names another folder.",
            err=True,
        )
    elif not cells:
        click.echo(f"None of {len(readable):,} stored results is such.", err=True)
