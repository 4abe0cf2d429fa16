"""An encoder with an environment of its own, through the command line: built, used, found again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from command import Desk, Done
from wheels import write_wheel

PLUGIN = """
from dataclasses import dataclass
from mlir_harness.protocols import EncoderInfo, Environment

class Words:
    info = EncoderInfo(revision="1", description="counts with a package that the harness has not")

    def __init__(self, told):
        self._told = told

    def encode(self, texts, context):
        import numpy, words
        with open("told", "a") as file:
            print(self._told, file=file)
        return numpy.array([words.count(text) for text in texts])

@dataclass(frozen=True)
class Factory:
    environment: Environment

    def __call__(self, *, expected_revision="nothing"):
        return Words(expected_revision)

good = Factory(Environment(("words==1.0",), "{python}"))
unmet = Factory(Environment(("words==2.0",), "{python}"))
old = Factory(Environment(("words==1.0",), "3.10"))
silly = Factory("words==1.0")
"""
WORDS = "def count(text):\n    return [len(text), 1.0, text.count(' ')]\n"
# Of the person who tests: the desk has a home of its own, where everything would come anew.
UV = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """The package `words` is nowhere but here; numpy comes from the usual index."""
    write_wheel(tmp_path / "wheels", "words", modules={"words.py": WORDS})
    (tmp_path / "housed_plugin.py").write_text(PLUGIN.format(python="3.11"))
    env = {"UV_FIND_LINKS": str(tmp_path / "wheels")} | UV
    return Desk.at(tmp_path, ("de", "en"), **env)


def run(desk: Desk, name: str, *more: str, **env: str) -> Done:
    return desk.run(f"py:housed_plugin:{name}", more=more, **env)


def environments(desk: Desk) -> list[str]:
    return [path.parent.name for path in desk.files("cache/environments", "finished.json")]


def told(done: Done) -> str:
    assert "Traceback" not in done.err
    return " ".join(done.err.split())


@pytest.mark.slow
def test_an_environment_is_built_when_it_is_needed_and_found_ever_after(desk: Desk) -> None:
    planned = run(desk, "good", "--dry-run")
    assert planned.code == 0, planned.err
    assert environments(desk) == []

    first = run(desk, "good", "--format", "json")
    assert first.code == 0, first.err
    assert "building the environment of words==1.0 (Python 3.11)" in told(first)
    assert "built in" in told(first)
    assert first.cells()["py:housed_plugin:good"]["status"] == "ok"
    assert len(environments(desk)) == 1
    # The worker knew what its vectors are filed under.
    assert set((desk.root / "told").read_text().split("\n")) == {"1", ""}

    (desk.root / "told").unlink()
    again = run(desk, "good", UV_OFFLINE="1")
    assert again.code == 0
    assert "environment" not in told(again)
    assert not (desk.root / "told").exists()

    anew = run(desk, "good", "--fresh", "--languages", "en", UV_OFFLINE="1")
    assert anew.code == 0
    assert "environment" not in told(anew)


@pytest.mark.slow
def test_what_cannot_be_built_costs_its_own_cells_only(desk: Desk) -> None:
    done = desk.run(
        "py:housed_plugin:unmet",
        "py:housed_plugin:old",
        "py:housed_plugin:silly",
        "hashing",
        more=["--format", "json"],
    )
    assert done.code == 3
    said = told(done)
    assert "cannot be built: No solution found" in said
    assert "words==2.0" in said
    assert "needs 3.11 or later" in said
    assert "str, not an Environment" in said
    assert environments(desk) == []
    cells = done.cells()
    assert cells.pop("hashing")["status"] == "ok"
    assert {cell["status"] for cell in cells.values()} == {"unavailable"}


def test_without_uv_it_says_how_to_install_it(desk: Desk) -> None:
    (desk.root / "without").mkdir()
    (desk.root / "without" / "uv.py").write_text("raise ImportError('no uv')\n")
    done = run(desk, "good", PATH="/nowhere", PYTHONPATH=str(desk.root / "without"))
    assert done.code == 4
    assert "uv, which builds it, is not installed" in told(done)
    assert "pip install 'mlir-harness[isolated]'" in told(done)
