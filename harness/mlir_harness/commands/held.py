"""What `check` and `baseline` share: options, and cells evaluated or read from a store."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mlir_harness.commands import options, requests
from mlir_harness.commands.config import config
from mlir_harness.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from mlir_harness.request import Request
    from mlir_harness.results import CellResult

_Command = TypeVar("_Command", bound=Callable[..., Any])
_ASKED = ("encoders", "tasks", "languages", "settings", "split", "ties", "gain")
_OF_RUNS = (*_ASKED, "data", "data_dir", "options", "weights", "fresh", "download")


def evaluation(command: _Command) -> _Command:
    """Everything that says what is evaluated, and how; or where results are."""
    added = (
        click.option(
            "--results",
            "folder",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Take the newest stored results of this folder; evaluate nothing.",
        ),
        config,
        options.encoders(required=False),
        options.tasks(required=False),
        options.data,
        options.encoding,
        options.scoring(),
        options.places,
        click.option("--fresh", is_flag=True, help="Rank again even if the results are stored."),
        click.option("--download", is_flag=True, help="Fetch also what is missing of tasks."),
        click.option("--debug", is_flag=True, help="Show tracebacks."),
    )
    for add in reversed(added):
        command = add(command)
    return command


def gates(command: _Command) -> _Command:
    """Which measures, and how much each may fall."""
    command = click.option(
        "--delta",
        "deltas",
        multiple=True,
        callback=_deltas,
        metavar="MEASURE=VALUE",
        help="A drop that is let pass: of a measure from 0 to 1 in its own unit (default 0.005, "
        "half a point), of rank_distance a share of the pool; repeatable.",
    )(command)
    return options.names("--measures", "Measures to hold, such as AP,R@1,rank_distance.")(command)


@dataclass(frozen=True)
class Gathered:
    """Results, and how they were asked for.

    Attributes:
        results: cells, failed ones too.
        request: None where they were read from a folder.
    """

    results: Sequence[CellResult]
    request: Request | None


def gathered(
    asked: dict[str, Any],
    folder: Path | None,
    errors: Console,
    before: Mapping[str, Any] | None = None,
) -> Gathered:
    """Results of a folder, or of a run.

    Args:
        asked: the values of the options of `evaluation`, without `folder` and `debug`.
        folder: with results to read.
        errors: where progress is drawn.
        before: the request of a baseline, which holds where the command line says nothing.

    Raises:
        UsageError: options exclude each other, or one of them is wrong.
    """
    from mlir_harness import runner
    from mlir_harness.regression import gathering
    from mlir_harness.watch import Bars

    if folder is not None:
        typed = click.core.ParameterSource.COMMANDLINE
        for name in _OF_RUNS:
            if click.get_current_context().get_parameter_source(name) is typed:
                flag = name.removesuffix("s") if name == "options" else name.replace("_", "-")
                raise UsageError(
                    f"--results and --{flag} exclude each other", "Leave one of them out."
                )
        return Gathered(gathering.stored(folder), None)
    if before is not None:
        _settle(asked, before)
    for name in ("encoders", "tasks"):
        if not asked[name]:
            raise UsageError(f"no {name} are named", f"Give --{name}, or --results DIR.")
    with Bars(errors) as bars:
        prepared = runner.prepare(requests.request(asked), bars)
        return Gathered(list(runner.run(prepared, bars)), prepared.request)


def _settle(asked: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Put in what a baseline was asked for with, where the command line says nothing."""
    taken: set[str] = set()
    for name in _ASKED:
        if not _given(name) and name in before:
            held = before[name]
            asked[name] = tuple(held) if isinstance(held, list) else held
            if name in ("encoders", "tasks"):
                taken.update(*(_names(each) for each in held))
    if not _given("data") and asked["data_dir"] is None:
        asked["data"] = before.get("data", asked["data"])
    # What is named in the place of the baseline's own does not get its options.
    for name, held in before.get("options", {}).items():
        if name in taken:
            asked["options"][name] = {**held, **asked["options"].get(name, {})}


def _names(spec: str) -> set[str]:
    """What options for an encoder or task may call it."""
    label, _, use = spec.partition("=")
    return {label, spec, use or label, (use or label).partition(":")[0]}


def _given(name: str) -> bool:
    """Whether the command line, or a file, says something of an option."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not click.core.ParameterSource.DEFAULT


def _deltas(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    del ctx, param
    deltas: dict[str, float] = {}
    for each in value:
        name, equals, given = each.partition("=")
        try:
            deltas[name] = float(given)
        except ValueError:
            deltas[name] = math.nan
        if not (equals and name and 0 <= deltas[name] < 1):
            raise click.BadParameter(f"{each!r} is not MEASURE=VALUE, such as AP=0.005")
    return deltas
