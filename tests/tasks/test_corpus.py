"""Corpora: texts stay on disk, files are read once, and what is wrong in them is named."""

from __future__ import annotations

import errno
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpus_files import PASSAGES, passages, write_lines
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.errors import DataError, StoreError
from mlir_tasks import corpus
from mlir_tasks.columns import Column
from mlir_tasks.corpus import Corpus, Source, prepare

STRINGS = st.lists(st.lists(st.text(max_size=3), max_size=6), max_size=5)


def column(chunks: list[list[str]]) -> Column:
    return Column([pa.array(chunk, pa.large_string()) for chunk in chunks])


class TestColumn:
    @given(STRINGS, st.data())
    def test_is_the_list_it_stands_for(self, chunks: list[list[str]], data: st.DataObject) -> None:
        held, plain = column(chunks), [text for chunk in chunks for text in chunk]
        assert len(held) == len(plain)
        assert list(held) == plain
        edge = st.none() | st.integers(-40, 40)
        part = slice(data.draw(edge), data.draw(edge), data.draw(st.sampled_from([1, 2, -1, None])))
        assert held[part] == plain[part]
        rows = data.draw(st.lists(st.integers(0, len(plain) - 1))) if plain else []
        assert held.take(np.array(rows, np.int64)) == [plain[row] for row in rows]
        for row in rows:
            assert held[row] == plain[row]
            assert held[row - len(plain)] == plain[row]
        wanted = data.draw(st.lists(st.text(max_size=3), unique=True))
        found = held.find(wanted).tolist()
        assert [row >= 0 for row in found] == [text in plain for text in wanted]
        assert all(plain[row] == text for text, row in zip(wanted, found, strict=True) if row >= 0)

    def test_places_outside_are_refused(self) -> None:
        held = column([["a"], ["b"]])
        for action in (lambda: held[2], lambda: held[-3], lambda: held.take(np.array([0, 2]))):
            with pytest.raises(IndexError):
                action()
        with pytest.raises(IndexError):
            held.take(np.array([-1]))


def read(folder: Path, *files: Path, keep: frozenset[str] | None = None) -> Corpus:
    return prepare(Source("sw", files, "docid", keep), folder / "kept")


def kept(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in (folder / "kept").rglob("*.arrow")}


def two_files(folder: Path) -> tuple[Path, Path]:
    return (
        write_lines(folder / "docs-0.jsonl.gz", passages(PASSAGES[:3])),
        write_lines(folder / "docs-1.jsonl.gz", passages(PASSAGES[3:])),
    )


