"""Rows come out of files of every format as they were written; errors name the place."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from lareqa_files import paragraph, write_file, write_lareqa
from parallel_files import both, record, write_jsonl

from mlir_harness.errors import DataError, HarnessError, UsageError
from mlir_trainers.parallel.rows import Row
from mlir_trainers.parallel.sources import Source, from_table, parse


def read(source: str | Source) -> list[Row]:
    return list((parse(source) if isinstance(source, str) else source).rows())


def table(form: str, path: Path, **more: Any) -> Source:
    return from_table({"format": form, "path": str(path), **more})


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text, encoding="utf-8")
    return file


def test_a_lareqa_row_has_the_answering_sentence_in_every_language(tmp_path: Path) -> None:
    rows = read(f"lareqa:{write_lareqa(tmp_path, ('de', 'en', 'zh'))}")
    assert len(rows) == 12
    row = next(each for each in rows if each.id == "q3-year")
    assert row.questions == {
        "de": "Wann wurde die Brücke von Riga gebaut?",
        "en": "When was the bridge of Riga built?",
        "zh": "Riga的大桥建于哪一年？",
    }
    assert row.passages == {
        "de": "Die Brücke von Riga wurde 1981 gebaut.",
        "en": "The bridge of Riga was built in 1981.",
        "zh": "Riga的大桥建于1981年。",
    }


def test_a_squad_row_has_the_paragraph(tmp_path: Path) -> None:
    rows = read(f"squad:{write_lareqa(tmp_path, ('de', 'en'))}")
    assert rows[0].passages["de"].startswith("Verona liegt am Fluss Adige. Die Brücke")
    assert len({row.source for row in rows}) == 6


def test_questions_of_a_paragraph_have_one_source_though_no_language_has_them_all(
    tmp_path: Path,
) -> None:
    for language, names in {"de": ("a", "b"), "en": ("b", "c")}.items():
        asked = [(name, f"{language} {name}?", 0) for name in names]
        filler = [paragraph([f"Other {language}."], [])] if language == "en" else []
        write_file(tmp_path, language, [[*filler, paragraph([f"All {language}."], asked)]])
    rows = read(f"lareqa:{tmp_path}")
    assert [row.id for row in rows] == ["a", "b", "c"]
    assert len({row.source for row in rows}) == 1


def test_squad_2_questions_without_an_answer_are_passed_over(tmp_path: Path) -> None:
    held = paragraph(["One."], [("a", "A?", 0), ("b", "B?", 0)])
    held["qas"][1] |= {"is_impossible": True, "answers": []}
    write_file(tmp_path, "en", [[held]])
    assert [row.id for row in read(f"squad:{tmp_path}")] == ["a"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda q: q.pop("question"), r"qas\[0\]\.question: missing"),
        (lambda q: q.update(id=3), r"qas\[0\]\.id: expected a string, found a number"),
        (lambda q: q["answers"][0].update(answer_start=999), "outside every sentence, at 999"),
        (lambda q: q.update(answers=[]), r"qas\[0\]: has no answer"),
    ],
)
def test_a_flaw_in_a_lareqa_file_is_named_by_file_and_place(
    tmp_path: Path, change: Any, said: str
) -> None:
    held = paragraph(["One."], [("a", "A?", 0)])
    change(held["qas"][0])
    file = write_file(tmp_path, "en", [[held]])
    with pytest.raises(DataError, match=said) as raised:
        read(f"lareqa:{tmp_path}")
    assert str(file) in raised.value.message
    assert raised.value.hint


RECORDS = [
    both("1", "de", "en", source="s"),
    record("2", {"de": "Frage?"}, {"de": "Antwort", "fr": "réponse"}),
]


def test_json_lines_and_parquet_hold_the_same_rows(tmp_path: Path) -> None:
    plain = write_jsonl(tmp_path / "plain.jsonl", RECORDS)
    packed = write(tmp_path / "packed.jsonl.gz", plain.read_text("utf-8") + "\n\n")
    parquet = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(RECORDS), parquet)
    for path in (plain, packed, parquet):
        form = "parquet" if path == parquet else "jsonl"
        rows = read(f"{form}:{path}")
        assert [(row.id, row.source) for row in rows] == [("1", "s"), ("2", None)]
        assert rows[1].questions == {"de": "Frage?"}
        assert rows[1].passages == {"de": "Antwort", "fr": "réponse"}


def test_a_folder_of_shards_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        write_jsonl(tmp_path / f"{number}.jsonl", [both(str(number), "de")])
    assert [row.id for row in read(f"jsonl:{tmp_path}")] == ["0", "1", "2"]


def test_a_map_of_columns_says_what_is_where(tmp_path: Path) -> None:
    columns = {
        "id": "key",
        "source": "meta.page",
        "question": {"deu": "frage", "en": "question"},
        "passage": {"de": "text.de", "en": "answer"},
    }
    values = {
        "key": 7,
        "meta": {"page": "P"},
        "frage": "Was?",
        "question": "What?",
        "text": {"de": "Das."},
        "answer": "That.",
    }
    write_jsonl(tmp_path / "x.jsonl", [values])
    pq.write_table(pa.Table.from_pylist([values]), tmp_path / "x.parquet")
    for form in ("jsonl", "parquet"):
        (row,) = read(table(form, tmp_path / f"x.{form}", columns=columns))
        assert (row.id, row.source) == ("7", "P")
        assert row.questions == {"de": "Was?", "en": "What?"}
        assert row.passages == {"de": "Das.", "en": "That."}


def test_a_tsv_names_its_columns_in_its_first_line(tmp_path: Path) -> None:
    text = "id\tquestion.de\tpassage.de\tnote\na\tWas?\tDas.\tx\nb\t\tNur Text.\ty\n"
    first, second = read(f"tsv:{write(tmp_path / 'x.tsv', text)}")
    assert (first.id, first.questions, first.passages) == ("a", {"de": "Was?"}, {"de": "Das."})
    assert second.questions["de"] == ""
    columns = {"question": {"de": "question.de"}, "passage": {"de": "note"}}
    mapped = read(table("tsv", tmp_path / "x.tsv", columns=columns))
    assert [row.id for row in mapped] == ["1", "2"]
    assert mapped[0].passages == {"de": "x"}


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("jsonl", '{"id": "a"\n', "x.jsonl, line 1, column .*malformed JSON"),
        ("jsonl", "\n[1]\n", "line 2: a list, not an object"),
        ("jsonl", '{"id": "", "question": {}, "passage": {}}', "line 1: 'id' is empty"),
        ("jsonl", '{"id": "a", "passage": {}}', "line 1: 'question' is null, not an object"),
        (
            "jsonl",
            '{"id": "a", "question": {"de": 3}, "passage": {}}',
            "line 1: question in de is a number, not a string",
        ),
        (
            "jsonl",
            '{"id": "a", "question": {"klingon": "nuq?"}, "passage": {}}',
            "line 1, question: 'klingon' is no language",
        ),
        ("tsv", "name\tquestion.de\n", "no column 'id'; it has 'name', 'question.de'"),
        ("tsv", "id\tquestion.de\na\n", "line 2: 1 columns, the header has 2"),
        ("parquet", "PAR?", "x.parquet: no Parquet file"),
    ],
)
def test_a_flaw_in_a_table_is_named_by_file_and_line(
    tmp_path: Path, form: str, text: str, said: str
) -> None:
    path = write(tmp_path / f"x.{form}", text)
    with pytest.raises(DataError, match=said) as raised:
        read(f"{form}:{path}")
    assert raised.value.hint


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    columns = {"question": {"de": "frage"}, "passage": {"de": "text"}}
    path = write(tmp_path / "x.tsv", "frage\tanswer\n")
    with pytest.raises(DataError, match="no column 'text'; it has 'frage', 'answer'"):
        read(table("tsv", path, columns=columns))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"questions": {}}, "columns has no 'questions'"),
        ({"question": "q", "passage": {"de": "p"}}, "columns.question must give"),
        ({"id": 3, "question": {"de": "q"}, "passage": {"de": "p"}}, "columns.id is a number"),
        ({"question": {"de": "q", "deu": "r"}, "passage": {"de": "p"}}, "names a language twice"),
    ],
)
def test_a_map_of_columns_is_checked(tmp_path: Path, columns: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(table("jsonl", write_jsonl(tmp_path / "x.jsonl", RECORDS), columns=columns))


def mmarco(folder: Path, pairs: str = "triples.train.ids.small.tsv") -> Path:
    for language, word in {"english": "say", "german": "sag"}.items():
        passages = "".join(f"{number}\t{word} passage {number}\n" for number in range(5))
        write(folder / f"collections/{language}_collection.tsv", passages)
        queries = f"10\t{word} query 10\r\n" + ("11\tsay query 11" if word == "say" else "")
        write(folder / f"queries/train/{language}_queries.train.tsv", queries)
    rows = (
        "11\t4\t0\n10\t2\t1\n10\t2\t3\n" if "triples" in pairs else "11 0 4 1\n10 0 2 1\n10 0 3 0\n"
    )
    write(folder.parent / pairs, rows)
    return folder


@pytest.mark.parametrize("pairs", ["triples.train.ids.small.tsv", "qrels.train.tsv"])
def test_mmarco_joins_queries_and_passages_by_judgements_or_triples(
    tmp_path: Path, pairs: str
) -> None:
    first, second = read(f"mmarco:{mmarco(tmp_path / 'google', pairs)}")
    assert (first.id, first.source) == ("10-2", "2")
    assert first.questions == {"de": "sag query 10", "en": "say query 10"}
    assert first.passages == {"de": "sag passage 2", "en": "say passage 2"}
    assert second.questions == {"de": "", "en": "say query 11"}, "missing in German"


def test_mmarco_reads_only_the_languages_asked_for(tmp_path: Path) -> None:
    source = table("mmarco", mmarco(tmp_path / "google"), languages=["en"])
    assert [set(row.passages) for row in source.rows()] == [{"en"}, {"en"}]
    assert not [file for file in source.files() if "german" in file.name]


def test_mmarco_names_a_line_that_is_not_of_its_form(tmp_path: Path) -> None:
    folder = mmarco(tmp_path / "google")
    write(folder / "collections/german_collection.tsv", "0\tgut\nkaputt\n")
    with pytest.raises(DataError, match=r"german_collection.tsv, line 2: not a number, a tab"):
        read(f"mmarco:{folder}")
    for line in ("1\tx\t2", "1", "1 2 3 4 5", f"{1 << 63} 2", "-1 2"):
        write(tmp_path / "triples.train.ids.small.tsv", f"10 2\n{line}\n")
        with pytest.raises(DataError, match=r"small.tsv, line 2: '.*' is no judgement"):
            read(f"mmarco:{folder}")
    (tmp_path / "triples.train.ids.small.tsv").unlink()
    with pytest.raises(DataError, match=r"hold no qrels.train.tsv"):
        read(f"mmarco:{folder}")


def test_sentences_are_aligned_by_line_and_blank_ones_are_missing(tmp_path: Path) -> None:
    write(tmp_path / "deu.txt", "\ufeffeins\n\ndrei\n")
    write(tmp_path / "zho-CN.txt.gz", "一\n二\n三")
    rows = read(f"sentences:{tmp_path}")
    assert [row.questions for row in rows] == [
        {"de": "eins", "zh": "一"},
        {"de": "", "zh": "二"},
        {"de": "drei", "zh": "三"},
    ]
    assert all(row.questions == row.passages for row in rows)


def test_files_that_are_not_aligned_are_refused_with_their_counts(tmp_path: Path) -> None:
    write(tmp_path / "de.txt", "1\n2\n3\n4\n")
    write(tmp_path / "en.txt", "1\n2\n")
    with pytest.raises(DataError, match=r"en.txt has 2 lines, de.txt has 4: they are not aligned"):
        read(f"sentences:{tmp_path}")


def test_moses_pairs_are_read_two_files_each(tmp_path: Path) -> None:
    write(tmp_path / "set.cmn-eng.cmn", "一\n")
    write(tmp_path / "set.cmn-eng.eng", "one\n")
    write(tmp_path / "set.deu-eng.deu", "zwei\n")
    write(tmp_path / "set.deu-eng.eng", "two\n")
    write(tmp_path / "README.md", "no data")
    rows = read(f"sentences:{tmp_path}")
    assert {row.id: row.passages for row in rows} == {
        "set.cmn-eng:1": {"zh": "一", "en": "one"},
        "set.deu-eng:1": {"de": "zwei", "en": "two"},
    }
    only = table("sentences", tmp_path, languages=["de", "en"])
    assert [row.id for row in only.rows()] == ["set.deu-eng:1"]
    (tmp_path / "set.deu-eng.eng").unlink()
    with pytest.raises(DataError, match=r"set.deu-eng.deu has no file beside it"):
        read(f"sentences:{tmp_path}")


def test_a_table_of_sentences_names_languages_in_its_first_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "verses.tsv.gz", "slot\ten\tde\tnote\nA:1\tone\teins\tx\nA:2\ttwo\t\tx\n"
    )
    rows = read(f"sentences:{path}")
    assert [row.id for row in rows] == ["A:1", "A:2"]
    assert rows[0].passages == {"de": "eins", "en": "one"}
    with pytest.raises(DataError, match="has nothing in fr"):
        read(table("sentences", path, languages=["fr"]))


def test_json_lines_of_one_language_each_are_aligned_too(tmp_path: Path) -> None:
    for language in ("en", "zh_cn"):
        write_jsonl(tmp_path / f"set-{language}.jsonl", [{"text": language}, {"text": "2"}])
    source = table("sentences", tmp_path, options={"member": "text"})
    assert next(source.rows()).questions == {"en": "en", "zh": "zh_cn"}
    with pytest.raises(DataError, match=r"set-en.jsonl, line 1: no string 'question'"):
        read(f"sentences:{tmp_path}")


@pytest.mark.parametrize("name", ["latin1", "cut", "not-gzip"])
def test_files_that_cannot_be_decoded_are_named(tmp_path: Path, name: str) -> None:
    file = tmp_path / ("de.txt" if name == "latin1" else "de.txt.gz")
    whole = gzip.compress("".join(f"Zeile {n}\n" for n in range(999)).encode())
    content = {"latin1": b"gut\nsch\xf6n\n", "cut": whole[:-20], "not-gzip": b"plain"}[name]
    said = {
        "latin1": r"de.txt, line 2: not UTF-8 at byte 4",
        "cut": r"de.txt.gz: ends in the middle of its compressed data",
        "not-gzip": r"de.txt.gz: not a gzip file",
    }[name]
    file.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(f"sentences:{tmp_path}")


@pytest.mark.parametrize(
    "form", ["lareqa", "squad", "jsonl", "parquet", "tsv", "mmarco", "sentences"]
)
def test_an_empty_or_absent_folder_is_an_error_for_people(tmp_path: Path, form: str) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(HarnessError) as raised:
            list(parse(f"{form}:{path}").rows())
        assert str(path) in raised.value.message
        assert raised.value.hint


def test_json_that_never_ends_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "en.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="malformed JSON"):
        read(f"squad:{tmp_path}")
    (tmp_path / "en.json").write_text(json.dumps({"data": {}}))
    with pytest.raises(DataError, match="data: expected a list, found an object"):
        read(f"squad:{tmp_path}")
