"""A notebook holds scores against a baseline as the command line does."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Desk

from mlir_harness import evaluate
from mlir_harness.api import Report, check
from mlir_harness.errors import Exit, UsageError
from mlir_harness.regression import file
from mlir_harness.regression.verdicts import Verdict


def _evaluated(folder: Path, dimension: int, output: str | None = "out") -> Report:
    return evaluate(
        "hashing",
        "xquad-r",
        data="sample",
        languages="de,en",
        options={"hashing": {"dimension": dimension}},
        output=None if output is None else folder / output,
        cache_dir=folder / "cache",
    )


def test_verdicts_are_those_of_the_command(tmp_path: Path) -> None:
    report = _evaluated(tmp_path, 256)
    done = Desk(tmp_path).do("baseline", "create", "b.parquet", "--results", "out")
    assert done.code == 0, done.err
    held = file.read(tmp_path / "b.parquet")
    assert held.request["encoders"] == ["hashing"]
    assert (held.request["languages"], held.request["data"]) == (["de", "en"], "sample")

    same = check(report, tmp_path / "b.parquet")
    assert (same.exit_code, same.counts()) == (Exit.OK, {Verdict.SAME: 3})
    harmed = check(_evaluated(tmp_path, 64), tmp_path / "b.parquet", deltas={"AP": 0.001})
    assert harmed.exit_code is Exit.CHECK_FAILED
    assert [*harmed.changes.values()] == [["option dimension '256'→'64'"]]
    unstored = check(_evaluated(tmp_path, 256, None), tmp_path / "b.parquet")
    assert {row.verdict for row in unstored.rows} == {Verdict.MISSING}
    assert "are not stored" in unstored.rows[0].reasons[0]
    with pytest.raises(UsageError, match="does not hold the measure R@1"):
        check(report, tmp_path / "b.parquet", measures="R@1")
