"""Small random checkpoints of the classes that the real encoders have, made on the spot."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Transformer,
)
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    BertTokenizer,
    DebertaV2Config,
    DebertaV2Model,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
    XLMRobertaTokenizer,
)

WIDTH = 32
POSITIONS = 48
TEXT = (
    "When was the bridge of Porto built? The bridge over the river was built in 1886.",
    "Wann wurde die Brücke gebaut? Die Brücke über den Fluss wurde 1886 gebaut.",
    "पुल कब बनाया गया था? नदी पर पुल 1886 में बनाया गया था।",
    "สะพานสร้างขึ้นเมื่อใด สะพานข้ามแม่น้ำสร้างขึ้นในปี 1886",
    "橋はいつ建設されましたか。川にかかる橋は1886年に建設されました。",
    "متى بني الجسر؟ بني الجسر فوق النهر عام 1886.",
)


@dataclass(frozen=True)
class Size:
    """How large a checkpoint is; `rows` of embeddings, None for as many as there are tokens."""

    width: int = WIDTH
    layers: int = 2
    heads: int = 2
    inner: int = 64
    positions: int = POSITIONS
    rows: int | None = None

    def config(self) -> dict[str, Any]:
        """What the configurations have in common; weights so large that no two texts are alike."""
        return {
            "hidden_size": self.width,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "intermediate_size": self.inner,
            "initializer_range": 0.3,
        }


TINY = Size()


def sentencepiece_model(folder: Path, name: str, **options: Any) -> Path:
    """A unigram model of `TEXT`, in the file that transformers looks for."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = folder / "corpus.txt"
    draw = random.Random(1)
    words = [word for text in TEXT for word in text.split()]
    lines = [*TEXT, *(" ".join(draw.choices(words, k=8)) for _ in range(300))]
    corpus.write_text("\n".join(lines), "utf-8")
    prefix = folder / "trained"
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(prefix),
        vocab_size=200,
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    corpus.unlink()
    prefix.with_suffix(".vocab").unlink()
    return prefix.with_suffix(".model").rename(folder / name)


def write_xlmr(folder: Path, size: Size = TINY) -> Path:
    """As FacebookAI/xlm-roberta-base is published: a masked language model, no modules.json."""
    model = sentencepiece_model(folder, "sentencepiece.bpe.model")
    tokenizer = XLMRobertaTokenizer.from_pretrained(folder)
    torch.manual_seed(1)
    config = XLMRobertaConfig(
        vocab_size=size.rows or len(tokenizer),
        max_position_embeddings=size.positions + 2,
        **size.config(),
    )
    XLMRobertaForMaskedLM(config).save_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": size.positions}))
    assert model.is_file()
    return folder


def write_mdeberta(folder: Path, size: Size = TINY, *, pickled: bool = False) -> Path:
    """As microsoft/mdeberta-v3-base is published: a sentencepiece model is all its tokenizer."""
    sentencepiece_model(
        folder,
        "spm.model",
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="[PAD]",
        bos_piece="[CLS]",
        eos_piece="[SEP]",
        unk_piece="[UNK]",
    )
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "vocab_type": "spm"}')
    torch.manual_seed(2)
    config = DebertaV2Config(
        **size.config(),
        vocab_size=size.rows or 320,
        max_position_embeddings=size.positions,
        type_vocab_size=0,
        relative_attention=True,
        position_buckets=16,
        max_relative_positions=-1,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        position_biased_input=False,
        pooler_hidden_size=size.width,
    )
    save(DebertaV2Model(config), folder, prefix="deberta." if pickled else "")
    return folder


def save(model: Any, folder: Path, prefix: str = "") -> None:
    """Configuration and weights; with a prefix as a pickle, named as a model with a head is."""
    if not prefix:
        model.save_pretrained(folder)
        return
    model.config.save_pretrained(folder)
    weights = {f"{prefix}{name}": value for name, value in model.state_dict().items()}
    torch.save(weights, folder / "pytorch_model.bin")


def write_bert(folder: Path, size: Size = TINY, *, head: bool = False) -> Path:
    """A BERT with a vocabulary of letters."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted({letter for text in TEXT for letter in text if not letter.isspace()})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    pieces += [f"##{letter}" for letter in letters]
    (folder / "vocab.txt").write_text("\n".join(pieces), "utf-8")
    tokenizer = BertTokenizer(
        str(folder / "vocab.txt"), do_lower_case=False, model_max_length=size.positions
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(3)
    kind = BertForMaskedLM if head else BertModel
    rows = size.rows or len(pieces)
    config = BertConfig(vocab_size=rows, max_position_embeddings=size.positions, **size.config())
    kind(config).save_pretrained(folder)
    return folder


def write_labse(folder: Path, size: Size = TINY, **options: Any) -> Path:
    """As sentence-transformers/LaBSE is laid out: first token, dense layer, unit length."""
    first = Transformer(str(write_bert(folder.with_name(f"{folder.name}-bert"), size)))
    torch.manual_seed(4)
    modules = [first, Pooling(size.width, "cls"), Dense(size.width, size.width), Normalize()]
    SentenceTransformer(modules=modules, device="cpu", **options).save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


def write_trained(folder: Path, **options: Any) -> Path:
    """What training an XLM-RoBERTa writes: a stack of sentence-transformers."""
    first = Transformer(str(write_xlmr(folder.with_name(f"{folder.name}-base"))))
    SentenceTransformer(modules=[first, Pooling(WIDTH)], device="cpu", **options).save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


def tokens_of(folder: Path) -> Any:
    """The tokenizer that transformers makes of a folder."""
    return AutoTokenizer.from_pretrained(folder)
