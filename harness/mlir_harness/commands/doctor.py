"""The command that examines plugins and this machine. Imports nothing heavy by itself."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from mlir_harness.commands import options, requests
from mlir_harness.commands.config import config


@click.command()
@click.argument("names", nargs=-1, type=options.Names(), metavar="[NAME ...]")
@config
@options.encoding
@options.plugin_options
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Examine tasks on the files there; default their bundled samples.",
)
@click.option(
    "--cache-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where fetched files lie; default the user's cache folder.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--debug", is_flag=True, help="Show what plugins printed.")
def doctor(
    names: tuple[tuple[str, ...], ...],
    timeout: float | None,
    as_json: bool,
    debug: bool,
    **asked: Any,
) -> None:
    """Examine encoders and tasks: all, or those named; download nothing.

    \b
    Each is imported in a process of its own and goes through the conformance suite
    (docs/plugins.md). --timeout is how long one check may take. Ctrl-C shows what was found
    until then.

    \b
    Exit code:
      0    all that can run here is sound
      1    a plugin is broken or fails checks
      2    the command was wrong
      3    a plugin that was named lacks something, and the others are sound
      130  interrupted
    """
    from mlir_harness import output, registry
    from mlir_harness.doctor import machine, practice, table
    from mlir_harness.doctor.diagnosis import State, exit_code
    from mlir_harness.doctor.rounds import Rounds
    from mlir_harness.registry import EVALUATED
    from mlir_harness.watch import Bars

    given = [name for some in names for name in some] or ["all"]
    data = "sample" if asked["data_dir"] is None else "real"
    asked |= {"encoders": given, "tasks": given, "data": data, "timeout": None}
    request = requests.request(asked).checked()
    found = practice.patients(request.encoders)
    assert request.cache_dir is not None  # noqa: S101  checked() fills both in
    assert request.checkpoints is not None  # noqa: S101
    printed = output.Output(output.take_stdout(), "json" if as_json else "table")
    errors = output.console(sys.stderr)
    with ThreadPoolExecutor(1) as pool:
        facts = pool.submit(machine.facts, request.cache_dir, request.checkpoints)
        with Bars(errors) as bars:
            diagnoses = practice.examine_all(
                found, request, Rounds(bars, len(found)), timeout=timeout or practice.TIMEOUT
            )
            bars.stop()
        left = sum(each.state is State.UNEXAMINED for each in diagnoses)
        has: dict[str, str] = {} if left else facts.result()
    flaws = [flaw for kind in EVALUATED for flaw in registry.flaws(kind)] if "all" in given else []
    printed.show(
        {
            "schema": 1,
            "machine": has,
            "plugins": [each.as_dict() for each in diagnoses],
            "passed_over": [
                {"name": flaw.name, "from": flaw.source, "reason": flaw.why} for flaw in flaws
            ],
        },
        table.plugins(diagnoses),
        "",
        table.machine(has),
    )
    for line in table.troubles(diagnoses, flaws):
        errors.print(line, soft_wrap=True)  # so that commands can be copied
    if debug:
        from mlir_harness.text import plain

        for each in diagnoses:
            for text in each.output.splitlines():
                errors.print(plain(f"{each.choice.label}: {text}", 1000), soft_wrap=True)
    if left:
        errors.print(f"Interrupted: {left} of {len(found)} were not examined.")
    sys.exit(exit_code(diagnoses, flawed=bool(flaws)))
