"""The GitHub action: its scripts run as GitHub runs them, and say what came of the check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml
from command import Desk

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
SAMPLE = ("--encoders", "hashing", "--tasks", "xquad-r", "--data", "sample", "--languages", "de,en")


def script(name: str) -> str:
    (found,) = (step["run"] for step in ACTION["runs"]["steps"] if step.get("name") == name)
    return str(found)


def run(name: str, desk: Desk, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(name)],
        cwd=desk.root,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "RUNNER_TEMP": str(desk.root / "temp"),
            "GITHUB_OUTPUT": str(desk.root / "outputs"),
            "GITHUB_STEP_SUMMARY": str(desk.root / "summary.md"),
            "GITHUB_ACTIONS": "true",
            "MLIR_HARNESS_CACHE": str(desk.root / "cache"),
            "ARGUMENTS": "",
            **env,
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("action"))
    (desk.root / "temp").mkdir()
    done = desk.do("baseline", "create", "b.parquet", *SAMPLE, "--cache-dir", "cache")
    assert done.code == 0, done.err
    return desk


def outputs(desk: Desk) -> dict[str, str]:
    lines = (desk.root / "outputs").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_it_passes_and_leaves_its_reports(desk: Desk) -> None:
    done = run("Check", desk, BASELINE="b.parquet")
    assert done.returncode == 0, done.stderr
    held = outputs(desk)
    assert held["exit-code"] == "0"
    report = Path(held["report"])
    assert json.loads((report / "report.json").read_text("utf-8"))["rows"]
    assert Xml.parse(report / "report.xml").getroot().tag == "testsuites"
    summary = (desk.root / "summary.md").read_text("utf-8")
    assert summary == (report / "report.md").read_text("utf-8")
    assert "PASSED" in summary
    assert run("Verdict", desk, CODE=held["exit-code"]).returncode == 0


def test_it_fails_with_the_code_of_the_check_and_annotates(desk: Desk) -> None:
    """An argument is a word per line, whatever is in it."""
    arguments = "--option\nhashing.dimension=32\n--junit\n$(touch harm) `touch harm`; touch harm\n"
    done = run("Check", desk, BASELINE="b.parquet", ARGUMENTS=arguments)
    assert done.returncode == 0, done.stderr
    assert outputs(desk)["exit-code"] == "1"
    assert "::error" in done.stderr
    assert not (desk.root / "harm").exists()
    assert "FAILED" in (desk.root / "summary.md").read_text("utf-8")
    assert run("Verdict", desk, CODE="1").returncode == 1


def test_a_check_that_could_not_be_made_is_no_pass(desk: Desk) -> None:
    done = run("Check", desk, BASELINE="nothing.parquet")
    assert done.returncode == 0, done.stderr
    assert outputs(desk)["exit-code"] == "2"
    assert "there is no baseline nothing.parquet" in done.stderr


def test_no_input_is_written_into_a_script() -> None:
    """What GitHub would paste into bash could be bash; inputs come as variables."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
