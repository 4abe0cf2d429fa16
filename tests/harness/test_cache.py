"""A shard is what was written, or it is encoded again; nothing in between."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from command import PLUGINS, Desk
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.cache import Cache, Damaged, Shard
from mlir_harness.errors import StoreError
from mlir_harness.protocols import Context
from mlir_harness.types import Role
from mlir_harness.vectors import Dense


def shard(folder: Path, rows: int = 3) -> Shard:
    return Shard(folder / "ab" / "abcd.safetensors", rows)


def written(folder: Path, rows: int = 3) -> Shard:
    held = shard(folder, rows)
    with held.lock():
        held.write(Dense(np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)), truncated=2)
    return held


def test_what_was_written_is_read(tmp_path: Path) -> None:
    vectors, truncated = written(tmp_path).read()
    np.testing.assert_array_equal(vectors.matrix, np.arange(12, dtype=np.float32).reshape(3, 4))
    assert truncated == 2
    assert [path.name for path in (tmp_path / "ab").iterdir()] == ["abcd.safetensors"]


def test_nothing_there_is_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        shard(tmp_path).read()


def test_every_flipped_byte_and_every_cut_is_noticed(tmp_path: Path) -> None:
    held = written(tmp_path)
    content = held.path.read_bytes()
    for place in range(len(content)):
        for flip in (0x01, 0x80):
            spoilt = bytearray(content)
            spoilt[place] ^= flip
            held.path.write_bytes(spoilt)
            with pytest.raises(Damaged):
                held.read()
    for length in range(len(content)):
        held.path.write_bytes(content[:length])
        with pytest.raises(Damaged):
            held.read()
    held.path.write_bytes(content + b"\0")
    with pytest.raises(Damaged):
        held.read()


def test_a_shard_of_other_texts_is_damaged(tmp_path: Path) -> None:
    held = written(tmp_path)
    with pytest.raises(Damaged, match="for 4 texts"):
        Shard(held.path, 4).read()
    other = Shard(held.path.with_name("other.safetensors"), 3)
    held.path.rename(other.path)
    with pytest.raises(Damaged, match="checksum"):
        other.read()


def test_a_folder_in_a_shards_place(tmp_path: Path) -> None:
    held = shard(tmp_path)
    held.path.mkdir(parents=True)
    with pytest.raises(Damaged):
        held.read()
    with pytest.raises(StoreError, match="cannot write vectors to"):
        held.write(Dense(np.zeros((3, 4), np.float32)), 0)


TEXTS = st.lists(st.text(st.characters(codec=None), max_size=6), max_size=4)


@given(
    st.tuples(TEXTS, st.sampled_from(Role), st.sampled_from(["", "find"]), st.sampled_from("ab")),
    st.tuples(TEXTS, st.sampled_from(Role), st.sampled_from(["", "find"]), st.sampled_from("ab")),
    st.booleans(),
)
def test_shards_are_shared_just_where_vectors_are_equal(
    one: tuple[list[str], Role, str, str], two: tuple[list[str], Role, str, str], aware: bool
) -> None:
    def path(texts: list[str], role: Role, instruction: str, language: str) -> Path:
        context = Context(role, [language] * len(texts), instruction)
        return Cache(Path("cache"), "e").shard(texts, context, by_language=aware).path

    alike = one[:3] == two[:3] and (not aware or not one[0] or one[3] == two[3])
    assert (path(*one) == path(*two)) == alike


@pytest.mark.slow
@pytest.mark.parametrize("spoil", ["flip header", "flip data", "cut", "empty", "foreign"])
def test_a_run_encodes_damaged_shards_again_and_says_so(tmp_path: Path, spoil: str) -> None:
    desk = Desk.at(tmp_path, ("de", "en"), TEST_CALLS=str(tmp_path / "calls"))
    name = f"{PLUGINS}:spelling"
    first = desk.run(name, more=["--format", "json"])
    assert len(desk.calls()) == 4
    shards = desk.files("cache", "*.safetensors")
    contents = [path.read_bytes() for path in shards]
    for path, content in zip(shards[:2], contents[:2], strict=True):
        spoilt = bytearray(content)
        spoilt[12 if spoil == "flip header" else -3] ^= 0x10
        cut = {"cut": content[:-7], "empty": b"", "foreign": contents[2]}
        path.write_bytes(cut.get(spoil, bytes(spoilt)))
    again = desk.run(name, more=["--format", "json", "--fresh"])
    assert again.code == 0
    told = " ".join(again.err.split())
    assert told.count("are damaged") == told.count("encoding them again") == 2
    assert len(desk.calls()) == 6
    one, two = (json.loads(done.out)["cells"][0] for done in (first, again))
    assert one["settings"] == two["settings"]
    assert "damaged" not in desk.run(name, more=["--fresh"]).err
