"""A corpus larger than the memory it may take: bounded, and not lost when a run is killed."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from command import Desk
from corpus_files import write_miracl

PASSAGES = 100_000
SHARDS = 5
LENGTH = 3_000  # characters a passage: 300 MB in all
BOUND = 160  # MB that a run over all of them may take beyond one over a few

RUN = ["run", "--tasks", "miracl", "--data-dir", "data", "--output", "out", "--cache-dir", "cache"]
RUN += ["--encoders", "py:quick:Lengths", "--format", "json"]
# An encoder that takes no time, so that the test's own is spent on reading.
ENCODER = """
import numpy as np
from mlir_harness.protocols import EncoderInfo

class Lengths:
    info = EncoderInfo(revision="1", dimension=8)

    def encode(self, texts, context):
        rows = [[len(text), *text[:7].encode("ascii", "replace").ljust(7)] for text in texts]
        return np.array(rows, np.float32).reshape(-1, 8)
"""


def write(root: Path, passages: int) -> Desk:
    chance = random.Random(3)
    words = ["".join(chance.choices("abcdefghij", k=5)) for _ in range(2000)]
    filler = [" ".join(chance.choices(words, k=LENGTH // 6)) for _ in range(50)]
    rows = [(f"{n}#0", f"T{n}", filler[n % len(filler)]) for n in range(passages)]
    size = -(-passages // SHARDS)
    write_miracl(
        root / "data",
        shards=[rows[start : start + size] for start in range(0, passages, size)],
        topics=[("q", "which one?")],
        qrels=[("q", "7#0", 1)],
    )
    (root / "quick.py").write_text(ENCODER)
    return Desk(root, {"PYTHONPATH": str(root)})


def own_memory(process: Popen[str]) -> float:
    """MB that a process holds for itself now; what it maps of files is not among it."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line.split() for line in status.splitlines() if line.startswith("RssAnon")]
    return sum(int(line[1]) / 1024 for line in lines)


def watched(desk: Desk) -> tuple[Any, float]:
    """The one cell of a run, and the peak of its own memory in MB."""
    process = desk.start(*RUN)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, own_memory(process))
        time.sleep(0.01)
    out, err = process.communicate()
    assert process.returncode == 0, err
    (cell,) = json.loads(out)["cells"]
    return cell, peak


@pytest.mark.slow
def test_texts_are_not_held(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("the memory of a process is not told here")
    _, small = watched(write(tmp_path / "small", 50))
    desk = write(tmp_path / "large", PASSAGES)
    cell, large = watched(desk)
    assert cell["settings"][0]["documents"] == PASSAGES
    kept = sum(path.stat().st_size for path in desk.files("cache", "*.arrow"))
    assert kept > 1.8 * BOUND * 1e6
    assert large - small < BOUND, f"{small:.0f} MB with 50 passages, {large:.0f} MB with {PASSAGES}"


@pytest.mark.slow
def test_a_run_killed_while_reading_and_while_encoding_goes_on(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", 20_000)
    expected, _ = watched(whole)
    desk = write(tmp_path / "killed", 20_000)

    def killed_at(pattern: str, count: int) -> list[tuple[Path, int]]:
        process = desk.start(*RUN)
        deadline = time.monotonic() + 60
        while len(finished(pattern)) < count and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        return finished(pattern)

    def finished(pattern: str) -> list[tuple[Path, int]]:
        return [
            (path, path.stat().st_ino)
            for path in desk.files("cache", pattern)
            if not path.name.startswith(".")
        ]

    read = killed_at("*.arrow", 2)
    assert 2 <= len(read) < SHARDS
    encoded = killed_at("*.safetensors", 2)
    assert set(read) <= set(finished("*.arrow"))
    cell, _ = watched(desk)
    assert set(encoded) <= set(finished("*.safetensors"))
    assert len(finished("*.arrow")) == SHARDS
    assert cell["settings"] == expected["settings"]
    assert cell["fingerprints"] == expected["fingerprints"]
    assert not desk.leftovers()