class TestReading:
    def test_a_document_is_title_newline_and_text(self, tmp_path: Path) -> None:
        held = read(tmp_path, *two_files(tmp_path))
        assert held.passages == 5
        assert held.collection.language == "sw"
        assert [*held.collection.ids] == ["10#0", "10#1", "20#0", "30#0", "40#0"]
        assert held.collection.texts[4] == "Market\nOn Friday the market sells fish."

    def test_without_a_title_the_text_stands_alone_and_without_a_text_the_title(
        self, tmp_path: Path
    ) -> None:
        records: list[dict[str, Any]] = [
            {"docid": "1", "text": "a"},
            {"docid": "2", "title": "", "text": "b"},
            {"docid": "3", "title": None, "text": "c"},
            {"docid": "4", "title": "d", "text": ""},
            {"docid": "5", "title": "e", "text": "f", "url": 7, "docid2": None},
        ]
        file = write_lines(tmp_path / "docs-0.jsonl", records)
        assert [*read(tmp_path, file).collection.texts] == ["a", "b", "c", "d", "e\nf"]

    def test_passages_without_text_are_left_out_and_counted_every_time(
        self, tmp_path: Path
    ) -> None:
        rows = [PASSAGES[0], ("e1", "", ""), PASSAGES[1], ("e2", " ", "\t\n"), ("e2", "", "")]
        one = write_lines(tmp_path / "docs-0.jsonl", passages(rows))
        two = write_lines(tmp_path / "docs-1.jsonl", passages([("e3", "", "")]))
        for _ in range(2):  # read, and kept
            held = read(tmp_path, one, two)
            assert [*held.collection.ids] == ["10#0", "10#1"]
            assert (held.passages, held.empty) == (6, 4)
        some = read(tmp_path, one, two, keep=frozenset(["10#1", "e1"]))
        assert [*some.collection.ids] == ["10#1"]
        assert (some.passages, some.empty) == (6, 1)

    def test_ids_that_look_like_numbers_stay_the_strings_they_are(self, tmp_path: Path) -> None:
        names = ["10020#0", "0012", "12", "1e5", "nan", "null", " 7", "é", "e\u0301", "\U0001f30d"]
        records = [{"docid": name, "title": "", "text": "t"} for name in names]
        file = write_lines(tmp_path / "docs-0.jsonl.gz", records)
        ids = read(tmp_path, file).collection.ids
        assert [*ids] == names
        assert [*ids[3:5]] == ["1e5", "nan"]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", ["", "\n", "\n\n"])
    def test_line_ends_byte_order_marks_and_blank_lines(
        self, tmp_path: Path, end: str, last: str
    ) -> None:
        lines = [json.dumps(record) for record in passages(PASSAGES[:2])]
        file = tmp_path / "docs-0.jsonl"
        file.write_bytes(f"\ufeff{end.join(lines)}{last}".encode())
        texts = read(tmp_path, file).collection.texts
        assert [*texts] == [f"{title}\n{text}" for _, title, text in PASSAGES[:2]]

    def test_only_line_feeds_end_a_line(self, tmp_path: Path) -> None:
        text = "a\u2028b\u0085c\x0bd"
        file = write_lines(tmp_path / "d.jsonl", [{"docid": "1", "text": text}])
        assert read(tmp_path, file).collection.texts[0] == text

    def test_of_some_passages_the_others_are_counted(self, tmp_path: Path) -> None:
        held = read(tmp_path, *two_files(tmp_path), keep=frozenset(["20#0", "gone"]))
        assert [*held.collection.ids] == ["20#0"]
        assert held.passages == 5
        # What is kept for one purpose is not what is kept for another.
        assert len(read(tmp_path, *two_files(tmp_path)).collection) == 5
        assert len(kept(tmp_path)) == 4

    def test_more_passages_than_a_batch(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = two_files(tmp_path)
        whole = [*read(tmp_path, *files).collection.texts]
        for name, value in (("_BATCH", 2), ("_CHARACTERS", 50)):
            monkeypatch.setattr(corpus, name, value)
            held = prepare(Source("sw", files, "docid"), tmp_path / name)
            assert [*held.collection.texts] == whole
            assert held.passages == 5


def _raw(content: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(content) and None


LINE = b'{"docid": "1", "title": "t", "text": "x"}\n'
BAD = {
    "malformed JSON": (LINE + b'{"docid": "2", \n', "line 2: malformed JSON: "),
    "two records": (LINE + LINE.strip() + LINE, "line 2: malformed JSON: Extra data at column"),
    "deep": (LINE + b"[" * 100_000, "line 2: "),
    "long number": (b'{"docid": ' + b"9" * 9999 + b"}", "line 1: malformed JSON: "),
    "no object": (LINE + b"[]", "line 2: a list, not an object"),
    "no id": (LINE + b'{"_id": "2", "text": "x"}', 'line 2: no "docid"'),
    "no text": (LINE + b'{"docid": "2", "title": "t"}', 'line 2: no "text"'),
    "id a number": (b'{"docid": 12, "text": "x"}', '"docid" is a number, not a string'),
    "text null": (b'{"docid": "1", "text": null}', '"text" is null, not a string'),
    "title a list": (b'{"docid": "1", "title": ["t"], "text": "x"}', '"title" is a list'),
    "empty id": (b'{"docid": "", "text": "x"}', 'line 1: "docid" is empty'),
    "not UTF-8": (LINE + b'{"docid": "2", "text": "\xff"}', "line 2: not UTF-8 at byte 25"),
    "half a pair": (b'{"docid": "1", "text": "\\uD83d x"}', "surrogate U+D83D in the text of '1'"),
    "half an id": (b'{"docid": "\\udc00", "text": "x"}', "line 1: lone surrogate U+DC00 in the id"),
    "encoded half": (b'{"docid": "1", "text": "\xed\xa0\x80"}', "line 1: not UTF-8"),
    "empty": (b"", "is empty"),
    "blank lines": (b"\n\r\n \n", "is empty"),
}


class TestRefusing:
    @pytest.mark.parametrize("name", BAD)
    @pytest.mark.parametrize("form", [".jsonl", ".jsonl.gz"])
    def test_a_bad_line_is_named(self, tmp_path: Path, name: str, form: str) -> None:
        content, said = BAD[name]
        file = tmp_path / f"docs-0{form}"
        file.write_bytes(gzip.compress(content) if form.endswith("gz") else content)
        with pytest.raises(DataError) as raised:
            read(tmp_path, file)
        assert str(file) in raised.value.message
        assert said in raised.value.message
        assert not list((tmp_path / "kept").rglob("*arrow*"))

    def test_nothing_but_passages_without_text(self, tmp_path: Path) -> None:
        file = write_lines(tmp_path / "docs-0.jsonl", passages([("1", "", ""), ("2", " ", "\t")]))
        for _ in range(2):  # read, and kept
            with pytest.raises(DataError, match=r"docs-0.jsonl: none of the 2 passages has a text"):
                read(tmp_path, file)

    def test_a_whole_pair_of_surrogates_is_a_character(self, tmp_path: Path) -> None:
        file = tmp_path / "docs-0.jsonl"
        file.write_bytes(b'{"docid": "1", "text": "\\ud83c\\udf0d \\\\ud800"}')
        assert read(tmp_path, file).collection.texts[0] == "\U0001f30d \\ud800"

    def test_a_compressed_file_cut_short(self, tmp_path: Path) -> None:
        lines = [{"docid": str(n), "text": os.urandom(30).hex()} for n in range(1000)]
        file = write_lines(tmp_path / "docs-0.jsonl.gz", lines)
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=r"ends in the middle.*after line \d+: it was not") as e:
            read(tmp_path, file)
        assert str(file) in e.value.message
        file.write_bytes(whole[:-6] + b"\0\0" + whole[-4:])
        with pytest.raises(DataError, match=r"damaged after line 1000 \(CRC"):
            read(tmp_path, file)
        file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        with pytest.raises(DataError, match="not a gzip file"):
            read(tmp_path, file)

    def test_a_repeated_id_is_named_with_both_places(self, tmp_path: Path) -> None:
        one = write_lines(tmp_path / "docs-0.jsonl", passages(PASSAGES[:3]))
        two = write_lines(tmp_path / "docs-1.jsonl", passages([PASSAGES[4], PASSAGES[1]]))
        for _ in range(2):  # also once all is kept
            with pytest.raises(DataError) as raised:
                read(tmp_path, one, two)
            assert raised.value.message == (
                f"the id '10#1' is there twice: {one}, line 2 and {two}, line 2"
            )
        same = write_lines(tmp_path / "docs-2.jsonl", passages([PASSAGES[0], PASSAGES[0]]))
        with pytest.raises(DataError, match=r"line 1 and .*docs-2.jsonl, line 2"):
            read(tmp_path, same)

    def test_a_file_that_may_not_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"docs-0.jsonl: No such file"):
            read(tmp_path, tmp_path / "docs-0.jsonl")
        (tmp_path / "docs-1.jsonl").mkdir()
        with pytest.raises(DataError, match=r"docs-1.jsonl: Is a directory"):
            read(tmp_path, tmp_path / "docs-1.jsonl")

    def test_no_place_for_what_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files = two_files(tmp_path)
        (tmp_path / "kept").write_text("a file")
        with pytest.raises(StoreError, match=r"cannot keep passages in .*: Not a directory") as e:
            read(tmp_path, *files)
        assert "--cache-dir" in e.value.hint
        (tmp_path / "kept").unlink()

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(corpus.os, "fsync", full)
        with pytest.raises(StoreError, match="No space left on device"):
            read(tmp_path, *files)
        assert not list((tmp_path / "kept").rglob("*arrow*"))


