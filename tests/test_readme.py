"""What README prints is what happens: its commands run, its Python runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_transformers
from lareqa_files import LANGUAGES, write_lareqa
from tiny_laser import write_laser
from tiny_models import write_static_model

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    write_lareqa(folder / "data", LANGUAGES)
    write_static_model(folder / "model")
    tiny_transformers.write_xlmr(folder / "weights" / "xlmr")
    tiny_transformers.write_labse(folder / "weights" / "labse")
    tiny_transformers.write_mdeberta(folder / "weights" / "mdeberta")
    write_laser(folder / "weights" / "laser")
    (config,) = (text for text in blocks("toml") if "tasks = " in text)
    (folder / "mlir-harness.toml").write_text(config, "utf-8")
    (script,) = (code for code in blocks("python") if code.startswith("# my_encoder.py"))
    (folder / "my_encoder.py").write_text(script, "utf-8")
    return folder


def commands() -> list[str]:
    """Every mlir-harness command of the README that needs no network.

    Installation is left to CI, which does it; the package that `new` writes has a test of its own.
    """
    local = [block for block in blocks("sh") if not re.search("harness (fetch|new) ", block)]
    lines = "\n".join(local).splitlines()
    return [
        part.strip()
        for line in lines
        for part in re.findall(
            r"mlir-harness (?:run|runs|export|list|doctor|data describe|train|compare|check"
            r"|baseline create) [^&#]*",
            f"{line} ",
        )
    ]


def run(command: str, place: Path) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
        "DATA": str(place / "data"),
        "MODEL": str(place / "model"),
        "WEIGHTS": str(place / "weights"),
        "MLIR_HARNESS_CACHE": str(place / "cache"),
        "MLIR_HARNESS_DISABLE_PLUGINS": "third-party",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", commands()[1:])
def test_command_runs_as_printed(command: str, place: Path) -> None:
    run(command, place)


def test_the_first_command_prints_what_is_printed(tmp_path: Path) -> None:
    first, *_ = commands()
    assert first == "mlir-harness run --encoders all --tasks mtop"
    assert run(first, tmp_path) == blocks("text")[0]


def test_the_comparison_prints_what_is_printed(tmp_path: Path) -> None:
    (command,) = (each for each in commands() if "harness compare" in each)
    assert run(command, tmp_path) in blocks("text")


@pytest.mark.slow
def test_notebook_example_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.setenv("MLIR_HARNESS_CACHE", str(place / "cache"))
    (code,) = (code for code in blocks("python") if "to_pandas" in code)
    names: dict[str, object] = {"DATA": str(place / "data")}
    exec(compile(code, "README.md", "exec"), names)
    frame = names["frame"]
    assert set(frame["kind"]) == {"monolingual", "cross-lingual", "multilingual"}  # type: ignore[index]


@pytest.mark.slow
def test_six_encoders_of_four_kinds_are_in_one_table(place: Path) -> None:
    (command,) = (each for each in commands() if "laser" in each)
    first, second = (json.loads(run(f"{command} --format json", place)) for _ in range(2))
    names = ["xlmr", "labse", "mdeberta", "laser", "bm25", "hashing"]
    for cells in (first["cells"], second["cells"]):
        assert [(cell["encoder"], cell["task"]) for cell in cells] == [
            (name, task) for name in names for task in ("mtop", "xquad-r")
        ]
        assert {cell["status"] for cell in cells} == {"ok"}
    assert second == first


def test_there_are_commands_to_try() -> None:
    assert len(commands()) >= 15
