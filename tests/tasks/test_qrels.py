"""Judgements: which lines are read, which are refused, and which documents they end up with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.errors import DataError
from mlir_harness.types import IntArray
from mlir_tasks.qrels import Judgement, Qrels, flaws, gather, match, parse, read_qrels

FILE = Path("dev.tsv")


def read(*lines: str) -> Qrels:
    return gather(parse(enumerate(lines, 1), FILE))


def triples(qrels: Qrels) -> list[tuple[str, str, int]]:
    return [
        (qrels.topics[topic], qrels.documents[document], grade)
        for topic, document, grade in zip(
            qrels.topic.tolist(), qrels.document.tolist(), qrels.grade.tolist(), strict=True
        )
    ]


class TestReading:
    def test_four_columns_are_trec(self) -> None:
        assert triples(read("7 Q0 1e5 1", "7 0 nan -1", "0012 Q0 10020#0 2")) == [
            ("7", "1e5", 1),
            ("7", "nan", -1),
            ("0012", "10020#0", 2),
        ]

    def test_three_columns_are_beir_with_and_without_a_header(self) -> None:
        lines = ("q\td\t1", "q\te\t0")
        expected = [("q", "d", 1), ("q", "e", 0)]
        assert triples(read(*lines)) == expected
        assert triples(read("query-id\tcorpus-id\tscore", *lines)) == expected

    def test_where_there_are_tabs_spaces_are_part_of_an_id(self) -> None:
        assert triples(read("q 1\tQ0\tdoc 2\t1")) == [("q 1", "doc 2", 1)]

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("last", ["", "\n"])
    def test_line_ends_byte_order_marks_and_blank_lines(
        self, tmp_path: Path, end: str, last: str
    ) -> None:
        file = tmp_path / "dev.tsv"
        file.write_bytes(f"\ufeffq\tQ0\td\t1{end}{end}q\tQ0\te\t0{last}".encode())
        assert triples(read_qrels(file)) == [("q", "d", 1), ("q", "e", 0)]

    def test_an_equal_repeat_is_counted_and_another_grade_refused(self) -> None:
        qrels = read("q Q0 d 1", "q Q0 e 0", "q Q0 d 1")
        assert (len(qrels), qrels.repeated) == (2, 1)
        with pytest.raises(DataError, match="line 3: document 'd' has grade 0 for topic 'q', and"):
            read("q Q0 d 1", "q Q0 e 0", "q Q0 d 0")

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("q Q0 d", "line 2: 3 columns, not 4 (topic, iteration, document, grade)"),
            ("q", "line 2: 1 columns, not 4"),
            ("q Q0 d 1 x", "line 2: 5 columns, not 4"),
            ("q Q0 d 1.5", "line 2: the grade '1.5' is no integer"),
            ("q Q0 d 1_0", "line 2: the grade '1_0' is no integer"),
            ("q Q0 d ١", "is no integer"),
            ("q Q0 d " + "9" * 5000, "is no integer"),
            ("q\tQ0\t\t1", "line 2: an id is empty"),
            ("\tQ0\td\t1", "line 2: an id is empty"),
        ],
    )
    def test_a_bad_line_is_named(self, line: str, said: str) -> None:
        with pytest.raises(DataError) as raised:
            read("q Q0 d 1", line)
        assert f"dev.tsv, {said}" in raised.value.message or said in raised.value.message
        assert len(raised.value.message) < 200

    def test_a_header_of_other_words_is_no_header(self) -> None:
        with pytest.raises(DataError, match="line 1: the grade 'relevance' is no integer"):
            read("query\tdocument\trelevance", "q\td\t1")

    def test_no_judgement_at_all(self, tmp_path: Path) -> None:
        file = tmp_path / "dev.tsv"
        file.write_text("query-id\tcorpus-id\tscore\n")
        with pytest.raises(DataError, match="holds no judgement"):
            read_qrels(file)


class TestMatching:
    QRELS = read("a Q0 x 1", "b Q0 y 2", "b Q0 gone 1", "lost Q0 x 1", "b Q0 x 0")

    def test_what_is_not_there_is_named(self) -> None:
        matched = match(self.QRELS, ["a", "b", "c"], ["x", "y"])
        assert matched.unknown_topics == ("lost",)
        assert matched.unknown_documents == ("gone",)
        assert matched.unanswered == 1
        assert flaws("sw", self.QRELS, matched, strict=False) == (
            "sw: judged topics that are not there: 1 (lost)",
            "sw: judged documents that are not there: 1 (gone)",
            "sw: topics without a relevant document: 1",
        )
        with pytest.raises(DataError, match=r"documents that are not there: 1 \(gone"):
            flaws("sw", self.QRELS, matched, strict=True)

    def test_of_many_unknown_documents_a_few_are_named(self) -> None:
        qrels = read("a Q0 x 1", *(f"a Q0 lost-{n} 1" for n in range(20)))
        (note,) = flaws("sw", qrels, match(qrels, ["a"], ["x"]), strict=False)
        assert note == (
            "sw: judged documents that are not there: 20 (lost-0, lost-1, lost-2 and 17 more)"
        )

    def test_topics_without_a_relevant_document_are_no_flaw_to_stop_for(self) -> None:
        qrels = read("a Q0 x 0")
        matched = match(qrels, ["a"], ["x"])
        assert flaws("sw", qrels, matched, strict=True) == (
            "sw: topics without a relevant document: 1",
        )


IDS = st.lists(st.sampled_from("abcdefgh"), unique=True)


class Searched(list[str]):
    """Ids that are searched by their own means."""

    def find(self, wanted: Sequence[str]) -> IntArray:
        return np.array([self.index(name) if name in self else -1 for name in wanted], np.int64)


@given(
    IDS,
    IDS,
    st.dictionaries(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), st.integers(-1, 3)
    ),
    st.booleans(),
)
def test_rows_are_those_of_the_judged_ids(
    queries: list[str], documents: list[str], judged: dict[tuple[str, str], int], own: bool
) -> None:
    qrels = gather(Judgement(*pair, grade, "") for pair, grade in judged.items())
    found = match(qrels, queries, Searched(documents) if own else documents).judgements
    relevant = found.rows(slice(0, len(queries)))
    for row, query in enumerate(queries):
        entries = slice(relevant.indptr[row], relevant.indptr[row + 1])
        rows = relevant.documents[entries]
        assert (np.diff(rows) > 0).all()
        assert {
            documents[at]: grade
            for at, grade in zip(rows.tolist(), relevant.grades[entries].tolist(), strict=True)
        } == {
            document: grade
            for (topic, document), grade in judged.items()
            if topic == query and grade >= 1 and document in documents
        }


def test_whole_numbers_may_have_a_point(tmp_path: Path) -> None:
    judged = parse([(1, "q\td\t1.0"), (2, "q\te\t0.")], tmp_path / "qrels.tsv")
    assert [each.grade for each in judged] == [1, 0]


def test_another_header_is_told_from_a_judgement(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a header would be query-id corpus-id score"):
        list(parse([(1, "query\tdocument\trelevance")], tmp_path / "qrels.tsv"))
