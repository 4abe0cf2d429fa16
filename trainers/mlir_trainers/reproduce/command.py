"""The command `mlir-harness reproduce`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlir_harness import files
from mlir_harness.errors import Exit, UsageError

if TYPE_CHECKING:
    from mlir_trainers.reproduce.plan import Task
    from mlir_trainers.reproduce.run import Job

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.option(
    "--recipe",
    "model",
    required=True,
    metavar="NAME",
    help="tiny, xlmr, labse, mdeberta, or a TOML file; it is trained with each kind of batches.",
)
@click.option(
    "--data",
    "train_on",
    multiple=True,
    metavar="FORMAT:PATH",
    help="Parallel data to learn from, instead of the recipe's; may be repeated.",
)
@click.option(
    "--validation",
    multiple=True,
    metavar="FORMAT:PATH",
    help="Data to choose checkpoints by; without it, a share of the training data.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Trainings of each kind of batches; with five or more, verdicts are about the method.",
)
@click.option(
    "--tasks",
    "tasks",
    default="xquad-r,mtop",
    show_default=True,
    help="Names, separated by commas.",
)
@click.option(
    "--data-dir", type=_FOLDER, metavar="DIR", help="Folder with the tasks' files; else the sample."
)
@click.option(
    "--split",
    "splits",
    multiple=True,
    metavar="TASK=SPLIT",
    help="Part of a task's data, such as mtop=eval, instead of its default; may be repeated.",
)
@click.option(
    "--split-articles",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train on XQuAD-R's articles in --data-dir but N, and evaluate on those N.",
)
@click.option(
    "--split-seed", default=0, show_default=True, metavar="N", help="Decides which articles."
)
@click.option(
    "--weights", type=_FOLDER, metavar="FOLDER", help="Base weights, instead of fetched ones."
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe: training.max_steps=200; may be repeated.",
)
@click.option(
    "--output",
    type=_FOLDER,
    default=Path("reproduction"),
    show_default=True,
    metavar="DIR",
    help="Folder for checkpoints, scores and held-out articles.",
)
@click.option(
    "--cache-dir", type=_FOLDER, metavar="DIR", help="Where prepared data and vectors are."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
)
@click.option("--fresh", is_flag=True, help="Train and evaluate anew what is done.")
@click.option(
    "--allow-contamination",
    is_flag=True,
    help="Train although evaluation data is among the texts; the claims say so.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def reproduce(
    model: str,
    train_on: tuple[str, ...],
    validation: tuple[str, ...],
    seeds: int,
    tasks: str,
    data_dir: Path | None,
    splits: tuple[str, ...],
    split_articles: int | None,
    split_seed: int,
    weights: Path | None,
    changes: tuple[str, ...],
    output: Path,
    cache_dir: Path | None,
    device: str,
    form: str,
    fresh: bool,
    allow_contamination: bool,
    debug: bool,
) -> None:
    """Put the claims of arXiv 2408.10536 to the test on your own data.

    Trains monolingual, cross-lingual and hybrid batches with several seeds, evaluates them,
    and says of each claim whether your numbers support it. What is trained or evaluated
    already is not done again; an interrupted run goes on where it stopped.
    """
    del debug  # the program itself looks for it
    from mlir_trainers.commands import trained_places
    from mlir_trainers.reproduce import plan

    output = files.expanded(output).absolute()
    if data_dir is not None:
        data_dir = files.expanded(data_dir).absolute()
        if not data_dir.is_dir():
            raise UsageError(f"--data-dir: there is no folder {data_dir}", "Check the path.")
    evaluated = _tasks(tasks, splits, data_dir)
    sources: tuple[object, ...] = train_on
    against, apart = _comparable(evaluated, data_dir), ""
    if split_articles is not None:
        from mlir_trainers.reproduce import held_out

        if data_dir is None or held_out.TASK not in evaluated:
            raise UsageError(
                "--split-articles splits the files of XQuAD-R",
                f"Name their folder with --data-dir, and {held_out.TASK} among --tasks.",
            )
        part = held_out.split(data_dir, split_articles, split_seed, output)
        whole = evaluated[held_out.TASK]
        evaluated[held_out.TASK] = replace(whole, name=part.task, data_dir=part.folder)
        sources, apart = (*train_on, part.source), held_out.TASK
    chosen = plan.trainings(
        model, seeds, changes, sources, validation, against=against, apart=apart
    )
    where = trained_places(
        output=output / "checkpoints",
        cache_dir=cache_dir,
        data_dir=data_dir,
        device=device,
        weights=weights,
    )
    from mlir_trainers.reproduce.run import Job  # only now: it takes seconds to import

    job = Job(
        model,
        chosen,
        tuple(evaluated.values()),
        where,
        output / "results",
        fresh=fresh,
        allow_contamination=allow_contamination,
    )
    raise SystemExit(_done(job, form))


def _tasks(tasks: str, splits: tuple[str, ...], data_dir: Path | None) -> dict[str, Task]:
    """What `--tasks` and `--split` name, by name."""
    from mlir_trainers.reproduce.plan import Task

    names = dict.fromkeys(each.strip() for each in tasks.split(",") if each.strip())
    if not names:
        raise UsageError("no task was named", "Give some with --tasks, such as xquad-r,mtop.")
    chosen = dict.fromkeys(names, "")
    for each in splits:
        task, equals, split = each.partition("=")
        if not equals or task not in chosen:
            raise UsageError(
                f"--split {each}: it is not TASK=SPLIT of one of the tasks",
                f"The tasks are {', '.join(chosen)}.",
            )
        chosen[task] = split
    return {name: Task(name, data_dir, split) for name, split in chosen.items()}


def _comparable(evaluated: dict[str, Task], data_dir: Path | None) -> set[str] | None:
    """The tasks whose files are known to be in `data_dir`; None if any may be.

    If it is the folder of one task, others would take its files for theirs.
    """
    if data_dir is None or any((data_dir / name).is_dir() for name in evaluated):
        return None
    return set(evaluated)


def _done(job: Job, form: str) -> Exit:
    """Run, print, and the exit code."""
    import contextlib
    import sys

    from mlir_trainers import processes
    from mlir_trainers.console import Progressing, console, printed
    from mlir_trainers.reproduce import formats, run, table

    errors = console()
    # What libraries print while they train must not land among the results.
    with contextlib.redirect_stdout(sys.stderr), Progressing(errors) as progress:
        outcome = run.run(job, progress)
    if not processes.first():
        return Exit.OK
    if form == "json":
        click.echo(formats.as_json(outcome))
    elif form == "markdown":
        click.echo(formats.as_markdown(outcome))
    else:
        printed().print(table.render(outcome))
    if outcome.failures:
        errors.print(table.failed(outcome.failures))
        return Exit.SOME_FAILED if outcome.tasks else Exit.NOTHING_RAN
    return Exit.OK
