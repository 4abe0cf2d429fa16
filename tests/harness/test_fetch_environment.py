"""`mlir-harness fetch` of an encoder with an environment of its own: built before it is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Desk
from test_housing import PLUGIN, UV, WORDS, environments, run, told
from wheels import write_wheel


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
