"""Sentence-transformers models small enough to make on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_static_model(folder: Path, dimension: int = 16) -> Path:
    """A model of random static token embeddings; equal words are similar. Returns `folder`."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = [chr(code) for code in range(33, 0x2000)]
    vocabulary = {token: number for number, token in enumerate(["[UNK]", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    weights = np.random.default_rng(0).standard_normal((len(vocabulary), dimension))
    module = StaticEmbedding(tokenizer, embedding_weights=weights.astype(np.float32))
    SentenceTransformer(modules=[module], device="cpu").save_pretrained(
        str(folder), create_model_card=False
    )
    return folder
