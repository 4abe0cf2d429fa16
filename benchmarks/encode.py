"""Encoding side by side: our batches, SentenceTransformer.encode, and the bare forward passes.

    python benchmarks/encode.py MODEL_FOLDER XQUAD_R_FOLDER --languages en,de,th --limit 300

The three take turns in one process, so that a busy machine slows all of them alike; what counts
is the median over rounds of the ratio within a round. SentenceTransformer runs at the batch size
that is best for it, found on a part of the texts first.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from mlir_encoders.sentence import SentenceEncoder, create
from mlir_harness.protocols import Context
from mlir_harness.types import FloatArray, Role

BATCH_SIZES = (8, 16, 32, 64, 128)


def read(folder: Path, language: str, limit: int) -> list[str]:
    """Questions and sentences of one language of XQuAD-R, at most `limit` of each."""
    layout = json.loads((folder / f"{language}.json").read_text(encoding="utf-8"))
    paragraphs = [part for article in layout["data"] for part in article["paragraphs"]]
    sentences = [text for part in paragraphs for text in part["sentences"]]
    questions = [asked["question"] for part in paragraphs for asked in part["qas"]]
    return sentences[:limit] + questions[:limit]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def unit(vectors: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    scaled: FloatArray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def compare(ours: SentenceEncoder, texts: list[str], rounds: int) -> None:
    context = Context(Role.DOCUMENT, [])
    theirs = ours.model()

    def reference(some: list[str], batch_size: int) -> FloatArray:
        vectors: FloatArray = theirs.encode_document(
            some, batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors

    batches = list(ours.batches(texts, Role.DOCUMENT))

    def bare() -> None:
        with torch.inference_mode():
            for batch in batches:
                ours.forward(batch.features, Role.DOCUMENT)

    # Every second text or so: the same mix of lengths and languages, a fraction of the time.
    part = texts[:: max(1, len(texts) // 256)]
    reference(part[:64], 32)
    trial = {
        size: min(seconds(lambda size=size: reference(part, size)) for _ in range(2))
        for size in BATCH_SIZES
    }
    best = min(trial, key=trial.__getitem__)
    print("best batch size on a part:", *(f"{size}: {trial[size]:.2f}s" for size in BATCH_SIZES))

    difference = np.abs(unit(ours.encode(texts, context)) - reference(texts, best)).max()
    times: dict[str, list[float]] = {"ours": [], "bare": [], "theirs": []}
    for _ in range(rounds):
        times["bare"].append(seconds(bare))
        times["ours"].append(seconds(lambda: ours.encode(texts, context)))
        times["theirs"].append(seconds(lambda: reference(texts, best)))
    held = {name: np.array(values) for name, values in times.items()}
    for name, values in held.items():
        print(f"{name:>7}: " + " ".join(f"{value:.2f}" for value in values) + " s")
    padded = sum(batch.features["input_ids"].numel() for batch in batches)
    print(f"{len(texts)} texts, {len(batches)} batches, {padded} tokens with padding")
    print(f"largest difference after normalisation: {difference:.1e}")
    print(f"ours / bare forward passes:             {np.median(held['ours'] / held['bare']):.3f}")
    ratio = np.median(held["ours"] / held["theirs"])
    print(f"ours / SentenceTransformer.encode({best:>3}):  {ratio:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", help="a sentence-transformers folder")
    parser.add_argument("data", type=Path, help="a folder with XQuAD-R's LANGUAGE.json files")
    parser.add_argument("--languages", default="en,de,es,zh,th,hi")
    parser.add_argument("--limit", type=int, default=200, help="sentences, and questions, each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--token-budget", type=int, help="default: the encoder's own")
    parser.add_argument(
        "--apart", action="store_true", help="each language by itself, as the harness encodes"
    )
    given = parser.parse_args()

    packages = ("torch", "transformers", "sentence-transformers", "tokenizers", "numpy")
    print(f"Python {platform.python_version()},", *(f"{name} {version(name)}" for name in packages))
    print(f"{torch.get_num_threads()} threads, {platform.machine()}")
    ours = create(str(given.model), token_budget=given.token_budget, device="cpu")
    groups = [(name, read(given.data, name, given.limit)) for name in given.languages.split(",")]
    if not given.apart:
        groups = [
            ("+".join(name for name, _ in groups), [text for _, held in groups for text in held])
        ]
    for name, texts in groups:
        print(f"\n{name}")
        compare(ours, texts, given.rounds)


if __name__ == "__main__":
    main()
