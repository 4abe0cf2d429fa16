"""Runs with --isolate: the same numbers as without, and a crash costs one cell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
from command import PLUGINS, Desk
from test_isolation import gone
from tiny_models import write_static_model

from mlir_harness import registry
from mlir_harness.errors import Unavailable
from mlir_harness.isolation import deaths, place
from mlir_harness.isolation import origin as origins
from mlir_harness.isolation.process import Patience
from mlir_harness.isolation.remote import Made, RemoteEncoder
from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.types import Role

FAULTY = "py:faulty_plugins"
SMALL_SHARDS = (
    "import mlir_harness.shelf as shelf; shelf.SHARD = 4; from mlir_harness.cli import main; main()"
)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    marks = tmp_path / "marks"
    marks.mkdir()
    return Desk.at(
        tmp_path, ("de", "en"), TEST_CALLS=str(tmp_path / "calls"), TEST_MARKS=str(marks)
    )


def vectors(desk: Desk, cache: str) -> dict[str, Any]:
    """What is in the shards of a cache, by their names; the checksum covers all bits."""
    held = {}
    for path in desk.files(f"{cache}/vectors", "*.safetensors"):
        with safetensors.safe_open(path, framework="numpy") as shard:
            held[str(path.relative_to(desk.root / cache))] = shard.metadata()
    assert held
    return held


def write_plugin(desk: Desk) -> None:
    """A plugin in the current folder, of two files."""
    (desk.root / "my_plugin.py").write_text(
        "from my_letters import letters\n"
        "from mlir_harness.protocols import EncoderInfo\n"
        "class Mine:\n"
        "    info = EncoderInfo(revision='')\n"
        "    def __init__(self, scale='1'): self.scale = float(scale)\n"
        "    def encode(self, texts, context): return self.scale * letters(texts)\n"
    )
    (desk.root / "my_letters.py").write_text("from plugins_for_tests import letters\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "encoders",
    [("small=hashing", "bm25", "py:my_plugin:Mine", f"{PLUGINS}:truncating"), ("st:model",)],
    ids=["light", "torch"],
)
def test_isolated_or_not_the_vectors_are_the_same_to_the_bit(
    desk: Desk, encoders: tuple[str, ...]
) -> None:
    """The same bits under the same names: one serves where the other was asked for."""
    write_plugin(desk)
    more = ["--format", "json"]
    if "st:model" in encoders:
        write_static_model(desk.root / "model")
    else:
        more += ["--option", "small.dimension=64", "--option", "py:my_plugin:Mine.scale=3"]
    here = [*more, "--cache-dir", "here", "--output", "here"]
    within = desk.run(*encoders, more=here)
    assert within.code == 0, within.err
    isolated = desk.run(
        *encoders, more=[*more, "--isolate", "--cache-dir", "there", "--output", "there"]
    )
    assert isolated.code == 0, isolated.err
    assert vectors(desk, "here") == vectors(desk, "there")
    for label, cell in within.cells().items():
        other = isolated.cells()[label]
        assert other["fingerprints"] == cell["fingerprints"]
        assert other["settings"] == cell["settings"]
    before = len(desk.calls())
    again = desk.run(*encoders, more=["--isolate", *here])
    assert again.cells() == within.cells()
    assert len(desk.calls()) == before


@pytest.mark.slow
def test_edited_modules_are_noticed_without_being_imported(desk: Desk) -> None:
    write_plugin(desk)
    more = ["--isolate", "--format", "json"]
    was = desk.run("py:my_plugin:Mine", more=more).cells()["py:my_plugin:Mine"]
    (desk.root / "my_letters.py").write_text("from plugins_for_tests import letters\n# edited\n")
    now = desk.run("py:my_plugin:Mine", more=more).cells()["py:my_plugin:Mine"]
    assert was["fingerprints"]["encoder"] != now["fingerprints"]["encoder"]
    assert was["fingerprints"]["data"] == now["fingerprints"]["data"]


def test_tokens_are_counted_by_a_worker_that_does_not_stay(desk: Desk) -> None:
    planned = desk.run(
        f"{FAULTY}:looking", more=["--isolate", "--dry-run", "--format", "json"]
    ).json()
    assert planned["plan"][0]["tokens"] > 100
    assert (desk.root / "marks" / "closed").exists()


@pytest.mark.slow
def test_a_crash_costs_one_cell_and_a_rerun_does_what_is_missing(desk: Desk) -> None:
    """Killed on each query shard; documents, which come after, were not reached."""
    names = ("killed_on_queries", "sound", "segfault", "exits", "crashes")
    encoders = ["hashing", *(f"{FAULTY}:{name}" for name in names), f"{PLUGINS}:spelling"]
    more = ["--isolate", "--format", "json"]
    command = desk.command(*encoders, more=more)
    process = desk.start(*command, program=("-c", SMALL_SHARDS))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 3, err
    assert "Traceback" not in err
    cells = {cell["encoder"]: cell for cell in json.loads(out)["cells"]}
    killed = cells[f"{FAULTY}:killed_on_queries"]
    assert killed["status"] == "error"
    assert "its process was killed by SIGKILL" in killed["reason"]
    assert "after another one had died (on 4 query texts)" in killed["reason"]
    assert len(list((desk.root / "marks").glob("attempt *"))) == 2
    assert "SIGSEGV" in cells[f"{FAULTY}:segfault"]["reason"]
    assert "exit code 5" in cells[f"{FAULTY}:exits"]["reason"]
    assert cells[f"{FAULTY}:crashes"]["status"] == "unavailable"
    for name in ("hashing", f"{FAULTY}:sound", f"{PLUGINS}:spelling"):
        assert cells[name]["status"] == "ok"
    before = len(desk.calls())
    again = desk.start(*command, program=("-c", SMALL_SHARDS))
    again.communicate(timeout=300)
    assert again.returncode == 3
    assert len(desk.calls()) == before  # what was finished is not done again
    assert len(list((desk.root / "marks").glob("attempt *"))) == 4


@pytest.mark.slow
def test_one_kill_in_the_middle_of_a_shard_is_made_good(desk: Desk) -> None:
    """Killed from outside, as the system does it."""
    command = desk.command(f"{PLUGINS}:spelling", more=["--isolate", "--format", "json"])
    process = desk.start(*command, program=("-c", SMALL_SHARDS), TEST_DELAY="0.2")
    deadline = time.monotonic() + 60
    while len(desk.calls()) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    (worker,) = children(process.pid)
    os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "was killed by SIGKILL" in err
    assert "trying once more" in err
    asked = [tuple(texts) for _, _, texts in desk.calls()]
    assert len(asked) - len(set(asked)) <= 1  # one shard twice
    expected = desk.run(f"{PLUGINS}:spelling", more=["--format", "json", "--output", "other"])
    assert (
        expected.cells()[f"{PLUGINS}:spelling"]["settings"]
        == (json.loads(out)["cells"][0]["settings"])
    )


@pytest.fixture
def little_memory() -> Iterator[Path]:
    """A control group with 600 MB; skips where none can be made."""
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = root / f"mlir-harness-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text("600000000")
            yield group / "cgroup.procs"
            return
        except OSError:
            continue
        finally:
            group.rmdir()
    pytest.skip("no control group can be made here")


@pytest.mark.slow
def test_memory_that_runs_out_costs_one_cell(desk: Desk, little_memory: Path) -> None:
    program = f"import os; open({str(little_memory)!r}, 'w').write(str(os.getpid())); "
    process = desk.start(
        *desk.command(f"{FAULTY}:greedy", "hashing", more=["--isolate", "--format", "json"]),
        program=("-c", program + "from mlir_harness.cli import main; main()"),
    )
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    greedy, hashing = json.loads(out)["cells"]
    assert "its process was killed because memory ran out" in greedy["reason"]
    assert "smaller model" in greedy["hint"]
    assert hashing["status"] == "ok"


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_the_harness(desk: Desk, number: signal.Signals) -> None:
    process = desk.start(*desk.command(f"{PLUGINS}:spelling", more=["--isolate"]), TEST_DELAY="300")
    deadline = time.monotonic() + 60
    while not desk.calls() and time.monotonic() < deadline:
        time.sleep(0.02)
    (worker,) = children(process.pid)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert gone(worker)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert not desk.leftovers()


@pytest.mark.slow
def test_one_that_sleeps_forever_is_stopped(desk: Desk) -> None:
    names = [f"{FAULTY}:sleeps", f"{FAULTY}:stops", "hashing"]
    done = desk.run(*names, more=["--timeout", "4", "--format", "json"])
    assert done.code == 3
    cells = done.cells()
    for name in names[:2]:
        assert "finished no batch in 4 s (on 12 query texts)" in cells[name]["reason"]
        assert (
            cells[name]["hint"]
            == "Give it longer with --timeout, or lower --token-budget, if it takes one."
        )
    assert cells["hashing"]["status"] == "ok"


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has numpy and nothing else."""
    home = tmp_path_factory.mktemp("bare") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    (packages,) = home.glob("lib/python3*/site-packages")
    numpy = Path(np.__file__).parent
    for folder in (numpy, numpy.with_name("numpy.libs")):
        if folder.exists():
            (packages / folder.name).symlink_to(folder)
    return home / "bin" / "python"


