"""Texts in any script become words: nothing is lost, and spellings of one word are one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlir_encoders.words import clean, fold, stemmer, words

# Surrogates included: data files hold them, and they must not stop a run.
ANY_TEXT = st.text(st.characters(codec=None), max_size=40)
LETTERS = st.text("aIİıßΣς東京のナ한국ที่ไน कहाँខ្មែ\u0301\u200c12²_'", max_size=20)
LANGUAGES = st.sampled_from(["en", "tr", "az-Latn", "zh", ""])


@given(ANY_TEXT | LETTERS, LANGUAGES)
@example("\u0345\u0301a", "en")
def test_folding_what_is_folded_changes_nothing(text: str, language: str) -> None:
    folded = fold(text, language)
    assert fold(folded, language) == folded


@given(ANY_TEXT | LETTERS, LANGUAGES)
def test_there_are_no_empty_words(text: str, language: str) -> None:
    for word in words(text, language):
        assert word
        assert any(character.isalnum() for character in word)


@given(ANY_TEXT | LETTERS, LANGUAGES)
def test_every_letter_and_digit_is_in_a_word(text: str, language: str) -> None:
    held = "".join(words(text, language))
    for character in fold(text, language):
        if unicodedata.category(character)[0] in "LN":
            assert clean(character) in held


@given(ANY_TEXT | LETTERS, LANGUAGES)
def test_composed_and_decomposed_letters_make_the_same_words(text: str, language: str) -> None:
    assert words(unicodedata.normalize("NFD", text), language) == words(text, language)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("de", "Die Straße – Größe 1,5", ["die", "strasse", "grösse", "1", "5"]),
        ("fr", "l’homme qu'il a_vu", ["l", "homme", "qu", "il", "a", "vu"]),
        ("el", "ΟΔΟΣ οδός", ["οδοσ", "οδόσ"]),
        ("tr", "IŞIK İstanbul'da", ["ışık", "istanbul", "da"]),
        ("en", "IT İ", ["it", "i\u0307"]),
        ("hi", "निकटतम स्टेशन कहाँ है? १२", ["निकटतम", "स्टेशन", "कहाँ", "है", "12"]),
        ("ar", "أين أقرب ٣ محطة؟", ["أين", "أقرب", "3", "محطة"]),
        ("fa", "می\u200cخواهم", ["میخواهم"]),
        ("te", "దగ్గరి రైల్వే", ["దగ్గరి", "రైల్వే"]),
        ("zh", "最近的火车", ["最近", "近的", "的火", "火车", *"最近的火车"]),
        ("zh", "在NBA打球。", ["在", "nba", "打球", "打", "球"]),
        ("ja", "サッカーの本", ["サッ", "ッカ", "カー", "ーの", "の本", "本"]),
        ("ja", "ｻｯｶｰ・犬", ["サッ", "ッカ", "カー", "犬"]),
        ("ko", "한국어를 배워", ["한국", "국어", "어를", "배워"]),
        ("th", "ที่ไหน ๑๒", ["ที่ไ", "ไห", "หน", "12"]),
        ("km", "ខ្មែរ។", ["ខ្មែ", "មែរ"]),
        ("my", "မြန်မာ", ["မြန်", "န်မာ"]),
        ("lo", "ລາວ", ["ລາ", "າວ"]),
        ("en", "soft\u00adhyphen ✈\ufe0f", ["softhyphen"]),
        ("en", "", []),
        ("en", "\ud800 –", []),
    ],
)
def test_words_of_a_language(language: str, text: str, expected: list[str]) -> None:
    assert words(text, language) == expected


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("en", ["walks", "walked", "walking"]),
        ("de-AT", ["häuser", "häusern"]),
        ("ru", ["книга", "книги", "книгу"]),
        ("ar", ["كتاب", "الكتاب"]),
        ("tr", ["evler", "evlerde"]),
    ],
)
def test_forms_of_a_word_have_one_stem(language: str, forms: list[str]) -> None:
    stem = stemmer(language)
    assert stem is not None
    assert len(set(map(stem, forms))) == 1


def test_languages_without_a_stemmer_have_none() -> None:
    assert stemmer("th") is None
    assert stemmer("") is None


def test_every_stemmer_there_should_be_is_there() -> None:
    from mlir_encoders import words as module

    for language in module._STEMMERS:
        stem = stemmer(language)
        assert stem is not None
        assert stem("a")
        assert stem("123") == "123"
