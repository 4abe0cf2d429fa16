"""Sentence-transformers' trainer, without what it says and writes on its own."""

from __future__ import annotations

from typing import Any

from sentence_transformers import SentenceTransformerTrainer
from transformers import PrinterCallback, ProgressCallback
from transformers.utils import logging


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
