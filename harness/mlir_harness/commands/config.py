"""The option --config: a file stands in for what the command line does not say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlir_harness.errors import UsageError
from mlir_harness.text import did_you_mean, plain

if TYPE_CHECKING:
    from mlir_harness.config import Config

_NOT_IN_FILES = ("config", "option", "weights", "help", "debug")
_PATHS = ("data-dir", "output", "cache-dir", "checkpoints")


def config(command: Any) -> Any:
    """Where encoders with their options, tasks and defaults are written down."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        callback=_read,
        is_eager=True,  # before the options that it has defaults for
        metavar="FILE",
        help="TOML file of encoders, tasks and defaults; the command line overrides it.",
    )(command)


def _read(ctx: click.Context, param: click.Parameter, value: Path | None) -> Config | None:
    del param
    if value is None:
        return None
    from mlir_harness.config import read

    held = read(value)
    own = _options(ctx.command)
    known = own | _options(_run(ctx))
    defaults: dict[str, Any] = {}
    for key, given in held.defaults.items():
        if key not in known:
            raise UsageError(
                f"{plain(str(value), 300)}: there is no option {plain(key)!r}",
                did_you_mean(key, sorted([*known, "encoders", "tasks"])),
            )
        if key in own:
            defaults[str(own[key].name)] = _value(ctx, own[key], key, given, value)
    for kind, names in held.chosen.items():
        if kind in _options(ctx.command, every=True):
            # A comma in a name of the file is part of the name.
            defaults[kind] = [name.replace(",", "\\,") for name in names]
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return held


def _run(ctx: click.Context) -> click.Command:
    """The command with the most options: one file serves them all."""
    root = ctx.find_root().command
    found = root.get_command(ctx, "run") if isinstance(root, click.Group) else None
    return found or ctx.command


def _options(command: click.Command, *, every: bool = False) -> dict[str, click.Parameter]:
    """The options of a command that a file may set, by their long names."""
    hidden = () if every else (*_NOT_IN_FILES, "encoders", "tasks")
    return {
        name.removeprefix("--"): param
        for param in command.params
        if isinstance(param, click.Option)
        for name in param.opts
        if name.startswith("--") and name.removeprefix("--") not in hidden
    }


def _value(ctx: click.Context, option: click.Parameter, key: str, given: Any, path: Path) -> Any:
    """A default as click takes it, checked here so that the message can name the file."""
    where = f"{plain(str(path), 300)}: {key}"
    many = isinstance(given, list)
    if many != option.multiple and not (option.multiple and isinstance(given, str)):
        raise UsageError(
            f"{where} takes {'a list' if option.multiple else 'one value'}",
            f'Write {key} = ["…", "…"].' if option.multiple else f"Write {key} = …, no brackets.",
        )
    values = given if many else [given]
    if not all(isinstance(each, str | int | float) for each in values):
        raise UsageError(
            f"{where} takes text, a number, true or false", "Put dates and all else in quotes."
        )
    if isinstance(option, click.Option) and option.is_flag != isinstance(given, bool):
        expected = "true or false" if option.is_flag else "text or a number"
        hint = f"Write {key} = true." if option.is_flag else f'Write {key} = "…", or a number.'
        raise UsageError(f"{where} takes {expected}", hint)
    if key in _PATHS:
        given = str(path.absolute().parent / Path(str(given)).expanduser())
    given = [str(each) for each in values] if option.multiple else given
    try:
        option.type_cast_value(ctx, given)
    except click.BadParameter as error:
        raise UsageError(
            f"{where}: {plain(error.message, 300)}",
            f"mlir-harness run --help says what --{key} takes.",
        ) from error
    return given