class TestKeeping:
    def test_a_file_is_read_once(self, tmp_path: Path) -> None:
        files = two_files(tmp_path)
        read(tmp_path, *files)
        first = kept(tmp_path)
        again = read(tmp_path, *files)
        assert kept(tmp_path) == first
        assert [*again.collection.ids][:2] == ["10#0", "10#1"]

    def test_a_file_that_changed_is_read_again_and_nothing_old_stays(self, tmp_path: Path) -> None:
        files = two_files(tmp_path)
        read(tmp_path, *files)
        first = kept(tmp_path)
        write_lines(files[1], passages([("9#9", "New", "text")]))
        assert [*read(tmp_path, *files).collection.ids] == ["10#0", "10#1", "20#0", "9#9"]
        second = kept(tmp_path)
        assert len(second) == 2
        assert len(set(first.items()) & set(second.items())) == 1

    def test_two_folders_of_one_name_are_kept_apart(self, tmp_path: Path) -> None:
        one = write_lines(tmp_path / "a" / "corpus" / "docs.jsonl", passages(PASSAGES[:1]))
        two = write_lines(tmp_path / "b" / "corpus" / "docs.jsonl", passages(PASSAGES[1:2]))
        for file in (one, two):
            os.utime(file, (0, 0))
        assert [*read(tmp_path, one).collection.ids] == ["10#0"]
        assert [*read(tmp_path, two).collection.ids] == ["10#1"]

    def test_strange_names_of_folders_are_no_paths(self, tmp_path: Path) -> None:
        file = write_lines(tmp_path / "..%2f\n*[x]" / "docs.jsonl", passages())
        assert len(read(tmp_path, file).collection) == 5
        assert len(read(tmp_path, file).collection) == 5
        (folder,) = {path.parent for path in kept(tmp_path)}
        assert folder.parent == tmp_path / "kept"

    @pytest.mark.parametrize("damage", [b"", b"ARROW1", b"x" * 4000])
    def test_what_is_kept_and_damaged_is_read_again(self, tmp_path: Path, damage: bytes) -> None:
        files = two_files(tmp_path)
        read(tmp_path, *files)
        for path in kept(tmp_path):
            path.write_bytes(damage or path.read_bytes()[:-20])
        assert [*read(tmp_path, *files).collection.ids][-1] == "40#0"


