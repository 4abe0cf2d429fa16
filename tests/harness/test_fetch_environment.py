"""`mlir-harness fetch` of an encoder with an environment of its own: built before it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Desk
from test_housing import PLUGIN, UV, WORDS, environments, run, told
from web_server import Page, serving
from wheels import write_wheel

HEAVY = (
    PLUGIN
    + """
from mlir_harness.errors import Unavailable
from mlir_harness.protocols import Download

class Heavy(Factory):
    def downloads(self, languages):
        return [Download("{{url}}/weights", "weights", size=4)]

    def __call__(self, *, files=""):
        import pathlib
        if not pathlib.Path(files, "weights").exists():
            raise Unavailable("the weights are not here", "mlir-harness fetch it")
        return Words("")

heavy = Heavy(Environment(("words==1.0",), "3.11"))
"""
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    write_wheel(tmp_path / "wheels", "words", modules={"words.py": WORDS})
    (tmp_path / "housed_plugin.py").write_text(PLUGIN.format(python="3.11"))
    return Desk.at(tmp_path, ("de", "en"), UV_FIND_LINKS=str(tmp_path / "wheels"), **UV)


@pytest.mark.slow
def test_the_environment_is_built_and_the_run_finds_it(desk: Desk) -> None:
    command = ("fetch", "py:housed_plugin:good", "--cache-dir", "cache")
    done = desk.do(*command)
    assert done.code == 0, done.err
    assert done.out.startswith("py:housed_plugin:good: built its environment, ")
    assert len(environments(desk)) == 1
    done = desk.do(*command, UV_OFFLINE="1")
    assert done.code == 0
    assert done.out.startswith("py:housed_plugin:good: has its environment, ")
    done = run(desk, "good", UV_OFFLINE="1")
    assert done.code == 0, done.err
    assert "building" not in told(done)


def test_what_is_no_environment_is_told(desk: Desk) -> None:
    done = desk.do("fetch", "py:housed_plugin:silly", "--cache-dir", "cache")
    assert done.code == 4
    assert "str, not an Environment" in told(done)


@pytest.mark.parametrize("command", ["fetch", "run"])
def test_nothing_is_downloaded_for_an_encoder_that_cannot_have_its_environment(
    desk: Desk, command: str
) -> None:
    hide_uv(desk)
    with serving({"/weights": Page(b"many")}) as server:
        heavy = HEAVY.format(python="3.11").replace("{url}", server.url)
        (desk.root / "heavy_plugin.py").write_text(heavy)
        name = "py:heavy_plugin:heavy"
        without = {"PATH": "/nowhere", "PYTHONPATH": str(desk.root / "without")}
        if command == "fetch":
            done = desk.do("fetch", name, "--cache-dir", "cache", **without)
        else:
            done = desk.run(name, **without)
        asked = list(server.asked)
    assert done.code == 4
    assert "uv, which builds it, is not installed" in told(done)
    assert "pip install 'mlir-harness[isolated]'" in told(done)
    assert asked == []


@pytest.mark.slow
def test_doctor_says_how_an_environment_is_had(desk: Desk) -> None:
    done = desk.do("doctor", "py:housed_plugin:good", "--cache-dir", "far away")
    assert done.code == 3
    assert "the environment of py:housed_plugin:good is not built" in told(done)
    command = f"mlir-harness fetch py:housed_plugin:good --cache-dir '{desk.root}/far away'"
    assert told(done).endswith(f" {command}")
    hide_uv(desk)
    without = {"PATH": "/nowhere", "PYTHONPATH": str(desk.root / "without")}
    done = desk.do("doctor", "py:housed_plugin:good", "--cache-dir", "far away", **without)
    assert told(done).endswith(f" pip install 'mlir-harness[isolated]', then {command}")


def hide_uv(desk: Desk) -> None:
    """For a person whose PYTHONPATH names the folder `without`, and whose PATH is empty."""
    (desk.root / "without").mkdir()
    (desk.root / "without" / "uv.py").write_text("raise ImportError('no uv')\n")
