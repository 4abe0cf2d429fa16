"""`mlir-harness fetch` as a person meets it: whole, recorded, resumed, and alone in its folder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pty
import random
import select
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import PLUGINS, Desk, Done
from web_server import Page, Server, received, serving, wait_for_bytes

from mlir_harness import files

PARTS = "data/small/.partial/*large*"
TEXTS = b"red bridge\nblue river\ngreen hill\n"
LARGE = random.Random(2).randbytes(2_000_000)
TASK = f"{PLUGINS}:fetching"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"/texts.txt": Page(TEXTS), "/large.bin": Page(LARGE)}) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, server: Server) -> Desk:
    return desk_for(tmp_path, [{"url": f"{server.url}/texts.txt", "path": "texts.txt"}])


def desk_for(root: Path, downloads: list[dict[str, Any]]) -> Desk:
    root.mkdir(exist_ok=True)
    return Desk(root, {"TEST_DOWNLOADS": json.dumps(downloads), "NO_PROXY": "127.0.0.1"})


def fetch(desk: Desk, *more: str, **env: str) -> Done:
    return desk.do("fetch", TASK, "--data-dir", "data", *more, **env)


def told(done: Done) -> str:
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err + done.out
    return " ".join((done.out + done.err).split())


def record(desk: Desk) -> Any:
    return json.loads((desk.root / "data/small/fetched.json").read_text())


def left(desk: Desk) -> set[str]:
    return {str(path.relative_to(desk.root / "data/small")) for path in desk.files("data/small")}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_is_fetched_recorded_and_then_left_alone(desk: Desk, server: Server) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    server.pages[f"/{commit}/texts.txt"] = Page(TEXTS)
    listed = [{"url": f"{server.url}/{commit}/texts.txt", "path": "sub/texts.txt", "size": 33}]
    desk = desk_for(desk.root, listed)
    done = fetch(desk)
    assert done.code == 0, done.err
    said = told(done)
    assert "1 file, 33 bytes, from 127.0.0.1" in said
    assert "licence: CC0-1.0 [red]a[/b]" in said  # foreign text is no markup
    assert done.out.startswith(f"{TASK}: fetched 1 file (33 bytes) in ")
    assert left(desk) == {"sub/texts.txt", "fetched.json", ".fetch.lock"}
    (entry,) = record(desk)["downloads"]
    assert record(desk)["schema"] == 1
    assert entry["revision"] == commit
    assert entry["url"] == listed[0]["url"]
    assert entry["date"].endswith("+00:00")
    assert entry["files"] == [
        {"path": "sub/texts.txt", "bytes": len(TEXTS), "sha256": sha256(TEXTS)}
    ]
    assert (entry["bytes"], entry["sha256"]) == (len(TEXTS), sha256(TEXTS))
    done = fetch(desk)
    assert done.code == 0
    assert "1 file already fetched and intact" in done.out
    assert len(server.asked) == 1
    assert fetch(desk, "--force").code == 0
    assert len(server.asked) == 2


def test_what_was_damaged_since_is_fetched_again(desk: Desk) -> None:
    assert fetch(desk).code == 0
    file = desk.root / "data/small/texts.txt"
    file.write_bytes(b"x" * len(TEXTS))
    done = fetch(desk)
    assert "texts.txt is not what was fetched: fetching it again" in told(done)
    assert file.read_bytes() == TEXTS
    file.unlink()
    assert "fetched 1 file" in fetch(desk).out
    assert file.read_bytes() == TEXTS


def test_what_was_put_there_by_hand_is_kept(desk: Desk, server: Server) -> None:
    file = desk.root / "data/small/texts.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"mine\n")
    done = fetch(desk)
    assert done.code == 0
    assert "1 file put there by hand" in done.out
    assert file.read_bytes() == b"mine\n"
    assert server.asked == []
    assert fetch(desk, "--force").code == 0
    assert file.read_bytes() == TEXTS


def test_a_copy_by_hand_with_the_published_hash_is_recorded(desk: Desk, server: Server) -> None:
    listed = [{"url": f"{server.url}/texts.txt", "path": "texts.txt", "sha256": sha256(TEXTS)}]
    desk = desk_for(desk.root, listed)
    file = desk.root / "data/small/texts.txt"
    file.parent.mkdir(parents=True)
    file.write_bytes(TEXTS)
    assert "1 file already fetched and intact" in fetch(desk).out
    assert record(desk)["downloads"][0]["sha256"] == sha256(TEXTS)
    assert server.asked == []


def test_another_content_than_published_is_dropped(desk: Desk, server: Server) -> None:
    listed = [{"url": f"{server.url}/texts.txt", "path": "texts.txt", "sha256": "0" * 64}]
    desk = desk_for(desk.root, listed)
    done = fetch(desk)
    assert done.code == 4
    assert f"texts.txt has SHA-256 {sha256(TEXTS)}, and its plugin says 0000" in told(done)
    assert not (desk.root / "data/small").exists()


def test_a_new_revision_replaces_the_old_one(desk: Desk, server: Server) -> None:
    assert fetch(desk).code == 0
    server.pages["/new.txt"] = Page(b"a\nb\nc\n")
    desk = desk_for(desk.root, [{"url": f"{server.url}/new.txt", "path": "texts.txt"}])
    assert "fetched 1 file" in fetch(desk).out
    assert (desk.root / "data/small/texts.txt").read_bytes() == b"a\nb\nc\n"
    assert len(record(desk)["downloads"]) == 1


def archive(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as held:
        for name, content in files.items():
            held.writestr(name, content)
    return written.getvalue()


def test_an_archive_is_unpacked_and_each_member_recorded(desk: Desk, server: Server) -> None:
    content = archive({"set/en/test.txt": TEXTS, "set/hi/test.txt": b"hi", "set/x": b"no"})
    server.pages["/set.zip"] = Page(content)
    server.pages["/set"] = Page(status=[302] * 9, headers={"Location": "/set.zip"})
    members = {"en/test.txt": "en/test.txt", "set/hi/test.txt": "hi/test.txt"}
    desk = desk_for(desk.root, [{"url": f"{server.url}/set", "path": "in", "members": members}])
    assert fetch(desk).code == 0
    assert left(desk) == {"in/en/test.txt", "in/hi/test.txt", "fetched.json", ".fetch.lock"}
    (entry,) = record(desk)["downloads"]
    assert (entry["bytes"], entry["sha256"]) == (len(content), sha256(content))
    assert entry["files"][0] == {
        "path": "in/en/test.txt",
        "member": "en/test.txt",
        "bytes": len(TEXTS),
        "sha256": sha256(TEXTS),
    }
    assert "1 file already fetched and intact" in fetch(desk).out
    (desk.root / "data/small/in/hi/test.txt").write_bytes(b"no")
    assert fetch(desk).code == 0
    assert (desk.root / "data/small/in/hi/test.txt").read_bytes() == b"hi"


def test_a_hostile_archive_leaves_nothing(desk: Desk, server: Server) -> None:
    server.pages["/set"] = Page(archive({"a.txt": b"a", "../../../../evil.txt": b"evil"}))
    members = {"a.txt": "a.txt", "evil.txt": "evil.txt"}
    desk = desk_for(desk.root, [{"url": f"{server.url}/set", "path": "", "members": members}])
    done = fetch(desk)
    assert done.code == 4
    assert "set holds '../../../../evil.txt': a path that leads out" in told(done)
    assert not (desk.root / "data/small").exists()
    assert not [*desk.root.rglob("evil*")]


@pytest.mark.parametrize(
    "path", ["../x", "/x", "", "a/../../x", "fetched.json", ".fetch.lock", "a\\b", "x\0"]
)
def test_a_plugin_cannot_write_elsewhere(desk: Desk, server: Server, path: str) -> None:
    desk = desk_for(desk.root, [{"url": f"{server.url}/texts.txt", "path": path}])
    done = fetch(desk)
    assert done.code == 4
    assert "which will not do" in told(done)
    assert server.asked == []


@pytest.mark.slow
def test_a_killed_fetch_goes_on_where_it_was(desk: Desk, server: Server) -> None:
    page = server.pages["/large.bin"]
    page.chunk, page.delay = 20_000, 0.02
    listed = [
        {"url": f"{server.url}/texts.txt", "path": "texts.txt"},
        {"url": f"{server.url}/large.bin", "path": "large.bin"},
    ]
    desk = desk_for(desk.root, listed)
    reached = 0
    for wanted in (200_000, 900_000):
        process = desk.start("fetch", TASK, "--data-dir", "data")
        wait_for_bytes(desk.root, PARTS, wanted)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert not (desk.root / "data/small/large.bin").exists()
        reached = received(desk.root, PARTS)
    page.delay = 0
    done = fetch(desk)
    assert done.code == 0, done.err
    assert "fetched 1 file (2.0 MB), 1 file already fetched and intact" in done.out
    assert (desk.root / "data/small/large.bin").read_bytes() == LARGE
    starts = [asked for path, asked in server.asked if path == "/large.bin"]
    assert starts[0] == ""
    assert starts[2] == f"bytes={reached}-"
    assert [path for path, _ in server.asked].count("/texts.txt") == 1
    assert left(desk) == {"texts.txt", "large.bin", "fetched.json", ".fetch.lock"}


@pytest.mark.slow
def test_ctrl_c_keeps_what_came(desk: Desk, server: Server) -> None:
    page = server.pages["/large.bin"]
    page.chunk, page.delay = 20_000, 0.02
    desk = desk_for(desk.root, [{"url": f"{server.url}/large.bin", "path": "large.bin"}])
    process = desk.start("fetch", TASK, "--data-dir", "data")
    wait_for_bytes(desk.root, PARTS, 100_000)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Interrupted. What came is kept; run again to go on." in err
    assert received(desk.root, PARTS) >= 100_000


@pytest.mark.slow
def test_two_fetches_at_once_share_the_work(desk: Desk, server: Server) -> None:
    page = server.pages["/large.bin"]
    page.chunk, page.delay = 50_000, 0.03
    desk = desk_for(desk.root, [{"url": f"{server.url}/large.bin", "path": "large.bin"}])
    processes = [desk.start("fetch", TASK, "--data-dir", "data") for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    assert len(server.asked) == 1
    said = " ".join(" ".join(end) for end in ends)
    assert said.count("already fetched and intact") == 2
    assert "waiting for another fetch" in said
    assert (desk.root / "data/small/large.bin").read_bytes() == LARGE


@pytest.mark.slow
def test_fetches_at_once_that_all_fail_leave_nothing(desk: Desk, server: Server) -> None:
    desk = desk_for(desk.root, [{"url": f"{server.url}/gone", "path": "gone"}])
    server.pages["/gone"] = Page(status=[404] * 9, silent=0.3)
    processes = [desk.start("fetch", TASK, "--data-dir", "data") for _ in range(3)]
    ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [4, 4, 4], ends
    assert all("gone is not to be had" in " ".join(err.split()) for _, err in ends), ends
    assert not (desk.root / "data/small").exists()


def test_who_waited_for_a_fetch_that_left_nothing_fetches(desk: Desk, server: Server) -> None:
    lock = desk.root / "data/small/.fetch.lock"
    with files.locked("files", lock, "", None):
        waiting = desk.start("fetch", TASK, "--data-dir", "data")
        assert waiting.stderr is not None
        said = waiting.stderr.readline() + waiting.stderr.readline()
        time.sleep(0.2)  # it tries again and again
        lock.unlink()
        lock.parent.rmdir()
    out, err = waiting.communicate(timeout=60)
    assert "waiting for another fetch" in said
    assert waiting.returncode == 0, err
    assert "fetched 1 file" in out
    assert (desk.root / "data/small/texts.txt").read_bytes() == TEXTS


def test_a_folder_that_is_a_file_is_told(desk: Desk) -> None:
    (desk.root / "data").write_text("")
    done = fetch(desk)
    assert done.code == 4
    assert "cannot write files to" in told(done)


@pytest.mark.slow
def test_a_full_disk_is_told(desk: Desk, server: Server) -> None:
    small = desk.root / "data"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a small disk here")
    try:
        listed = [{"url": f"{server.url}/large.bin", "path": "large.bin"}]
        done = fetch(desk_for(desk.root, listed))
        assert done.code == 4
        assert "no room for large.bin: it takes 2.0 MB more" in told(done)
        assert "--data-dir" in told(done)
        server.pages["/large.bin"].length = None  # it shows only on the way
        done = fetch(desk_for(desk.root, listed))
        assert done.code == 4
        assert "cannot write large.bin to" in told(done)
        assert "No space left on device" in told(done)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_failure_leaves_the_other_tasks_alone(desk: Desk) -> None:
    done = desk.do("fetch", f"{TASK},{PLUGINS}:small,{PLUGINS}:bad_factory", "--data-dir", "data")
    assert done.code == 3
    said = told(done)
    assert "fetched 1 file" in said
    assert f"task {PLUGINS}:small has nothing to fetch" in said
    assert "cannot be loaded: KeyError: 'weights'" in said
    done = desk.do("fetch", f"{PLUGINS}:small")
    assert done.code == 4


def test_what_two_tasks_share_is_fetched_once(desk: Desk, server: Server) -> None:
    done = desk.do("fetch", f"{TASK},{PLUGINS}:twin", "--data-dir", "data")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 1
    assert len(server.asked) == 1
    assert desk.do("data", "describe", f"{PLUGINS}:twin", "--data-dir", "data").code == 0


def test_unknown_names_and_languages_are_told_before_anything_is_fetched(
    desk: Desk, server: Server
) -> None:
    done = fetch(desk, "xquad")
    assert done.code == 2
    assert "no encoder or task is called 'xquad' Did you mean xquad-r?" in told(done)
    done = desk.do("fetch", "xquad-r", "--languages", "xx")
    assert done.code == 2
    assert "has no language 'xx'" in told(done)
    assert desk.do("fetch").code == 2
    assert server.asked == []


def on_a_terminal(desk: Desk, answer: str, *arguments: str) -> tuple[int, str]:
    """Exit code and what a terminal shows when `answer` is typed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlir_harness", *arguments],
        cwd=desk.root,
        env=desk.environment(TERM="xterm-256color", COLUMNS="160"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    os.write(leader, answer.encode())
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                shown += os.read(leader, 65536)
            except OSError:  # the other end was closed
                break
    os.close(leader)
    return process.wait(timeout=10), shown.decode()


@pytest.mark.slow
def test_all_is_asked_for_on_a_terminal(desk: Desk, server: Server) -> None:
    everything = ("fetch", TASK, "all", "--languages", "en", "--data-dir", "data")
    code, shown = on_a_terminal(desk, "n\n", *everything)
    assert code == 4
    assert f"{TASK}: 1 file, size unknown, from 127.0.0.1" in shown
    assert "xquad-r: 1 file, size unknown, from raw.githubusercontent.com" in shown
    assert "CC-BY-SA-4.0" in shown
    assert "Fetch all this? [y/N]" in shown
    assert "Nothing was fetched." in shown
    assert server.asked == []


@pytest.mark.slow
def test_a_terminal_shows_bytes_speed_and_time_left(desk: Desk, server: Server) -> None:
    page = server.pages["/large.bin"]
    page.chunk, page.delay = 50_000, 0.05
    desk = desk_for(desk.root, [{"url": f"{server.url}/large.bin", "path": "large.bin"}])
    code, shown = on_a_terminal(desk, "", "fetch", TASK, "--data-dir", "data")
    assert code == 0
    assert "large.bin" in shown
    assert "/2.0 MB" in shown
    assert "MB/s" in shown


# --- run --download


def run(desk: Desk, *more: str) -> Done:
    what = ("--encoders", "hashing", "--tasks", TASK, "--format", "json")
    return desk.do("run", *what, "--output", "out", "--cache-dir", "cache", *more)


def test_a_run_fetches_only_if_it_may(desk: Desk, server: Server) -> None:
    done = run(desk)
    assert done.code == 4
    cache = desk.root / "cache"
    assert f"mlir-harness fetch {TASK} --cache-dir {cache} downloads it." in told(done)
    assert server.asked == []
    done = run(desk, "--download")
    assert done.code == 0, done.err
    assert "1 file, size unknown, from 127.0.0.1" in told(done)
    assert (desk.root / "cache/data/small/texts.txt").read_bytes() == TEXTS
    assert done.json()["cells"][0]["status"] == "ok"
    done = run(desk, "--download")
    assert done.code == 0
    assert done.err == ""
    assert len(server.asked) == 1
    assert run(desk).code == 0


def test_a_run_that_has_what_its_split_is_read_from_fetches_nothing(
    desk: Desk, server: Server
) -> None:
    listed = [{"url": f"{server.url}/{name}", "path": name} for name in ("texts.txt", "large.bin")]
    desk = desk_for(desk.root, listed)
    folder = desk.root / "cache/data/small"
    folder.mkdir(parents=True)
    what = ("run", "--encoders", "hashing", "--tasks", f"{PLUGINS}:two_splits")
    what = (*what, "--output", "out", "--cache-dir", "cache", "--download")
    (folder / "texts.txt").write_bytes(TEXTS)
    assert desk.do(*what).code == 0
    assert server.asked == []
    (folder / "texts.txt").write_bytes(b"one\n")
    done = desk.do(*what)
    assert "has 1 lines, not 3" in done.out + done.err
    assert "mlir-harness fetch" not in done.out + done.err
    (folder / "texts.txt").unlink()
    assert desk.do(*what).code == 0
    assert len(server.asked) == 2


def test_a_run_that_cannot_fetch_says_so_in_its_cell(desk: Desk, server: Server) -> None:
    server.pages.clear()
    done = run(desk, "--download", "--data-dir", "data")
    assert done.code == 4
    (cell,) = done.json()["cells"]
    assert "is not to be had" in cell["reason"]
    assert not (desk.root / "data/small").exists()
