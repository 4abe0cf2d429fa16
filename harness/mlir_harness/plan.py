"""What a run would do: texts, tokens, bytes and time per cell, before anything is encoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlir_harness import speeds
from mlir_harness.errors import HarnessError
from mlir_harness.protocols import Context, Counts
from mlir_harness.runner import Failed, LoadedTask, Prepared, ReadyEncoder


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell of a plan.

    Attributes:
        encoder, task: names.
        settings: number of settings.
        texts: unique texts that need vectors, and `cached` of them have one.
        tokens: to be read for the others; None if the encoder cannot count cheaply.
        bytes: of vectors to be written; None if the dimension is not known yet.
        seconds: to encode, at the speed last measured here; None if there is none.
        reason: why it cannot run, "" if it can.
    """

    encoder: str
    task: str
    settings: int = 0
    texts: int = 0
    cached: int = 0
    tokens: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    reason: str = ""


def plan(prepared: Prepared) -> Iterator[PlannedCell]:
    """The cells of a run, in its order."""
    for encoder in prepared.encoders:
        for task in prepared.tasks:
            failed = next((each for each in (encoder, task) if isinstance(each, Failed)), None)
            if failed is not None:
                yield PlannedCell(
                    encoder.choice.label, task.choice.label, reason=failed.error.message
                )
            elif isinstance(encoder, ReadyEncoder) and isinstance(task, LoadedTask):
                yield _cell(encoder, task, prepared)


def _cell(encoder: ReadyEncoder, task: LoadedTask, prepared: Prepared) -> PlannedCell:
    texts = cached = characters = 0
    tokens: int | None = 0
    for role, shelf in prepared.shelves(encoder, task).items():
        for need in shelf.needs:
            texts += len(need.rows)
            if need.shard.exists():
                cached += len(need.rows)
                continue
            missing = need.texts()
            characters += sum(map(len, missing))
            if tokens is not None:
                context = Context(role, [need.collection.language] * len(missing))
                counted = _tokens(encoder, missing, context)
                tokens = None if counted is None else tokens + counted
    speed = speeds.known(prepared.cache).get(encoder.fingerprint)
    dimension = encoder.info.dimension
    return PlannedCell(
        encoder=encoder.choice.label,
        task=task.choice.label,
        settings=len(task.retrieval.settings),
        texts=texts,
        cached=cached,
        tokens=tokens,
        bytes=0
        if texts == cached
        else None
        if dimension is None
        else (texts - cached) * dimension * 4,
        seconds=0.0 if texts == cached else characters / speed if speed else None,
    )


def _tokens(encoder: ReadyEncoder, texts: list[str], context: Context) -> int | None:
    if not isinstance(encoder.encoder, Counts):
        return None
    try:
        return int(np.asarray(encoder.encoder.tokens(texts, context)).sum())
    except HarnessError:
        return None