@pytest.fixture
def foreign(bare_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemoteEncoder:
    """An encoder made here by hand, which works by the other interpreter."""
    monkeypatch.setenv("TEST_MARKS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "host"))
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "sitecustomize.py").write_text("raise SystemExit('the host is here')")
    package = tmp_path / "package" / "far_plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "encoders.py").write_text(FAR)
    monkeypatch.syspath_prepend(package.parent)
    choice = registry.resolve(registry.Kind.ENCODER, "py:far_plugin.encoders:Far")
    origin = origins.foreign(
        choice, bare_python, options={"scale": "2"}, offered={}, patience=Patience(60.0)
    )
    return RemoteEncoder(origin, Made(EncoderInfo(revision="1"), counts=True))


FAR = """
import importlib.util, json, os, sys
from pathlib import Path
import numpy as np
from mlir_harness.protocols import EncoderInfo
from . import __name__ as package

class Far:
    def __init__(self, scale): self.scale = float(scale)
    @property
    def info(self): raise RuntimeError("the host knows")
    def tokens(self, texts, context): return [len(text) for text in texts]
    def encode(self, texts, context):
        seen = {
            "prefix": sys.prefix,
            "package": package,
            "found": [name for name in ("xxhash", "scipy", "torch", "pytest", "mlir_encoders",
                                        "plugins_for_tests") if importlib.util.find_spec(name)],
        }
        Path(os.environ["TEST_MARKS"], "seen").write_text(json.dumps(seen))
        return self.scale * np.array([[len(text), 1.0] for text in texts])
"""


def test_another_interpreter_sees_the_harness_and_the_plugin_and_nothing_else_of_the_host(
    foreign: RemoteEncoder, bare_python: Path, tmp_path: Path
) -> None:
    answer: Any = foreign.encode(["a", "bb"], Context(Role.QUERY, ["de", "de"]))
    assert answer.matrix.tolist() == [[2, 2], [4, 2]]
    assert answer.matrix.dtype == np.float32
    assert foreign.tokens(["a", "bb"], Context(Role.QUERY, ["de", "de"])).tolist() == [1, 2]
    foreign.close()
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["prefix"] == str(bare_python.parents[1])
    assert seen["package"] == "far_plugin"
    assert seen["found"] == []
    assert "far_plugin.encoders" not in sys.modules


def test_what_cannot_be_lent_to_another_interpreter_is_refused(bare_python: Path) -> None:
    choice = registry.resolve(registry.Kind.ENCODER, "py:no_such_module:Far")
    with pytest.raises(Unavailable, match="there is no package no_such_module"):
        place.foreign(bare_python, choice.plugin)
    notebook = replace(choice.plugin, value="__main__:Mine")
    with pytest.raises(Unavailable, match="is defined in the program that is running"):
        place.own(notebook)


@pytest.mark.parametrize(
    ("code", "for_memory", "words"),
    [
        (0, None, "ended by itself with exit code 0"),
        (-9, True, "was killed because memory ran out"),
        (-9, False, "was killed by SIGKILL, not for want of memory"),
        (-9, None, "was killed by SIGKILL (out of memory?)"),
        (-15, False, "was ended by SIGTERM"),
        (-77, None, "was ended by 77"),
    ],
)
def test_deaths_in_words(code: int, for_memory: bool | None, words: str) -> None:
    death = deaths.of_code(code, "one\n\n\x1b[1mtwo\nthree\nfour\n", for_memory)
    assert death.words == words
    assert death.message == f"{words}; it last said: �[1mtwo / three / four"
    assert death.hint
