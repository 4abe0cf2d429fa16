"""The options that several commands share. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mlir_harness import text

_Command = TypeVar("_Command", bound=Callable[..., Any])
_NAMES = "Names, separated by commas; 'all' for every one ready here."


class Names(click.ParamType):  # type: ignore[type-arg]  # no generic before click 8.3
    """One or more names, separated by commas; \\, is a comma in a name."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """The names, empty ones dropped."""
        del param, ctx
        return text.names(value)


def names(flag: str, help_: str, **extra: Any) -> Callable[[_Command], _Command]:
    """An option of names that may be repeated; what is named twice counts once."""
    return click.option(flag, type=Names(), multiple=True, callback=_flat, help=help_, **extra)


def encoders(*, required: bool) -> Callable[[_Command], _Command]:
    """Which encoders."""
    return names("--encoders", _NAMES, required=required)


def tasks(*, required: bool = True) -> Callable[[_Command], _Command]:
    """Which tasks."""
    return names("--tasks", _NAMES, required=required)


def data(command: _Command) -> _Command:
    """What of the tasks' data."""
    return _with(
        command,
        names("--languages", "Languages to keep (BCP-47, such as hi,th); default all."),
        names("--settings", "Kinds to keep: mono, cross, multi; default all."),
        click.option("--split", default="", help="Part of the data; default the task's own."),
        source,
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder with the task's files; with several tasks, a folder for each inside.",
        ),
        click.option(
            "--strict", is_flag=True, help="Flaws in the data that are noted else are errors."
        ),
    )


def baseline(command: _Command) -> _Command:
    """Which encoder of a run others are marked against."""
    return click.option(
        "--baseline",
        metavar="NAME",
        help="Mark what is better or worse than this encoder of the run, and significantly so.",
    )(command)


def source(command: _Command) -> _Command:
    """Real data or the sample."""
    return click.option(
        "--data",
        type=click.Choice(["auto", "real", "sample"]),
        default="auto",
        show_default=True,
        help="Real files, the bundled sample, or the sample where there are no real files.",
    )(command)


def encoding(command: _Command) -> _Command:
    """What changes how encoders work."""
    return _with(
        command,
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
            help="For encoders that use torch.",
        ),
        click.option(
            "--precision",
            type=click.Choice(["fp32", "bf16", "fp16"]),
            default="fp32",
            show_default=True,
            help="For encoders that use torch.",
        ),
        click.option(
            "--token-budget",
            type=click.IntRange(min=16),
            metavar="N",
            help="Padded tokens per batch; default the encoder's own.",
        ),
        click.option(
            "--weights",
            multiple=True,
            callback=_weights,
            metavar="NAME=FOLDER",
            help="Where the weights of an encoder are; repeatable.",
        ),
        click.option(
            "--checkpoints",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where trained encoders are; default $MLIR_HARNESS_CHECKPOINTS or ./checkpoints.",
        ),
        click.option(
            "--isolate",
            is_flag=True,
            help="Run each encoder in a process of its own: a crash costs one cell.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            help="How long an encoder may go without finishing a batch; implies --isolate.",
        ),
    )


def scoring(*, depth: str = "the task's own") -> Callable[[_Command], _Command]:
    """How ranks and measures are made; `depth` says what stands for None."""

    def add(command: _Command) -> _Command:
        return _with(
            command,
            click.option(
                "--ties",
                type=click.Choice(["hash", "trec"]),
                default="hash",
                show_default=True,
                help="Order of tied documents: by hashed name, or as trec_eval.",
            ),
            click.option(
                "--gain",
                type=click.Choice(["linear", "exponential"]),
                default="linear",
                show_default=True,
                help="Gain of nDCG.",
            ),
            click.option(
                "--depth",
                type=click.IntRange(10, 2000),
                metavar="K",
                help=f"Documents per query kept with the results; default {depth}.",
            ),
        )

    return add


def form(*names: str) -> Callable[[_Command], _Command]:
    """How the outcome is printed; the first is the default."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(names),
        default=names[0],
        show_default=True,
        help="What is printed to standard output.",
    )


def reference(command: _Command) -> _Command:
    """Which published figures stand beside results."""
    return names(
        "--reference",
        "Show published figures below ours where the protocol is the same, and say why not where "
        "it is not: 'published' for all, or names of `mlir-harness list references`.",
        metavar="published",
    )(command)


def places(command: _Command) -> _Command:
    """Options of single plugins, and where results and vectors are."""
    return _with(
        command,
        plugin_options,
        click.option(
            "--output",
            type=click.Path(path_type=Path),
            default=Path("results"),
            show_default=True,
            metavar="DIR",
            help="Where results are stored and looked up.",
        ),
        click.option(
            "--cache-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where vectors are kept; default the user's cache folder.",
        ),
    )


def plugin_options(command: _Command) -> _Command:
    """Options of single plugins."""
    return click.option(
        "--option",
        "options",
        multiple=True,
        callback=_options,
        metavar="NAME.KEY=VALUE",
        help="An option of one encoder or task; repeatable.",
    )(command)


def files(command: _Command) -> _Command:
    """Which languages, and where a task's files are."""
    return _with(
        command,
        names("--languages", "Languages to keep (BCP-47, such as hi,th); default all."),
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder with the task's files, or with a folder of its name.",
        ),
        click.option(
            "--cache-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where files lie if no folder is given; default the user's cache folder.",
        ),
        click.option("--debug", is_flag=True, help="Show tracebacks."),
    )


def _with(command: _Command, *added: Callable[[_Command], _Command]) -> _Command:
    """The command with options, which its help shows in the order given."""
    for add in reversed(added):
        command = add(command)
    return command


def _flat(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> tuple[str, ...]:
    del ctx, param
    return tuple(dict.fromkeys(name for names in value for name in names))


def _options(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    del ctx, param
    options: dict[str, dict[str, str]] = {}
    for each in value:
        left, equals, given = each.partition("=")
        name, dot, key = left.rpartition(".")
        if not (equals and dot and name and key):
            raise click.BadParameter(
                f"{each!r} is not NAME.KEY=VALUE, such as hashing.dimension=256"
            )
        options.setdefault(name, {})[key] = given
    return options


def _weights(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    del ctx, param
    weights: dict[str, str] = {}
    for each in value:
        name, equals, folder = each.partition("=")
        if not (equals and name and folder):
            raise click.BadParameter(f"{each!r} is not NAME=FOLDER, such as xlmr=models/xlmr")
        weights[name] = folder
    return weights
