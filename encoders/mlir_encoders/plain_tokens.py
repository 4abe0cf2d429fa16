"""Tokens of an ordinary text transformer: made once, counted, and padded batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mlir_encoders.batching import Batch, Features, Ragged
from mlir_harness.types import BoolArray, IntArray, Role

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Of each text: token ids, token type ids (or [] for all), whether it was truncated.
_Tokens: TypeAlias = tuple[list[list[int]], list[list[int]], list[bool]]

_TOKEN_FEATURES = ("input_ids", "attention_mask", "token_type_ids")
# Texts that are padded, stripped or lowered if anything does that, and (the last) cut.
_PROBES = (
    ("a", "  One of SEVERAL: ä, 中文, ภาษาไทย \n"),
    ("a", "the end of this text is cut: " + "long " * 9_000),
)


@dataclass(frozen=True, slots=True)
class PlainTokens:
    """A stack that begins with an ordinary text transformer.

    For such a stack the features are nothing but padded tokens, so the tokens that were made to
    be counted need not be made again.

    Attributes:
        tokenizer: the stack's, of transformers.
        prompt: put before each text.
        names: which of `_TOKEN_FEATURES` the stack takes.
        common: what else the features of every batch hold (modality, prompt length).
    """

    tokenizer: Any
    prompt: str
    names: tuple[str, ...]
    common: Mapping[str, Any]

    @classmethod
    def of(cls, model: SentenceTransformer, role: Role, prompt: str) -> PlainTokens | None:
        """The plain tokens of `model`, or None if its features are something else.

        This is found out by trying: probes must give exactly what `model.preprocess` gives. A
        list of module types known to be plain would be wrong with the next release.
        """
        tokenizer = getattr(model[0], "tokenizer", None)
        if getattr(tokenizer, "pad_token_id", None) is None:
            return None
        plain: PlainTokens | None = None
        for probe in _PROBES:
            wanted = dict(model.preprocess(list(probe), prompt=prompt, task=role.value))
            common = {name: wanted[name] for name in wanted if name not in _TOKEN_FEATURES}
            if "input_ids" not in wanted or any(hasattr(held, "shape") for held in common.values()):
                return None
            names = tuple(name for name in _TOKEN_FEATURES if name in wanted)
            plain = cls(tokenizer, prompt, names, common)
            found = plain.tokenise(probe).features(np.arange(len(probe)))
            if not all(found[name].equal(wanted[name]) for name in names):
                return None
        return plain

    def tokenise(self, texts: Sequence[str]) -> Tokenised:
        """Tokens of the prompted texts, special tokens included, truncated as the model does."""
        prompted = [self.prompt + text for text in texts] if self.prompt else list(texts)
        typed = "token_type_ids" in self.names
        make = self._fast if self.tokenizer.is_fast else self._slow
        ids, types, truncated = make(prompted, typed)
        kinds = Ragged.of(types) if typed else None
        return Tokenised(self, Ragged.of(ids), kinds, np.array(truncated, np.bool_))

    def _fast(self, prompted: list[str], typed: bool) -> _Tokens:
        # An ordinary call leaves the Rust tokenizer set as transformers wants it; going on with
        # that one directly saves a dictionary of Python lists for every text.
        self.tokenizer(["a"], truncation="longest_first", padding=False)
        encodings = self.tokenizer.backend_tokenizer.encode_batch_fast(prompted)
        return (
            [encoding.ids for encoding in encodings],
            [encoding.type_ids for encoding in encodings] if typed else [],
            [bool(encoding.overflowing) for encoding in encodings],
        )

    def _slow(self, prompted: list[str], typed: bool) -> _Tokens:
        # Text by text: of several at once it does not say which were truncated.
        made = [
            self.tokenizer(
                text, truncation="longest_first", padding=False, return_overflowing_tokens=True
            )
            for text in prompted
        ]
        return (
            [each["input_ids"] for each in made],
            [each["token_type_ids"] for each in made] if typed else [],
            [each.get("num_truncated_tokens", 0) > 0 for each in made],
        )


@dataclass(frozen=True, slots=True)
class Tokenised:
    """Tokens of some texts, ready to be padded.

    Attributes:
        source: what made them.
        ids: token ids.
        types: token type ids, where the model takes them.
        truncated: (texts,) bool, which texts had more tokens than the model takes.
    """

    source: PlainTokens
    ids: Ragged
    types: Ragged | None
    truncated: BoolArray

    def batch(self, rows: IntArray) -> Batch:
        """The batch of some rows."""
        tokens, truncated = self.ids.counts[rows].sum(), self.truncated[rows].sum()
        return Batch(rows, self.features(rows), int(tokens), int(truncated))

    def features(self, rows: IntArray) -> Features:
        """The features of one batch, int64 tensors (len(rows), longest) on the CPU."""
        import torch

        tokenizer = self.source.tokenizer
        left = tokenizer.padding_side == "left"
        arrays = {"input_ids": self.ids.padded(rows, tokenizer.pad_token_id, left=left)}
        if self.types is not None:
            fill = tokenizer.pad_token_type_id
            arrays["token_type_ids"] = self.types.padded(rows, fill, left=left)
        if "attention_mask" in self.source.names:
            arrays["attention_mask"] = self.ids.mask(rows, left=left)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {**tensors, **self.source.common}
