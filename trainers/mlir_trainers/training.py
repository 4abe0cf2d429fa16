"""A training from its recipe: sentence-transformers' trainer, with our batches and our loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlir_harness import files
from mlir_harness.errors import HarnessError, Unavailable, UsageError
from mlir_trainers import checkpoints, models, processes, watch
from mlir_trainers.batching.pools import largest_batch, monolingual, pools
from mlir_trainers.parallel.data import ParallelData
from mlir_trainers.recipe import Recipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer

    from mlir_trainers.batching.pairs import PairDataset


# What transformers reports progress to -> packages, one of which it takes.
_REPORTERS = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and where its work lies.

    Attributes:
        recipe: checked.
        train, validation: prepared data.
        weights: folder of the base weights; None where training begins from nothing.
        work: folder for what an interrupted training goes on from.
        device: auto, cpu or cuda.
    """

    recipe: Recipe
    train: ParallelData
    validation: ParallelData
    weights: Path | None
    work: Path
    device: str = "auto"


@dataclass(frozen=True)
class Outcome:
    """A model that was trained.

    Attributes:
        model: with the weights of the lowest validation loss.
        steps: that were done.
        best_step: whose weights they are.
        curve: what was logged: step, loss, eval_loss, learning_rate.
    """

    model: SentenceTransformer
    steps: int
    best_step: int
    curve: tuple[dict[str, float], ...]


class Diverged(HarnessError):
    """The loss is no number; the batch is saved."""


def train(job: Job, reporter: watch.Reporter) -> Outcome:
    """Train, from the last checkpoint in the work folder if there is one.

    Raises:
        Diverged: the loss is no number.
        HarnessError: the disk is full (the last good checkpoint stays), batches cannot be
            filled, or there is no model in the weights.
    """
    from safetensors import SafetensorError

    from mlir_trainers.loss import NotFinite

    training = job.recipe.training
    log = watch.BatchLog(job.work / "batches.jsonl")
    watched = {"observe": log} if processes.first() else {}
    pairs = _pairs(job.train, training.alpha, training.seed, **watched)
    trainer = _trainer(job, pairs, reporter)
    last = checkpoints.last(job.work)
    if last is not None:
        reporter.note(f"going on from {last.name} of {job.work}")
    try:
        trainer.train(resume_from_checkpoint=None if last is None else str(last))
    except NotFinite as error:
        steps, hint = trainer.state.global_step, "lower training.learning_rate, or use fp32."
        if not error.learning:
            raise Diverged(f"{error} after {steps} steps", f"Train anew: {hint}") from error
        with files.writing("the batch whose loss is no number", job.work, "Free some space."):
            saved = watch.save_batch(job.work, pairs, training.batch_size, trainer.state)
        raise Diverged(
            f"{error} at step {steps + 1}; the batch is in {saved}",
            f"Look at its texts, or {hint}",
        ) from error
    except (OSError, SafetensorError, RuntimeError) as error:
        if not checkpoints.failed_to_write(error):
            raise
        kept = checkpoints.last(job.work)
        stays = f"{kept.name} stays" if kept else "no checkpoint was written yet"
        raise HarnessError(
            f"cannot write to {job.work}: {getattr(error, 'strerror', None) or error}; {stays}",
            "Free some space and run the same command again: it goes on from there.",
        ) from error
    finally:
        log.close()
    state = trainer.state
    best = int(state.best_global_step or state.global_step)
    return Outcome(trainer.model, state.global_step, best, tuple(state.log_history))


def check(job: Job) -> None:
    """Raise before anything heavy is loaded if batches cannot be filled, or not be cut.

    Raises:
        DataError, UsageError: see `pools`; or a static model is to learn in parts of a batch.
        Unavailable: a package that progress is to be reported to is not installed.
    """
    training = job.recipe.training
    if training.mini_batch and job.recipe.model.base == "static":
        raise UsageError(
            "a batch of static embeddings is computed at once: it cannot be cut",
            "Leave out training.mini_batch; its memory is small.",
        )
    pools(job.train, training.batch_size, training.alpha)
    _validation(job)
    _check_reports(training.report_to)


