"""Data sets of ir_datasets as tasks, made on the spot from local files, and real ones offline."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from command import Desk

from mlir_harness import evaluate
from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import TaskOptions
from mlir_harness.types import Retrieval, SettingKind
from mlir_tasks.irds import create

# Its data sets know their folder from the import on: one where no real data can be.
_HOME = tempfile.TemporaryDirectory(prefix="ir_datasets-")
os.environ["IR_DATASETS_HOME"] = _HOME.name
ir_datasets = pytest.importorskip("ir_datasets")

DOCS = {"d1": "the old bridge", "10020#0": "a blue river", "d 3": "green hills", "d4": "a town"}
QUERIES = {"q1": "which bridge", "q2": "which river", "q3": "nobody knows"}
QRELS = [("q1", "d1", 2), ("q1", "d4", 1), ("q1", "d 3", 0), ("q2", "10020#0", 1)]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No test here may reach the network; what was tried is in the list."""
    tried: list[Any] = []

    def refuse(*address: Any, **_: Any) -> Any:
        tried.append(address)
        raise OSError("the network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tried


class Article(NamedTuple):
    doc_id: str
    title: str
    text: str


class Topic(NamedTuple):
    query_id: str
    title: str


class Picture(NamedTuple):
    doc_id: str
    pixels: bytes


def register(*parts: Any) -> str:
    name = f"made-up/{uuid4().hex}/dev"
    ir_datasets.registry.register(name, ir_datasets.Dataset(*parts))
    return name


def docs(records: list[Any], lang: str | None = None) -> Any:
    class Docs(ir_datasets.formats.BaseDocs):
        def docs_iter(self) -> Iterator[Any]:
            return iter(records)

        def docs_cls(self) -> Any:
            return type(records[0])

        def docs_lang(self) -> str | None:
            return lang

        def docs_count(self) -> int:
            return len(records)

    return Docs()


def queries(records: list[Any], lang: str | None = None) -> Any:
    class Queries(ir_datasets.formats.BaseQueries):
        def queries_iter(self) -> Iterator[Any]:
            return iter(records)

        def queries_cls(self) -> Any:
            return type(records[0])

        def queries_lang(self) -> str | None:
            return lang

    return Queries()


def qrels(triples: list[tuple[str, str, int]] = QRELS) -> Any:
    class Qrels(ir_datasets.formats.BaseQrels):
        def qrels_iter(self) -> Iterator[Any]:
            return (ir_datasets.formats.GenericQrel(*triple) for triple in triples)

        def qrels_defs(self) -> dict[int, str]:
            return {}

    return Qrels()


def made_up(docs_lang: str | None = "sw", queries_lang: str | None = "sw", **changes: Any) -> str:
    generic = ir_datasets.formats
    parts = {
        "docs": docs([generic.GenericDoc(*each) for each in DOCS.items()], docs_lang),
        "queries": queries([generic.GenericQuery(*each) for each in QUERIES.items()], queries_lang),
        "qrels": qrels(),
    } | changes
    return register(*parts.values())


def load(name: str, **options: Any) -> Retrieval:
    return create(name).load(TaskOptions(**options))


def test_local_files_become_a_task(tmp_path: Path) -> None:
    tables = {
        "docs": "".join(f"{name}\t{text}\n" for name, text in DOCS.items()),
        "queries": "".join(f"{name}\t{text}\n" for name, text in QUERIES.items()),
        "qrels": "q1 0 d1 2\nq1 0 d4 1\nq2 0 10020#0 1\nq3 0 d1 0\n",
    }
    for name, content in tables.items():
        (tmp_path / name).write_text(content)
    name = f"made-up/{uuid4().hex}"
    dataset = ir_datasets.create_dataset(
        str(tmp_path / "docs"), str(tmp_path / "queries"), str(tmp_path / "qrels")
    )
    ir_datasets.registry.register(name, dataset)
    retrieval = load(name)
    assert (
        dict(zip(retrieval.documents["und"].ids, retrieval.documents["und"].texts, strict=True))
        == DOCS
    )
    assert (
        dict(zip(retrieval.queries["und"].ids, retrieval.queries["und"].texts, strict=True))
        == QUERIES
    )
    relevant = retrieval.judgements["und", "und"].rows(slice(0, 3))
    assert relevant.indptr.tolist() == [0, 2, 3, 3]
    assert relevant.documents.tolist() == [0, 3, 1]
    assert relevant.grades.tolist() == [2, 1, 1]
    assert any("does not tell every language" in note for note in retrieval.provenance.notes)


def test_it_is_evaluated_as_any_task(tmp_path: Path) -> None:
    name = made_up()
    report = evaluate("hashing", f"irds:{name}", cache_dir=tmp_path)
    (cell,) = report.cells
    assert (cell.status, cell.reason, cell.split) == ("ok", None, "dev")
    (setting,) = cell.settings
    assert (setting.id, setting.kind, setting.queries) == ("sw→sw", "monolingual", 2)
    assert setting.unanswerable == 0  # the query without a judgement is not asked
    assert set(setting.measures) >= {"nDCG@10", "R@100", "AP", "RR@10"}
    assert cell.main_measure == "nDCG@10"


def test_other_languages_on_the_other_side_make_it_cross_lingual() -> None:
    retrieval = load(made_up("fa", "en"))
    (setting,) = retrieval.settings
    assert (setting.id, setting.kind) == ("en→fa", SettingKind.CROSS_LINGUAL)
    assert setting.document_languages == ("fa",)


@pytest.mark.parametrize(
    ("told", "extra", "expected"),
    [
        ((None, None), {}, "und→und"),
        ((None, None), {"language": "sw"}, "sw→sw"),
        (("dt", "dt"), {"language": "nl"}, "nl→nl"),
        (("fa", None), {"query_language": "en"}, "en→fa"),
        ((None, "en"), {"language": "x", "document_language": "fa"}, "x→fa"),
    ],
)
def test_an_option_says_the_language_where_the_library_does_not(
    told: tuple[str | None, str | None], extra: dict[str, str], expected: str
) -> None:
    (setting,) = load(made_up(*told), extra=extra).settings
    assert setting.id == expected


def test_languages_not_asked_for_make_it_unavailable() -> None:
    name = made_up("fa", "en")
    assert load(name, languages=("fa", "en", "sw")).settings
    with pytest.raises(Unavailable, match="queries are in 'en' and its documents in 'fa'"):
        load(name, languages=("fa",))


def test_a_document_without_a_text_of_its_own_is_title_and_text() -> None:
    articles = [
        Article("d1", "Old", "the bridge"),
        Article("d4", "", "a town"),
        Article("x", "X", ""),
    ]
    name = made_up(docs=docs(articles, "sw"), queries=queries([Topic("q1", "which?")], "sw"))
    retrieval = load(name)
    assert tuple(retrieval.documents["sw"].texts) == ("Old\nthe bridge", "a town", "X")
    assert retrieval.queries["sw"].texts == ("which?",)


def test_the_text_is_what_the_library_calls_so() -> None:
    class Titled(NamedTuple):
        doc_id: str
        title: str
        text: str

        def default_text(self) -> str:
            return f"{self.title} {self.text}"

    retrieval = load(made_up(docs=docs([Titled("d1", "Old", "the bridge")], "sw")))
    assert tuple(retrieval.documents["sw"].texts) == ("Old the bridge",)


def test_a_document_that_is_no_text_makes_it_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not tell the text of a Picture") as caught:
        load(made_up(docs=docs([Picture("d1", b"")])))
    assert caught.value.hint == "It has: doc_id, pixels."


def test_empty_texts_and_lost_judgements_are_noted_or_refused() -> None:
    generic = ir_datasets.formats.GenericDoc
    some = [generic("d1", "the old bridge"), generic("d4", " \n"), generic("10020#0", "a river")]
    asked = [("q1", "which bridge"), ("q2", "which river"), ("q3", "nobody"), ("q4", " ")]
    judged = [*QRELS, ("q9", "d1", 1), ("q9", "d9", 0), ("q4", "d1", 1), ("q1", "d1", 2)]
    name = made_up(
        docs=docs(some, "sw"),
        queries=queries([ir_datasets.formats.GenericQuery(*each) for each in asked], "sw"),
        qrels=qrels(judged),
    )
    for _ in range(2):  # read, and kept
        retrieval = load(name)
        assert tuple(retrieval.documents["sw"].ids) == ("d1", "10020#0")
        assert retrieval.queries["sw"].ids == ("q1", "q2")
        assert retrieval.provenance.notes == (
            "queries: 2",
            "documents: 2",
            "1 queries have no judgement in this split and are not asked",
            "sw: queries without text, left out: 1",
            "sw: documents without text, left out: 1",
            "sw: judged topics that are not there: 2 (q9, q4)",
            "sw: judged documents that are not there: 3 (d4, d 3, d9)",
            "sw: judgements that are there again: 1",
        )
    with pytest.raises(DataError, match="documents without text, left out: 1"):
        load(name, strict=True)


def test_it_is_judged_as_data_sets_in_files_are() -> None:
    with pytest.raises(DataError, match=r"judgement 5: document 'd1' has grade 1 for topic 'q1'"):
        load(made_up(qrels=qrels([*QRELS, ("q1", "d1", 1)])))
    with pytest.raises(DataError, match="judged documents that are not there: 1"):
        load(made_up(qrels=qrels([*QRELS, ("q1", "gone", 0)])), strict=True)
    with pytest.raises(DataError, match="none of the queries that are judged"):
        load(made_up(qrels=qrels([("q9", "d1", 1)])))
    notes = load(made_up("fa", "en", qrels=qrels([*QRELS, ("q3", "d1", 0)]))).provenance.notes
    assert "en→fa: topics without a relevant document: 1" in notes


def test_a_library_that_counts_too_few_documents_is_not_believed() -> None:
    held = docs([ir_datasets.formats.GenericDoc(*each) for each in DOCS.items()], "sw")
    held.docs_count = lambda: 3
    retrieval = load(made_up(docs=held))
    assert len(retrieval.documents["sw"]) == 4
    assert not any("without text" in note for note in retrieval.provenance.notes)


def test_queries_that_are_documents_are_counted() -> None:
    same = queries([ir_datasets.formats.GenericQuery("d1", "the old bridge")], "sw")
    notes = load(made_up(queries=same, qrels=qrels([("d1", "d4", 1)]))).provenance.notes
    assert any("queries with the id of a document: 1; it is ranked" in note for note in notes)


def kept(tmp_path: Path) -> list[Path]:
    return [*tmp_path.rglob("rows-*.arrow")]


def test_documents_are_read_once_and_again_once_their_file_changed(tmp_path: Path) -> None:
    file = tmp_path / "docs"
    file.write_text("".join(f"{name}\t{text}\n" for name, text in DOCS.items()))
    (tmp_path / "queries").write_text("q1\twhich bridge\n")
    (tmp_path / "qrels").write_text("q1 0 d1 1\n")
    parts = [str(tmp_path / part) for part in ("docs", "queries", "qrels")]
    name = f"made-up/{uuid4().hex}"
    ir_datasets.registry.register(name, ir_datasets.create_dataset(*parts))
    assert load(name).documents["und"].texts[0] == "the old bridge"
    (first,) = kept(tmp_path)
    load(name)
    assert kept(tmp_path) == [first]
    file.write_text(file.read_text().replace("the old bridge", "the new bridge"))
    os.utime(file, ns=(1, 1))  # whatever the clock's grain
    assert load(name).documents["und"].texts[0] == "the new bridge"
    (second,) = kept(tmp_path)  # and nothing old stays
    assert second != first


def test_a_file_that_the_library_fetches_on_the_way_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "fetched"
    held = docs([ir_datasets.formats.GenericDoc(*each) for each in DOCS.items()], "sw")
    iterate = held.docs_iter

    def fetched() -> Iterator[Any]:
        if not file.exists():
            file.touch()
        return iterate()  # type: ignore[no-any-return]

    held.docs_path = lambda force=True: file
    held.docs_iter = fetched
    name = made_up(docs=held)
    load(name)
    before = kept(tmp_path)
    load(name)
    assert kept(tmp_path) == before


def test_documents_without_a_file_are_known_by_their_content(tmp_path: Path) -> None:
    generic = ir_datasets.formats.GenericDoc
    held = [generic(*each) for each in DOCS.items()]
    name = made_up(docs=docs(held, "sw"))
    load(name)
    before = kept(tmp_path)
    load(name)
    assert kept(tmp_path) == before
    held[2] = generic("d 3", "brown hills")
    assert load(name).documents["sw"].texts[2] == "brown hills"


def test_what_is_no_data_set_is_told_with_what_was_meant() -> None:
    with pytest.raises(Unavailable, match="has no data set 'beir/nfcorpsu/test'") as caught:
        load("beir/nfcorpsu/test")
    assert "beir/nfcorpus/test" in caught.value.hint
    with pytest.raises(Unavailable, match="beir/nfcorpus of ir_datasets has no qrels") as caught:
        load("beir/nfcorpus")
    assert caught.value.hint == (
        "Take one of: beir/nfcorpus/dev, beir/nfcorpus/test, beir/nfcorpus/train."
    )
    with pytest.raises(Unavailable, match="has no qrels") as caught:
        load("miracl/sw/test-a")
    assert caught.value.hint == "Take another data set."


def test_options_that_it_does_not_have_are_refused(tmp_path: Path) -> None:
    name = made_up()
    with pytest.raises(UsageError, match="no option 'lang'") as caught:
        load(name, extra={"lang": "sw"})
    assert "query_language" in caught.value.hint
    with pytest.raises(UsageError, match="no split 'test'"):
        load(name, split="test")
    with pytest.raises(Unavailable, match="no bundled sample"):
        load(name, data="sample")
    with pytest.raises(Unavailable, match="does not look in --data-dir"):
        load(name, data_dir=str(tmp_path))


@pytest.mark.parametrize(
    "name", ["vaswani", "beir/nfcorpus/test", "miracl/sw/dev", "neumarco/fa/dev"]
)
def test_nothing_is_downloaded_unasked(name: str, offline: list[Any]) -> None:
    started = time.monotonic()
    with pytest.raises(Unavailable, match=f"{name} is not on this machine") as caught:
        load(name)
    assert time.monotonic() - started < 5
    assert "lacks http" in caught.value.message
    assert " MB)" in caught.value.message or name == "miracl/sw/dev"
    assert caught.value.hint.endswith("with --download.")
    assert offline == []


def test_a_download_that_fails_is_told(
    offline: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Unavailable, match="vaswani could not be downloaded: ConnectionError"):
        load("vaswani", download=True)
    assert offline
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("aquaint/trec-robust-2005", "available from the LDC"),
        ("hc4/fa/dev", "HC4 document download"),
        ("tripclick/val/head", "Trip Database"),
    ],
)
def test_what_must_be_fetched_by_hand_says_how(
    name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ir_datasets.registry[name]
    # The topics and judgements can be downloaded: as if they had been.
    monkeypatch.setattr(dataset, "qrels_iter", qrels().qrels_iter, raising=False)
    topics = queries([ir_datasets.formats.GenericQuery(*each) for each in QUERIES.items()])
    monkeypatch.setattr(dataset, "queries_iter", topics.queries_iter, raising=False)
    with pytest.raises(Unavailable, match=f"{name} must be fetched by hand:") as caught:
        load(name)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500
    assert caught.value.hint == f"See https://ir-datasets.com/{name.partition('/')[0]}.html"


def test_a_password_is_not_asked_for_but_said_to_be_needed() -> None:
    class Secret(ir_datasets.formats.BaseQrels):
        def qrels_iter(self) -> Iterator[Any]:
            download = ir_datasets.util.RequestsDownload("https://example.org/x", auth="secret")
            with download.stream() as stream:
                yield stream.read()

    with pytest.raises(Unavailable, match="needs a user name and a password") as caught:
        load(made_up(qrels=Secret()), download=True)
    assert "auth" in caught.value.hint


def test_the_librarys_own_errors_are_explained() -> None:
    class Broken(ir_datasets.formats.BaseQrels):
        def qrels_iter(self) -> Iterator[Any]:
            raise RuntimeError("expected 3 columns\ngot 2")

    name = made_up(qrels=Broken())
    with pytest.raises(DataError, match="RuntimeError: expected 3 columns got 2") as caught:
        load(name)
    assert caught.value.hint.endswith(f"ir_datasets export {name} docs")


def test_the_library_is_left_as_it_was() -> None:
    before = dict(vars(ir_datasets.lazy_libs)), dict(vars(ir_datasets.util.download))
    with pytest.raises(Unavailable):
        load("vaswani")
    assert (dict(vars(ir_datasets.lazy_libs)), dict(vars(ir_datasets.util.download))) == before
    assert logging.getLogger("ir_datasets").filters == []


def test_on_the_command_line_it_says_what_is_missing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, {"IR_DATASETS_HOME": str(tmp_path / "home")})
    done = desk.do("run", "--encoders", "hashing", "--tasks", "irds:miracl/sw/dev")
    assert done.code == 4
    told = " ".join(done.err.split())
    assert "irds:miracl/sw/dev" in told
    assert "miracl/sw/dev is not on this machine: ir_datasets lacks https://" in told
    assert f"{tmp_path / 'home'} with --download" in told
    assert "Traceback" not in done.err
    assert "[INFO]" not in done.err


def test_without_the_package_it_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "hidden" / "ir_datasets").mkdir(parents=True)
    (tmp_path / "hidden" / "ir_datasets" / "__init__.py").write_text("raise ImportError('hidden')")
    desk = Desk(tmp_path)
    path = os.fspath(tmp_path / "hidden")
    done = desk.do("run", "--encoders", "hashing", "--tasks", "irds:vaswani", PYTHONPATH=path)
    assert done.code == 4
    assert "ir_datasets cannot be imported: hidden" in done.err
    assert "pip install 'mlir-harness[irds]'" in done.err
