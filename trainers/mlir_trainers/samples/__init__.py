"""The training set that comes with the package: 394 questions and passages in eleven languages.

Written for this project (Apache-2.0), on topics that no evaluation sample has.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from mlir_trainers.parallel.sources import Source

SAMPLE = "sample"


def sample() -> Source:
    """The bundled training set."""
    path = files("mlir_trainers.samples").joinpath("training.jsonl")
    return Source("mlir-harness-sample", "jsonl", Path(str(path)))
