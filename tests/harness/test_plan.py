"""What a plan expects: texts, tokens, bytes and time, without encoding anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plugins_for_tests
import pytest
from lareqa_files import write_lareqa

from mlir_harness import speeds
from mlir_harness.plan import plan
from mlir_harness.prepare import prepare
from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.request import Request, Silent
from mlir_harness.runner import run
from mlir_harness.types import IntArray


class Counting(plugins_for_tests.Spelling):
    """Counts a token per character; refuses for documents if it is told to."""

    refuses = False

    def tokens(self, texts: Sequence[str], context: Context) -> IntArray:
        if self.refuses and context.role == "document":
            raise RuntimeError("no tokenizer")
        assert context.instruction
        return np.array([len(text) for text in texts], np.int64)


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    info = EncoderInfo(revision="1", dimension=24)
    monkeypatch.setattr(plugins_for_tests, "counting", lambda: Counting(info=info), raising=False)
    write_lareqa(tmp_path / "data", ["en"])
    return Request(
        ["py:plugins_for_tests:counting"],
        ["xquad-r"],
        languages=["en"],
        data_dir=str(tmp_path / "data"),
        cache_dir=tmp_path / "cache",
    )


def test_before_and_after(request_: Request, tmp_path: Path) -> None:
    (before,) = plan(prepare(request_, Silent()))
    assert (before.settings, before.texts, before.cached) == (1, 25, 0)
    assert before.bytes == 25 * 24 * 4
    assert before.seconds is None
    assert before.tokens
    (cell,) = run(prepare(request_, Silent()), Silent())
    assert cell.status == "ok"
    (after,) = plan(prepare(request_, Silent()))
    assert (after.texts, after.cached, after.tokens) == (25, 25, 0)
    assert (after.bytes, after.seconds) == (0, 0.0)
    # The speed that was measured serves the next plan.
    for path in (tmp_path / "cache").rglob("*.safetensors"):
        path.unlink()
    (again,) = plan(prepare(request_, Silent()))
    (speed,) = speeds.known(tmp_path / "cache").values()
    assert again.seconds == pytest.approx(before.tokens / speed)


def test_a_counter_that_fails_leaves_tokens_unknown(
    request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "refuses", True)
    (cell,) = plan(prepare(request_, Silent()))
    assert cell.tokens is None


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": "x"}', '{"a": null}', '"a"'])
def test_unreadable_speeds_are_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "speeds.json").write_text(content)
    assert speeds.known(tmp_path) == {}
    speeds.remember(tmp_path, "e", 100, 2.0)
    assert speeds.known(tmp_path) == {"e": 50.0}
    speeds.remember(tmp_path, "f", 100, 4.0)
    speeds.remember(tmp_path, "f", 0, 4.0)
    assert speeds.known(tmp_path) == {"e": 50.0, "f": 25.0}


def test_speeds_that_cannot_be_kept_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    speeds.remember(tmp_path / "file", "e", 100, 2.0)
    assert speeds.known(tmp_path / "file") == {}
