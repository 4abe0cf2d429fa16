"""What is seen of a training while it runs: progress, the log of batches, a batch gone wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlir_trainers.batching.sampler import Composition

if TYPE_CHECKING:
    from mlir_trainers.batching.pairs import PairDataset


class Reporter(Protocol):
    """Told of a training's progress."""

    def note(self, message: str) -> None: ...

    def start(self, title: str, steps: int) -> None: ...

    def step(self, done: int, loss: float | None, validation: float | None) -> None:
        """`done` steps of all; losses are the latest, None before there are any."""
        ...


class BatchLog:
    """What every batch was made of, a line of JSON each, in the order they were drawn.

    A resumed training draws the batches it skips again: those are in the log already.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = max(_logged(path), default=(-1, -1))
        self._file: Any = None

    def __call__(self, drawn: Composition) -> None:
        if (drawn.epoch, drawn.number) <= self._seen:
            return
        self._seen = (drawn.epoch, drawn.number)
        if self._file is None:
            # A line at a time: what a killed process drew is not drawn again.
            self._file = self._path.open("a", encoding="utf-8", buffering=1)
        pairs = {f"{query}→{passage}": n for (query, passage), n in drawn.pairs.items()}
        line = {
            "epoch": drawn.epoch,
            "batch": drawn.number,
            "kind": drawn.kind,
            "data": drawn.pool,
            "pairs": pairs,
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _logged(path: Path) -> Iterator[tuple[int, int]]:
    """Epoch and number of the batches in a log, without a last line that was cut."""
    if not path.is_file():
        return
    with path.open("rb+") as log:
        whole = 0
        for line in log:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            held = json.loads(line)
            yield held["epoch"], held["batch"]
        log.truncate(whole)


def save_batch(work: Path, pairs: PairDataset, batch_size: int, state: Any) -> Path:
    """Write the texts of the batch after `state.global_step`, drawn again as it was drawn."""
    from mlir_trainers.batching.pairs import TrainerBatches

    batches = TrainerBatches(pairs, batch_size)
    epoch, number = divmod(state.global_step, len(batches))
    batches.set_epoch(epoch)
    (indices,) = islice(iter(batches), number, number + 1)
    path = work / f"batch-{state.global_step + 1}-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    lines = [json.dumps(each, ensure_ascii=False) for each in pairs.__getitems__(indices)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path
