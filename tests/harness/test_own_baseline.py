"""The harness's own scores are what they were when its baseline was made."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command import Desk

from mlir_harness.regression import file

OWN = Path(__file__).resolve().parent.parent / "baselines" / "samples.parquet"
LARGEST = 200_000  # bytes of a file that is committed again and again
ENCODERS = ["hashing", "tiny-mono", "tiny-cross", "tiny-hybrid"]


def test_it_is_small_and_says_nothing_of_the_machine_that_made_it() -> None:
    held = file.read(OWN)
    assert OWN.stat().st_size < LARGEST
    assert {cell.key.encoder for cell in held.cells} == set(ENCODERS)
    assert {cell.key.data for cell in held.cells} == {"sample"}
    told = pq.read_metadata(OWN).metadata[b"mlir_harness.baseline"].decode()
    assert not re.findall(r'"(?:/|~|[A-Za-z]:\\)[^"]*"', told)


@pytest.mark.slow
def test_scores_are_what_they_were(tmp_path: Path) -> None:
    done = Desk(tmp_path).do("check", "--baseline", str(OWN), "--cache-dir", "cache")
    assert done.code == 0, done.out


@pytest.mark.slow
def test_a_baseline_of_all_samples_is_small_too(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    named = ["--encoders", ",".join(ENCODERS), "--tasks", "all", "--data", "sample"]
    done = desk.do("baseline", "create", "all.parquet", *named, "--cache-dir", "cache")
    assert done.code == 0, done.err
    assert (tmp_path / "all.parquet").stat().st_size < LARGEST