def _check_reports(named: Sequence[str]) -> None:
    """Raise unless progress can be reported as it was asked for."""
    for name in named:
        packages = _REPORTERS.get(name)
        if packages is None:
            raise UsageError(
                f"training.report_to: nothing is called {name!r}",
                f"One of {', '.join(_REPORTERS)}.",
            )
        if not any(map(find_spec, packages)):
            raise Unavailable(
                f"training.report_to: {name} is not installed",
                f"pip install {packages[0]}, or leave it out.",
            )


def _validation(job: Job) -> tuple[float, int]:
    """Share of monolingual batches and size of a batch of the validation data.

    Raises:
        UsageError: there is too little of it.
    """
    alpha = _feasible(job.recipe.validation.alpha, job.validation)
    size = largest_batch(job.validation, alpha, at_most=job.recipe.training.batch_size)
    if size < 2:
        raise UsageError(
            "the validation data cannot fill a batch of two",
            "Give more of it with --validation, or raise validation.share.",
        )
    return alpha, size


def _feasible(alpha: float, data: ParallelData) -> float:
    """The share of monolingual batches, unless the data is good for one kind only."""
    if not any(each.crossing.rows for each in data.datasets):
        return 1.0
    return alpha if monolingual(data) else 0.0


def _pairs(data: ParallelData, alpha: float, seed: int, **more: Any) -> PairDataset:
    from mlir_trainers.batching.pairs import Mixing, PairDataset

    return PairDataset(data, Mixing(alpha, seed, processes.count(), **more))


def _trainer(job: Job, pairs: PairDataset, reporter: watch.Reporter) -> SentenceTransformerTrainer:
    from transformers import EarlyStoppingCallback

    from mlir_trainers import loss
    from mlir_trainers.batching.pairs import TrainerBatches
    from mlir_trainers.trainer import Callback, Trainer, quiet

    quiet()
    chosen = job.recipe.validation
    alpha, size = _validation(job)
    steps = len(TrainerBatches(pairs, job.recipe.training.batch_size))
    model = models.begin(job.recipe, job.train, job.weights)
    callbacks: list[Any] = [Callback(reporter, job.recipe.name)]
    if chosen.patience:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=chosen.patience))
    return Trainer(
        model=model,
        args=_arguments(job, size, steps),
        train_dataset=pairs,
        eval_dataset=_pairs(job.validation, alpha, 0, at_most=chosen.batches),
        loss=loss.made(model, job.recipe.training),
        callbacks=callbacks,
    )


def _arguments(job: Job, validation_size: int, epoch_steps: int) -> Any:
    import torch
    from sentence_transformers import SentenceTransformerTrainingArguments

    from mlir_trainers.batching.pairs import TrainerBatches

    if job.device == "cuda" and not torch.cuda.is_available():
        raise Unavailable("there is no GPU that torch can use", "Train with --device cpu.")
    training, prompts = job.recipe.training, job.recipe.prompts
    total = training.max_steps or max(1, round(training.epochs * epoch_steps))
    every = min(job.recipe.validation.every, total)
    more: Any = _checkpointing(training.gradient_checkpointing)
    return SentenceTransformerTrainingArguments(
        **more,
        output_dir=str(job.work),
        max_steps=total,
        per_device_train_batch_size=training.batch_size,
        per_device_eval_batch_size=validation_size,
        learning_rate=training.learning_rate,
        weight_decay=training.weight_decay,
        lr_scheduler_type=training.schedule,
        warmup_steps=round(training.warmup * total),
        bf16=training.precision == "bf16",
        seed=training.seed,
        dataloader_num_workers=training.workers,
        dataloader_pin_memory=job.device != "cpu" and torch.cuda.is_available(),
        batch_sampler=TrainerBatches,
        prompts={"query": prompts.query, "passage": prompts.passage},
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=max(1, min(every, total // 50)),
        logging_nan_inf_filter=False,
        report_to=list(training.report_to) or "none",
        use_cpu=job.device == "cpu",
        disable_tqdm=True,
    )


def _checkpointing(wanted: bool) -> dict[str, bool]:
    """The argument, if it is wanted, under its name in this version of transformers."""
    from transformers import TrainingArguments

    new = "activation_checkpointing"
    known = new in TrainingArguments.__dataclass_fields__
    return {new if known else "gradient_checkpointing": True} if wanted else {}
