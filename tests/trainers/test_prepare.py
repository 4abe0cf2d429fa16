"""Prepared data holds what its sources say, once, whole or not at all."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from parallel_files import both, jsonl, prepared, record, texts, write_jsonl

from mlir_harness.errors import DataError, StoreError
from mlir_trainers.parallel.data import CHUNK, load
from mlir_trainers.parallel.prepare import prepare
from mlir_trainers.parallel.sources import from_table, parse

COMMAND = (
    "import sys; from pathlib import Path; from mlir_trainers.parallel.prepare import prepare; "
    "from mlir_trainers.parallel.sources import parse; "
    "print(prepare([parse(sys.argv[1])], Path(sys.argv[2]), note=print))"
)


def meta(folder: Path) -> Any:
    return json.loads((folder / "meta.json").read_text("utf-8"))


def test_rows_keep_their_texts_and_gaps(tmp_path: Path) -> None:
    one = jsonl(tmp_path / "one.jsonl", [both("1", "de", "en"), both("2", "en")])
    two = jsonl(tmp_path / "two.jsonl", [both("1", "en", "th"), both("3", "de", "en", "th")])
    data = prepared(tmp_path / "home", one, two)
    assert data.languages == ("de", "en", "th")
    assert data.present.tolist() == [
        [True, True, False],
        [False, True, False],
        [False, True, True],
        [True, True, True],
    ]
    assert texts(data)[2] == {
        "en": ("en question 1?", "en passage 1."),
        "th": ("th question 1?", "th passage 1."),
    }
    assert [(each.name, each.start, each.stop) for each in data.datasets] == [
        ("one", 0, 2),
        ("two", 2, 4),
    ]
    assert data.datasets[0].crossing.rows == 1
    assert data.datasets[0].languages.keys() == {"de", "en"}
    assert data.datasets[1].languages["en"].rows == 2


def test_a_language_counts_where_question_and_passage_are_there(tmp_path: Path) -> None:
    records = [
        both("1", "de", "en"),
        record("2", {"de": "Frage?", "en": "question?"}, {"de": "Text", "en": " \u3000\n\ufeff"}),
        record("3", {"de": "Frage?"}, {"en": "passage"}),
        record("4", {}, {}),
    ]
    folder = prepare([jsonl(tmp_path / "x.jsonl", records)], tmp_path / "home")
    assert texts(load(folder)) == [
        {
            "de": ("de question 1?", "de passage 1."),
            "en": ("en question 1?", "en passage 1."),
        },
        {"de": ("Frage?", "Text")},
    ]
    (dataset,) = meta(folder)["datasets"]
    assert dataset["halves"] == {"de": 1, "en": 2}
    assert dataset["empty"] == 2


def test_rows_of_a_source_or_an_equal_text_are_one_group(tmp_path: Path) -> None:
    def row(
        name: str, language: str, passage: str, source: str | None = None, question: str = ""
    ) -> dict[str, Any]:
        return record(name, {language: question or f"{passage}?"}, {language: passage}, source)

    one = [
        row("0", "de", "Straße", "s"),
        row("1", "de", "anders", "s"),
        row("2", "en", "ANDERS"),  # equal but for case, in another language: joined to the source
        row("3", "en", "own", "t"),
        row("4", "en", "①"),
    ]
    two = [
        row("0", "de", "STRASSE", "t"),  # another data set's "t" is another source
        row("1", "en", "1"),  # ① after NFKC
        row("2", "en", "lone"),
        row("3", "de", "another answer", question="LONE?"),  # "lone" answers it too
        row("4", "de", "LONE?"),  # a passage, not a question
    ]
    data = prepared(
        tmp_path / "home", jsonl(tmp_path / "1.jsonl", one), jsonl(tmp_path / "2.jsonl", two)
    )
    groups: dict[int, set[int]] = {}
    for place, group in enumerate(data.group.tolist()):
        groups.setdefault(group, set()).add(place)
    assert sorted(groups.values(), key=min) == [{0, 1, 2, 5}, {3}, {4, 6}, {7, 8}, {9}]
    assert data.datasets[0].languages["de"].sources == 1
    assert data.datasets[0].languages["en"].sources == 3


def test_a_row_is_found_beyond_the_first_record_batch(tmp_path: Path) -> None:
    count = CHUNK + 5000
    languages = [("de", "en"), ("en", "th")]
    records = (both(str(row), *languages[row > CHUNK]) for row in range(count))
    data = prepared(tmp_path / "home", jsonl(tmp_path / "x.jsonl", records))
    assert len(data) == count
    german, english, thai = range(3)
    for row in (0, 4095, 4096, CHUNK - 1, CHUNK, CHUNK + 1, count - 1):
        assert data.passage(row, english) == f"en passage {row}."
        assert data.present[row].tolist() == [row <= CHUNK, True, row > CHUNK]
    assert data.question(CHUNK, german) == f"de question {CHUNK}?"
    assert data.question(CHUNK + 1, thai) == f"th question {CHUNK + 1}?"
    assert {len(chunk) for chunk in data.questions[english][:-1]} == {CHUNK}


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([both("a", "de"), record("b", {"fr": "quoi?"}, {"de": "x"})], "has no passages in fr"),
        ([both("a", "de"), record("b", {}, {"fr": "ça"})], "has no questions in fr"),
        ([record("a", {"de": "Was?"}, {"de": " "})], "has no passages in de"),
        ([record("a", {}, {})], "has no row with question and passage"),
        ([], "has no row with question and passage"),
        (
            [both("a", "de"), both("b", "de"), both("a", "en")],
            r"the id 'a' is there twice: .*x.jsonl, line 1 and .*x.jsonl, line 3",
        ),
        ([record("a", {"de": "\ud800?"}, {"de": "x"})], r"line 1: lone surrogate U\+D800 in de"),
    ],
)
def test_data_that_cannot_be_meant_is_refused_and_nothing_is_left(
    tmp_path: Path, records: list[Any], said: str
) -> None:
    with pytest.raises(DataError, match=said) as raised:
        prepare([jsonl(tmp_path / "x.jsonl", records)], tmp_path / "home")
    assert raised.value.hint
    assert not [each for each in (tmp_path / "home").iterdir() if each.is_dir()]


def test_languages_of_a_recipe_leave_the_others_out(tmp_path: Path) -> None:
    records = [both("1", "de", "en", "zh"), record("2", {"fr": "quoi?"}, {"de": "x"})]
    file = tmp_path / "x.jsonl"
    data = prepared(tmp_path / "home", jsonl(file, records, languages=["deu", "zh-CN"]))
    assert data.languages == ("de", "zh")
    with pytest.raises(DataError, match="has nothing in it"):
        prepared(tmp_path / "home", jsonl(file, records, languages=["de", "it"]))


def test_a_second_call_answers_from_what_the_first_wrote(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    source = jsonl(file, [both("1", "de", "en")])
    folder = prepare([source], tmp_path / "home")
    before = (folder / "rows.arrow").stat().st_mtime_ns
    os.utime(file)  # touched, not changed
    told: list[str] = []
    assert prepare([source], tmp_path / "home", note=told.append) == folder
    assert not told
    assert (folder / "rows.arrow").stat().st_mtime_ns == before


def test_other_content_other_options_and_other_names_are_other_data(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    source = jsonl(file, [both("1", "de", "en")])
    home = tmp_path / "home"
    folders = [prepare([source], home)]
    folders += [prepare([jsonl(file, [both("1", "de", "en")], languages=["de"])], home)]
    folders += [prepare([jsonl(file, [both("1", "de", "en")], name="y")], home)]
    folders += [prepare([jsonl(file, [both("2", "de", "en")])], home)]
    assert len(set(folders)) == 4
    prints = [load(each).fingerprint for each in folders]
    assert prints[0] == prints[2], "the same content by another name"
    assert len(set(prints)) == 3


def test_the_same_content_in_another_format_has_the_same_fingerprint(tmp_path: Path) -> None:
    lines = jsonl(tmp_path / "x.jsonl", [both("1", "de"), both("2", "de")])
    text = "id\tquestion.de\tpassage.de\n" + "".join(
        f"{name}\tde question {name}?\tde passage {name}.\n" for name in "12"
    )
    (tmp_path / "x.tsv").write_text(text)
    tsv = parse(f"tsv:{tmp_path / 'x.tsv'}")
    one, other = (prepared(tmp_path / "home", each) for each in (lines, tsv))
    assert one.fingerprint == other.fingerprint


def test_a_large_file_is_hashed_once(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    source = jsonl(file, [record("1", {"de": "?"}, {"de": "x" * (1 << 24)})])
    folder = prepare([source], tmp_path / "home")
    (note,) = (tmp_path / "home" / "hashes").iterdir()
    assert meta(folder)["datasets"][0]["files"][0]["xxh3_128"] in note.read_text()
    note.write_text("{")  # not whole: a killed process left it
    assert prepare([source], tmp_path / "home") == folder
    jsonl(file, [record("1", {"de": "?"}, {"de": "y" * (1 << 24)})])
    assert prepare([source], tmp_path / "home") != folder


def test_processes_that_prepare_at_once_read_once(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "x.jsonl", (both(str(row), "de", "en") for row in range(9000)))
    command = [sys.executable, "-c", COMMAND, f"jsonl:{file}", str(tmp_path / "home")]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)
    ]
    told = [process.communicate(timeout=120)[0].splitlines() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert told[0][-1] == told[1][-1]
    assert sum("x: 9,000 rows" in each for each in told) == 1, "one of them read"
    assert len(load(Path(told[0][-1]))) == 9000


def test_a_killed_process_leaves_nothing_that_is_taken_for_whole(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "x.jsonl", (both(str(row), "de", "en") for row in range(60_000)))
    home = tmp_path / "home"
    command = [sys.executable, "-c", COMMAND, f"jsonl:{file}", str(home)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path)
    while not list(home.glob(".tmp-*/part-2")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(home.glob("[!.]*/meta.json"))
    assert len(load(prepare([parse(f"jsonl:{file}")], home))) == 60_000
    assert not list(home.glob(".tmp-*"))


def test_a_full_disk_is_an_error_that_leaves_no_half_folder(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "x.jsonl", (both(str(row), "de", "en") for row in range(9000)))
    home = tmp_path / "home"
    script = (
        "import sys; from pathlib import Path; from mlir_harness.errors import StoreError\n"
        "from mlir_trainers.parallel.prepare import prepare\n"
        "from mlir_trainers.parallel.sources import parse\n"
        "try: prepare([parse(sys.argv[1])], Path(sys.argv[2]))\n"
        "except StoreError as error: print(error.message, error.hint)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, f"jsonl:{file}", str(home)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: (
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        ),
    )
    assert done.returncode == 0, done.stderr
    assert f"cannot keep prepared data in {home}: File too large" in done.stdout
    assert "Free some space" in done.stdout
    assert not [each for each in home.iterdir() if each.is_dir()]


def test_a_home_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "x.jsonl", [both("1", "de")])
    with pytest.raises(StoreError, match="cannot keep prepared data"):
        prepare([source], tmp_path / "x.jsonl" / "home")


@pytest.mark.parametrize("name", ["meta.json", "rows.arrow", "present.npy", "group.npy"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_damaged_data_is_refused(tmp_path: Path, name: str, damage: str) -> None:
    folder = prepare([jsonl(tmp_path / "x.jsonl", [both("1", "de")])], tmp_path / "home")
    file = folder / name
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(DataError) as raised:
        load(folder)
    assert "Delete the folder" in raised.value.hint


def test_sources_called_alike_are_numbered(tmp_path: Path) -> None:
    sources = [
        from_table(
            {"format": "jsonl", "path": str(write_jsonl(tmp_path / each / "x.jsonl", [row]))}
        )
        for each, row in (("a", both("1", "de")), ("b", both("1", "en")))
    ]
    data = prepared(tmp_path / "home", *sources)
    assert [each.name for each in data.datasets] == ["x", "x-2"]


@pytest.mark.data
def test_xquad_r_has_its_questions_and_paragraphs(real_data: Path, tmp_path: Path) -> None:
    data = prepared(tmp_path, parse(f"lareqa:{real_data / 'xquad-r'}"))
    assert len(data) == 1190
    assert len(data.languages) == 11
    assert data.present.all()
    assert data.datasets[0].crossing.sources == 240
