"""Encoders get the files they need: from `mlir-harness fetch`, or from the run that names them."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Desk, Done
from test_registry import install
from web_server import Page, Server, received, serving, wait_for_bytes
from weighty_encoders import POINTS

from mlir_harness import registry

PARTS = "cache/encoders/*/.partial/*large*"
SMALL = b"red bridge\nblue river\ngreen hill\n"
LARGE = random.Random(3).randbytes(2_000_000)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"/small": Page(SMALL), "/large": Page(LARGE)}) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, server: Server) -> Desk:
    return desk_for(
        tmp_path,
        alpha=[f"{server.url}/small"],
        beta=[f"{server.url}/small", f"{server.url}/large"],
    )


def desk_for(root: Path, **urls: list[str]) -> Desk:
    """A desk where alpha, beta … are installed and need these files."""
    install(root / "site", "weighty", POINTS)
    sizes = {"small": len(SMALL), "large": len(LARGE)}
    listed = {
        name: [
            {"url": url, "path": url.rpartition("/")[2], "size": sizes[url.rpartition("/")[2]]}
            for url in several
        ]
        for name, several in urls.items()
    }
    env = {"TEST_WEIGHTS": json.dumps(listed), "NO_PROXY": "127.0.0.1"}
    return Desk(root, {**env, "PYTHONPATH": str(root / "site")})


def only(*kept: str) -> dict[str, str]:
    """What makes `all` these plugins, and `hashing`."""
    known = {plugin.name for kind in registry.Kind for plugin in registry.plugins(kind)}
    others = (known | {"alpha", "beta", "gamma", "both"}) - {*kept, "hashing"}
    return {"MLIR_HARNESS_DISABLE_PLUGINS": ",".join(sorted(others))}


def fetch(desk: Desk, *names: str, **env: str) -> Done:
    return desk.do("fetch", *names, "--cache-dir", "cache", **env)


def run(desk: Desk, encoders: str, *more: str, **env: str) -> Done:
    return desk.do(*command(encoders, *more), **env)


def command(encoders: str, *more: str) -> tuple[str, ...]:
    what = ("run", "--encoders", encoders, "--tasks", "xquad-r", "--data", "sample")
    where = ("--output", "out", "--cache-dir", "cache")
    languages = () if "--languages" in more else ("--languages", "de,en")
    return (*what, *where, *languages, "--format", "json", *more)


def told(done: Done) -> str:
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err + done.out
    return " ".join(done.err.split())


def finished(desk: Desk) -> list[str]:
    file = desk.root / "finished"
    return file.read_text().split() if file.exists() else []


def left(desk: Desk, name: str) -> set[str]:
    """Files of an encoder, by the name of its only plugin."""
    (folder,) = (desk.root / "cache/encoders").glob(f"weighty-{name}-*")
    return {str(path.relative_to(folder)) for path in desk.files(str(folder))}


def statuses(done: Done) -> dict[str, str]:
    return {name: cell["status"] for name, cell in done.cells().items()}


# --- mlir-harness fetch


def test_the_files_of_an_encoder_are_fetched_recorded_and_made_ready(
    desk: Desk, server: Server
) -> None:
    done = fetch(desk, "beta")
    assert done.code == 0, done.err
    said = told(done)
    assert "beta: 2 files, 2.0 MB, from 127.0.0.1" in said
    assert "licence: MIT [red]a[/b]" in said  # foreign text is no markup
    assert done.out.startswith("beta: fetched 2 files (2.0 MB) in ")
    assert len(done.out.splitlines()) == 1  # a library that talks does so elsewhere
    files = {"small", "small.ready", "large", "large.ready", "fetched.json", ".fetch.lock"}
    assert left(desk, "beta") == files
    (folder,) = (desk.root / "cache/encoders").glob("weighty-beta-*")
    record = json.loads((folder / "fetched.json").read_text())
    assert (record["encoder"], record["licence"]) == ("beta", "MIT [red]a[/b]")
    (large,) = [one for one in record["downloads"] if one["url"].endswith("large")]
    assert large["sha256"] == hashlib.sha256(LARGE).hexdigest()
    done = fetch(desk, "beta")
    assert done.code == 0
    assert "2 files already fetched and intact" in done.out
    assert len(server.asked) == 2
    assert run(desk, "beta").code == 0
    assert len(server.asked) == 2


def test_several_are_announced_before_the_first_byte_comes(desk: Desk, server: Server) -> None:
    server.pages["/small"].status = [404] * 9
    server.pages["/large"].status = [404] * 9
    done = fetch(desk, "alpha", "beta", "hashing")
    assert done.code == 3
    lines = done.err.splitlines()
    assert lines[0].startswith("alpha: 1 file, 33 bytes, from 127.0.0.1")
    assert lines[1].startswith("beta: 2 files, 2.0 MB, from 127.0.0.1")
    assert lines[2] == "In all: 3 files, 2.0 MB"
    assert lines[3].startswith("Error: small is not to be had")
    assert done.out == "hashing: has nothing to fetch; it works as it is\n"


def test_a_name_of_both_kinds_fetches_both(desk: Desk, server: Server) -> None:
    weights = {"both": [{"url": f"{server.url}/large", "path": "large"}]}
    texts = [{"url": f"{server.url}/small", "path": "texts.txt"}]
    env = {"TEST_WEIGHTS": json.dumps(weights), "TEST_DOWNLOADS": json.dumps(texts)}
    done = fetch(desk, "both", **env)
    assert done.code == 0, done.err
    assert [line.partition(":")[0] for line in done.out.splitlines()] == ["both", "both"]
    assert left(desk, "both") >= {"large", "large.ready"}
    assert (desk.root / "cache/data/small/texts.txt").read_bytes() == SMALL
    # Where only one of the two has something to fetch, the other is no matter.
    done = fetch(desk, "both", **env | {"TEST_DOWNLOADS": "[]"})
    assert done.code == 0, done.err


def test_all_is_everything_of_both_kinds_that_says_what_it_needs(
    desk: Desk, server: Server
) -> None:
    texts = json.dumps([{"url": f"{server.url}/small", "path": "texts.txt"}])
    done = fetch(desk, "all", TEST_DOWNLOADS=texts, **only("alpha", "beta", "gamma", "both"))
    assert done.code == 0, done.err
    assert "hashing" not in done.out
    assert "In all: 4 files" in done.err
    brought = [line.partition(": ")[::2] for line in done.out.splitlines()]
    assert [name for name, _ in brought] == ["alpha", "beta", "both", "gamma", "both"]
    idle = {name for name, what in brought if what == "has nothing to fetch; it works as it is"}
    assert idle == {"both", "gamma"}  # the encoders: nothing is listed for them
    assert len(server.asked) == 4


def test_a_module_is_fetched_for_as_what_it_is(desk: Desk) -> None:
    done = fetch(desk, "py:weighty_encoders:alpha")
    assert done.code == 0, done.err
    assert "fetched 1 file" in done.out
    done = fetch(desk, "py:plugins_for_tests:spelling")
    assert done.code == 0
    assert "has nothing to fetch" in done.out
    done = fetch(desk, "py:plugins_for_tests:no_encoder")
    assert done.code == 4
    assert "made a str, not a task" in told(done)


def test_an_encoder_that_lacks_something_else_says_what(desk: Desk) -> None:
    source = "from mlir_harness.errors import Unavailable\ndef make():\n"
    source += "    raise Unavailable('it was not trained yet', 'mlir-harness train trained')\n"
    points = "[mlir_harness.encoders]\ntrained = trained:make\n"
    install(desk.root / "site", "trained", points, trained=source)
    done = fetch(desk, "trained")
    assert done.code == 4
    assert "it was not trained yet mlir-harness train trained" in told(done)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("unavailable", "there is no tool to convert with pip install tool"),
        ("raises", "KeyError: 'weights' Mend it and run the command again; the files are kept."),
        ("exits", "SystemExit: 3"),
    ],
)
def test_what_cannot_be_made_ready_is_told_and_kept(
    desk: Desk, server: Server, how: str, why: str
) -> None:
    done = fetch(desk, "alpha", TEST_FINISH=how)
    assert done.code == 4
    said = told(done)
    assert f"the files of alpha are there, and could not be made ready: {why}" in said
    assert left(desk, "alpha") == {"small", "fetched.json", ".fetch.lock"}
    done = fetch(desk, "alpha")
    assert done.code == 0
    assert finished(desk) == ["alpha", "alpha"]
    assert left(desk, "alpha") >= {"small.ready"}
    assert len(server.asked) == 1


def test_a_disk_without_the_room_is_told_before_the_first_byte(desk: Desk, server: Server) -> None:
    weights = {
        name: [{"url": f"{server.url}/small", "path": "small", "size": size}]
        for name, size in (("alpha", 33), ("beta", 1 << 60))
    }
    for done in (
        fetch(desk, "alpha,beta", TEST_WEIGHTS=json.dumps(weights)),
        run(desk, "alpha,beta", TEST_WEIGHTS=json.dumps(weights)),
    ):
        assert done.code == 4
        assert "no room for alpha, beta: it takes" in told(done)
    assert server.asked == []


# --- runs


def test_a_run_fetches_what_an_encoder_named_lacks(desk: Desk, server: Server) -> None:
    done = run(desk, "alpha,beta,hashing")
    assert done.code == 0, done.err
    lines = done.err.splitlines()
    assert lines[0].startswith("alpha: 1 file, 33 bytes, from 127.0.0.1")
    assert lines[1].startswith("beta: 2 files, 2.0 MB, from 127.0.0.1")
    assert lines[2] == "In all: 3 files, 2.0 MB"
    assert statuses(done) == {"alpha": "ok", "beta": "ok", "hashing": "ok"}
    assert finished(desk) == ["alpha", "beta"]
    done = run(desk, "alpha,beta,hashing")
    assert (done.code, done.err) == (0, "")
    assert len(server.asked) == 3
    assert finished(desk) == ["alpha", "beta"]


def test_all_takes_what_is_ready_and_fetches_only_if_it_may(desk: Desk, server: Server) -> None:
    assert fetch(desk, "alpha").code == 0
    env = only("alpha", "beta", "xquad-r")
    done = run(desk, "all", **env)
    assert done.code == 0, done.err  # it was not asked for by name
    assert statuses(done) == {"alpha": "ok", "beta": "unavailable", "hashing": "ok"}
    cell = done.cells()["beta"]
    assert cell["reason"] == "files are missing"
    assert cell["hint"].startswith(f"mlir-harness fetch beta --cache-dir {desk.root}/cache, or ")
    assert len(server.asked) == 1
    done = run(desk, "all", "--download", **env)
    assert done.code == 0, done.err
    assert set(statuses(done).values()) == {"ok"}
    assert len(server.asked) == 3


def test_one_name_and_all_fetches_the_one(desk: Desk, server: Server) -> None:
    done = run(desk, "all,alpha", **only("alpha", "beta", "xquad-r"))
    assert done.code == 0, done.err
    assert statuses(done) == {"alpha": "ok", "beta": "unavailable", "hashing": "ok"}
    assert len(server.asked) == 1


def test_weights_that_were_given_are_not_fetched(desk: Desk, server: Server) -> None:
    done = run(desk, "alpha,hashing", "--weights", "alpha=elsewhere")
    assert done.code == 3
    assert statuses(done) == {"alpha": "unavailable", "hashing": "ok"}
    assert f"{desk.root}/elsewhere lacks small.ready" in done.cells()["alpha"]["reason"]
    assert server.asked == []


def test_files_that_were_not_made_ready_are_by_the_next_run(desk: Desk, server: Server) -> None:
    assert fetch(desk, "alpha", TEST_FINISH="raises").code == 4
    env = only("alpha", "xquad-r")
    done = run(desk, "all", **env)
    assert statuses(done)["alpha"] == "unavailable"
    assert finished(desk) == ["alpha"]
    done = run(desk, "alpha", TEST_FINISH="unavailable")
    assert done.code == 4
    cell = done.cells()["alpha"]
    assert "could not be made ready: there is no tool to convert with" in cell["reason"]
    assert cell["hint"] == "pip install tool"
    assert run(desk, "alpha").code == 0
    assert len(server.asked) == 1


def test_what_no_file_mends_is_told_as_it_is(desk: Desk, server: Server) -> None:
    assert fetch(desk, "alpha").code == 0
    for more in ((), ("--dry-run",)):
        done = run(desk, "alpha,hashing", *more, TEST_LACKS="1")
        cell = done.cells()["alpha"] if not more else done.json()["failed"][0]
        assert (cell["reason"], cell["hint"]) == ("there is no tokenizer", "pip install tokenizer")
    assert finished(desk) == ["alpha"]


@pytest.mark.parametrize("more", [(), ("--isolate",)])
def test_nothing_is_fetched_for_what_is_refused(
    desk: Desk, server: Server, more: tuple[str, ...]
) -> None:
    done = run(desk, "alpha,hashing", "--precision", "fp16", *more)
    assert done.cells()["alpha"]["reason"] == "alpha gives NaN in fp16"
    assert done.cells()["alpha"]["hint"] == "use bf16"
    assert server.asked == []


def test_a_run_that_cannot_fetch_says_so_and_the_others_go_on(desk: Desk, server: Server) -> None:
    server.pages["/small"].status = [404] * 9
    done = run(desk, "alpha,hashing")
    assert done.code == 3
    assert statuses(done) == {"alpha": "error", "hashing": "ok"}
    assert "small is not to be had" in done.cells()["alpha"]["reason"]


def test_a_plugin_that_cannot_say_what_it_needs(desk: Desk) -> None:
    done = run(desk, "alpha,hashing", TEST_WEIGHTS='{"alpha": [{"link": "x"}]}')
    assert done.code == 3
    assert statuses(done) == {"alpha": "unavailable", "hashing": "ok"}
    done = fetch(desk, "alpha", TEST_WEIGHTS='{"alpha": [{"link": "x"}]}')
    assert done.code == 4
    assert "encoder alpha cannot say what it needs: TypeError" in told(done)


def test_nothing_is_fetched_for_a_run_that_is_called_in_a_wrong_way_or_has_no_data(
    desk: Desk, server: Server
) -> None:
    assert run(desk, "alpha", "--split", "x").code == 2
    assert run(desk, "alpha", "--languages", "xx").code == 2
    done = run(desk, "alpha", "--data", "real")
    assert done.code == 4
    assert "xquad-r" in done.cells()["alpha"]["reason"]  # not what would have been fetched
    assert server.asked == []


def test_an_isolated_encoder_is_fetched_for_too(desk: Desk, server: Server) -> None:
    done = run(desk, "alpha", "--isolate")
    assert done.code == 0, done.err
    assert statuses(done) == {"alpha": "ok"}
    assert len(server.asked) == 1


def test_what_killed_a_worker_is_not_imported_to_ask_what_it_lacks(desk: Desk) -> None:
    source = "import os\nopen('imported', 'a').write('.')\nos._exit(9)\n"
    points = "[mlir_harness.encoders]\nbomb = bomb:make\n"
    install(desk.root / "site", "bombs", points, bomb=source)
    done = run(desk, "bomb,hashing", "--isolate")
    assert done.code == 3, done.err
    assert statuses(done) == {"bomb": "unavailable", "hashing": "ok"}


@pytest.mark.slow
def test_a_killed_run_is_gone_on_with_where_it_was(desk: Desk, server: Server) -> None:
    page = server.pages["/large"]
    page.chunk, page.delay = 20_000, 0.02
    process = desk.start(*command("beta"))
    wait_for_bytes(desk.root, PARTS, 300_000)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    reached = received(desk.root, PARTS)
    page.delay = 0
    done = run(desk, "beta")
    assert done.code == 0, done.err
    starts = [asked for path, asked in server.asked if path == "/large"]
    assert starts == ["", f"bytes={reached}-"]
    assert [path for path, _ in server.asked].count("/small") == 1
    assert left(desk, "beta") >= {"large", "large.ready"}
    assert not list(desk.root.rglob(".partial"))


@pytest.mark.slow
def test_killed_while_it_is_made_ready_it_is_made_ready_later(desk: Desk, server: Server) -> None:
    process = desk.start(*command("alpha"), TEST_FINISH="sleeps")
    deadline = time.monotonic() + 30
    while not finished(desk):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    done = run(desk, "alpha")
    assert done.code == 0, done.err
    assert finished(desk) == ["alpha", "alpha"]
    assert len(server.asked) == 1


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(desk: Desk, server: Server) -> None:
    page = server.pages["/large"]
    page.chunk, page.delay = 50_000, 0.03
    processes = [desk.start(*command("beta")) for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ends
    assert len(server.asked) == 2
    assert "waiting for another fetch of beta to end" in " ".join(err for _, err in ends)


# --- --dry-run


def test_a_dry_run_tells_what_would_be_fetched(desk: Desk, server: Server) -> None:
    done = run(desk, "beta,hashing", "--dry-run")
    assert done.code == 0, done.err
    lacking, ready = done.json()["plan"]
    assert (lacking["encoder"], lacking["texts"]) == ("beta", None)
    assert lacking["settings"] == ready["settings"]
    assert lacking["fetches"].startswith("2 files, 2.0 MB, from 127.0.0.1")
    assert (ready["encoder"], ready["fetches"]) == ("hashing", "")
    assert done.json()["failed"] == []
    done = desk.do(*command("beta,hashing", "--dry-run", "--format", "table"))
    assert done.code == 0
    assert "beta × xquad-r" in done.out
    assert "beta first fetches 2 files, 2.0 MB, from 127.0.0.1" in done.out
    assert server.asked == []
    assert not (desk.root / "cache/encoders").exists()


def test_a_dry_run_of_all_tells_what_would_be_left_out(desk: Desk, server: Server) -> None:
    env = only("beta", "xquad-r")
    done = run(desk, "all", "--dry-run", **env)
    assert done.code == 0, done.err
    assert [cell["encoder"] for cell in done.json()["plan"]] == ["hashing"]
    assert [cell["encoder"] for cell in done.json()["failed"]] == ["beta"]
    done = run(desk, "all", "--dry-run", "--download", **env)
    assert {cell["encoder"] for cell in done.json()["plan"]} == {"hashing", "beta"}
    assert server.asked == []


def test_a_dry_run_fetches_no_data_either(desk: Desk, server: Server) -> None:
    texts = json.dumps([{"url": f"{server.url}/small", "path": "texts.txt"}])
    what = ("run", "--encoders", "hashing", "--tasks", "both", "--cache-dir", "cache")
    done = desk.do(*what, "--dry-run", "--download", TEST_DOWNLOADS=texts)
    assert done.code == 4
    assert "a run would fetch 1 file, size unknown, from 127.0.0.1" in told(done)
    assert server.asked == []


# --- evaluate


def test_evaluate_fetches_too_and_says_so_in_the_log(desk: Desk, server: Server) -> None:
    program = """
from mlir_harness import evaluate
for encoders in (["alpha", "beta"], "beta"):
    report = evaluate(encoders, "xquad-r", data="sample", languages="de,en", cache_dir="cache")
    print(*[cell.status for cell in report.cells])
"""
    process = desk.start(program=("-c", program))
    out, err = process.communicate(timeout=120)
    said = [line for line in out.splitlines() if line != "a library talks while it works"]
    assert said == ["ok ok", "ok"], err
    lines = err.splitlines()
    assert lines[0].startswith("alpha: 1 file, 33 bytes, from 127.0.0.1")
    assert lines[2] == "In all: 3 files, 2.0 MB"
    assert len(lines) == 3
    assert len(server.asked) == 3
