"""Files of the hub come through its library, from a hub on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import PLUGINS, Desk, Done
from web_server import Page, Server, serving

from mlir_harness.errors import FetchError
from mlir_harness.fetching import hub
from mlir_harness.text import slug

TASK = f"{PLUGINS}:fetching"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = f"hf://datasets/acme/set@{COMMIT}/sub/texts.txt"
PATH = f"/datasets/acme/set/resolve/{COMMIT}/sub/texts.txt"
TEXTS = b"red bridge\nblue river\ngreen hill\n"
DOWNLOAD = f"""
from huggingface_hub import hf_hub_download
print(hf_hub_download("acme/set", "sub/texts.txt", repo_type="dataset", revision="{COMMIT}"))
"""
SHA256 = hashlib.sha256(TEXTS).hexdigest()


@pytest.fixture
def server() -> Iterator[Server]:
    headers = {"X-Repo-Commit": COMMIT}
    with serving({PATH: Page(TEXTS, etag=f'"{SHA256}"', headers=headers)}) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, server: Server) -> Desk:
    return desk_for(tmp_path, server)


def desk_for(root: Path, server: Server, **more: object) -> Desk:
    listed = [{"url": ADDRESS, "path": "texts.txt", **more}]
    env = {"HF_ENDPOINT": server.url, "HF_HOME": str(root / "hub"), "NO_PROXY": "127.0.0.1"}
    return Desk(root, {"TEST_DOWNLOADS": json.dumps(listed), **env})


def fetch(desk: Desk, **env: str) -> Done:
    return desk.do("fetch", TASK, "--data-dir", "data", **env)


def test_a_file_of_the_hub_is_placed_and_recorded(desk: Desk, server: Server) -> None:
    done = fetch(desk)
    assert done.code == 0, done.err
    file = desk.root / "data/small/texts.txt"
    assert file.read_bytes() == TEXTS
    assert not file.is_symlink()
    (entry,) = json.loads((desk.root / "data/small/fetched.json").read_text())["downloads"]
    assert (entry["url"], entry["revision"], entry["sha256"]) == (ADDRESS, COMMIT, SHA256)
    # Nothing is stored twice, and nothing of what was on its way is left.
    everything = [path for path in desk.root.rglob("*") if path.is_file()]
    assert [path for path in everything if path.stat().st_size == len(TEXTS)] == [file]
    assert {path.name for path in desk.files("data")} == {
        "texts.txt",
        "fetched.json",
        ".fetch.lock",
    }


def cached(desk: Desk) -> Path:
    """The file in the hub's cache, as other tools leave it there."""
    done = desk.start(program=("-c", DOWNLOAD))
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    return Path(out.strip()).resolve()


def test_what_is_in_the_hubs_cache_is_copied_from_there(desk: Desk, server: Server) -> None:
    kept = cached(desk)
    asked = len(server.asked)
    file = desk.root / "data/small/texts.txt"
    for env in ({}, {"HF_HUB_OFFLINE": "1"}):
        assert fetch(desk, **env).code == 0
        assert file.read_bytes() == TEXTS
        with file.open("r+b") as held:  # mending a file in place leaves the cache alone
            held.write(b"RED")
        assert kept.read_bytes() == TEXTS
        file.unlink()
    assert len(server.asked) == asked


def test_what_is_damaged_in_the_hubs_cache_is_not_taken_from_there(
    desk: Desk, server: Server
) -> None:
    cached(desk).write_bytes(TEXTS[::-1])
    asked = len(server.asked)
    assert fetch(desk).code == 0
    assert (desk.root / "data/small/texts.txt").read_bytes() == TEXTS
    assert len(server.asked) > asked


def test_what_the_hub_knows_by_another_hash_is_dropped(desk: Desk, server: Server) -> None:
    server.pages[PATH].content = TEXTS[::-1]
    done = fetch(desk)
    assert done.code == 4
    assert f"the hub says {SHA256}" in " ".join(done.err.split())
    assert not (desk.root / "data/small").exists()


def test_a_larger_file_than_announced_is_refused_before_it_comes(
    tmp_path: Path, server: Server
) -> None:
    server.pages[PATH].content = TEXTS * 100_000
    done = fetch(desk_for(tmp_path, server, size=33))
    assert done.code == 4
    assert "texts.txt has 3.3 MB, and 33 bytes were announced" in done.err


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"X-Error-Code": "EntryNotFound"}, 404, "could not be fetched from the dataset acme/set"),
        ({"X-Error-Code": "GatedRepo"}, 403, "given only to those who accept its terms"),
        ({"X-Error-Code": "RepoNotFound"}, 401, "could not be fetched from the dataset acme/set"),
    ],
)
def test_what_the_hub_refuses_is_told(
    desk: Desk, server: Server, headers: dict[str, str], status: int, said: str
) -> None:
    server.pages[PATH] = Page(status=[status] * 20, headers=headers)
    killed = desk.root / "data/small/.partial" / f"{slug(ADDRESS)}.hub"
    killed.mkdir(parents=True)
    (killed / "begun.incomplete").write_bytes(TEXTS)
    done = fetch(desk)
    assert not (desk.root / "data/small").exists()
    assert done.code == 4
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    if status == 403:
        assert f"Accept them at {server.url}/datasets/acme/set" in done.err


def test_a_hub_that_breaks_off_is_told(desk: Desk, server: Server) -> None:
    server.pages[PATH].mute = 99
    done = fetch(desk)
    assert done.code == 4
    said = " ".join(done.err.split())
    assert "texts.txt could not be fetched from the dataset acme/set" in said
    assert "unforeseen" not in said
    server.pages[PATH].mute = 0
    assert fetch(desk).code == 0


@pytest.mark.parametrize(
    "url",
    [
        "hf://datasets/acme/set/a.txt",
        "hf://datasets/acme@main/a.txt",
        "hf://",
        "hf://a/b@c",
        "hf://a/b@c/../d",
    ],
)
def test_an_address_names_one_revision(url: str) -> None:
    with pytest.raises(FetchError, match="is no address of a file at one revision"):
        hub.parse(url)


def test_the_parts_of_an_address() -> None:
    parsed = hub.parse(ADDRESS)
    assert parsed == hub.Address("acme/set", COMMIT, "sub/texts.txt", "dataset")
    assert hub.parse("hf://a/b@v1.0/c").kind == "model"
    assert hub.parse("hf://a/b@refs%2Fconvert/c").revision == "refs/convert"
