"""doctor examines plugins and the machine, says how to mend them, and changes nothing."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from pathlib import Path

import pytest
from command import PLUGINS, Desk, check_golden
from rich.console import Console, RenderableType

from mlir_harness.doctor import machine, practice, table
from mlir_harness.doctor.diagnosis import Diagnosis, Finding, State, exit_code
from mlir_harness.doctor.rounds import Rounds
from mlir_harness.entry_points import Flaw
from mlir_harness.errors import Exit, UsageError
from mlir_harness.registry import Choice, Kind, Plugin
from mlir_harness.watch import Bars

HOSTILE = "a[/b] \x1b[31m\u202e=1+1"


def found(
    name: str, state: State = State.READY, *, wanted: bool = True, **more: object
) -> Diagnosis:
    kind = Kind.TASK if name.startswith("task") else Kind.ENCODER
    plugin = Plugin(kind, name, "acme.encoders:create", "acme-retrieval", "2.3")
    return Diagnosis(Choice(name, plugin, wanted=wanted), state, **more)  # type: ignore[arg-type]


def finding(check: str, result: str = "passed", message: str = "", hint: str = "") -> Finding:
    return Finding(check, f"The promise of {check}", result, message, hint)


PASSED = (finding("vectors"), finding("order"), finding("tokens", "skipped"))
FAILED = (
    finding("vectors"),
    finding("order", "failed", "rows do not follow the texts", "Put them back: out[order] = rows."),
    finding("again", "failed", "a second call differs", "Sample nothing."),
)
EVERY = [
    found("sound", findings=PASSED, seconds=3.21),
    found("a-name-that-goes-on-and-on-for-a-long-time", findings=PASSED, seconds=123.4),
    found("unsorted", State.FAILING, findings=FAILED, seconds=1.0),
    found(
        "laser",
        State.UNAVAILABLE,
        message="laser lacks its weights",
        hint="mlir-harness fetch laser",
    ),
    found(HOSTILE, State.BROKEN, findings=PASSED, message=f"it raised {HOSTILE}", hint="Mend it."),
    found("st:…", State.SCHEME, wanted=False),
    found("task", findings=PASSED, seconds=0.5),
    found("task-later", State.UNEXAMINED),
]
FLAW = Flaw("mlir_harness.encoders", "a/b\n", "odd", "1.0", "a name holds letters", "Rename it.")


def drawn(what: list[RenderableType], width: int) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, markup=False, emoji=False, highlight=False)
    for each in what:
        console.print(each)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


class Counted(io.BytesIO):
    """Counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_of_what_a_plugin_prints_only_the_end_is_read() -> None:
    log = Counted(("x" * 100_000 + "🫖" * 4000).encode())
    assert practice._end_of(log) == "🫖" * 4000
    assert log.count == 16_000
    assert practice._end_of(io.BytesIO(b"little")) == "little"


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_names_state_checks_and_how_to_mend(width: int) -> None:
    facts = {"python": "3.11.7", "cache": "/somewhere: 1.2 GB, 40.0 GB free"}
    parts = [table.plugins(EVERY), "", table.machine(facts), "", *table.troubles(EVERY, [FLAW])]
    shown = drawn(parts, width)
    check_golden(f"doctor-{width}.txt", shown)
    assert "\x1b" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("diagnoses", "flawed", "code"),
    [
        ([EVERY[0], EVERY[5]], False, Exit.OK),
        ([EVERY[0], found("laser", State.UNAVAILABLE, wanted=False)], False, Exit.OK),
        ([EVERY[0], EVERY[3]], False, Exit.SOME_FAILED),
        ([EVERY[2], EVERY[3]], False, Exit.CHECK_FAILED),
        ([EVERY[4]], False, Exit.CHECK_FAILED),
        ([EVERY[0]], True, Exit.CHECK_FAILED),
        ([EVERY[2], EVERY[7]], False, Exit.INTERRUPTED),
    ],
)
def test_exit_codes(diagnoses: list[Diagnosis], flawed: bool, code: Exit) -> None:
    assert exit_code(diagnoses, flawed=flawed) is code


def test_all_is_encoders_and_tasks_and_no_command() -> None:
    kinds = {patient.kind for patient in practice.patients(["all"])}
    assert kinds == {Kind.ENCODER, Kind.TASK}
    with pytest.raises(UsageError, match="no encoder or task is called 'convert'"):
        practice.patients(["convert"])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, {"HF_HUB_OFFLINE": "1"})


@pytest.mark.slow
def test_encoders_and_tasks_are_named_alike(desk: Desk) -> None:
    done = desk.do("doctor", "hashing", f"{PLUGINS}:small", "floor=hashing", "--json")
    assert done.code == 1, done.err
    plugins = {each["name"]: each for each in done.json()["plugins"]}
    assert {name: each["kind"] for name, each in plugins.items()} == {
        "hashing": "encoder",
        "floor": "encoder",
        f"{PLUGINS}:small": "task",
    }
    assert {name: each["state"] for name, each in plugins.items()} == {
        "hashing": "ready",
        "floor": "ready",
        f"{PLUGINS}:small": "fails checks",
    }
    checks = {each["name"]: each["result"] for each in plugins["hashing"]["checks"]}
    assert checks["order"] == "passed"
    assert checks["close"] == "skipped"
    assert done.json()["machine"]["network"] == "offline, as HF_HUB_OFFLINE says"
    assert not desk.files("results")
    assert f"check failed: {PLUGINS}:small, unknown-language" in done.err
    log = done.err.splitlines()
    begun = [log.index(f"examining {name}") for name in ("hashing", f"{PLUGINS}:small", "floor")]
    ended = [
        next(place for place, line in enumerate(log) if line.startswith(start))
        for start in ("hashing: ready, ", f"{PLUGINS}:small: fails checks, ", "floor: ready, ")
    ]
    in_turn = [place for both in zip(begun, ended, strict=True) for place in both]
    assert in_turn == sorted(in_turn)


