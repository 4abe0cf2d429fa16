"""Factories of encoders whose weights `mlir-harness train` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlir_encoders.model_folder import ModelFolder
from mlir_encoders.published import Published
from mlir_encoders.sentence import About, SentenceEncoder
from mlir_harness.errors import Unavailable

QUERY_PROMPT = "Query: "
DOCUMENT_PROMPT = "Passage: "


@dataclass(frozen=True)
class Trained:
    """The factory of one trained encoder.

    Attributes:
        name: of the encoder, and of the folder below the checkpoints.
        base: what it was trained from.
        batches: how the languages of its batches were mixed.
    """

    name: str
    base: Published
    batches: str

    def __call__(
        self,
        *,
        weights: str | None = None,
        checkpoints: str | None = None,
        device: str = "auto",
        precision: str = "fp32",
        token_budget: int | str | None = None,
        **options: Any,
    ) -> SentenceEncoder:
        """The encoder; weights load when they are used.

        Args:
            weights: a folder in the format of sentence-transformers.
            checkpoints: where there is a folder of the encoder's name, unless `weights` is given.
            device: auto, cpu or cuda.
            precision: fp32, bf16 or fp16.
            token_budget: padded tokens a batch; None for the device's default.
            **options: max_tokens, query_prompt, document_prompt.

        Raises:
            Unavailable: it was not trained here, or the folder does not hold what was trained.
            UsageError: an option is unknown or out of range.
        """
        hint = f"mlir-harness train {self.name}, or --weights {self.name}=FOLDER"
        if weights is not None:
            folder = ModelFolder(Path(weights).expanduser().absolute(), weights)
        else:
            path = Path(checkpoints or "checkpoints").absolute() / self.name
            if not path.is_dir():
                raise Unavailable(f"{self.name} was not trained here: there is no {path}", hint)
            if not (path / "modules.json").is_file():
                raise Unavailable(
                    f"{self.name} is not trained to the end: {path} holds no modules.json", hint
                )
            folder = ModelFolder(path, str(path), fetch=hint)
        return self.base.encoder(
            folder,
            About(
                self.name,
                languages=self.base.languages,
                licence=f"of the base weights: {self.base.licence}",
                description=f"{self.base.title}, trained with {self.batches} batches",
            ),
            {"device": device, "precision": precision, "token_budget": token_budget, **options},
            whole=f"a folder that mlir-harness train {self.name} wrote",
            query_prompt=QUERY_PROMPT,
            document_prompt=DOCUMENT_PROMPT,
        )
