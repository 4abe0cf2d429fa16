"""Killed, interrupted, or run twice at once: nothing finished is lost, nothing is spoilt."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from command import PLUGINS, Desk

# The command line with four texts to a shard.
SMALL_SHARDS = (
    "import mlir_harness.shelf as shelf; shelf.SHARD = 4; from mlir_harness.cli import main; main()"
)
ENCODER = f"{PLUGINS}:spelling"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path, ("de", "en", "hi"), TEST_CALLS=str(tmp_path / "calls"))


def stored(desk: Desk) -> Any:
    """What the newest result holds, without what may differ between two runs."""
    current = next((desk.root / "out").rglob("current"))
    folder = current.parent / current.read_text().strip()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["details"]["environment"], manifest["details"]["work"]
    # The data folder is named after the test's folder.
    manifest["details"]["provenance"].pop("source")
    tables = [pq.read_table(folder / f"{name}.parquet") for name in ("settings", "queries", "top")]
    return manifest, [table.to_pydict() for table in tables]


def asked(desk: Desk) -> Counter[tuple[str, str, str]]:
    """How often each text was encoded."""
    return Counter(
        (role, language, text) for role, language, texts in desk.calls() for text in texts
    )


def begin(desk: Desk, *, more: list[str] | None = None, **env: str) -> Any:
    command = desk.command(ENCODER, more=["--format", "json", *(more or [])])
    return desk.start(*command, program=("-c", SMALL_SHARDS), **env)


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    chance = random.Random(20)
    whole = Desk.at(tmp_path / "whole", TEST_CALLS=str(tmp_path / "whole" / "calls"))
    process = begin(whole)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    expected = stored(whole)
    once = asked(whole)
    calls = len(whole.calls())
    assert set(once.values()) == {1}
    for number in range(4):
        desk = Desk.at(tmp_path / str(number), TEST_CALLS=str(tmp_path / str(number) / "calls"))
        # Killed while encoding, and once more while encoding, ranking or writing.
        for reached in (chance.randrange(calls), calls - chance.randrange(3)):
            process = begin(desk, TEST_DELAY="0.03")
            wait_for(desk, reached)
            time.sleep(0.5 * chance.random() ** 2)
            process.kill()
            process.communicate()
            assert process.returncode in {-signal.SIGKILL, 0}
        process = begin(desk)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert json.loads(out)["cells"][0]["status"] == "ok"
        assert stored(desk) == expected
        again = asked(desk)
        assert set(again) == set(once)
        assert sum(again.values()) - sum(once.values()) <= 2 * 4  # one shard a kill
        assert not desk.leftovers()


def wait_for(desk: Desk, calls: int) -> None:
    deadline = time.monotonic() + 30
    while len(desk.calls()) < calls:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
def test_runs_of_the_same_command_at_once_share_the_work(desk: Desk) -> None:
    processes = [begin(desk, TEST_DELAY="0.05") for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    cells = [json.loads(out)["cells"] for out, _ in ends]
    assert cells[0] == cells[1] == cells[2]
    assert set(asked(desk).values()) == {1}
    assert not desk.leftovers()
    assert len(desk.files("out", "manifest.json")) == 1
    assert any("waiting for another run" in err for _, err in ends)


@pytest.mark.slow
def test_runs_under_other_names_share_the_vectors(desk: Desk) -> None:
    """Two labels are two results, of the same vectors."""
    processes = [
        desk.start(
            *desk.command(f"{label}={ENCODER}", more=["--format", "json"]),
            program=("-c", SMALL_SHARDS),
            TEST_DELAY="0.05",
        )
        for label in ("one", "two")
    ]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    one, two = (json.loads(out)["cells"][0] for out, _ in ends)
    assert one["settings"] == two["settings"]
    assert set(asked(desk).values()) == {1}
    assert not desk.files("cache/vectors", "*.lock")


@pytest.mark.slow
def test_ctrl_c_while_encoding_keeps_finished_cells(desk: Desk) -> None:
    command = desk.command("hashing", ENCODER, more=["--format", "json"])
    process = desk.start(*command, program=("-c", SMALL_SHARDS), TEST_DELAY="0.2")
    wait_for(desk, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Interrupted. Finished cells are kept (1); run again to go on." in err
    assert "Traceback" not in err
    (cell,) = json.loads(out)["cells"]
    assert (cell["encoder"], cell["status"]) == ("hashing", "ok")
    assert Path(cell["folder"]).is_dir()
    assert not desk.leftovers()
    before = sum(asked(desk).values())
    done = begin(desk)
    done.communicate(timeout=60)
    assert done.returncode == 0
    # What was finished was not encoded again; the shard under way was.
    assert sum(asked(desk).values()) - len(asked(desk)) <= 4
    assert before > 4


RANKING_FOREVER = """
import sys, time
from mlir_harness import ranking
def slow(*_, **__):
    print("RANKING", file=sys.stderr, flush=True)
    time.sleep(60)
ranking.rank = slow
from mlir_harness.cli import main
main()
"""


def test_ctrl_c_while_ranking(desk: Desk) -> None:
    process = desk.start(*desk.command("hashing"), program=("-c", RANKING_FOREVER))
    assert process.stderr is not None
    for line in process.stderr:
        if "RANKING" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Finished cells are kept (0)" in err
    assert out == ""


def test_ctrl_c_while_loading(desk: Desk) -> None:
    program = (
        "import os, signal, mlir_tasks.lareqa as tasks\n"
        "tasks.read_squad = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "from mlir_harness.cli import main\n"
        "main()"
    )
    process = desk.start(*desk.command("hashing"), program=("-c", program))
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.strip() == "Interrupted."
