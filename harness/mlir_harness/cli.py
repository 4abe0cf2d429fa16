"""The command line. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness.errors import Exit, HarnessError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mlir_harness.results import CellResult
    from mlir_harness.runner import Request

_WIDTH = 160  # of tables that go to a file or a pipe


class Names(click.ParamType[tuple[str, ...]]):
    """One or more names, separated by commas; a name in quotes may hold a comma as \\,."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """The names, empty ones dropped."""
        del param, ctx
        if isinstance(value, tuple):
            return value
        parts = str(value).replace("\\,", "\0").split(",")
        return tuple(part.replace("\0", ",").strip() for part in parts if part.strip())


def _flat(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> tuple[str, ...]:
    del ctx, param
    return tuple(dict.fromkeys(name for names in value for name in names))


def _options(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    del ctx, param
    options: dict[str, dict[str, str]] = {}
    for text in value:
        left, equals, given = text.partition("=")
        name, dot, key = left.rpartition(".")
        if not (equals and dot and name and key):
            raise click.BadParameter(
                f"{text!r} is not NAME.KEY=VALUE, such as hashing.dimension=256"
            )
        options.setdefault(name, {})[key] = given
    return options


def _names(flag: str, help_: str, **extra: Any) -> Callable[[Any], Any]:
    return click.option(flag, type=Names(), multiple=True, callback=_flat, help=help_, **extra)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: mlir-harness run --encoders hashing --tasks xquad-r --data-dir FOLDER",
)
@click.version_option(package_name="mlir-harness")
def cli() -> None:
    """Evaluate encoders on multilingual retrieval: encode once, rank exactly, compare honestly."""


@cli.command()
@_names("--encoders", "Names, separated by commas; 'all' for every one ready here.", required=True)
@_names("--tasks", "Names, separated by commas; 'all' for every one ready here.", required=True)
@_names("--languages", "Languages to keep (BCP-47, such as hi,th); default all.")
@_names("--settings", "Kinds to keep: mono, cross, multi; default all.")
@click.option("--split", default="", help="Part of the data; default the task's own.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with the task's files, or with a folder per task.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="For encoders that use torch.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    default="fp32",
    show_default=True,
    help="For encoders that use torch.",
)
@click.option(
    "--token-budget",
    type=click.IntRange(min=16),
    metavar="N",
    help="Padded tokens per batch; default the encoder's own.",
)
@click.option(
    "--ties",
    type=click.Choice(["hash", "trec"]),
    default="hash",
    show_default=True,
    help="Order of tied documents: by hashed name, or as trec_eval.",
)
@click.option(
    "--gain",
    type=click.Choice(["linear", "exponential"]),
    default="linear",
    show_default=True,
    help="Gain of nDCG.",
)
@click.option(
    "--depth",
    type=click.IntRange(min=10),
    metavar="K",
    help="Documents per query kept with the results; default the task's own.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    callback=_options,
    metavar="NAME.KEY=VALUE",
    help="An option of one encoder or task; repeatable.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    metavar="DIR",
    help="Where results are stored and looked up.",
)
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where vectors are kept; default the user's cache folder.",
)
@click.option("--fresh", is_flag=True, help="Rank again even if the results are stored.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "markdown"]),
    default="table",
    show_default=True,
    help="What is printed to standard output.",
)
@click.option("--details", is_flag=True, help="Also a table per language.")
@click.option("--dry-run", is_flag=True, help="Show texts, tokens, bytes and time to expect; stop.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def run(form: str, details: bool, dry_run: bool, debug: bool, **asked: Any) -> None:
    """Evaluate encoders on tasks and print a table.

    \b
    Encoders: a name of `mlir-harness list encoders`, st:FOLDER or st:ID for any
    sentence-transformers model, py:MODULE:ATTRIBUTE for your own; LABEL=NAME renames.
    Texts are encoded once and kept; a second run answers from stored results.
    """
    from mlir_harness import runner
    from mlir_harness.watch import Bars

    errors = _console(sys.stderr)
    with Bars(errors) as bars:
        prepared = runner.prepare(_request(asked), bars)
        bars.stop()
        if dry_run:
            from mlir_harness import plan, tables

            _print(tables.planned(list(plan.plan(prepared))))
            return
        cells: list[CellResult] = []
        try:
            for cell in runner.run(prepared, bars):
                cells.append(cell)
        except KeyboardInterrupt:
            bars.__exit__()
            done = sum(cell.status == "ok" for cell in cells)
            _show(cells, form, details)
            errors.print(f"Interrupted. {done} finished cells are kept; run again to go on.")
            sys.exit(Exit.INTERRUPTED)
    _show(cells, form, details)
    _report(cells, errors, debug)
    sys.exit(_exit_code(cells))


def _request(asked: dict[str, Any]) -> Request:
    from mlir_harness.runner import Request

    offered = {key: asked.pop(key) for key in ("device", "precision", "token_budget")}
    offered = {key: value for key, value in offered.items() if value is not None}
    data_dir = asked.pop("data_dir")
    return Request(**asked, offered=offered, data_dir=None if data_dir is None else str(data_dir))


def _show(cells: list[CellResult], form: str, details: bool) -> None:
    from mlir_harness import formats, tables

    if form == "json":
        click.echo(formats.as_json(cells))
    elif form == "csv":
        click.echo(formats.as_csv(cells), nl=False)
    elif form == "markdown":
        click.echo(formats.as_markdown(cells), nl=False)
    elif any(cell.status == "ok" for cell in cells):
        _print(tables.summary(cells))
        if details:
            _print("")
            _print(tables.details(cells))


def _report(cells: list[CellResult], errors: Console, debug: bool) -> None:
    from mlir_harness import tables

    failed = [cell for cell in cells if cell.status != "ok"]
    if failed:
        errors.print(tables.failures(failed))
    if debug:
        for cell in failed:
            click.echo(cell.details.get("traceback", ""), err=True)


def _exit_code(cells: list[CellResult]) -> Exit:
    if not any(cell.status == "ok" for cell in cells):
        return Exit.NOTHING_RAN
    failed = any(
        cell.status == "error" or (cell.status == "unavailable" and cell.details.get("wanted"))
        for cell in cells
    )
    return Exit.SOME_FAILED if failed else Exit.OK


@cli.command("list")
@click.argument("what", type=click.Choice(["encoders", "tasks"]))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_(what: str, as_json: bool) -> None:
    """List encoders or tasks, without importing any of them."""
    from mlir_harness.registry import Kind, plugins

    kind = Kind(what.removesuffix("s"))
    found = plugins(kind)
    if as_json:
        import json

        rows = [
            {
                "name": f"{plugin.name}:…" if plugin.scheme else plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "entry_point": plugin.value,
            }
            for plugin in found
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    from mlir_harness.text import plain

    table = [("name", "from", "entry point")]
    for plugin in found:
        name = f"{plugin.name}:…" if plugin.scheme else plugin.name
        source = f"{plugin.distribution} {plugin.version}"
        table.append((plain(name), plain(source), plain(plugin.value)))
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        line = "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _console(stream: Any) -> Console:
    import os

    from rich.console import Console

    terminal = stream.isatty() or "COLUMNS" in os.environ
    return Console(
        file=stream, highlight=False, markup=False, emoji=False, width=None if terminal else _WIDTH
    )


def _print(what: Any) -> None:
    _console(sys.stdout).print(what)


def main() -> None:
    """Run the command line; no error that a person can cause shows a traceback."""
    debug = "--debug" in sys.argv
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(Exit.INTERRUPTED)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except HarnessError as error:
        if debug:
            raise
        from mlir_harness.text import plain

        click.echo(f"Error: {plain(error.message, 600)}", err=True)
        if error.hint:
            click.echo(f"  {plain(error.hint, 600)}", err=True)
        sys.exit(Exit.USAGE if isinstance(error, UsageError) else error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output went away
        sys.exit(Exit.OK)


if __name__ == "__main__":
    main()
