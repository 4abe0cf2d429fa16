"""Encoders that are fitted to a task's documents: when that happens, and what it makes stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import Desk
from hypothesis import given
from hypothesis import strategies as st
from test_bad_input import assert_clean

from mlir_harness import fingerprint
from mlir_harness.types import Collection

LEARNER = "py:fitted_plugins:learner"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path, ("de", "en"), TEST_CALLS=str(tmp_path / "calls"))


def asked(desk: Desk) -> list[Any]:
    """What the learner was asked since the last time."""
    calls = desk.calls()
    (desk.root / "calls").unlink(missing_ok=True)
    return calls


def test_it_is_fitted_once_where_vectors_are_missing_and_only_there(desk: Desk) -> None:
    assert_clean(desk.run(LEARNER), 0)
    fitted, *encoded = asked(desk)
    assert fitted[:2] == ["fit", ["de", "en"]]
    assert len(encoded) == 4
    assert_clean(desk.run(LEARNER), 0)  # from the store
    assert_clean(desk.run(LEARNER, more=["--fresh"]), 0)  # from cached vectors
    assert asked(desk) == []
    desk.files("cache", "*.safetensors")[0].unlink()
    assert_clean(desk.run(LEARNER, more=["--fresh"]), 0)
    again = asked(desk)
    assert again[0] == fitted
    assert len(again) == 2


def test_other_documents_make_all_vectors_stale(desk: Desk) -> None:
    desk.run(LEARNER)
    before = asked(desk)[0]
    assert_clean(desk.run(LEARNER, more=["--languages", "en"]), 0)
    fitted, *encoded = asked(desk)
    assert fitted[:2] == ["fit", ["en"]]
    assert fitted[2] < before[2]
    assert sorted(call[0] for call in encoded) == ["document", "query"]


def test_settings_asked_for_do_not(desk: Desk) -> None:
    desk.run(LEARNER)
    asked(desk)
    assert_clean(desk.run(LEARNER, more=["--settings", "mono"]), 0)
    assert asked(desk) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("failing", "raised ZeroDivisionError: no documents of the right kind when it was fitted"),
        ("forgetful", "returned a NoneType when it was fitted, no encoder"),
    ],
)
def test_one_that_cannot_be_fitted_costs_its_own_cell(desk: Desk, name: str, said: str) -> None:
    done = desk.run(f"py:fitted_plugins:{name}", "hashing")
    assert_clean(done, 3, said)
    assert "hashing" in done.out


TEXTS = st.lists(st.text(st.characters(codec=None), max_size=3), max_size=3)
CORPORA = st.dictionaries(st.sampled_from(["de", "en", "th"]), TEXTS)


@given(CORPORA, CORPORA)
def test_a_corpus_is_known_by_its_texts_and_their_languages(
    one: dict[str, list[str]], other: dict[str, list[str]]
) -> None:
    def known(held: dict[str, list[str]], names: str) -> str:
        return fingerprint.of_corpus(
            Collection(language, [f"{names}{row}" for row in range(len(texts))], texts)
            for language, texts in held.items()
        )

    assert (known(one, "a") == known(other, "b")) == (one == other)


def test_bm25_is_a_row_like_any_other(desk: Desk) -> None:
    done = desk.run(
        "bm25", "plain=bm25", more=["--option", "plain.stemming=no", "--format", "json"]
    )
    assert_clean(done, 0)
    stemmed, whole = (done.cells()[name] for name in ("bm25", "plain"))
    assert stemmed["fingerprints"]["encoder"] != whole["fingerprints"]["encoder"]
    for cell in (stemmed, whole):
        means = cell["summary"]
        assert means["monolingual"]["AP"] > means["cross-lingual"]["AP"]


def test_bm25_has_no_index_and_says_so(desk: Desk) -> None:
    done = desk.run("bm25", more=["--search", "faiss:Flat"])
    assert "monolingual" in done.out  # the exact scores are there
    told = " ".join((done.out + done.err).split())
    assert "faiss indexes dense vectors, and this encoder's are of another kind" in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_bm25_runs_on_every_sample(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    done = desk.do("run", "--encoders", "bm25", "--tasks", "all", "--data", "sample")
    assert_clean(done, 0)
    assert done.out.count("bm25") >= 6
