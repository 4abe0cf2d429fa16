"""What a run would do: texts, tokens, bytes and time per cell, before anything is encoded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from mlir_harness import speeds
from mlir_harness.fetching.equip import Lacking
from mlir_harness.loading import LoadedTask
from mlir_harness.making import ReadyEncoder
from mlir_harness.prepare import Prepared
from mlir_harness.protocols import Context, Counts


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One cell of a plan.

    Attributes:
        encoder, task: names.
        settings: number of settings.
        texts: unique texts that need vectors, and `cached` of them have one; None if the encoder
            cannot be made before its files are there.
        tokens: to be read for the others; None if the encoder cannot count cheaply.
        bytes: of vectors to be written; None if the dimension is not known yet.
        seconds: to encode, at the speed last measured here; None if there is none.
        fetches: what is downloaded for the encoder first, in words; "" for nothing.
    """

    encoder: str
    task: str
    settings: int
    texts: int | None
    cached: int | None
    tokens: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    fetches: str = ""


def plan(prepared: Prepared) -> list[PlannedCell]:
    """The cells of a run that can be run, in its order."""
    cells: list[PlannedCell] = []
    tasks = [task for task in prepared.tasks if isinstance(task, LoadedTask)]
    for encoder in prepared.encoders:
        if isinstance(encoder, Lacking):
            cells += [_lacking(encoder, task) for task in tasks]
        elif isinstance(encoder, ReadyEncoder):
            try:
                cells += [_cell(encoder, task, prepared) for task in tasks]
            finally:
                with suppress(Exception):  # it will say why when it is run
                    encoder.close()  # tokenisers, too, take memory
    return cells


def _lacking(encoder: Lacking, task: LoadedTask) -> PlannedCell:
    wanted = encoder.wanted
    fetches = wanted.described() if wanted.downloads else "nothing; its files are made ready"
    settings = len(task.retrieval.settings)
    return PlannedCell(
        encoder.choice.label, task.choice.label, settings, None, None, fetches=fetches
    )


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
                languages = [need.collection.language] * len(missing)
                context = Context(role, languages, task.info.instruction)
                counted = _tokens(encoder, missing, context)
                tokens = None if counted is None else tokens + counted
    missing_bytes = seconds = None
    if texts == cached:
        missing_bytes, seconds = 0, 0.0
    if encoder.info.dimension is not None:
        missing_bytes = (texts - cached) * encoder.info.dimension * 4
    speed = speeds.known(prepared.cache).get(encoder.fingerprint)
    if speed:
        seconds = characters / speed
    return PlannedCell(
        encoder=encoder.choice.label,
        task=task.choice.label,
        settings=len(task.retrieval.settings),
        texts=texts,
        cached=cached,
        tokens=tokens,
        bytes=missing_bytes,
        seconds=seconds,
    )


def _tokens(encoder: ReadyEncoder, texts: list[str], context: Context) -> int | None:
    if not isinstance(encoder.encoder, Counts):
        return None
    try:
        return int(np.asarray(encoder.encoder.tokens(texts, context)).sum())
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None  # it will say why when it is run
