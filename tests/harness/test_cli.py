"""The command line as a person meets it."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import PLUGINS, Desk, check_golden


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path)


def test_the_first_table(desk: Desk) -> None:
    done = desk.run("hashing", "tiny=hashing", more=["--option", "tiny.dimension=16", "--details"])
    assert (done.code, done.err) == (0, "")
    check_golden("run.txt", done.out.replace(str(desk.root), "FOLDER"))


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_standard_output_holds_results_alone(desk: Desk, form: str) -> None:
    done = desk.run("hashing", f"{PLUGINS}:raises", more=["--format", form])
    assert done.code == 3
    assert "raised ValueError: no such layer" in done.err
    if form == "json":
        assert list(done.json()) == ["schema", "cells"]
        # The identity of an encoder given as a module changes with every edit of that module.
        shown = re.sub(r'"encoder": "[0-9a-f]{32}"', '"encoder": "PRINT"', done.out)
        check_golden("run.json", re.sub(r'"folder": ".*"', '"folder": "FOLDER"', shown))
    elif form == "csv":
        assert done.out.startswith("encoder,task,split,data,status,reason,setting,")
        assert len(done.out.splitlines()) == 1 + 12 + 1
    else:
        assert done.out.startswith("### xquad-r · test\n\n| encoder | Mo. AP |")


def test_pipes_get_no_bars_and_no_colours(desk: Desk) -> None:
    done = desk.run(f"{PLUGINS}:truncating", TEST_DELAY="0.02")
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out


def on_a_terminal(desk: Desk, *arguments: str, **env: str) -> tuple[int, str, str]:
    """Exit code, standard output (a pipe) and what the terminal shows of standard error."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlir_harness", *arguments],
        cwd=desk.root,
        env=desk.environment(TERM="xterm-256color", COLUMNS="120", **env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
    )
    os.close(follower)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                shown += os.read(leader, 65536)
            except OSError:  # the other end was closed
                break
    os.close(leader)
    out, _ = process.communicate(timeout=10)
    return process.returncode, out, shown.decode()


@pytest.mark.slow
def test_a_terminal_shows_bars_with_speed_while_json_stays_clean(desk: Desk) -> None:
    name = f"{PLUGINS}:truncating"
    command = desk.command(name, "hashing", more=["--format", "json"])
    code, out, shown = on_a_terminal(desk, *command, TEST_DELAY="0.15")
    assert code == 0
    assert out.startswith('{\n "schema": 1')
    assert "loading xquad-r" in shown
    assert f"{name} · xquad-r · encoding" in shown
    assert "hashing · xquad-r · ranking" in shown
    assert re.search(r"[1-9][0-9,]* tokens/s", shown)
    assert re.search(r"[1-9][0-9]*/75", shown)  # texts done, of all unique ones


@pytest.mark.slow
def test_notes_stand_above_the_bars(desk: Desk) -> None:
    assert desk.run("hashing").code == 0
    for path in desk.files("cache", "*.safetensors")[:1]:
        path.write_bytes(path.read_bytes()[:-1])
    command = desk.command("hashing", more=["--fresh"])
    code, _, shown = on_a_terminal(desk, *command)
    assert code == 0
    assert "are damaged" in shown


def test_help_names_every_flag(desk: Desk) -> None:
    done = desk.do("run", "--help", COLUMNS="100")
    assert done.code == 0
    flags = (
        "encoders",
        "tasks",
        "languages",
        "settings",
        "data-dir",
        "output",
        "format",
        "details",
    )
    for flag in (*flags, "dry-run", "fresh", "option", "debug", "cache-dir", "ties", "gain"):
        assert f"--{flag}" in done.out


def test_lists(desk: Desk) -> None:
    listed = desk.do("list", "encoders", MLIR_HARNESS_DISABLE_PLUGINS="third-party").out
    heading, *rows = listed.splitlines()
    assert heading.split() == ["name", "from", "entry", "point"]
    assert rows[0].split()[::3] == ["bm25", "mlir_encoders.bm25:create"]
    assert rows[-1].split()[::3] == ["st:…", "mlir_encoders.sentence:create"]
    places = {line.index(word) for line in rows for word in line.split() if word == "mlir-harness"}
    assert places == {heading.index("from")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "Missing option '--encoders'"),
        (["run", "--encoders", "hashing"], "Missing option '--tasks'"),
        (["rnu"], "No such command 'rnu'"),
        (["run", "--encoder", "x"], "No such option"),
        (["list", "papers"], "'papers' is not one of"),
        (["run", "--encoders", "hashing", "--tasks", "xquad-r", "--format", "\x1b[1m"], "is not"),
    ],
    ids=lambda value: " ".join(value)[:25] if isinstance(value, list) else "",
)
def test_usage(desk: Desk, arguments: list[str], said: str) -> None:
    done = desk.do(*arguments)
    assert done.code == 2
    assert said in done.err
    assert "\x1b" not in done.err
    assert done.out == ""


@pytest.mark.slow
def test_a_fault_of_our_own_shows_no_traceback(desk: Desk) -> None:
    program = (
        "from mlir_harness import formats\n"
        "formats.as_json = lambda *given: 1 / 0\n"
        "from mlir_harness.cli import main\n"
        "main()"
    )
    for more, shown in (([], False), (["--debug"], True)):
        command = desk.command("hashing", more=["--format", "json", *more])
        process = desk.start(*command, program=("-c", program))
        out, err = process.communicate(timeout=60)
        assert process.returncode == 4
        assert "unforeseen: ZeroDivisionError: division by zero" in err
        assert ("Traceback" in err) == shown
        assert out == ""
