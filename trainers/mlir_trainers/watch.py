"""What is seen of a training while it runs: progress, the log of batches, a batch gone wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from transformers import TrainerCallback

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


class Callback(TrainerCallback):
    """Tells a `Reporter`; sets the epoch; sees that the last step is validated too."""

    def __init__(self, reporter: Reporter, title: str) -> None:
        self._reporter = reporter
        self._title = title
        self._loss: float | None = None
        self._validation: float | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        del args, control, kwargs
        if state.is_world_process_zero:
            self._reporter.start(self._title, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        del args, kwargs
        if state.global_step >= state.max_steps:
            control.should_evaluate = True
        self._tell(state)

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        del args, control
        logs = kwargs.get("logs") or {}
        self._loss = logs.get("loss", self._loss)
        self._validation = logs.get("eval_loss", self._validation)
        self._tell(state)

    def _tell(self, state: Any) -> None:
        if state.is_world_process_zero:
            self._reporter.step(state.global_step, self._loss, self._validation)


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
            self._file = self._path.open("a", encoding="utf-8")
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
    """Epoch and number of the batches in a log; the last line may be cut."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                held = json.loads(line)
                yield held["epoch"], held["batch"]
            except (ValueError, LookupError, TypeError):
                continue


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
