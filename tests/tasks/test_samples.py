"""The bundled samples: as many as promised, parallel, small, in the scripts of their languages."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from mlir_harness import check
from mlir_harness.protocols import TaskOptions
from mlir_harness.types import Retrieval
from mlir_tasks.lareqa import mlqa_r, xquad_r
from mlir_tasks.miracl import miracl, miracl_judged
from mlir_tasks.mtop import mtop
from mlir_tasks.mtop_files import read_mtop
from mlir_tasks.mtop_parallel import mtop_parallel
from mlir_tasks.places import SAMPLES

MAKERS = {
    "mtop": mtop,
    "mtop-parallel": mtop_parallel,
    "xquad-r": xquad_r,
    "mlqa-r": mlqa_r,
    "miracl": miracl,
    "miracl-judged": miracl_judged,
}
SCRIPTS = {
    **dict.fromkeys(["ar", "fa"], "ARABIC"),
    **dict.fromkeys(["en", "de", "fr", "es", "tr", "vi", "fi", "id", "sw", "yo"], "LATIN"),
    "el": "GREEK",
    "hi": "DEVANAGARI",
    "ru": "CYRILLIC",
    "th": "THAI",
    "zh": "CJK",
    "bn": "BENGALI",
    "te": "TELUGU",
    "ko": "HANGUL",
    "ja": "HIRAGANA",
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is prepared of MIRACL's passages is kept, but not in the home of whoever tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def load(name: str) -> Retrieval:
    return MAKERS[name]().load(TaskOptions(data="sample"))


@pytest.mark.parametrize("name", MAKERS)
def test_samples_are_what_tasks_load(name: str) -> None:
    retrieval = load(name)
    check.check(retrieval, name)
    assert check.answerable(retrieval)
    assert retrieval.provenance.sample
    assert not any("differ" in note for note in retrieval.provenance.notes)


@pytest.mark.parametrize("name", MAKERS)
def test_texts_are_in_the_script_of_their_language(name: str) -> None:
    retrieval = load(name)
    for held in (*retrieval.queries.values(), *retrieval.documents.values()):
        for text in held.texts:
            assert text == unicodedata.normalize("NFC", text)
            assert any(SCRIPTS[held.language] in unicodedata.name(each, "") for each in text), text


def test_mtop_has_twenty_intents_in_six_parallel_languages() -> None:
    for split, size in (("train", 80), ("eval", 20), ("test", 40)):
        held = {
            x: read_mtop(SAMPLES / "mtop" / x / f"{split}.txt", x)
            for x in ("en", "de", "fr", "es", "hi", "th")
        }
        english = held["en"]
        assert len({each.intent for each in english}) == 20
        for utterances in held.values():
            assert len(utterances) == size
            pairs = zip(utterances, english, strict=True)
            assert all(a.id == b.id and a.form.template() == b.form.template() for a, b in pairs)


def test_lareqa_has_the_promised_paragraphs_and_questions() -> None:
    for name, languages, questions, paragraphs in (("xquad-r", 11, 48, 24), ("mlqa-r", 7, 32, 16)):
        retrieval = load(name)
        assert len(retrieval.queries) == languages
        assert len({each for held in retrieval.queries.values() for each in held.ids}) == questions
        assert len({each for held in retrieval.clusters.values() for each in held}) == paragraphs


def test_miracl_has_the_promised_passages_and_topics_in_every_language() -> None:
    retrieval = load("miracl")
    assert {*retrieval.queries} == {*SCRIPTS} - {"el", "tr", "vi"}
    assert {len(held) for held in retrieval.documents.values()} == {16}
    assert {len(held) for held in retrieval.queries.values()} == {8}


def test_the_two_question_sets_have_other_topics() -> None:
    xquad, mlqa = (set(load(name).documents["en"].texts) for name in ("xquad-r", "mlqa-r"))
    assert not xquad & mlqa


def test_together_they_are_small() -> None:
    assert sum(file.stat().st_size for file in Path(SAMPLES).rglob("*")) < 2_000_000