# Reads the corpus in the folder it is given; a line a file, slowed down to be killed in time.
READER = """
import sys, time
from pathlib import Path
from mlir_tasks import corpus
slow, files = float(sys.argv[1]), tuple(sorted(Path("data").glob("docs-*")))
original = corpus.records
def records(file, *rest):
    print("reading", file.name, flush=True)
    for record in original(file, *rest):
        time.sleep(slow)
        yield record
corpus.records = records
held = corpus.prepare(corpus.Source("sw", files, "docid"), Path("kept"))
print("done", *held.collection.ids, flush=True)
"""


class TestProcesses:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        for number, row in enumerate(PASSAGES):
            write_lines(tmp_path / "data" / f"docs-{number}.jsonl.gz", passages([row]))
        return tmp_path

    def start(self, place: Path, slow: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", READER, str(slow)]
        return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, text=True)

    def test_a_killed_one_leaves_what_it_finished(self, place: Path) -> None:
        process = self.start(place, 0.3)
        assert process.stdout is not None
        seen = [process.stdout.readline().split()[-1] for _ in range(3)]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert seen == ["docs-0.jsonl.gz", "docs-1.jsonl.gz", "docs-2.jsonl.gz"]
        done, _ = self.start(place, 0).communicate(timeout=30)
        lines = done.splitlines()
        assert [line.split()[-1] for line in lines[:-1]] == [
            f"docs-{n}.jsonl.gz" for n in (2, 3, 4)
        ]
        assert lines[-1] == "done 10#0 10#1 20#0 30#0 40#0"
        assert not list(place.rglob(".tmp*"))

    def test_two_at_once_do_not_do_it_twice(self, place: Path) -> None:
        processes = [self.start(place, 0.05) for _ in range(3)]
        outs = [process.communicate(timeout=30)[0].splitlines() for process in processes]
        assert {lines[-1] for lines in outs} == {"done 10#0 10#1 20#0 30#0 40#0"}
        assert sum(len(lines) - 1 for lines in outs) == 5


def test_nothing_waits_for_a_lock_once_all_is_read(tmp_path: Path) -> None:
    from filelock import FileLock

    files = two_files(tmp_path)
    read(tmp_path, *files)
    (folder,) = {path.parent for path in kept(tmp_path)}
    started = time.monotonic()
    with FileLock(folder / ".lock"):
        assert len(read(tmp_path, *files).collection) == 5
    assert time.monotonic() - started < 10
