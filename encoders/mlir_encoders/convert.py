"""The command that turns pickled weights into safetensors."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from mlir_harness.errors import Unavailable, UsageError


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Copy the model there, without its pickles; default: write beside them.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def convert(folder: Path, output: Path | None, debug: bool) -> None:
    """Turn the weights of a model from pickles into safetensors.

    Pickles can run code when they are read, so encoders refuse them. Here they are read in a
    process of its own, as tensors and nothing else; what holds more is refused. FOLDER is what
    save_pretrained wrote, or a copy of a repository of the hub. Hashes of both files are kept in
    converted.json.
    """
    from mlir_encoders import conversion
    from mlir_encoders.model_folder import ModelFolder

    del debug  # the program itself looks for it
    folder = folder.expanduser()
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}", "Name the folder of a model.")
    contents = ModelFolder(folder, str(folder)).contents
    if not contents.pickles:
        held = "are safetensors already" if contents.weights else "are not there"
        message = f"nothing to convert: the weights in {folder} {held}"
        if not contents.weights or output is not None:
            raise UsageError(message, "Name a folder with pytorch_model.bin.")
        click.echo(_shown(message))
        return
    if output is None:
        done, where = conversion.convert(folder), folder
    else:
        where = output.expanduser().absolute()
        if where.exists() and (not where.is_dir() or any(where.iterdir())):
            raise UsageError(f"{where} is there already", "Name a folder that is new, or empty.")
        done = conversion.convert_into(folder.absolute(), where)
    if not done:
        raise Unavailable(f"another process has just converted {folder}", "Its work can be used.")
    for each in done:
        click.echo(
            _shown(f"{each.pickle} → {each.safetensors}: {each.tensors} tensors, {each.sha256}")
        )
    named = shlex.quote(str(where))
    click.echo(_shown(f"Use it as --weights NAME={named}, or as --encoders st:{named}"))


def _shown(message: str) -> str:
    """A name of a file may hold anything: control characters are not passed on."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in message)
