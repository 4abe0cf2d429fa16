"""A stack of sentence-transformers modules: loaded from a folder, and fed tokenised batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlir_encoders import device as devices
from mlir_encoders.batching import Batch
from mlir_encoders.loading import listening
from mlir_encoders.model_folder import ModelFolder
from mlir_encoders.plain_tokens import PlainTokens
from mlir_harness.errors import Unavailable
from mlir_harness.types import IntArray, Role

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# Static embeddings are looked up and averaged without padding: only calls cost.
_STATIC_BATCH = 1_024


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

    device = devices.chosen(device, precision)
    try:
        # Modules draw random weights before they read theirs; that is nobody else's business.
        with listening() as missing, torch.random.fork_rng(devices=[]):
            model = SentenceTransformer(
                str(folder.path),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                # transformers keeps a checkpoint's type: one in bfloat16 would be computed in it.
                model_kwargs={"use_safetensors": True, "dtype": torch.float32},
            )
    except (OSError, ValueError, LookupError, ImportError, RuntimeError, SafetensorError) as error:
        raise _not_loaded(folder, error) from error
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise Unavailable(
            f"{folder.name} lacks the weights {missing[0]}{more}, which would be made up at random",
            folder.fetch or "give the folder that save_pretrained wrote",
        )
    if max_tokens is not None:
        model.max_seq_length = max_tokens
    _set_padding(model, folder)
    model.float().eval()  # the modules behind the transformer too
    if device == "cpu":
        devices.set_threads()
    return model


def _not_loaded(folder: ModelFolder, error: Exception) -> Unavailable:
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    hint = folder.fetch or "see --debug for the cause"
    if devices.ran_out(error):
        reason, hint = "there is not enough memory", "choose a smaller model, or --device cpu"
    return Unavailable(f"{folder.name} does not load: {reason}", hint)


def _set_padding(model: SentenceTransformer, folder: ModelFolder) -> None:
    """Give a tokenizer without a padding token one: which one does not matter, it is masked."""
    tokenizer: Any = getattr(model[0], "tokenizer", None)
    if not hasattr(tokenizer, "pad_token") or tokenizer.pad_token is not None:
        return
    others = (tokenizer.eos_token, tokenizer.unk_token, tokenizer.bos_token)
    tokenizer.pad_token = next(filter(None, others), None)
    if tokenizer.pad_token is None:
        raise Unavailable(
            f"the tokenizer of {folder.name} has no token to pad with",
            "name one as pad_token in its tokenizer_config.json",
        )


@dataclass(frozen=True, slots=True)
class Feed:
    """Texts that can be cut into batches of any size.

    Attributes:
        lengths: (n,) int64 tokens of each text, after truncation.
        batch: makes the batch of some rows.
        budget: the most `lengths` a batch may sum up to, padded; None for the device's budget.
    """

    lengths: IntArray
    batch: Callable[[IntArray], Batch]
    budget: int | None = None


def feed(
    model: SentenceTransformer,
    texts: Sequence[str],
    *,
    role: Role,
    prompt: str,
    plain: PlainTokens | None,
    count: Callable[[], IntArray],
) -> Feed:
    """What to cut batches of `texts` from.

    Args:
        model: any stack of sentence-transformers modules.
        texts: without lone surrogates, without prompts.
        role: queries or documents; some stacks route the two differently.
        prompt: put before each text.
        plain: `PlainTokens.of(model, ...)`.
        count: tokens per text, prompt included, before truncation; asked only where `plain` is
            None, since plain tokens are counted by being made.
    """
    if plain is not None:
        tokenised = plain.tokenise(texts)
        return Feed(tokenised.ids.counts, tokenised.batch)
    static = type(model[0]).__name__ == "StaticEmbedding"
    counts = np.ones(len(texts), np.int64) if static else count()
    longest = None if static else model.max_seq_length
    lengths = counts if longest is None else np.minimum(counts, longest)

    def batch(rows: IntArray) -> Batch:
        some = [texts[row] for row in rows.tolist()]
        features = dict(model.preprocess(some, prompt=prompt, task=role.value))
        read = int(lengths[rows].sum()) if longest else features["input_ids"].numel()
        return Batch(rows, features, read, int((counts[rows] > lengths[rows]).sum()))

    return Feed(lengths, batch, _STATIC_BATCH if static else None)
