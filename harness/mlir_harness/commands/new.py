"""The command that writes a plugin package to begin with. Imports nothing heavy by itself."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from mlir_harness import text


@click.command()
@click.argument("kind", type=click.Choice(["encoder", "task"]))
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Where the folder NAME comes; default here.",
)
def new(kind: str, name: str, directory: Path) -> None:
    """Write an installable package with an encoder or a task that works.

    It has an entry point, a test for each promise of the contract, and a README; put your own
    model or data in. What is there is never overwritten.
    """
    from mlir_harness import files, scaffold
    from mlir_harness.registry import Kind

    folder = scaffold.write(Kind(kind), name, files.expanded(directory))
    path = text.plain(shlex.quote(f"{folder}" if folder.is_absolute() else f"./{folder}"), 1000)
    other = f"--encoders {name} --tasks xquad-r"
    if kind == "task":
        other = f"--encoders hashing --tasks {name}"
    click.echo(f"{text.plain(str(folder), 1000)} holds a package with the {kind} {name}. Next:\n")
    click.echo(f"  pip install {path}")
    click.echo(f"  mlir-harness doctor {name}")
    click.echo(f"  mlir-harness run {other} --data sample")
    click.echo(f"  python -m pytest {path}")
