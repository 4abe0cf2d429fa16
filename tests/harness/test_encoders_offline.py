"""Encoders without a network: one look-up for all of them, and what to do about it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from command import Desk, Done
from test_fetch_encoders import statuses
from test_fetch_offline import DEAD, HANGING, HUB
from test_registry import install
from weighty_encoders import POINTS


def desk_for(root: Path, **urls: str) -> Desk:
    """A desk where alpha, beta … are installed and need one file each."""
    install(root / "site", "weighty", POINTS)
    listed = {name: [{"url": url, "path": "weights"}] for name, url in urls.items()}
    env = {"TEST_WEIGHTS": json.dumps(listed), "NO_PROXY": "*"}
    return Desk(root, {**env, "PYTHONPATH": str(root / "site")})


def run(desk: Desk, program: str, encoders: str, *more: str, **env: str) -> tuple[Done, float]:
    """How it ended, and after how many seconds beyond those of the same run of `hashing`."""
    what = ("--tasks", "xquad-r", "--data", "sample", "--languages", "en", "--format", "json")
    where = ("--output", "out", "--cache-dir", "cache")
    ends = []
    for each in ("hashing", f"{encoders},hashing"):
        started = time.monotonic()
        command = ("run", "--encoders", each, *what, *where, "--fresh", *more)
        process = desk.start(*command, program=("-c", program), **env)
        out, err = process.communicate(timeout=60)
        ends.append((Done(process.returncode, out, err), time.monotonic() - started))
    (_, idle), (done, seconds) = ends
    return done, seconds - idle


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "why"),
    [(HANGING, "no answer within 3 seconds"), (DEAD, "Name or service not known")],
    ids=["look-ups hang", "no look-ups"],
)
@pytest.mark.parametrize("url", ["https://example.org/a/weights", HUB], ids=["https", "hf"])
def test_one_look_up_for_all(tmp_path: Path, program: str, why: str, url: str) -> None:
    desk = desk_for(tmp_path, alpha=url, beta=url, gamma=url)
    done, seconds = run(desk, program, "alpha,beta,gamma")
    assert done.code == 3, done.err
    assert seconds < 4.5  # three, and what a busy machine adds
    unavailable = dict.fromkeys(("alpha", "beta", "gamma"), "unavailable")
    assert statuses(done) == unavailable | {"hashing": "ok"}
    host = "example.org" if url.startswith("https") else "huggingface.co"
    for name in unavailable:
        cell = done.cells()[name]
        reason = f"files are missing, and {host} cannot be reached: {why}"
        assert cell["reason"] == reason
        assert cell["hint"].startswith(f"mlir-harness fetch {name} --cache-dir ")
    assert "Traceback" not in done.err
    assert not (tmp_path / "cache/encoders").exists() or not desk.files("cache/encoders")


def test_a_hub_that_is_switched_off_is_not_asked(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, alpha=HUB)
    done, seconds = run(desk, HANGING, "alpha", HF_HUB_OFFLINE="1")
    assert done.code == 3
    assert seconds < 2.5
    reason = done.cells()["alpha"]["reason"]
    assert reason.endswith("weights is not in the hub's cache, and HF_HUB_OFFLINE is set")


def test_all_asks_nobody(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, alpha=HUB, beta="https://example.org/weights")
    done, seconds = run(desk, HANGING, "all", MLIR_HARNESS_DISABLE_PLUGINS="gamma,both")
    assert done.code == 0, done.err
    assert seconds < 2.5
    assert statuses(done) == {"alpha": "unavailable", "beta": "unavailable", "hashing": "ok"}


def test_fetch_asks_a_silent_host_once(tmp_path: Path) -> None:
    desk = desk_for(tmp_path, alpha="https://example.org/a", beta="https://example.org/b")
    started = time.monotonic()
    process = desk.start("fetch", "alpha,beta", "--cache-dir", "cache", program=("-c", HANGING))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 4
    assert err.count("example.org cannot be reached: no answer within 3 seconds") == 2
    assert f"or copy https://example.org/a to {tmp_path}/cache/encoders/weighty-alpha-" in err
    assert time.monotonic() - started < 9  # one wait, and the start on a busy machine
