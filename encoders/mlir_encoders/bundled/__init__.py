"""Small trained encoders that come with the package, one for each way to mix batches.

`mlir-harness train tiny-mono` (-cross, -hybrid) wrote the folders; each says how.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlir_encoders.model_folder import ModelFolder
from mlir_encoders.options import parse
from mlir_encoders.sentence import About, SentenceEncoder

_LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")


@dataclass(frozen=True)
class Bundled:
    """The factory of one of them.

    Attributes:
        name: of the encoder, and of its folder here.
        batches: how the languages of its batches were mixed.
    """

    name: str
    batches: str

    def __call__(
        self,
        *,
        device: str = "auto",
        precision: str = "fp32",
        token_budget: int | str | None = None,
        **options: Any,
    ) -> SentenceEncoder:
        """The encoder; weights load when they are used.

        Args:
            device: auto, cpu or cuda.
            precision: fp32, bf16 or fp16.
            token_budget: padded tokens a batch; None for the device's default.
            **options: max_tokens, query_prompt, document_prompt.

        Raises:
            UsageError: an option is unknown or out of range.
        """
        folder = ModelFolder(Path(__file__).parent / self.name, self.name)
        given = {"device": device, "precision": precision, "token_budget": token_budget, **options}
        about = About(
            self.name,
            languages=_LANGUAGES,
            licence="Apache-2.0",
            description=f"Mean of token embeddings, trained with {self.batches} batches",
        )
        return SentenceEncoder(folder, parse(given, folder, self.name), about)


tiny_mono = Bundled("tiny-mono", "monolingual")
tiny_cross = Bundled("tiny-cross", "cross-lingual")
tiny_hybrid = Bundled("tiny-hybrid", "hybrid")
