"""MIRACL tasks: what becomes a query, a document, a judgement, a setting, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from command import Desk
from corpus_files import (
    PASSAGES,
    QRELS,
    TOPICS,
    passage_file,
    passages,
    write_lines,
    write_miracl,
    write_qrels,
    write_topics,
)

from mlir_harness import evaluate
from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import Fetches, Published, Task, TaskOptions
from mlir_harness.types import Retrieval, SettingKind
from mlir_tasks.miracl import miracl, miracl_judged

# In the order tables show them, with the number of passages published.
PUBLISHED = {
    "ar": 2061414, "bn": 297265, "en": 32893221, "es": 10373953, "fa": 2207172, "fi": 1883509,
    "fr": 14636953, "hi": 506264, "id": 1446315, "ja": 6953614, "ko": 1486752, "ru": 9543918,
    "sw": 131924, "te": 518079, "th": 542166, "zh": 4934368, "de": 15866222, "yo": 49043,
}  # fmt: skip


def load(folder: Path, *languages: str, task: Task | None = None, **more: Any) -> Retrieval:
    given = {"data_dir": str(folder), "cache_dir": str(folder / "cache"), **more}
    return (task or miracl()).load(TaskOptions(languages=languages, **given))


def relevant(retrieval: Retrieval, language: str) -> dict[str, dict[str, int]]:
    """Topic -> relevant document -> grade."""
    queries, documents = retrieval.queries[language], retrieval.documents[language]
    found = retrieval.judgements[language, language].rows(slice(0, len(queries)))
    return {
        name: {
            documents.ids[row]: grade
            for row, grade in zip(
                found.documents[first:last].tolist(),
                found.grades[first:last].tolist(),
                strict=True,
            )
        }
        for name, first, last in zip(queries.ids, found.indptr[:-1], found.indptr[1:], strict=True)
    }


class TestInfo:
    def test_two_tasks_of_one_folder(self) -> None:
        for task in (miracl(), miracl_judged()):
            assert isinstance(task, Task)
            assert isinstance(task, Fetches)
            assert isinstance(task, Published)
            assert task.info.languages == tuple(PUBLISHED)
            assert task.info.measures == ("nDCG@10", "R@100")
            assert task.info.splits == ("dev", "train")
            assert task.info.depth == 100
            assert task.info.folder == "miracl"

    def test_options_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="miracl-judged takes no options"):
            miracl_judged(depth=3)
        with pytest.raises(UsageError, match="miracl takes no options"):
            load(write_miracl(tmp_path), extra={"title": "no"})

    def test_downloads_name_every_file_of_a_language(self, tmp_path: Path) -> None:
        files = {each.path: each.url for each in miracl().downloads(("ar",))}
        assert len(files) == 4 + 5  # 2,061,414 passages, 500,000 a file
        assert files["miracl-corpus-v1.0-ar/docs-4.jsonl.gz"] == (
            "hf://datasets/miracl/miracl-corpus@d921ec7e349ce0d28daf30b2da9da5ee698bef0d/"
            "miracl-corpus-v1.0-ar/docs-4.jsonl.gz"
        )
        topics = "miracl-v1.0-ar/topics/topics.miracl-v1.0-ar-dev.tsv"
        assert files[topics] == (
            f"hf://datasets/miracl/miracl@5be20db9509754dadad47689368639fcec739c00/{topics}"
        )
        # One passage less than two files hold.
        assert len(miracl().downloads(("yo",))) == 2 + 1
        assert sum("docs-" in each.path for each in miracl().downloads(("en",))) == 66
        everything = miracl().downloads(())
        assert sum("docs-" in each.path for each in everything) == sum(
            -(-passages // 500_000) for passages in PUBLISHED.values()
        )
        # What is downloaded is what is read.
        for each in miracl().downloads(("yo",)):
            file = tmp_path / each.path
            file.parent.mkdir(parents=True, exist_ok=True)
            write_miracl(tmp_path / "other", "yo", shards=[PASSAGES])
            file.write_bytes((tmp_path / "other" / each.path).read_bytes())
        assert len(load(tmp_path, "yo").documents["yo"]) == 5


class TestLoading:
    def test_topics_passages_and_judgements_of_a_language(self, tmp_path: Path) -> None:
        retrieval = load(write_miracl(tmp_path))
        assert retrieval.queries["sw"].ids == ("q1", "q2")
        assert retrieval.queries["sw"].texts[0] == "What was the bridge built of?"
        assert [*retrieval.documents["sw"].ids] == ["10#0", "10#1", "20#0", "30#0", "40#0"]
        assert retrieval.documents["sw"].texts[2] == "Mill\nThe mill by the river ground flour."
        assert relevant(retrieval, "sw") == {"q1": {"10#0": 1}, "q2": {"40#0": 1}}
        assert retrieval.clusters == {"sw": ("q1", "q2")}

    def test_grades_are_kept(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, qrels=[("q1", "10#0", 3), ("q1", "10#1", -1), ("q2", "40#0", 1)])
        assert relevant(load(tmp_path), "sw") == {"q1": {"10#0": 3}, "q2": {"40#0": 1}}

    def test_a_document_with_the_topic_s_own_id_stays(self, tmp_path: Path) -> None:
        write_miracl(
            tmp_path,
            topics=[("10#0", "Which bridge?"), TOPICS[1]],
            qrels=[("10#0", "10#0", 1), *QRELS[2:]],
        )
        assert relevant(load(tmp_path), "sw")["10#0"] == {"10#0": 1}

    def test_languages_in_their_order_alone_and_in_one_pool(self, tmp_path: Path) -> None:
        for language in ("yo", "sw", "en"):
            write_miracl(tmp_path, language)
        retrieval = load(tmp_path)
        assert [(each.id, each.kind) for each in retrieval.settings] == [
            ("en→en", SettingKind.MONOLINGUAL),
            ("sw→sw", SettingKind.MONOLINGUAL),
            ("yo→yo", SettingKind.MONOLINGUAL),
            ("en→all", SettingKind.MULTILINGUAL),
            ("sw→all", SettingKind.MULTILINGUAL),
            ("yo→all", SettingKind.MULTILINGUAL),
        ]
        assert retrieval.pool_size(retrieval.settings[3]) == 15
        assert set(retrieval.judgements) == {(x, x) for x in ("en", "sw", "yo")}
        assert any("own-language judgements only" in note for note in retrieval.provenance.notes)

    def test_one_language_has_no_pool_of_all(self, tmp_path: Path) -> None:
        retrieval = load(write_miracl(tmp_path))
        assert [each.id for each in retrieval.settings] == ["sw→sw"]
        assert not any("own-language" in note for note in retrieval.provenance.notes)

    def test_another_split(self, tmp_path: Path) -> None:
        write_miracl(tmp_path)
        with pytest.raises(DataError, match=r"topics.miracl-v1.0-sw-train.tsv"):
            load(tmp_path, "sw", split="train")
        write_miracl(
            tmp_path,
            split="train",
            topics=[("t1", "Where do ships lie?")],
            qrels=[("t1", "30#0", 1)],
        )
        assert load(tmp_path, split="train").queries["sw"].ids == ("t1",)
        assert load(tmp_path, split="dev").queries["sw"].ids == ("q1", "q2")

    def test_shards_come_in_the_order_of_their_numbers(self, tmp_path: Path) -> None:
        rows = [(f"{n}#0", "", f"text {n}") for n in range(12)]
        write_miracl(tmp_path, shards=[[row] for row in rows], qrels=[("q1", "11#0", 1)])
        assert [*load(tmp_path).documents["sw"].ids] == [f"{n}#0" for n in range(12)]

    def test_shards_need_not_be_compressed(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, shards=[PASSAGES[:3]])
        file = passage_file(tmp_path, "sw", 1).with_suffix("")
        write_lines(file, passages(PASSAGES[3:]))
        assert len(load(tmp_path).documents["sw"]) == 5

    def test_other_files_beside_the_shards_are_passed_over(self, tmp_path: Path) -> None:
        write_miracl(tmp_path)
        folder = passage_file(tmp_path, "sw", 0).parent
        for name in ("docs-2.jsonl.gz.part", "README.md", ".docs-3.jsonl.gz", "docs-a.jsonl"):
            (folder / name).write_text("x")
        assert len(load(tmp_path).documents["sw"]) == 5

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_line_ends_byte_order_marks_and_a_missing_last_end(
        self, tmp_path: Path, end: str
    ) -> None:
        write_miracl(tmp_path)
        for file in tmp_path.rglob("*.tsv"):
            content = file.read_text().rstrip("\n").replace("\n", end)
            file.write_bytes(f"\ufeff{content}".encode())
        retrieval = load(tmp_path)
        assert retrieval.queries["sw"].ids == ("q1", "q2")
        assert retrieval.queries["sw"].texts[1] == TOPICS[1][1]
        assert relevant(retrieval, "sw") == {"q1": {"10#0": 1}, "q2": {"40#0": 1}}


class TestLanguages:
    def test_without_a_choice_those_that_are_whole_are_taken(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, "sw")
        write_miracl(tmp_path, "th", shards=[])
        write_lines(passage_file(tmp_path, "ko", 0), passages())
        retrieval = load(tmp_path)
        assert [*retrieval.queries] == ["sw"]
        assert (
            "languages left out, whose files are not all here: ko, th" in retrieval.provenance.notes
        )

    def test_a_language_asked_for_must_be_whole(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, "sw")
        write_miracl(tmp_path, "th", shards=[])
        with pytest.raises(DataError) as raised:
            load(tmp_path, "sw", "th")
        assert raised.value.message == (f"{tmp_path} lacks miracl-corpus-v1.0-th/docs-0.jsonl.gz")
        assert "huggingface.co" in raised.value.hint
        assert [*load(tmp_path, "sw").queries] == ["sw"]

    def test_no_whole_language(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, "th", shards=[])
        with pytest.raises(DataError, match=r"no language has topics, judgements and passages"):
            load(tmp_path)
        (tmp_path / "bare").mkdir()
        with pytest.raises(DataError, match=r"lacks miracl-v1.0-ar/topics/"):
            load(tmp_path / "bare")

    def test_an_unknown_language(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="miracl has no language 'tr'"):
            load(tmp_path, "tr")

    def test_not_on_this_machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("MLIR_HARNESS_DATA", raising=False)
        with pytest.raises(Unavailable, match=r"miracl-judged is not on this machine: no .*miracl"):
            load(tmp_path, task=miracl_judged(), data="real", data_dir=None)

    def test_below_the_data_folder_both_tasks_find_one_folder(self, tmp_path: Path) -> None:
        write_miracl(tmp_path / "miracl")
        for task in (miracl(), miracl_judged()):
            assert load(tmp_path, task=task).provenance.source == str(tmp_path / "miracl")


class TestJudged:
    def test_documents_are_those_judged_for_any_topic(self, tmp_path: Path) -> None:
        retrieval = load(write_miracl(tmp_path), task=miracl_judged())
        assert [*retrieval.documents["sw"].ids] == ["10#0", "20#0", "30#0", "40#0"]
        assert retrieval.documents["sw"].texts[1] == "Mill\nThe mill by the river ground flour."
        assert relevant(retrieval, "sw") == {"q1": {"10#0": 1}, "q2": {"40#0": 1}}

    def test_says_that_it_is_not_comparable(self, tmp_path: Path) -> None:
        notes = load(write_miracl(tmp_path), task=miracl_judged()).provenance.notes
        assert "not comparable with scores on all passages" in notes[0]
        assert "passages ranked: sw 4" in notes
        assert not any(
            "not comparable" in note for note in load(write_miracl(tmp_path)).provenance.notes
        )

    def test_other_judgements_are_other_documents(self, tmp_path: Path) -> None:
        write_miracl(tmp_path)
        load(tmp_path, task=miracl_judged())
        write_qrels(tmp_path, "sw", ["q1\tQ0\t10#1\t1"])
        retrieval = load(tmp_path, task=miracl_judged())
        assert [*retrieval.documents["sw"].ids] == ["10#1"]


def test_the_sample_has_every_language_and_claims_no_published_counts(tmp_path: Path) -> None:
    for task in (miracl(), miracl_judged()):
        retrieval = load(tmp_path, task=task, data="sample", data_dir=None)
        assert tuple(retrieval.queries) == tuple(PUBLISHED)
        assert retrieval.provenance.sample
        assert not any("differ" in note for note in retrieval.provenance.notes)
        assert task.published(retrieval, TaskOptions()) == ()  # type: ignore[attr-defined]


class TestFlaws:
    def test_judgements_of_what_is_not_there_are_noted_or_fatal(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, qrels=[*QRELS, ("q1", "99#9", 1), ("q7", "10#0", 1)])
        notes = load(tmp_path).provenance.notes
        assert "sw: judged documents that are not there: 1 (99#9)" in notes
        assert "sw: judged topics that are not there: 1 (q7)" in notes
        for task in (miracl(), miracl_judged()):
            with pytest.raises(DataError, match="judged documents that are not there"):
                load(tmp_path, task=task, strict=True)

    def test_topics_without_a_relevant_passage_and_repeats_are_noted(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, qrels=[*QRELS[:2], QRELS[0], ("q2", "30#0", 0)])
        retrieval = load(tmp_path)
        assert "sw: topics without a relevant document: 1" in retrieval.provenance.notes
        assert "sw: judgements that are there again: 1" in retrieval.provenance.notes
        assert relevant(retrieval, "sw")["q2"] == {}

    def test_a_split_is_read_from_its_own_topics_and_judgements(self) -> None:
        def reads(split: str) -> list[str]:
            options = TaskOptions(split=split, languages=("yo",))
            return [path.rpartition("/")[2] for path in miracl().reads(options)]

        dev = ["topics.miracl-v1.0-yo-dev.tsv", "qrels.miracl-v1.0-yo-dev.tsv", "docs-0.jsonl.gz"]
        assert reads("") == reads("dev") == dev
        assert reads("train") == dev[2:]  # Yoruba has no train topics

    def test_counts_other_than_those_published_are_noted(self, tmp_path: Path) -> None:
        retrieval = load(write_miracl(tmp_path))
        assert "topics: sw 2" in retrieval.provenance.notes
        assert "passages: sw 5" in retrieval.provenance.notes
        assert "counts differ from those published: sw" in retrieval.provenance.notes
        counts = {
            each.what: (each.expected, each.found)
            for each in miracl().published(retrieval, TaskOptions())
        }
        assert counts == {"passages (sw)": (131924, 5), "topics (sw)": (482, 2)}
        judged = load(tmp_path, task=miracl_judged())
        assert [each.what for each in miracl_judged().published(judged, TaskOptions())] == [
            "topics (sw)"
        ]

    def test_the_number_of_passages_is_that_of_any_split(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_miracl(write_miracl(tmp_path), split="train")
        noted = "counts differ from those published: sw"
        assert noted in load(tmp_path, split="train").provenance.notes
        assert noted in load(tmp_path, task=miracl_judged(), split="train").provenance.notes
        for split in ("dev", "train"):
            with pytest.raises(DataError, match=noted):
                load(tmp_path, split=split, strict=True)
        monkeypatch.setattr("mlir_tasks.miracl.SIZES", {"sw": (5, 3)})  # of dev, that is
        assert noted not in load(tmp_path, split="train", strict=True).provenance.notes
        assert noted in load(tmp_path).provenance.notes

    def test_passages_without_text_are_noted_or_fatal(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mlir_tasks.miracl.SIZES", {"sw": (6, 2)})
        write_miracl(tmp_path, shards=[PASSAGES, [("50#0", "", " ")]])
        notes = load(tmp_path).provenance.notes
        assert "sw: passages without text, left out: 1" in notes
        assert not any("differ" in note for note in notes)
        with pytest.raises(DataError, match="sw: passages without text, left out: 1"):
            load(tmp_path, strict=True)

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            (["q1\tWhat?", "q2"], "line 2: 1 columns, not 2 (topic, question)"),
            (["q1\tWhat?\tWhy?"], "line 1: 3 columns, not 2"),
            (["q1\tWhat?", "q2\t "], "line 2: the question of topic 'q2' is empty"),
            (["\tWhat?"], "line 1: the id is empty"),
            (["q1\tA?", "q2\tB?", "q1\tA?"], "line 3: topic 'q1' is there twice, first in line 1"),
            ([], "holds no topic"),
        ],
    )
    def test_a_bad_topic_is_named(self, tmp_path: Path, lines: Sequence[str], said: str) -> None:
        write_miracl(tmp_path)
        file = write_topics(tmp_path, "sw", lines)
        with pytest.raises(DataError) as raised:
            load(tmp_path)
        assert str(file) in raised.value.message
        assert said in raised.value.message

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("q1\tQ0\t10#0", "line 1: 3 columns"),
            ("q1\tQ0\t10#0\tyes", "line 1: the grade 'yes' is no integer"),
        ],
    )
    def test_a_bad_judgement_is_named(self, tmp_path: Path, line: str, said: str) -> None:
        write_miracl(tmp_path)
        file = write_qrels(tmp_path, "sw", [line, *(["q2\tQ0\t40#0\t1"] * ("yes" in line))])
        with pytest.raises(DataError) as raised:
            load(tmp_path)
        assert str(file) in raised.value.message
        assert said in raised.value.message or "no integer" in raised.value.message


class TestHalfCopied:
    def test_a_gap_in_the_numbers_of_the_shards(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, shards=[[row] for row in PASSAGES])
        for number in (0, 2):
            passage_file(tmp_path, "sw", number).unlink()
        folder = "miracl-corpus-v1.0-sw"
        for languages in ((), ("sw",)):
            with pytest.raises(DataError) as raised:
                load(tmp_path, *languages)
            missing = f"lacks {folder}/docs-0.jsonl.gz, {folder}/docs-2.jsonl.gz"
            assert raised.value.message.endswith(missing)
            assert "Take the files from " in raised.value.hint

    def test_a_gap_in_a_language_that_nobody_named(self, tmp_path: Path) -> None:
        write_miracl(tmp_path, "yo", shards=[[row] for row in PASSAGES])
        passage_file(tmp_path, "yo", 1).unlink()
        retrieval = load(write_miracl(tmp_path))
        assert [*retrieval.queries] == ["sw"]
        assert "languages left out, whose files are not all here: yo" in retrieval.provenance.notes
        for given in ({"strict": True}, {"languages": ("sw", "yo")}):
            options = {"data_dir": str(tmp_path), "cache_dir": str(tmp_path / "cache"), **given}
            with pytest.raises(DataError, match=r"lacks miracl-corpus-v1.0-yo/docs-1.jsonl.gz$"):
                miracl().load(TaskOptions(**options))  # type: ignore[arg-type]

    def test_a_shard_that_is_there_in_both_forms(self, tmp_path: Path) -> None:
        write_miracl(tmp_path)
        write_lines(passage_file(tmp_path, "sw", 1).with_suffix(""), passages(PASSAGES[3:]))
        with pytest.raises(DataError, match=r"has docs-1.jsonl and docs-1.jsonl.gz"):
            load(tmp_path)

    @pytest.mark.parametrize("size", [0, 40])
    def test_a_shard_that_ends_too_early(self, tmp_path: Path, size: int) -> None:
        write_miracl(tmp_path)
        file = passage_file(tmp_path, "sw", 1)
        file.write_bytes(file.read_bytes()[:size])
        for task in (miracl(), miracl_judged()):
            with pytest.raises(DataError, match=r"docs-1.jsonl.gz: (is empty|ends in the middle)"):
                load(tmp_path, task=task)


def test_from_the_command_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for language in ("sw", "th"):
        write_miracl(tmp_path / "data" / "miracl", language)
    arguments = ["run", "--encoders", "hashing", "--data-dir", "data", "--cache-dir", "cache"]
    arguments += ["--output", "out", "--tasks"]
    done = desk.do(*arguments, "miracl,miracl-judged")
    assert done.code == 0, done.err
    first, second = done.out.split("miracl-judged · dev")
    assert "miracl · dev" in first
    assert "2 monolingual (Mo.), 2 multilingual (Mul.) settings" in first
    assert "own-language judgements only" in first
    assert "not comparable" not in first
    assert "not comparable with scores on all passages" in " ".join(second.split())
    done = desk.do(*arguments, "miracl", "--languages", "sw,fi")
    assert done.code == 4
    assert "data/miracl lacks miracl-v1.0-fi/topics/" in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_hostile_ids_and_texts_are_data(tmp_path: Path) -> None:
    """What a corpus holds reaches tables and files as text, whatever it looks like."""
    hostile = ["[red]x[/b]", "=1+1", "../../x", "a\x1b[31m", "\u202eabc", "q1", "\x00", " "]
    rows = [(name, name, f"text of {name}") for name in hostile]
    write_miracl(
        tmp_path / "data",
        shards=[rows],
        topics=[("[b]", "[/b] {0} \x1b[31m %s")],
        qrels=[("[b]", name, 1) for name in hostile[:4]] + [("[b]", "[red]gone[/b]\x1b[1m", 1)],
    )
    desk = Desk(tmp_path)
    done = desk.do(
        "run",
        "--encoders",
        "hashing",
        "--tasks",
        "miracl",
        "--data-dir",
        "data",
        "--cache-dir",
        "cache",
        "--output",
        "out",
        "--details",
    )
    assert done.code == 0, done.err
    assert "\x1b" not in done.out + done.err
    assert "1 ([red]gone[/b]" in done.out
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")}
    assert written == {"data", "cache", "out"}


REAL = {"fi": (782, 634), "ko": (276, 1488), "sw": (499, 1981), "te": (669, 601)}


@pytest.mark.data
class TestRealData:
    def test_topics_and_judgements_of_the_published_dev_sets(
        self, real_data: Path, tmp_path: Path
    ) -> None:
        """Of all languages; passages, which are not there, are made up."""
        judged = {
            "ar": 29197, "bn": 4206, "en": 8350, "es": 6443, "fa": 6571, "fi": 12008,
            "fr": 3429, "hi": 3494, "id": 9668, "ja": 8354, "ko": 3057, "ru": 13100,
            "sw": 5092, "te": 1606, "th": 7573, "zh": 3928, "de": 3144, "yo": 1188,
        }  # fmt: skip
        from mlir_tasks.qrels import read_qrels

        for language, expected in judged.items():
            name = f"miracl-v1.0-{language}"
            source = real_data / "miracl" / name
            (tmp_path / name).symlink_to(source)
            qrels = read_qrels(source / "qrels" / f"qrels.{name}-dev.tsv")
            assert len(qrels) == expected
            assert qrels.repeated == 0
            rows = [(document, "", "text") for document in qrels.documents]
            write_lines(passage_file(tmp_path, language, 0), passages(rows))
        retrieval = load(tmp_path)
        topics = [
            each for each in miracl().published(retrieval, TaskOptions()) if "topics" in each.what
        ]
        assert len(topics) == 18
        for count in topics:
            assert count.found == count.expected, count.what
        assert not any("not there" in note for note in retrieval.provenance.notes)

    def test_the_stand_in_is_read_whole(self, real_data: Path, tmp_path: Path) -> None:
        retrieval = load(real_data / "tydi-miracl", cache_dir=str(tmp_path))
        flaws = ("that are", "without", "left out")  # it is a stand-in: only the counts are others
        notes = " ".join(retrieval.provenance.notes)
        assert not any(flaw in notes for flaw in flaws)
        assert "counts differ from those published: fi, ko, sw, te" in notes
        assert {
            language: (len(retrieval.queries[language]), len(retrieval.documents[language]))
            for language in retrieval.queries
        } == REAL
        for language in REAL:
            assert all(len(found) == 1 for found in relevant(retrieval, language).values())

    @pytest.mark.slow
    def test_scores_are_those_of_ir_measures(self, real_data: Path, tmp_path: Path) -> None:
        """Of the top lists, written as a run, with the judgements as the files have them."""
        ir_measures = pytest.importorskip("ir_measures")
        report = evaluate(
            "hashing",
            "miracl",
            data_dir=real_data / "tydi-miracl",
            cache_dir=tmp_path / "cache",
            output=tmp_path / "out",
            ties="trec",
        )
        (cell,) = report.cells
        assert cell.reason is None
        assert cell.folder is not None
        top = pq.read_table(cell.folder / "top.parquet").to_pandas()
        expected = {row.id: row.measures for row in cell.settings}
        for language in REAL:
            name = f"miracl-v1.0-{language}"
            file = real_data / "tydi-miracl" / name / "qrels" / f"qrels.{name}-dev.tsv"
            qrels = [*ir_measures.read_trec_qrels(str(file))]
            run = [
                ir_measures.ScoredDoc(row.query, f"{row.language}:{row.document}", -float(row.rank))
                for row in top[top.setting == f"{language}→all"].itertuples()
            ]
            pooled = [
                ir_measures.Qrel(each.query_id, f"{language}:{each.doc_id}", each.relevance)
                for each in qrels
            ]
            alone = [
                ir_measures.ScoredDoc(row.query, row.document, -float(row.rank))
                for row in top[top.setting == f"{language}→{language}"].itertuples()
            ]
            for setting, judged, ranked in (("all", pooled, run), (language, qrels, alone)):
                found = ir_measures.calc_aggregate(
                    [ir_measures.nDCG @ 10, ir_measures.R @ 100], judged, ranked
                )
                for measure, value in found.items():
                    ours = expected[f"{language}→{setting}"][str(measure)]
                    assert np.isclose(ours, value, rtol=0, atol=1e-6), (language, setting, measure)
                    assert value > 0


def test_results_name_what_they_are_of(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    write_miracl(tmp_path / "data")
    done = desk.do(
        "run",
        "--encoders",
        "hashing",
        "--tasks",
        "miracl-judged",
        "--data-dir",
        "data",
        "--cache-dir",
        "cache",
        "--output",
        "out",
        "--format",
        "json",
    )
    assert done.code == 0, done.err
    (file,) = desk.files("out", "manifest.json")
    provenance = json.loads(file.read_text())["details"]["provenance"]
    assert provenance["revision"] == "miracl-v1.0-dev"
    assert provenance["licence"] == "Apache-2.0"
    assert "not comparable" in provenance["notes"][0]
