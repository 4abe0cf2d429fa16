"""Foreign text is shown safely, and names stay apart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugins_for_tests import HOSTILE, LONE, Unprintable

from mlir_harness.text import cell, described, did_you_mean, names, plain, slug

ANY = st.text(st.characters(codec=None))


@given(ANY, st.integers(2, 50))
def test_plain_text_is_one_short_line_that_can_be_encoded(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert len(shown) <= limit
    shown.encode()
    bad = {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.category(character) for character in shown} & bad


def test_plain_keeps_writing_and_drops_control() -> None:
    assert plain("क्‍ष می‌خواهم ไทย 中文") == "क्‍ष می‌خواهم ไทย 中文"
    assert plain(HOSTILE) == "=1+1 [red]a[/b] �[31m�../../x|`* <b>"
    assert plain(LONE) == "half � pair"
    assert plain("a" * 300, 10) == "aaaaaaaaa…"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_cells_are_no_formulas(text: str) -> None:
    assert not cell(text).startswith(("=", "+", "-", "@"))


def test_ordinary_cells_stay() -> None:
    assert cell("st:models/e5-small") == "st:models/e5-small"


@given(ANY, ANY)
def test_slugs_are_folder_names_and_tell_names_apart(one: str, two: str) -> None:
    for name in (one, two):
        made = slug(name)
        assert 10 <= len(made) <= 49
        assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
        assert made[0] not in ".-"
    assert (slug(one) == slug(two)) == (one == two)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", "", "a\0b", "C:\\x", "LPT1"])
def test_slugs_name_nothing_elsewhere(name: str) -> None:
    assert "/" not in slug(name)
    assert "\\" not in slug(name)
    assert not slug(name).startswith(".")


def test_names_in_a_string_or_a_list() -> None:
    assert names("a, b,,c ") == ("a", "b", "c")
    assert names("st:my\\,model,b") == ("st:my,model", "b")
    assert names(["a,b", "c"]) == ("a,b", "c")
    assert names("") == ()


def test_did_you_mean() -> None:
    known = ["hashing", "labse", "st:…"]
    assert did_you_mean("hashin", known).startswith("Did you mean hashing? Known: hashing, ")
    assert "Did you mean" not in did_you_mean("a/b", known)  # `labse` has two of the letters
    assert did_you_mean("qqqq", known) == "Known: hashing, labse, st:…."
    assert did_you_mean("x", []) == "Known: none."


def test_foreign_exceptions_are_described_whatever_they_do() -> None:
    assert described(ValueError("a\nb\x1b")) == "ValueError: a b�"
    assert described(KeyError()) == "KeyError"
    assert described(Unprintable()) == "Unprintable"
