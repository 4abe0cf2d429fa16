"""The command line. Heavy modules are imported by the commands that need them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness import text
from mlir_harness.commands import installed, options, requests
from mlir_harness.commands.baseline import baseline
from mlir_harness.commands.check import check
from mlir_harness.commands.compare import compare
from mlir_harness.commands.config import config
from mlir_harness.commands.data import data
from mlir_harness.commands.doctor import doctor
from mlir_harness.commands.export import export
from mlir_harness.commands.fetch import fetch
from mlir_harness.commands.new import new
from mlir_harness.commands.runs import runs
from mlir_harness.errors import Exit, HarnessError, UsageError

if TYPE_CHECKING:
    from mlir_harness.results import CellResult


@click.group(
    cls=installed.Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: mlir-harness run --encoders hashing --tasks xquad-r --data-dir FOLDER",
)
@click.version_option(package_name="mlir-harness")
def cli() -> None:
    """Evaluate encoders on multilingual retrieval: encode once, rank exactly, compare honestly."""


@cli.command()
@config
@options.encoders(required=True)
@options.tasks()
@options.data
@options.encoding
@options.scoring()
@click.option(
    "--search",
    default="exact",
    show_default=True,
    metavar="exact|faiss:FACTORY",
    help="Also search through an index, such as faiss:HNSW32, and show what it costs and saves.",
)
@options.baseline
@options.reference
@options.places
@click.option("--fresh", is_flag=True, help="Rank again even if the results are stored.")
@options.form("table", "json", "csv", "markdown", "latex")
@click.option(
    "--download",
    is_flag=True,
    help="Fetch also what is missing of tasks named here, and of encoders that 'all' brings in.",
)
@click.option("--details", is_flag=True, help="Also a table per language.")
@click.option("--dry-run", is_flag=True, help="Show texts, tokens, bytes and time to expect; stop.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def run(
    form: str,
    details: bool,
    dry_run: bool,
    debug: bool,
    baseline: str | None,
    reference: tuple[str, ...],
    **asked: Any,
) -> None:
    """Evaluate encoders on tasks and print a table.

    \b
    Encoders: a name of `mlir-harness list encoders`, st:FOLDER or st:ID for any
    sentence-transformers model, py:MODULE:ATTRIBUTE for your own; LABEL=NAME renames.
    Texts are encoded once and kept; a second run answers from stored results.
    """
    from mlir_harness import output, references, runner
    from mlir_harness.comparing.marks import known_baseline, marks
    from mlir_harness.plan import plan
    from mlir_harness.precision import compared
    from mlir_harness.watch import Bars

    sources = references.chosen(reference)
    printed = output.Output(output.take_stdout(), form, details=details, sources=sources)
    errors = output.console(sys.stderr)
    cells: list[CellResult] = []
    interrupted = False
    with Bars(errors) as bars:
        prepared = runner.prepare(requests.request(asked), bars, dry=dry_run)
        if baseline is not None:
            known_baseline(baseline, [each.choice.label for each in prepared.encoders])
        if dry_run and form in {"csv", "markdown", "latex"}:
            raise UsageError(f"--dry-run cannot be printed as {form}", "Use table or json.")
        if dry_run:
            cells += runner.unusable(prepared)
            planned = plan(prepared)
        else:
            try:
                for cell in runner.run(prepared, bars):
                    cells.append(cell)  # an interrupt keeps those before it
            except KeyboardInterrupt:
                interrupted = True
    if dry_run:
        printed.plan(planned, cells)
    else:
        found = marks(cells, baseline) if baseline is not None else None
        printed.cells(compared(cells, prepared.request.output), found)
    output.report(cells, errors, debug=debug)
    done = len(planned) if dry_run else sum(cell.status == "ok" for cell in cells)
    if interrupted:
        errors.print(f"Interrupted. Finished cells are kept ({done}); run again to go on.")
        sys.exit(Exit.INTERRUPTED)
    sys.exit(output.exit_code(done, cells))


@cli.command("list")
@click.argument("what", type=click.Choice(["encoders", "tasks", "references"]))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def list_(what: str, as_json: bool) -> None:
    """List encoders or tasks, without importing any of them, or published figures."""
    if what == "references":
        from mlir_harness.references import listing

        click.echo(listing.as_json() if as_json else listing.as_text())
        return
    from mlir_harness.registry import Kind, flaws, plugins

    kind = Kind(what.removesuffix("s"))
    found = plugins(kind)
    for flaw in flaws(kind):
        named = f" {text.plain(flaw.name)!r}" if flaw.name else ""
        click.echo(f"passed over:{named} of {flaw.source}: {flaw.why}\n  {flaw.hint}", err=True)
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
    plain = text.plain
    table = [("name", "from", "entry point")]
    for plugin in found:
        name = f"{plugin.name}:…" if plugin.scheme else plugin.name
        source = f"{plugin.distribution} {plugin.version}"
        table.append((plain(name), plain(source), plain(plugin.value)))
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    for row in table:
        line = "  ".join(part.ljust(width) for part, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


cli.add_command(baseline)
cli.add_command(check)
cli.add_command(compare)
cli.add_command(runs)
cli.add_command(export)
cli.add_command(fetch)
cli.add_command(data)
cli.add_command(doctor)
cli.add_command(new)


def main() -> None:
    """Run the command line; tracebacks are shown with --debug only."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    try:
        sys.exit(cli(standalone_mode=False) or Exit.OK)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(Exit.USAGE)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except HarnessError as error:
        _explain(error.message, error.hint)
        sys.exit(error.exit_code)
    except OSError as error:
        _explain(text.described(error), "--debug shows where. What was finished is kept.")
        sys.exit(Exit.NOTHING_RAN)
    except Exception as error:
        _explain(
            f"unforeseen: {text.described(error)}",
            "This is a fault of mlir-harness; --debug shows where. What was finished is kept.",
        )
        sys.exit(Exit.NOTHING_RAN)


def _explain(message: str, hint: str) -> None:
    plain = text.plain
    click.echo(f"Error: {plain(message, 600)}", err=True)
    if hint:
        click.echo(f"  {plain(hint, 600)}", err=True)
    if "--debug" in sys.argv:
        import traceback

        for line in traceback.format_exc().splitlines():
            click.echo(plain(line, 1000), err=True)


if __name__ == "__main__":
    main()
