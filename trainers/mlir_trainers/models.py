"""What training begins with: published weights, a folder, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlir_harness import files
from mlir_harness.errors import HarnessError, UsageError
from mlir_trainers.parallel.data import ParallelData
from mlir_trainers.recipe import Recipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

FROM_NOTHING = ("static", "transformer")
_VERSION = 1  # raised when tokenizers are trained in another way
_TOKENIZER_TEXTS = 25_000  # question and passage count as one; more change a vocabulary little
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def begin(recipe: Recipe, data: ParallelData, weights: Path | None) -> SentenceTransformer:
    """The model before its first step.

    Args:
        recipe: says which.
        data: what a tokenizer is trained on, if there is none.
        weights: folder of the base weights; None where training begins from nothing.

    Raises:
        HarnessError: the folder holds no model.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    torch.manual_seed(recipe.training.seed)
    if weights is None:
        model = _static(recipe, data) if recipe.model.base == "static" else _small(recipe, data)
    else:
        model = _loaded(weights)
        model.max_seq_length = min(recipe.model.max_tokens, model.max_seq_length or 10**9)
    assert isinstance(model, SentenceTransformer)  # noqa: S101
    model.prompts = {"query": recipe.prompts.query, "document": recipe.prompts.passage}
    model.similarity_fn_name = "cosine"
    return model


def _loaded(weights: Path) -> SentenceTransformer:
    """A folder of sentence-transformers as it is; of a bare transformer, the mean of tokens."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    try:
        if (weights / "modules.json").is_file():
            return SentenceTransformer(str(weights), local_files_only=True)
        transformer = Transformer(str(weights), model_args={"local_files_only": True})
        width = transformer.get_embedding_dimension()
        return SentenceTransformer(modules=[transformer, Pooling(width, "mean")])
    except (OSError, ValueError, KeyError) as error:
        raise HarnessError(
            f"cannot load the weights in {weights}: {str(error).splitlines()[0]}",
            "Name a folder that transformers or sentence-transformers wrote.",
        ) from error


def _static(recipe: Recipe, data: ParallelData) -> SentenceTransformer:
    """The mean of token embeddings, which begin at random."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    tokenizer = tokenizer_for(data, recipe.model.vocabulary)
    return SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_dim=recipe.model.dimension)]
    )


def _small(recipe: Recipe, data: ParallelData) -> SentenceTransformer:
    """A BERT of a few layers, mean of its tokens."""
    from tempfile import TemporaryDirectory

    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    chosen = recipe.model
    pad, unknown, begin_, end, mask = _SPECIAL
    fast: Any = PreTrainedTokenizerFast  # untyped
    tokenizer = fast(
        tokenizer_object=tokenizer_for(data, chosen.vocabulary),
        model_max_length=chosen.max_tokens,
        pad_token=pad,
        unk_token=unknown,
        cls_token=begin_,
        sep_token=end,
        mask_token=mask,
    )
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=chosen.dimension,
        num_hidden_layers=chosen.layers,
        num_attention_heads=chosen.heads,
        intermediate_size=4 * chosen.dimension,
        max_position_embeddings=chosen.max_tokens,
        pad_token_id=tokenizer.pad_token_id,
    )
    with TemporaryDirectory() as folder:  # the module reads its parts from a folder
        BertModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder)
    return SentenceTransformer(modules=[transformer, Pooling(chosen.dimension, "mean")])


def tokenizer_for(data: ParallelData, vocabulary: int) -> Tokenizer:
    """A tokenizer trained on some of the data's texts; kept beside the data for the next training.

    Args:
        data: questions and passages in every language count alike.
        vocabulary: pieces at most.

    Raises:
        UsageError: the data has more characters than that.
    """
    from tokenizers import Tokenizer

    path = data.folder / f"tokenizer-{_VERSION}-{vocabulary}-{data.fingerprint}.json"
    hint = "Free some space, or name another --cache-dir."
    with files.locked("a tokenizer", data.folder / ".tokenizer.lock", hint):
        if not path.is_file():
            made = _trained(_texts(data), vocabulary).to_str()
            with files.writing("a tokenizer", path, hint):
                files.replace_file(path, made.encode())
    return Tokenizer.from_file(str(path))


def _trained(texts: Iterator[str], vocabulary: int) -> Tokenizer:
    """A unigram tokenizer (Kudo 2018) of at most so many pieces, case folded.

    Its pieces need no spaces between words, so that it serves Thai and Chinese too.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
    )
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary,
        special_tokens=list(_SPECIAL),
        unk_token=_SPECIAL[1],
        show_progress=False,
    )
    try:
        tokenizer.train_from_iterator(texts, trainer)
    except Exception as error:  # tokenizers has no class of its own
        if "vocabulary is not large enough" not in str(error):
            raise
        raise UsageError(
            f"the texts have more than {vocabulary} different characters",
            "Raise model.vocabulary.",
        ) from error
    return tokenizer


def _texts(data: ParallelData) -> Iterator[str]:
    """Questions and passages, in every language alike, from all over the data."""
    rows = np.flatnonzero(data.present.any(axis=1))
    rows = rows[:: max(1, len(rows) * len(data.languages) // _TOKENIZER_TEXTS)]
    for row in rows.tolist():
        for language in np.flatnonzero(data.present[row]).tolist():
            yield data.question(row, language)
            yield data.passage(row, language)
