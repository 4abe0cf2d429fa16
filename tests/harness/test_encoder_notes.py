"""What an encoder has to say reaches the user and the stored result, wherever it works."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Desk

ENCODER = r"""
import numpy as np
from mlir_harness.protocols import EncoderInfo

class Talker:
    info = EncoderInfo("1")

    def encode(self, texts, context):
        for said in ("smaller batches\x1b[31m", "smaller batches\x1b[31m", 7):
            context.note(said)
        return np.array([[len(text), 1.0] for text in texts])
"""


@pytest.mark.parametrize("more", [[], ["--isolate"]], ids=["here", "isolated"])
def test_an_encoders_note_is_shown_once_and_kept(tmp_path: Path, more: list[str]) -> None:
    (tmp_path / "talker.py").write_text(ENCODER)
    desk = Desk.at(tmp_path, ("de", "en"))
    done = desk.run("py:talker:Talker", more=more)
    assert done.code == 0, done.err
    assert done.err.count("smaller batches") == 1
    assert "\x1b" not in done.err
    (manifest,) = desk.files("out", "manifest.json")
    notes = json.loads(manifest.read_text())["details"]["work"]["notes"]
    assert notes == ["smaller batches�[31m", "7"]
