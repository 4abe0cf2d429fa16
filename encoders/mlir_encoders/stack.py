"""A stack of sentence-transformers modules: loaded from a folder, and fed tokenised batches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mlir_encoders.batching import Ragged, batches
from mlir_encoders.loading import listening
from mlir_encoders.model_folder import ModelFolder
from mlir_harness.errors import Unavailable
from mlir_harness.types import BoolArray, IntArray, Role

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Features: TypeAlias = dict[str, Any]

# Static embeddings are looked up and averaged without padding: only calls cost.
_STATIC_BATCH = 1_024
_TOKEN_FEATURES = ("input_ids", "attention_mask", "token_type_ids")
# Texts that are padded, stripped or lowered if anything does that, and (the last) cut.
_PROBES = (
    ("a", "  One of SEVERAL: ä, 中文, ภาษาไทย \n"),
    ("a", "the end of this text is cut: " + "long " * 9_000),
)


def load(
    folder: ModelFolder, *, device: str, precision: str, max_tokens: int | None
) -> SentenceTransformer:
    """The model in float32, ready to encode, from local safetensors and without foreign code.

    Args:
        folder: has passed its own `check`.
        device: auto, cpu or cuda.
        precision: only looked at to refuse fp16 where there is no GPU.
        max_tokens: truncate there; None for the model's own limit.

    Raises:
        Unavailable: there is no such device, or the model does not load.
    """
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise Unavailable("torch sees no GPU here", "use device=cpu, or install torch with CUDA")
    if device == "cpu" and precision == "fp16":
        raise Unavailable("fp16 needs a GPU, and torch sees none", "use precision=bf16 or fp32")
    try:
        with listening() as missing:
            model = SentenceTransformer(
                str(folder.path),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
    except (OSError, ValueError, LookupError, ImportError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise Unavailable(
            f"{folder.name} does not load: {reason}", folder.fetch or "see --debug for the cause"
        ) from error
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise Unavailable(
            f"{folder.name} lacks the weights {missing[0]}{more}, which would be made up at random",
            folder.fetch or "give the folder that save_pretrained wrote",
        )
    if max_tokens is not None:
        model.max_seq_length = max_tokens
    # transformers keeps the checkpoint's type: a bfloat16 one would not be computed in float32.
    model.float().eval()
    if device == "cpu":
        torch.set_num_threads(min(torch.get_num_threads(), _cores()))
    return model


def _cores() -> int:
    """Cores this process may use; torch counts the machine's, whatever a container allows."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup, or the quota is "max"
        return cores


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts that go through the model together.

    Attributes:
        rows: (n,) int64 which texts.
        features: what the model takes for them.
        tokens: how many they have, padding not counted.
        truncated: how many of the texts were too long.
    """

    rows: IntArray
    features: Features
    tokens: int
    truncated: int


def feed(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    role: Role,
    prompt: str,
    plain: PlainTokens | None,
    budget: int,
    count: Callable[[], IntArray],
) -> Iterator[Batch]:
    """Batches of `texts`, longest first.

    Args:
        model: any stack of sentence-transformers modules.
        texts: without lone surrogates, without prompts.
        role: queries or documents; some stacks route the two differently.
        prompt: put before each text.
        plain: `PlainTokens.of(model, ...)`.
        budget: padded tokens a batch.
        count: tokens per text, prompt included, before truncation; asked only where `plain` is
            None, since plain tokens are counted by being made.
    """
    if plain is not None:
        tokenised = plain.tokenise(texts)
        for rows in batches(tokenised.ids.counts, budget):
            tokens = int(tokenised.ids.counts[rows].sum())
            truncated = int(tokenised.truncated[rows].sum())
            yield Batch(rows, tokenised.features(rows), tokens, truncated)
        return
    if type(model[0]).__name__ == "StaticEmbedding":
        counts, budget, longest = np.ones(len(texts), np.int64), _STATIC_BATCH, None
    else:
        counts, longest = count(), model.max_seq_length
    lengths = counts if longest is None else np.minimum(counts, longest)
    for rows in batches(lengths, budget):
        batch = [texts[row] for row in rows.tolist()]
        cut = 0 if longest is None else int((counts[rows] > longest).sum())
        features = dict(model.preprocess(batch, prompt=prompt, task=role.value))
        read = features["input_ids"].numel() if longest is None else int(lengths[rows].sum())
        yield Batch(rows, features, read, cut)


@dataclass(frozen=True, slots=True)
class PlainTokens:
    """A stack that begins with an ordinary text transformer and a fast tokenizer.

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
        if not getattr(tokenizer, "is_fast", False):
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
        # An ordinary call leaves the Rust tokenizer set as transformers wants it; going on with
        # that one directly saves a dictionary of Python lists for every text.
        self.tokenizer(["a"], truncation="longest_first", padding=False)
        prompted = [self.prompt + text for text in texts] if self.prompt else list(texts)
        encodings = self.tokenizer.backend_tokenizer.encode_batch_fast(prompted)
        ids = Ragged.of([encoding.ids for encoding in encodings])
        typed = "token_type_ids" in self.names
        types = Ragged.of([encoding.type_ids for encoding in encodings]) if typed else None
        truncated = np.array([bool(encoding.overflowing) for encoding in encodings], np.bool_)
        return Tokenised(self, ids, types, truncated)


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