@pytest.mark.slow
def test_options_and_weights_reach_the_plugin(desk: Desk) -> None:
    done = desk.do("doctor", "hashing", "--option", "hashing.dimension=0")
    assert done.code == 2
    assert "hashing cannot make vectors of dimension '0'" in done.err
    done = desk.do("doctor", "hashing", "--option", "hshing.dimension=8")
    assert done.code == 2
    assert "Did you mean hashing?" in done.err
    done = desk.do("doctor", "hashing", "--option", "hashing.dimension=8", "--isolate")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_what_is_not_here_is_said_and_a_sound_exit_needs_it_not(desk: Desk) -> None:
    done = desk.do("doctor", "st:nowhere/at-all")
    assert done.code == 3
    assert "unavailable: st:nowhere/at-all" in done.err
    done = desk.do("doctor", "hashng")
    assert done.code == 2
    assert "no encoder or task is called 'hashng'" in done.err
    assert "Did you mean hashing?" in done.err


@pytest.mark.slow
def test_a_task_is_examined_on_files_of_ones_own(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"))
    assert desk.do("doctor", "xquad-r", "--data-dir", "data").code == 0
    (tmp_path / "data" / "en.json").write_text("{")
    done = desk.do("doctor", "xquad-r", "--data-dir", "data")
    assert done.code == 1
    assert "check failed: xquad-r, loads" in done.err
    assert "en.json: malformed JSON" in done.err
    (tmp_path / "data" / "en.json").unlink()
    done = desk.do("doctor", "xquad-r", "--data-dir", "data")
    assert done.code == 3
    assert "unavailable: xquad-r" in done.err
    assert "lacks en.json" in done.err


_STUCK = """
import os, subprocess, sys, time
import plugins_for_tests
def create():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open("pids", "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
"""


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_nothing_goes_on_when_the_command_is_stopped(desk: Desk, how: signal.Signals) -> None:
    (desk.root / "stuck.py").write_text(_STUCK)
    process = desk.start("doctor", "py:stuck:create")
    end = time.monotonic() + 60
    while not (desk.root / "pids").exists() or not (desk.root / "pids").read_text():
        assert time.monotonic() < end
        time.sleep(0.1)
    own, child = map(int, (desk.root / "pids").read_text().split())
    process.send_signal(how)
    process.communicate(timeout=60)
    if how is signal.SIGINT:
        assert process.returncode == 130
    while _alive(own):
        assert time.monotonic() < end
        time.sleep(0.1)
    if how is signal.SIGINT:  # after SIGKILL nobody is left who could end it
        assert not _alive(child)
    elif _alive(child):
        os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_what_was_found_before_an_interruption_is_shown(desk: Desk) -> None:
    (desk.root / "stuck.py").write_text(_STUCK)
    process = desk.start("doctor", "hashing", "py:stuck:create", "bm25", "--json")
    end = time.monotonic() + 120
    while not (desk.root / "pids").exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    states = {each["name"]: each["state"] for each in json.loads(out)["plugins"]}
    assert states == {
        "hashing": "ready",
        "py:stuck:create": "not examined",
        "bm25": "not examined",
    }
    assert err.endswith("Interrupted: 2 of 3 were not examined.\n")


def test_a_terminal_shows_who_is_examined_and_what_for() -> None:
    text = io.StringIO()
    bars = Bars(Console(file=text, width=100, force_terminal=True, color_system=None))
    with bars:
        rounds = Rounds(bars, 2)
        rounds.begun(HOSTILE, "")
        rounds.begun("task", "loads")
        rounds.begun(HOSTILE, "order")
        bars._progress.refresh()
        assert "a[/b] \ufffd[31m\ufffd=1+1 order and task loads" in text.getvalue()
        assert "0/2" in text.getvalue()
        rounds.found(found(HOSTILE, State.FAILING, findings=FAILED, seconds=2.0))
        bars._progress.refresh()
        assert "1/2" in text.getvalue()
    assert "=1+1: fails checks, 1 of 3 checks passed, 2.0 s" in text.getvalue()
    assert "examining task\n" not in text.getvalue()


def test_the_machine_is_described_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "vectors").write_bytes(b"x" * 12_345)
    facts = machine.facts(tmp_path / "cache", tmp_path / "checkpoints")
    assert facts["cache"].startswith(f"{tmp_path / 'cache'}: 12.3 kB, ")
    assert facts["cache"].endswith(" free")
    assert facts["checkpoints"].endswith("checkpoints, not there")
    assert facts["network"] == "offline, as HF_HUB_OFFLINE says"
    assert "GPU" in facts["torch"] or "cannot be imported" in facts["torch"]
    assert set(facts) == {"python", "machine", "torch", "uv", "cache", "checkpoints", "network"}
