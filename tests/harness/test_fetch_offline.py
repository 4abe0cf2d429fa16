"""Without a network: within seconds, what is out of reach and what to do about it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import PLUGINS, Desk, Done

TASK = f"{PLUGINS}:fetching"
HANGING = """
import socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(600)
from mlir_harness.cli import main
main()
"""
DEAD = """
import socket
def getaddrinfo(*_, **__):
    raise socket.gaierror(-2, "Name or service not known")
socket.getaddrinfo = getaddrinfo
from mlir_harness.cli import main
main()
"""
HUB = "hf://datasets/acme/set@0123456789abcdef0123456789abcdef01234567/a/b.jsonl.gz"


def desk_for(root: Path, *urls: str) -> Desk:
    listed = [{"url": url, "path": f"{number}.txt"} for number, url in enumerate(urls)]
    return Desk(root, {"TEST_DOWNLOADS": json.dumps(listed), "NO_PROXY": "*"})


def do(desk: Desk, program: str, *command: str, **env: str) -> tuple[Done, float]:
    """How it ended, and after how many seconds beyond those it takes to start on this machine."""
    started = time.monotonic()
    desk.do(*command, TEST_DOWNLOADS="[]")
    starting = time.monotonic() - started
    started += starting
    process = desk.start(*command, program=("-c", program), **env)
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, out, err), time.monotonic() - started - starting


def assert_told(done: Done, seconds: float, *said: str) -> None:
    told = " ".join(done.err.split())
    assert done.code == 4, told
    for part in (*said, "nothing was changed"):
        assert part in told
    assert "Traceback" not in told
    assert seconds < 4.5  # three, and what a busy machine adds


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize(
    ("program", "why"),
    [(HANGING, "no answer within 3 seconds"), (DEAD, "Name or service not known")],
    ids=["look-ups hang", "no look-ups"],
)
@pytest.mark.parametrize("url", ["https://example.org/a/b.txt", HUB], ids=["https", "hf"])
def test_no_network(tmp_path: Path, program: str, why: str, url: str) -> None:
    desk = desk_for(tmp_path, url, f"{url}.more")
    done, seconds = do(desk, program, "fetch", TASK, "--data-dir", "data")
    host = "example.org" if url.startswith("https") else "huggingface.co"
    assert_told(done, seconds, f"{host} cannot be reached: {why}", "and 1 file likewise")
    assert f"{tmp_path}/data/small/0.txt by hand" in " ".join(done.err.split())
    assert f"copy https://{host}/" in done.err
    assert not (tmp_path / "data/small").exists()


def test_a_server_that_never_answers(tmp_path: Path) -> None:
    with silent_server() as url:
        desk = desk_for(tmp_path, f"{url}/x")
        program = "from mlir_harness.cli import main; main()"
        done, seconds = do(desk, program, "fetch", TASK, "--data-dir", "data")
        assert_told(done, seconds, "no answer within 3 seconds")
        command = ("fetch", TASK, "--data-dir", "data", "--timeout", "0.5")
        done, seconds = do(desk, program, *command)
        assert_told(done, seconds, "no answer within 0.5 seconds")


def test_the_first_silence_shortens_the_others(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, "https://example.org/a.txt")
    done, _ = do(desk, HANGING, "fetch", TASK, "all", "--data-dir", "data")
    assert done.code == 4
    assert "example.org cannot be reached: no answer within 3 seconds" in done.err
    assert "raw.githubusercontent.com cannot be reached: no answer within 1 seconds" in done.err


def test_a_run_without_a_network(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, "https://example.org/a.txt")
    what = ("run", "--encoders", "hashing", "--tasks", TASK, "--data-dir", "data")
    done, seconds = do(desk, HANGING, *what, "--download")
    assert_told(done, seconds, "example.org cannot be reached")
    done, _ = do(desk, HANGING, *what)
    assert f"mlir-harness fetch {TASK} --data-dir" in done.err


def test_the_hub_switched_off(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, HUB)
    command = ("fetch", TASK, "--data-dir", "data")
    done, seconds = do(desk, HANGING, *command, HF_HUB_OFFLINE="1")
    assert done.code == 4
    assert seconds < 4.5  # three, and what a busy machine adds
    assert "0.txt is not in the hub's cache, and HF_HUB_OFFLINE is set" in done.err
