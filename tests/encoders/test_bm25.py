"""BM25: the numbers of the textbook and of another library, fitted language by language."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_encoders import bm25, counting
from mlir_encoders.bm25 import create
from mlir_encoders.words import words
from mlir_harness.errors import EncoderError, UsageError
from mlir_harness.protocols import Context, Encoder, Fits
from mlir_harness.testing import check_encoder
from mlir_harness.types import Array, Collection, DoubleArray, Role
from mlir_harness.vectors import as_vectors, difference

WORDS = ["the", "a", "of", "cat", "cats", "dog", "Hund", "東京", "日本"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
DOCUMENTS = st.lists(TEXT, min_size=1, max_size=9)


def collection(language: str, texts: Sequence[str]) -> Collection:
    return Collection(language, [str(row) for row in range(len(texts))], texts)


def encode(encoder: Encoder, texts: Sequence[str], role: Role, language: str = "en") -> Any:
    return as_vectors(encoder.encode(texts, Context(role, [language] * len(texts))), len(texts))


def scores(fitted: Encoder, queries: Sequence[str], texts: Sequence[str]) -> DoubleArray:
    asked = encode(fitted, queries, Role.QUERY)
    found: DoubleArray = asked.score_exact(encode(fitted, texts, Role.DOCUMENT))
    return found


def textbook(query: str, texts: Sequence[str], k1: float, b: float) -> list[float]:
    """The formula, word by word."""
    documents = [words(text) for text in texts]
    mean = sum(map(len, documents)) / len(documents)
    found = []
    for document in documents:
        score = 0.0
        for word in words(query):
            n = sum(word in other for other in documents)
            f = Tally(document)[word]
            if f:
                idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
                score += idf * f / (f + k1 * (1 - b + b * len(document) / mean))
        found.append(score)
    return found


@given(DOCUMENTS, DOCUMENTS, st.sampled_from([(0.9, 0.4), (1.2, 0.75), (0, 0), (3, 1)]))
def test_scores_are_those_of_the_textbook(
    queries: list[str], texts: list[str], choice: tuple[float, float]
) -> None:
    k1, b = choice
    fitted = create(k1=k1, b=b, stemming="no").fit([collection("en", texts)])
    expected = [textbook(query, texts, k1, b) for query in queries]
    np.testing.assert_allclose(scores(fitted, queries, texts), expected, rtol=1e-5, atol=1e-7)


def test_scores_are_those_of_another_library() -> None:
    rng = np.random.default_rng(1)
    known = [f"w{number}" for number in range(300)]
    spread = 1 / np.arange(1, 301)
    drawn = [
        " ".join(rng.choice(known, size=size, p=spread / spread.sum()))
        for size in rng.integers(1, 60, 240)
    ]
    queries, texts = drawn[:40], drawn[40:]
    other = bm25s.BM25(k1=0.9, b=0.4, method="lucene")
    other.index([text.split() for text in texts], show_progress=False)
    expected = np.stack([other.get_scores(query.split()) for query in queries])
    fitted = create(stemming="no").fit([collection("en", texts)])
    np.testing.assert_allclose(scores(fitted, queries, texts), expected, rtol=1e-5, atol=1e-6)


def test_each_language_has_statistics_of_its_own() -> None:
    german, english = ["der hund", "die katze", "der der"], ["the dog", "der dog"]
    both = create().fit([collection("de", german), collection("en", english)])
    for language, texts in (("de", german), ("en", english)):
        alone = create().fit([collection(language, texts)])
        one, other = (encode(each, texts, Role.DOCUMENT, language) for each in (both, alone))
        assert difference(one, other) == 0
    rare, common = (encode(both, ["der"], Role.DOCUMENT, language) for language in ("en", "de"))
    assert rare.values[0] > common.values[0]


def test_texts_of_several_languages_may_come_together() -> None:
    fitted = create().fit([collection("de", ["der hund"]), collection("en", ["the dog", "a"])])
    context = Context(Role.DOCUMENT, ["en", "de", "en"])
    mixed: Any = as_vectors(fitted.encode(["the dog", "der hund", "a"], context), 3)
    english = encode(fitted, ["the dog", "a"], Role.DOCUMENT, "en")
    german = encode(fitted, ["der hund"], Role.DOCUMENT, "de")
    assert difference(mixed[np.array([0, 2])], english) == 0
    assert difference(mixed[np.array([1])], german) == 0


@given(DOCUMENTS)
def test_documents_are_read_some_at_a_time(texts: list[str]) -> None:
    whole = create().fit([collection("en", texts)]).statistics
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "_TEXTS_AT_ONCE", 2)
        patch.setattr(bm25, "_PENDING", 1)
        patch.setattr(counting, "_MOST_WORDS", 2)
        parts = create().fit([collection("en", texts)]).statistics
    assert whole
    assert parts
    one, other = whole["en"], parts["en"]
    assert (one.documents, one.mean_length) == (other.documents, other.mean_length)
    np.testing.assert_array_equal(one.columns, other.columns)
    np.testing.assert_array_equal(one.frequencies, other.frequencies)
    expected = Tally(word for text in texts for word in set(words(text, "en")))
    stems = create(stemming="no").fit([collection("en", texts)]).statistics
    assert stems
    assert sorted(stems["en"].frequencies) == sorted(expected.values())


def test_stemming_finds_other_forms_of_a_word() -> None:
    texts = ["walking dogs", "sleeping cats"]
    for stemming, found in (("yes", True), ("no", False)):
        fitted = create(stemming=stemming).fit([collection("en", texts)])
        assert (scores(fitted, ["dog walks"], texts)[0, 0] > 0) == found


def test_it_keeps_the_contract_of_encoders() -> None:
    encoder = create()
    assert isinstance(encoder, Fits)
    check_encoder(encoder)


def test_documents_are_not_encoded_before_it_is_fitted() -> None:
    assert len(encode(create(), ["a query"], Role.QUERY)) == 1
    with pytest.raises(EncoderError, match="before it is fitted"):
        encode(create(), ["a document"], Role.DOCUMENT)


def test_fitting_leaves_the_encoder_as_it_was() -> None:
    encoder = create()
    encoder.fit([collection("en", ["a"])])
    assert encoder.statistics is None


def test_everything_that_vectors_depend_on_is_in_its_info() -> None:
    options = dict(create(k1="1.2", b="0.75", stemming="no").info.options)
    assert options.pop("unicode") == unicodedata.unidata_version
    assert options == {"k1": "1.2", "b": "0.75", "stemming": "no"}
    assert create(k1="1.2000001").info.options["k1"] == "1.2000001"
    assert create().info.options["stemming"].startswith("snowball ")
    assert create().info.language_aware
    assert create().info.similarity == "dot"


def test_stemming_may_be_said_as_a_file_or_python_says_it() -> None:
    for no in ("no", "No", "false", "False", False):
        assert create(stemming=no).stemming == "no"
    for yes in ("yes", "true", "True", True):
        assert create(stemming=yes).stemming.startswith("snowball ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"k1": "-1"}, "k1=0.9"),
        ({"k1": "much"}, "from 0 up"),
        ({"k1": "inf"}, "from 0 up"),
        ({"b": "1.5"}, "from 0 to 1"),
        ({"b": "nan"}, "b=0.4"),
        ({"stemming": "maybe"}, "yes or no"),
    ],
)
def test_options_out_of_range_are_usage_errors(options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        create(**options)  # type: ignore[arg-type]
    assert said in caught.value.hint


def test_a_word_has_the_column_it_always_had() -> None:
    """If this fails, vectors changed: raise REVISION, or stored vectors of old will be served."""
    vectors = encode(create(), ["Straße nach Köln", "東京"], Role.QUERY, "de")
    assert vectors.indptr.tolist() == [0, 3, 6]
    assert vectors.columns.tolist() == [
        *(940914477592130609, 1261264768143992829, 3202338252576733285),
        *(436555064826357133, 476109105691163062, 3012212101798677126),
    ]
    assert (vectors.values == 1).all()


def test_empty_documents_and_queries_have_empty_vectors() -> None:
    texts = ["", "?!", "word"]
    found: Array = scores(create().fit([collection("en", texts)]), ["", "word"], texts)
    assert (found > 0).tolist() == [[False] * 3, [False, False, True]]
    nothing = create().fit([collection("en", [])])
    assert encode(nothing, ["word"], Role.DOCUMENT).finite.all()
