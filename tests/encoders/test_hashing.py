"""The hashing encoder: the same vectors everywhere, for any text in any script."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_encoders.hashing import create, fold
from mlir_harness.errors import UsageError
from mlir_harness.protocols import Context, Encoder
from mlir_harness.types import Role

# Surrogates included: data files hold them, and they must not stop a run.
any_text = st.text(st.characters(codec=None), max_size=60)

# Dimension 8, so that a person can look at them.
GOLDEN = [
    [0.0, -1.3862944, 0.2231436, -0.2231436, -0.6931472, 0.6931472, -1.3862944, 0.0],
    [-1.6931472, -1.6931472, -1.0, 0.0, -0.4054651, 1.0986123, -1.6931472, -1.0986123],
    [0.0, 0.0, 1.0, 1.0, 1.0986123, 0.6931472, 0.0, 1.0],
    [-1.9459101, 0.0, -2.9459101, 1.0, 0.0, 0.9162907, 0.0, 1.0],
]


def encode(texts, **options):
    return create(**options).encode(texts, Context(Role.QUERY, ["en"] * len(texts)))


def similarity(left: str, right: str) -> float:
    first, second = encode([left, right]).astype(np.float64)
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))


def test_it_is_an_encoder_that_says_what_vectors_depend_on():
    encoder = create(dimension="64")
    assert isinstance(encoder, Encoder)
    assert encoder.info.revision == "hashing-1"
    assert encoder.info.options == {"dimension": "64"}
    assert encoder.info.dimension == 64
    assert not encoder.info.language_aware


def test_vectors_have_not_changed():
    """If this fails, vectors changed: raise REVISION, or stored vectors of old will be served."""
    found = encode(["Straße nach Köln", "東京は日本の首都です", "ที่ไหน", "aaaaaaaa"], dimension=8)
    np.testing.assert_allclose(found, GOLDEN, atol=1e-6)


@given(st.lists(any_text, max_size=12), st.integers(1, 70))
def test_a_vector_depends_on_its_text_alone(texts, dimension):
    together = encode(texts, dimension=dimension)
    assert together.shape == (len(texts), dimension)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_array_equal(encode([text], dimension=dimension)[0], vector)


@given(any_text)
def test_counts_agree_with_a_plain_reading_of_the_definition(text):
    """n-grams one by one with Python integers, against the rolling arithmetic of numpy."""
    dimension, word = 32, 2**64 - 1
    counts = np.zeros(2 * dimension)
    codes = [ord(character) + 1 for character in fold(text)]
    for order in (2, 3, 4):
        for start in range(len(codes) - order + 1):
            value = 0
            for code in codes[start : start + order]:
                value = (value * 0x9E3779B97F4A7C15 + code) & word
            value ^= value >> 32
            value = value * 0xFF51AFD7ED558CCD & word
            value ^= value >> 29
            counts[(value >> 20) % (2 * dimension)] += 1
    damped = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0)
    expected = damped[:dimension] - damped[dimension:]
    np.testing.assert_allclose(encode([text], dimension=dimension)[0], expected, atol=1e-5)


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000"])
def test_nothing_to_read_gives_a_zero_vector(text):
    assert not encode([text]).any()


def test_no_texts_give_no_rows():
    assert encode([]).shape == (0, 512)


@pytest.mark.parametrize(
    ("left", "right"),
    [("Straße", "STRASSE"), ("ﬁne  text\n", "fine text"), ("Ａｂｃ", "abc"), ("e\u0301", "é")],
)
def test_spellings_of_the_same_text_are_one(left, right):
    np.testing.assert_array_equal(*encode([left, right]))


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("the capital of France", "France's capital", "weather in the mountains"),
        ("日本の首都は東京", "東京は日本の首都", "今日は天気がいい"),
        ("เมืองหลวงของฝรั่งเศส", "ฝรั่งเศสมีเมืองหลวง", "อากาศบนภูเขา"),
    ],
)
def test_texts_that_share_spelling_are_nearer_in_any_script(text, near, far):
    assert similarity(text, near) > similarity(text, far) + 0.1


def test_long_texts_and_many_texts_cross_chunks_unharmed():
    texts = ["kurz", "lang " * 30_000, *(f"text {number}" for number in range(2_000)), "kurz"]
    found = encode(texts)
    np.testing.assert_array_equal(found[0], found[-1])
    np.testing.assert_array_equal(found[1], encode([texts[1]])[0])


def test_another_process_gives_the_same_bytes():
    """Python salts its own hash() per process; nothing of it may enter."""
    code = (
        "from mlir_encoders.hashing import create; from mlir_harness.protocols import Context; "
        "from mlir_harness.types import Role; "
        "print(create().encode(['Ein Text'], Context(Role.QUERY, [])).tobytes().hex())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert other == encode(["Ein Text"]).tobytes().hex()


@pytest.mark.parametrize("value", ["0", "-5", "many", "1.5", 10**9, None])
def test_a_bad_dimension_is_a_usage_error(value):
    with pytest.raises(UsageError) as caught:
        create(dimension=value)
    assert "dimension=512" in caught.value.hint


def test_it_is_fast_enough_never_to_be_waited_for():
    """15,000 sentences a second is the aim; a tenth of it holds on the busiest machine."""
    texts = ["Eine gewöhnliche Frage, wie man sie stellt, hat etwa diese Länge?"] * 3_000
    encode(texts[:100])
    start = time.perf_counter()
    encode(texts)
    assert len(texts) / (time.perf_counter() - start) > 1_500
