"""The encoders that come with the package: what they are, what made them, what they can do."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from command import Desk

from mlir_encoders import bundled
from mlir_harness import evaluate
from mlir_trainers import recipe_files

NAMES = ("tiny-mono", "tiny-cross", "tiny-hybrid")
HERE = Path(bundled.__file__).parent


@pytest.mark.parametrize("name", NAMES)
def test_each_is_small_and_says_how_it_was_made(name: str) -> None:
    folder = HERE / name
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 4_000_000
    assert not [file for file in folder.iterdir() if file.suffix in {".bin", ".pt", ".pkl"}]
    made = tomllib.loads((folder / "recipe.toml").read_text("utf-8"))
    assert made == json.loads(json.dumps(recipe_files.load(name).as_dict()))


def test_batches_across_languages_help_across_languages(tmp_path: Path) -> None:
    """The story in small: mixed batches retrieve better across languages and with less bias."""
    report = evaluate(list(NAMES), "xquad-r", data="sample", cache_dir=tmp_path)
    mono, cross, hybrid = (cell.summary for cell in report.cells)
    assert (
        cross["cross-lingual"]["AP"] > hybrid["cross-lingual"]["AP"] > mono["cross-lingual"]["AP"]
    )
    distances = [each["multilingual"]["rank_distance"] for each in (mono, hybrid, cross)]
    assert distances == sorted(distances, reverse=True)
    assert {cell.details["exposure"]["verdict"] for cell in report.cells} == {"zero-shot"}


@pytest.mark.slow
def test_training_one_again_gives_the_same_scores(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    done = desk.do("train", "tiny-hybrid", "--device", "cpu", "--cache-dir", "cache")
    assert done.code == 0, done.err
    again = f"st:{tmp_path / 'checkpoints' / 'tiny-hybrid'}"
    report = evaluate(["tiny-hybrid", again], "xquad-r", data="sample", cache_dir=tmp_path)
    first, second = (cell.summary for cell in report.cells)
    for kind in ("monolingual", "cross-lingual", "multilingual"):
        assert np.isclose(first[kind]["AP"], second[kind]["AP"], atol=0.01)
