"""What torch encoders do with memory, threads and a GPU: never to the cost of a vector."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_transformers import POSITIONS, TEXT, write_bert, write_mdeberta, write_xlmr
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertModel,
    ByT5Tokenizer,
    LlamaConfig,
    LlamaModel,
    PreTrainedTokenizerFast,
)

from mlir_encoders import device
from mlir_encoders.sentence import SentenceEncoder, create
from mlir_harness import environment
from mlir_harness.errors import EncoderError
from mlir_harness.protocols import Context
from mlir_harness.types import Role

_SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.3,
}
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def texts() -> list[str]:
    words = " ".join(TEXT).split()
    draw = np.random.default_rng(1)
    lengths = draw.integers(1, 30, size=50)
    return [" ".join(draw.choice(words, size=length)) for length in lengths]


def write_slow(folder: Path) -> Path:
    """A tokenizer written in Python, which has no tokenizer.json."""
    torch.manual_seed(5)
    BertModel(BertConfig(vocab_size=384, **_SIZE)).save_pretrained(folder)
    ByT5Tokenizer(model_max_length=POSITIONS).save_pretrained(folder)
    return folder


def write_without_padding(folder: Path) -> Path:
    """A decoder whose tokenizer has no padding token, as many have."""
    letters = sorted(set("".join(TEXT)))
    vocabulary = {token: number for number, token in enumerate(["<unk>", "<s>", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=POSITIONS, eos_token="<s>"
    ).save_pretrained(folder)
    torch.manual_seed(6)
    config = LlamaConfig(vocab_size=len(vocabulary), num_key_value_heads=2, **_SIZE)
    LlamaModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    return write_bert(tmp_path_factory.mktemp("bert"))


def encode(encoder, some, note=lambda message: None, progress=lambda *counts: None):
    return encoder.encode(some, Context(Role.DOCUMENT, ["en"] * len(some), "", progress, note))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def limited(encoder: SentenceEncoder, tokens: int, error=torch.OutOfMemoryError) -> list[int]:
    """The real model, on a device that has no room for more than `tokens`; the batches it meets."""
    met: list[int] = []

    def look(module, inputs):
        met.append(inputs[0]["input_ids"].numel())
        if met[-1] > tokens:
            raise error("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes")

    encoder.model()[0].register_forward_pre_hook(look)
    return met


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_vectors_are_the_same_when_memory_runs_out_on_the_way(bert, error):
    wanted = encode(create(str(bert), device="cpu"), texts())
    encoder, notes, counted = create(str(bert), device="cpu", token_budget=1_000), [], []
    met = limited(encoder, 130, error)
    found = encode(encoder, texts(), notes.append, lambda *counts: counted.append(counts))
    np.testing.assert_allclose(unit(found), unit(wanted), atol=1e-6)
    assert len(notes) == sum(size > 130 for size in met) > 1
    assert "memory ran out" in notes[0]
    assert sum(done for done, _, _ in counted) == len(texts())
    met.clear()
    encode(encoder, texts(), notes.append)
    assert max(met) <= 130


def test_a_text_that_does_not_fit_alone_is_an_error_and_no_loop(bert):
    encoder = create(str(bert), device="cpu")
    limited(encoder, POSITIONS - 1)
    with pytest.raises(EncoderError, match=f"single text of {POSITIONS} tokens") as caught:
        encode(encoder, texts())
    assert "max_tokens" in caught.value.hint


@pytest.mark.parametrize("budget", [1, 50, 333, 100_000])
def test_vectors_do_not_depend_on_the_budget(bert, budget):
    wanted = encode(create(str(bert), device="cpu"), texts())
    found = encode(create(str(bert), device="cpu", token_budget=budget), texts())
    np.testing.assert_allclose(unit(found), unit(wanted), atol=1e-6)


@pytest.mark.parametrize("write", [write_xlmr, write_mdeberta, write_slow])
def test_any_tokenizer_is_read_once_and_gives_the_vectors_of_sentence_transformers(write, tmp_path):
    folder = write(tmp_path / "model")
    (folder / "tokenizer.json").unlink(missing_ok=True)
    encoder = create(str(folder), device="cpu", token_budget=150, max_tokens=POSITIONS)
    counted: list[tuple[int, int, int]] = []
    found = encode(encoder, texts(), progress=lambda *counts: counted.append(counts))
    theirs = SentenceTransformer(str(folder), device="cpu")
    theirs.max_seq_length = POSITIONS
    np.testing.assert_allclose(unit(found), unit(theirs.encode(texts(), batch_size=7)), atol=1e-5)
    whole = [len(ids) for ids in theirs.tokenizer(texts(), truncation=False)["input_ids"]]
    assert sum(tokens for _, tokens, _ in counted) == sum(min(n, POSITIONS) for n in whole)
    assert sum(cut for _, _, cut in counted) == sum(n > POSITIONS for n in whole) > 0


def test_a_tokenizer_without_a_padding_token_serves_all_the_same(tmp_path):
    """SentenceTransformer refuses several texts at once; what it gives one by one is right."""
    folder = write_without_padding(tmp_path / "model")
    found = encode(create(str(folder), device="cpu"), texts())
    theirs = SentenceTransformer(str(folder), device="cpu")
    theirs.tokenizer.pad_token = "<unk>"
    np.testing.assert_allclose(unit(found), unit(theirs.encode(texts(), batch_size=1)), atol=1e-5)


@pytest.fixture
def one_processor():
    """This thread may use one processor only; torch was made for four."""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("processors cannot be taken away here")
    processors, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, [min(processors)])
    torch.set_num_threads(4)
    yield
    os.sched_setaffinity(0, processors)
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("asked", "threads"), [("", 1), ("4", 4)])
def test_no_more_threads_than_processors_unless_the_user_wants_them(
    bert, monkeypatch, one_processor, asked, threads
):
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    encode(create(str(bert), device="cpu"), ["x"])
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("processors", [device.processors, environment.processors])
def test_a_containers_share_of_the_processors_counts(processors, tmp_path):
    quota = tmp_path / "cpu.max"
    everything = processors(quota)
    for said, found in (
        ("max 100000", everything),
        ("10000000 100000", everything),
        ("100000 100000", 1),
        ("20000 100000", 1),
    ):
        quota.write_text(f"{said}\n")
        assert processors(quota) == found


@gpu
def test_a_gpu_gives_the_vectors_of_a_cpu(bert):
    wanted = encode(create(str(bert), device="cpu"), texts())
    found = encode(create(str(bert), device="cuda"), texts())
    np.testing.assert_allclose(unit(found), unit(wanted), atol=1e-4)


@gpu
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_gpu_computes_in_half_precision(bert, precision):
    wanted = encode(create(str(bert), device="cpu"), texts())
    found = encode(create(str(bert), device="cuda", precision=precision), texts())
    assert (unit(found) * unit(wanted)).sum(axis=1).min() > 0.98


@gpu
def test_a_gpu_that_is_nearly_full_gets_smaller_batches(bert):
    wanted = encode(create(str(bert), device="cpu"), texts() * 40)
    encoder, notes = create(str(bert), device="cuda", token_budget=100_000), []
    encode(encoder, ["x"])
    held = torch.cuda.memory_reserved()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((held + 30e6) / total)
    try:
        found = encode(encoder, texts() * 40, notes.append)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(unit(found), unit(wanted), atol=1e-4)
    assert notes
