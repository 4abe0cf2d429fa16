"""One model in memory at a time, whatever number of encoders a run compares."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from command import Desk
from tiny_transformers import POSITIONS, write_bert
from transformers import AutoTokenizer, BertConfig, BertModel

_PROGRAM = """
import resource, sys
from mlir_harness.cli import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def write_large(folder: Path, seed: int) -> Path:
    """About 200 MB of random weights."""
    tokenizer = AutoTokenizer.from_pretrained(write_bert(folder))
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=768,
        num_hidden_layers=7,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=POSITIONS,
    )
    BertModel(config).save_pretrained(folder)
    assert 180e6 < (folder / "model.safetensors").stat().st_size < 220e6
    return folder


def peak(desk: Desk, cache: str, *encoders: str) -> int:
    command = desk.command(*encoders, more=["--cache-dir", cache, "--output", cache])
    process = desk.start(*command, program=("-c", _PROGRAM))
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    found = re.search(r"^peak (\d+)$", said, re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.slow
def test_a_run_of_two_models_takes_no_more_memory_than_one(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    desk = Desk.at(tmp_path, ("de", "en"))
    one, two = (f"st:{write_large(tmp_path / name, seed)}" for seed, name in enumerate("ab"))
    alone = peak(desk, "alone", two)
    both = peak(desk, "both", one, two)
    assert both <= 1.15 * alone
