"""pytest makes a test of each check, where a test asks for it, and is left alone elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import Desk

from mlir_harness.testing import ENCODER_CHECKS, TASK_CHECKS

_GOOD = """
from mlir_encoders.hashing import create
from mlir_tasks.lareqa import xquad_r
def test_encoder(encoder_check):
    encoder_check(create, options={"dimension": 32}, others=[{"dimension": 64}])
def test_task(task_check):
    task_check(xquad_r)
"""
_BAD = """
import numpy as np
from mlir_harness.protocols import EncoderInfo
made = []
class Mine:
    info = EncoderInfo(revision="1")
    def encode(self, texts, context):
        return np.array([[len(text), ord(text[0])] for text in texts], float).reshape(-1, 2)
def create():
    made.append(1)
    return Mine()
def test_mine(encoder_check):
    encoder_check(create)
def test_one_instance_served_most_checks():
    assert 0 < len(made) < 15  # of 29 checks
"""


def run(folder: Path, source: str, *more: str) -> tuple[int, str]:
    """pytest in a process of its own, on one file of tests; warnings are errors there."""
    (folder / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *more]
    done = subprocess.run(
        [*command, "test_it.py"],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=Desk(folder).environment(COLUMNS="120", NO_COLOR="1"),
    )
    return done.returncode, done.stdout + done.stderr


def test_each_check_is_reported_as_a_test_of_its_own(tmp_path: Path) -> None:
    code, out = run(tmp_path, _GOOD, "-v")
    assert code == 0, out
    told = dict(re.findall(r"test_it.py::(\S+) (\w+)", out))
    assert [*told] == [
        *(f"test_encoder[{check.name}]" for check in ENCODER_CHECKS),
        *(f"test_task[{check.name}]" for check in TASK_CHECKS),
    ]
    assert told["test_encoder[order]"] == "PASSED"
    assert told["test_encoder[tokens]"] == "SKIPPED"
    assert set(told.values()) == {"PASSED", "SKIPPED"}


def test_a_failure_says_what_was_promised_and_how_to_mend_it(tmp_path: Path) -> None:
    code, out = run(tmp_path, _BAD, "-rs")
    assert code == 1
    assert "1 failed" in out
    assert "An empty text, and one of spaces, have finite vectors: not so." in out
    assert "encoding an empty text raised IndexError: string index out of range" in out
    assert "Give it any vector of finite numbers, such as zeros." in out
    assert "in encode" in out  # its traceback
    assert "it has no `tokens`" in out


def test_one_check_can_be_chosen_and_checks_may_be_spread_over_processes(tmp_path: Path) -> None:
    code, out = run(tmp_path, _GOOD, "-k", "order or again", "-n", "2", "-q")
    assert code == 0, out
    assert "3 passed" in out


_OWN = """
import pytest, sys
@pytest.fixture
def encoder_check():
    return 3
def test_own_fixture(encoder_check):
    assert encoder_check == 3
def test_nothing_heavy_was_imported():
    heavy = {"numpy", "torch", "pyarrow", "rich", "click", "mlir_harness.testing"}
    assert not heavy & set(sys.modules)
"""


def test_other_peoples_tests_are_left_alone(tmp_path: Path) -> None:
    code, out = run(tmp_path, _OWN, "--strict-markers", "--strict-config")
    assert code == 0, out
    assert "2 passed" in out


@pytest.mark.parametrize("name", ["encoder_check", "task_check"])
def test_the_fixtures_explain_themselves(tmp_path: Path, name: str) -> None:
    _, out = run(tmp_path, _OWN.replace("def encoder_check", "def other"), "--fixtures")
    assert re.search(rf"^{name} .*\n +Checks an? \w+, one promise a test", out, re.MULTILINE)
