"""The commands of training: `mlir-harness train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mlir_harness import files
from mlir_harness.errors import Unavailable, UsageError


def places(function: Any) -> Any:
    """Options that say where things are; `trained_places` makes `session.Places` of them."""
    given = [
        click.option(
            "--output",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where trained encoders are kept [default: $MLIR_HARNESS_CHECKPOINTS or "
            "./checkpoints].",
        ),
        click.option(
            "--cache-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Where prepared data and fetched weights are [default: the user's cache].",
        ),
        click.option(
            "--data-dir",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder with the files of the tasks that must not have been trained on.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda"]),
            default="auto",
            show_default=True,
        ),
    ]
    for option in reversed(given):
        function = option(function)
    return function


@click.command()
@click.argument("recipe")
@click.option(
    "--data",
    "train_on",
    multiple=True,
    metavar="FORMAT:PATH",
    help="Parallel data to learn from, instead of the recipe's; may be repeated. Formats: lareqa, "
    "squad, jsonl, tsv, parquet, mmarco, sentences.",
)
@click.option(
    "--validation",
    multiple=True,
    metavar="FORMAT:PATH",
    help="Data to choose the checkpoint by; without it, a share of the training data.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Base weights, instead of those that were fetched.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change the recipe: training.learning_rate=1e-4; may be repeated.",
)
@places
@click.option("--fresh", is_flag=True, help="Train anew what is trained, or was interrupted.")
@click.option(
    "--allow-contamination",
    is_flag=True,
    help="Train although evaluation data is among the texts; the encoder is marked.",
)
@click.option(
    "--alpha-sweep",
    metavar="A,B,…",
    help="Train with each of these shares of monolingual batches, such as 0,0.5,1; evaluate on "
    "--tasks; print a table and draw it.",
)
@click.option("--tasks", default="xquad-r", show_default=True, help="Of --alpha-sweep.")
@click.option("--show", is_flag=True, help="Print the recipe as it would be trained; stop.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def train(
    recipe: str,
    train_on: tuple[str, ...],
    validation: tuple[str, ...],
    changes: tuple[str, ...],
    alpha_sweep: str | None,
    tasks: str,
    show: bool,
    fresh: bool,
    allow_contamination: bool,
    debug: bool,
    **where: Any,
) -> None:
    """Train an encoder with monolingual, cross-lingual or hybrid batches.

    \b
    RECIPE: xlmr, labse, mdeberta or tiny, followed by -mono, -cross or -hybrid;
    or a TOML file. An interrupted training goes on where it stopped when the same
    command is given again. On several GPUs: torchrun --nproc-per-node N -m
    mlir_harness train RECIPE ...
    """
    del debug  # the program itself looks for it
    from mlir_trainers import recipe_files, toml

    chosen = recipe_files.given(recipe, changes, train_on, validation)
    if show:
        click.echo(toml.dumps(chosen.as_dict()), nl=False)
        return
    swept = None
    if alpha_sweep is not None:
        from mlir_trainers.reproduce import plan

        swept = plan.alphas(alpha_sweep)
    found = trained_places(**where)
    if swept is not None:
        from mlir_trainers.reproduce import sweep

        raise SystemExit(sweep.command(chosen, swept, tasks, found, fresh, allow_contamination))
    from mlir_trainers import processes, session
    from mlir_trainers.console import Progressing, console

    with Progressing(console()) as progress:
        folder = session.run(
            chosen, found, progress, fresh=fresh, allow_contamination=allow_contamination
        )
    if processes.first():
        click.echo(f"{chosen.name} is trained: {folder}")


def trained_places(
    *,
    output: Path | None,
    cache_dir: Path | None,
    data_dir: Path | None,
    device: str,
    weights: Path | None = None,
) -> Any:
    """The options of `places` as `session.Places`.

    Raises:
        Unavailable: the packages that training needs are not installed.
        UsageError: a folder does not exist.
    """
    require()
    from mlir_trainers.session import Places

    for name, folder in (("--weights", weights), ("--data-dir", data_dir)):
        if folder is not None and not files.expanded(folder).is_dir():
            raise UsageError(f"{name}: there is no folder {folder}", "Check the path.")
    return Places(
        output=files.expanded(output or files.checkpoint_folder()).absolute(),
        cache=files.expanded(cache_dir or files.cache_folder()).absolute(),
        weights=None if weights is None else files.expanded(weights).absolute(),
        data_dir=None if data_dir is None else files.expanded(data_dir).absolute(),
        device=device,
    )


def require() -> None:
    """Raise `Unavailable` unless the packages that training needs are installed."""
    from importlib.util import find_spec

    lacking = [name for name in ("datasets", "accelerate") if find_spec(name) is None]
    if lacking:
        raise Unavailable(
            f"training needs {' and '.join(lacking)}", "pip install 'mlir-harness[train]'"
        )
