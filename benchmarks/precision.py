"""float32 and half precision side by side: time, vectors, and the scores of a task.

    python benchmarks/precision.py MODEL_FOLDER --tasks xquad-r --data-dir DATA --languages en,de,th

The two take turns in one process, language by language as the harness encodes, so that a busy
machine slows both alike; what counts is the median over rounds of the ratio within a round. On a
CPU whether bf16 pays depends on the instructions it has (avx512_bf16, amx_bf16).
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from mlir_encoders.sentence import SentenceEncoder, create
from mlir_harness import evaluate
from mlir_harness.prepare import prepare
from mlir_harness.protocols import Context
from mlir_harness.request import Request, Silent
from mlir_harness.tables import SHORT
from mlir_harness.types import FloatArray, Role

Texts = list[tuple[Role, list[str]]]


def texts_of(task: str, data_dir: Path, languages: list[str], limit: int | None) -> Texts:
    """The texts of a task, as they come to an encoder."""
    request = Request(["hashing"], [task], languages=languages, data_dir=str(data_dir))
    prepared = prepare(request, Silent())
    (encoder,), (loaded,) = prepared.encoders, prepared.tasks
    shelves = prepared.shelves(encoder, loaded)  # type: ignore[arg-type]
    return [(role, need.texts()[:limit]) for role, shelf in shelves.items() for need in shelf.needs]


def encode(encoder: SentenceEncoder, texts: Texts) -> FloatArray:
    """Unit vectors of all."""
    parts = [encoder.encode(some, Context(role, [])) for role, some in texts]
    vectors = np.concatenate(parts)
    scaled: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def times(full: SentenceEncoder, half: SentenceEncoder, texts: Texts, rounds: int) -> None:
    cosines = (encode(full, texts) * encode(half, texts)).sum(axis=1)
    print(
        f"cosine of the two vectors of a text: mean {cosines.mean():.5f}, least {cosines.min():.5f}"
    )
    ratios = []
    for _ in range(rounds):
        seconds = []
        for encoder in (full, half):
            start = time.perf_counter()
            encode(encoder, texts)
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
        print(f"  fp32 {seconds[0]:.2f} s, half {seconds[1]:.2f} s")
    print(f"{len(cosines)} texts: {np.median(ratios):.2f} times as fast (median of {rounds})")


def scores(model: str, precision: str, task: str, data_dir: Path, languages: list[str]) -> None:
    with tempfile.TemporaryDirectory() as cache:
        report = evaluate(
            [f"full=st:{model}", f"half=st:{model}"],
            task,
            languages=languages,
            data_dir=data_dir,
            cache_dir=cache,
            options={"half": {"precision": precision}},
        )
    full, half = report.cells
    for cell in (full, half):
        if cell.status != "ok":
            raise SystemExit(f"{cell.encoder}: {cell.reason}")
    assert half.lowered is not None
    print(f"{full.main_measure} of {task}")
    for group, change in half.lowered.difference.items():
        value = full.summary[group][full.main_measure]
        print(f"  {SHORT.get(group, group):<5} fp32 {value:.4f}  {precision} {change:+.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", help="a sentence-transformers folder")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--tasks", default="xquad-r", help="names, separated by commas")
    parser.add_argument("--languages", default="en,de,th")
    parser.add_argument("--precision", default="bf16", choices=["bf16", "fp16"])
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--limit", type=int, default=300, help="texts a language that are timed")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()

    packages = ("torch", "transformers", "sentence-transformers", "numpy")
    print(f"Python {platform.python_version()},", *(f"{name} {version(name)}" for name in packages))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    print(f"{torch.get_num_threads()} threads, {device}")
    languages = given.languages.split(",")
    full = create(given.model, device=given.device)
    half = create(given.model, device=given.device, precision=given.precision)
    for task in given.tasks.split(","):
        print(f"\n{task}")
        times(full, half, texts_of(task, given.data_dir, languages, given.limit), given.rounds)
        scores(given.model, given.precision, task, given.data_dir, languages)


if __name__ == "__main__":
    main()
