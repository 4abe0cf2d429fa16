"""Half precision beside float32: found in the run or the store, shown in the notes, kept honest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cells import hostile, scored
from command import Desk
from plugins_for_tests import HOSTILE

from mlir_harness import precision, tables
from mlir_harness.results import CellResult, Lowered

ENCODER = """
import numpy as np
from mlir_harness.protocols import EncoderInfo

class Coarse:
    def __init__(self, *, precision="fp32", width="64"):
        self._precision, self._width = precision, int(width)

    @property
    def info(self):
        return EncoderInfo("1", {"precision": self._precision, "width": str(self._width)})

    def encode(self, texts, context):
        counts = np.zeros((len(texts), self._width), np.float32)
        for row, text in enumerate(texts):
            for letter in text:
                counts[row, ord(letter) % self._width] += 1
        return counts if self._precision == "fp32" else np.minimum(counts, 1)
"""
COARSE = "py:coarse:Coarse"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "coarse.py").write_text(ENCODER)
    return Desk.at(tmp_path, ("de", "en"))


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_run_shows_what_half_precision_changed_beside_the_stored_result(desk: Desk) -> None:
    name = f"x={COARSE}"
    first = desk.run(name, more=["--precision", "bf16"])
    asked = "x: computed in bf16. What that changes is shown here once there are results in fp32"
    assert f"{asked} too: --option x.precision=fp32" in flat(first.out)

    full = desk.run(name, more=["--option", "x.precision=fp32", "--format", "json"])
    (exact,) = full.cells().values()
    assert exact["precision"] is None

    again = desk.run(name, more=["--precision", "bf16", "--format", "json"])
    (rough,) = again.cells().values()
    assert rough["precision"] == {
        "precision": "bf16",
        "beside": "x",
        "difference": {
            kind: pytest.approx(means["AP"] - exact["summary"][kind]["AP"])
            for kind, means in rough["summary"].items()
        },
        "speed": None,
    }
    assert any(rough["precision"]["difference"].values())
    shown = flat(desk.run(name, more=["--precision", "bf16"]).out)
    change = rough["precision"]["difference"]
    assert (
        f"x: bf16 instead of fp32 changes AP by Mo. {change['monolingual']:+.4f}, "
        f"Cr. {change['cross-lingual']:+.4f}, Mul. {change['multilingual']:+.4f}."
    ) in shown


def test_two_labels_of_one_run_are_compared_whatever_their_order(desk: Desk) -> None:
    more = ["--option", "rough.precision=bf16", "--output", "other"]
    for names in (("rough", "exact"), ("exact", "rough")):
        done = desk.run(*(f"{name}={COARSE}" for name in names), more=more)
        assert "rough: bf16 instead of fp32 (exact) changes AP by Mo. " in flat(done.out)
        assert "exact: " not in done.out


def test_only_the_same_encoder_and_data_are_compared(desk: Desk) -> None:
    desk.run(f"x={COARSE}", more=["--option", "x.width=32"])
    desk.run(f"x={COARSE}", more=["--languages", "de"])
    desk.run("hashing")
    done = desk.run(f"x={COARSE}", more=["--precision", "bf16"])
    assert "x: computed in bf16. " in done.out


def test_results_that_were_edited_are_passed_over(desk: Desk) -> None:
    desk.run(f"x={COARSE}")
    (manifest,) = desk.files("out", "manifest.json")
    held = json.loads(manifest.read_text())
    for change in (
        {"details": []},
        {"details": {"encoder": "x"}},
        {"summary": 3},
        {"summary": {"monolingual": 3}},
        {"fingerprints": None},
        {"schema": 9},
    ):
        manifest.write_text(json.dumps(held | change))
        done = desk.run(f"y={COARSE}", more=["--precision", "bf16"])
        assert done.code == 0, done.err
        assert "y: computed in bf16. " in done.out


def test_from_python_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlir_harness import evaluate

    monkeypatch.syspath_prepend(desk.root)
    report = evaluate(
        [f"rough={COARSE}", f"exact={COARSE}"],
        "xquad-r",
        data_dir=desk.root / "data",
        cache_dir=desk.root / "cache",
        languages="de,en",
        options={"rough": {"precision": "bf16"}},
    )
    rough, exact = report.cells
    assert rough.lowered is not None
    assert rough.lowered.beside == "exact"
    assert exact.lowered is None


def computed(in_: str, seconds: float, **details: Any) -> CellResult:
    cell = scored(in_, 0.5)
    own = {
        "encoder": {"plugin": "p", "revision": "1", "options": {"precision": in_}},
        "texts": {"unique": 100},
        "work": {"encoded": 100, "encode_seconds": seconds},
        "environment": {"platform": "here"},
        "device": "auto",
    }
    return replace(cell, details={**cell.details, **own, **details})


@pytest.mark.parametrize(
    ("changes", "speed"),
    [
        ({}, 1.5),
        ({"work": {"encoded": 60, "encode_seconds": 10.0}}, None),  # the rest was cached
        ({"environment": {"platform": "another"}}, None),
        ({"device": "cuda"}, None),
        ({"work": {"encoded": 100, "encode_seconds": 2.0}}, None),  # too short to say
        ({"work": "edited"}, None),
    ],
)
def test_speeds_are_compared_only_where_they_compare(
    changes: dict[str, Any], speed: float | None
) -> None:
    rough = computed("bf16", 10.0, **changes)
    (found, _) = precision.compared([rough, computed("fp32", 15.0)], None)
    assert found.lowered is not None
    assert found.lowered.speed == speed
    said = precision.note(found, tables.SHORT)
    assert said is not None
    assert ("encoded 1.50 times as fast" in said) == bool(speed)


def test_foreign_names_stay_text() -> None:
    for lowered in (Lowered("bf16", HOSTILE, {HOSTILE: 0.5}), Lowered(HOSTILE)):
        lines = tables.notes([replace(hostile(), lowered=lowered)])
        assert not any("\x1b" in line or "\n" in line for line in lines)
