"""beir:FOLDER: any data set in BEIR's layout, and what is said where the layout is another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import Desk
from corpus_files import PASSAGES, QRELS, TOPICS, write_beir, write_lines

from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import Task, TaskOptions
from mlir_harness.types import Retrieval
from mlir_tasks.beir import create


def load(folder: Path, **options: Any) -> Retrieval:
    return create(str(folder)).load(TaskOptions(cache_dir=str(folder / "cache"), **options))


def relevant(retrieval: Retrieval, language: str = "und") -> list[list[str]]:
    queries = retrieval.queries[language]
    found = retrieval.judgements[language, language].rows(slice(0, len(queries)))
    ids = retrieval.documents[language].ids
    return [
        [ids[row] for row in found.documents[first:last].tolist()]
        for first, last in zip(found.indptr[:-1], found.indptr[1:], strict=True)
    ]


class TestLoading:
    @pytest.mark.parametrize("form", [".jsonl", ".jsonl.gz"])
    def test_queries_documents_and_judgements(self, tmp_path: Path, form: str) -> None:
        folder = write_beir(tmp_path / "set", form=form)
        retrieval = load(folder)
        assert retrieval.queries["und"].ids == ("q1", "q2")
        assert retrieval.queries["und"].texts[1] == TOPICS[1][1]
        assert [*retrieval.documents["und"].ids] == [row[0] for row in PASSAGES]
        assert retrieval.documents["und"].texts[0] == f"Bridge\n{PASSAGES[0][2]}"
        assert relevant(retrieval) == [["10#0"], ["40#0"]]
        assert [each.id for each in retrieval.settings] == ["und→und"]
        assert retrieval.provenance.source == str(folder)
        assert retrieval.provenance.notes[:2] == ("queries: 2", "documents: 5")

    def test_what_it_measures(self, tmp_path: Path) -> None:
        task = create(str(write_beir(tmp_path)))
        assert isinstance(task, Task)
        assert task.info.measures == ("nDCG@10", "R@100", "AP", "RR@10")
        assert task.info.depth == 100

    def test_only_queries_with_a_judgement_are_asked(self, tmp_path: Path) -> None:
        more = [("q0", "Not judged"), *TOPICS, ("q3", "Not judged either")]
        retrieval = load(write_beir(tmp_path, queries=more))
        assert retrieval.queries["und"].ids == ("q1", "q2")
        assert "2 queries have no judgement in this split and are not asked" in (
            retrieval.provenance.notes
        )

    def test_judgements_as_trec_has_them(self, tmp_path: Path) -> None:
        write_beir(tmp_path)
        lines = [f"{query} 0 {document} {grade}\n" for query, document, grade in QRELS]
        (tmp_path / "qrels" / "test.tsv").write_text("".join(lines))
        assert relevant(load(tmp_path)) == [["10#0"], ["40#0"]]

    def test_judged_documents_that_are_not_there(self, tmp_path: Path) -> None:
        write_beir(tmp_path, qrels=[*QRELS, ("q1", "gone", 1)])
        assert "und: judged documents that are not there: 1 (gone)" in (
            load(tmp_path).provenance.notes
        )
        with pytest.raises(DataError, match="judged documents that are not there"):
            load(tmp_path, strict=True)

    def test_documents_and_queries_without_text_are_left_out_and_counted(
        self, tmp_path: Path
    ) -> None:
        queries = [*TOPICS, ("q3", " "), ("not judged", "")]
        rows = [PASSAGES[0], ("d2", "", ""), *PASSAGES[1:]]
        write_beir(tmp_path, rows=rows, queries=queries, qrels=[*QRELS, ("q3", "10#0", 1)])
        for _ in range(2):  # read, and kept
            retrieval = load(tmp_path)
            assert [*retrieval.documents["und"].ids] == [row[0] for row in PASSAGES]
            assert retrieval.queries["und"].ids == ("q1", "q2")
            notes = retrieval.provenance.notes
            assert notes[:2] == ("queries: 2", "documents: 5")
            assert "und: documents without text, left out: 1" in notes
            assert "und: queries without text, left out: 1" in notes
            assert "1 queries have no judgement in this split and are not asked" in notes
        with pytest.raises(DataError, match="documents without text, left out: 1"):
            load(tmp_path, strict=True)

    def test_queries_that_are_documents_are_counted(self, tmp_path: Path) -> None:
        same = [("10#0", "Which bridge?"), ("10#1", "Not judged"), TOPICS[1]]
        notes = load(
            write_beir(tmp_path / "same", queries=same, qrels=[("10#0", "20#0", 1), *QRELS[2:]])
        ).provenance.notes
        assert (
            "queries with the id of a document: 1; it is ranked like any other, where BEIR leaves "
            "it out of the ranking of that query"
        ) in notes
        other = load(write_beir(tmp_path / "other")).provenance.notes
        assert not any("id of a document" in note for note in other)


class TestSplits:
    def test_test_is_the_default(self, tmp_path: Path) -> None:
        for split in ("dev", "test", "train"):
            write_beir(tmp_path, split=split, qrels=QRELS if split == "test" else QRELS[:1])
        assert create(str(tmp_path)).info.splits == ("test", "dev", "train")
        assert len(load(tmp_path).queries["und"]) == 2
        assert len(load(tmp_path, split="dev").queries["und"]) == 1

    def test_without_test_the_only_one_is(self, tmp_path: Path) -> None:
        assert create(str(write_beir(tmp_path, split="dev"))).info.splits == ("dev",)
        assert len(load(tmp_path).queries["und"]) == 2

    def test_of_several_others_one_must_be_named(self, tmp_path: Path) -> None:
        for split in ("dev", "train"):
            write_beir(tmp_path, split=split)
        with pytest.raises(UsageError, match="has several splits, and none of them is") as raised:
            load(tmp_path)
        assert raised.value.hint == "Choose with --split: dev, train."
        assert len(load(tmp_path, split="train").queries["und"]) == 2

    def test_a_split_that_is_not_there_and_none_at_all(self, tmp_path: Path) -> None:
        write_beir(tmp_path)
        with pytest.raises(UsageError, match="has no split 'dev'"):
            load(tmp_path, split="dev")
        with pytest.raises(UsageError, match="has no split"):
            load(tmp_path, split="../qrels/test")
        (tmp_path / "qrels" / "test.tsv").unlink()
        with pytest.raises(DataError, match=r"lacks qrels/test.tsv"):
            load(tmp_path)


class TestLanguage:
    def test_is_what_the_option_says(self, tmp_path: Path) -> None:
        retrieval = load(write_beir(tmp_path / "de-news"), extra={"language": "sw"})
        assert retrieval.documents["sw"].language == "sw"
        assert [each.id for each in retrieval.settings] == ["sw→sw"]

    def test_is_not_guessed_from_a_folder(self, tmp_path: Path) -> None:
        assert [*load(write_beir(tmp_path / "nfcorpus-de")).queries] == ["und"]

    @pytest.mark.parametrize("tag", ["", "x", "swahili-", "s w", "../sw"])
    def test_must_be_a_tag(self, tmp_path: Path, tag: str) -> None:
        with pytest.raises(UsageError, match="is no language tag"):
            load(write_beir(tmp_path), extra={"language": tag})

    def test_other_options_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="beir has no option 'lang'"):
            load(write_beir(tmp_path), extra={"lang": "sw"})

    def test_languages_asked_for(self, tmp_path: Path) -> None:
        write_beir(tmp_path)
        with pytest.raises(Unavailable, match="none of the languages asked for: nobody said what"):
            load(tmp_path, languages=("sw",))
        with pytest.raises(Unavailable, match="none of the languages asked for: it is de"):
            load(tmp_path, languages=("sw",), extra={"language": "de"})
        assert load(tmp_path, languages=("sw", "de"), extra={"language": "de"}).queries["de"]


class TestRefusing:
    def test_files_that_are_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not exist or is no folder"):
            load(tmp_path / "nowhere")
        write_beir(tmp_path)
        (tmp_path / "queries.jsonl").unlink()
        with pytest.raises(DataError, match=r"lacks queries.jsonl") as raised:
            load(tmp_path)
        assert "corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv" in raised.value.hint

    def test_a_file_that_is_there_in_both_forms(self, tmp_path: Path) -> None:
        write_beir(write_beir(tmp_path), form=".jsonl.gz")
        with pytest.raises(DataError, match=r"has corpus.jsonl and corpus.jsonl.gz"):
            load(tmp_path)

    def test_a_query_that_is_there_twice(self, tmp_path: Path) -> None:
        write_beir(tmp_path, queries=[*TOPICS, ("q1", "Again")])
        with pytest.raises(DataError, match=r"line 3: query 'q1' is there twice, first in line 1"):
            load(tmp_path)

    def test_a_document_without_an_id(self, tmp_path: Path) -> None:
        write_beir(tmp_path)
        write_lines(tmp_path / "corpus.jsonl", [{"docid": "1", "text": "x"}])
        with pytest.raises(DataError, match=r'corpus.jsonl, line 1: no "_id"'):
            load(tmp_path)

    def test_judgements_of_other_queries(self, tmp_path: Path) -> None:
        write_beir(tmp_path, qrels=[("other", "10#0", 1)])
        with pytest.raises(DataError, match="holds none of the queries that are judged"):
            load(tmp_path)


class TestCommandLine:
    @pytest.fixture
    def desk(self, tmp_path: Path) -> Desk:
        write_beir(tmp_path / "sets" / "bridges")
        return Desk(tmp_path)

    def run(self, desk: Desk, *more: str, task: str = "beir:sets/bridges") -> Any:
        places = ["--output", "out", "--cache-dir", "cache"]
        return desk.do("run", "--encoders", "hashing", "--tasks", task, *places, *more)

    def test_a_folder_is_a_task(self, desk: Desk) -> None:
        done = self.run(desk, "--option", "b.language=en", "--details", task="b=beir:sets/bridges")
        assert done.code == 0, done.err
        assert "b · test" in done.out
        assert "documents: 5" in done.out
        assert "en" in done.out

    def test_beside_tasks_that_have_a_data_folder(self, desk: Desk) -> None:
        from corpus_files import write_miracl

        write_miracl(desk.root / "data" / "miracl")
        done = self.run(desk, "--data-dir", "data", task="miracl,beir:sets/bridges")
        assert done.code == 0, done.err

    @pytest.mark.slow
    def test_what_is_wrong_is_said(self, desk: Desk) -> None:
        done = self.run(desk, task="beir:sets/nowhere")
        assert done.code == 4
        assert "sets/nowhere does not exist or is no folder" in " ".join(done.err.split())
        done = self.run(desk, "--split", "dev")
        assert done.code == 2
        assert "has no split 'dev'" in done.err
        done = self.run(desk, task="beir:")
        assert done.code == 2
        assert "names nothing after the colon" in done.err
        write_beir(desk.root / "sets" / "two", split="dev")
        write_beir(desk.root / "sets" / "two", split="train")
        done = self.run(desk, task="beir:sets/two")
        assert done.code == 4
        assert "Choose with --split: dev, train." in " ".join(done.err.split())
        done = self.run(desk, "--split", "tran", task="beir:sets/two")
        assert done.code == 2
        assert "Did you mean train? Known: dev, train." in " ".join(done.err.split())
