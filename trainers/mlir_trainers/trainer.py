"""Sentence-transformers' trainer, without what it says and writes on its own."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformerTrainer
from transformers import PrinterCallback, ProgressCallback, TrainerCallback
from transformers.utils import logging

from mlir_trainers.watch import Reporter


def quiet() -> None:
    """Keep transformers from drawing bars of its own beside ours."""
    untyped: Any = logging
    untyped.set_verbosity_error()
    untyped.disable_progress_bar()


class Trainer(SentenceTransformerTrainer):
    """The trainer, silent: progress is the callback's, and the model card is ours."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)

    def add_model_card_callback(self, _: dict[str, Any]) -> None:
        """Its statistics would read rows at random, many of which lack the languages."""


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
