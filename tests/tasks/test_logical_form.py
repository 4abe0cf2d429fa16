"""Logical forms are parsed, and what cannot be parsed is named with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_tasks.logical_form import Form, FormError, parse

NESTED = (
    "[IN:SEND_MESSAGE [SL:RECIPIENT [IN:GET_CONTACT [SL:TYPE_RELATION sister ] ] ] "
    "[SL:CONTENT_EXACT I am late ] ]"
)


def test_nested_intents_and_slots() -> None:
    form = parse(NESTED)
    assert form == Form(
        "IN:SEND_MESSAGE",
        (
            Form("SL:RECIPIENT", (Form("IN:GET_CONTACT", (Form("SL:TYPE_RELATION"),)),)),
            Form("SL:CONTENT_EXACT"),
        ),
    )
    assert sorted(form.labels()) == [
        "IN:GET_CONTACT",
        "IN:SEND_MESSAGE",
        "SL:CONTENT_EXACT",
        "SL:RECIPIENT",
        "SL:TYPE_RELATION",
    ]


def test_templates_have_no_words_and_no_order() -> None:
    one = parse("[IN:CREATE_ALARM [SL:DATE_TIME at 7 ] [SL:AMOUNT two ] ]")
    other = parse("[IN:CREATE_ALARM um [SL:AMOUNT zwei ] [SL:DATE_TIME um 7 ] ]")
    assert one.template() == other.template() == "IN:CREATE_ALARM(SL:AMOUNT,SL:DATE_TIME)"


def test_multiplicity_counts() -> None:
    one = parse("[IN:CREATE_CALL [SL:CONTACT Ann ] ]")
    two = parse("[IN:CREATE_CALL [SL:CONTACT Ann ] [SL:CONTACT Ben ] ]")
    assert one.template() != two.template()


def test_depth_counts() -> None:
    flat = parse("[IN:A [SL:X a ] [SL:Y b ] ]")
    deep = parse("[IN:A [SL:X [IN:B [SL:Y b ] ] ] ]")
    assert flat.template() != deep.template()


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 0, "is empty"),
        ("[IN:A [SL:B x ]", 0, "unbalanced brackets: '[IN:A' is not closed"),
        ("[IN:A [SL:B x ", 6, "unbalanced brackets: '[SL:B' is not closed"),
        ("[IN:A ] ]", 8, "']' after the end of the form"),
        ("] [IN:A ]", 0, "unbalanced brackets: ']' closes nothing"),
        ("word [IN:A ]", 0, "'word' stands outside the form"),
        ("[SL:B x ]", 0, "'[SL:B': a form begins with an intent"),
        ("[IN:A [IN:B ] ]", 6, "'[IN:B' stands in IN:A: an intent cannot hold another"),
        ("[IN:A [SL:B [SL:C x ] ] ]", 12, "'[SL:C' stands in SL:B: a slot cannot hold another"),
        ("[IN:A [SL: x ] ]", 6, "'[SL:' is no label"),
        ("[IN:A]", 0, "'[IN:A]' is no label"),
        ("[IN:A [FOO:B x ] ]", 6, "'[FOO:B' is neither a word nor a bracket of its own"),
        ("[IN:A [SL:B x] ]", 12, "'x]' is neither a word nor a bracket of its own"),
    ],
)
def test_what_is_malformed_is_named_with_its_column(text: str, column: int, problem: str) -> None:
    with pytest.raises(FormError) as caught:
        parse(text)
    assert (caught.value.problem, caught.value.column) == (problem, column)


def test_forms_may_be_fifty_deep_and_no_deeper() -> None:
    deep = "[IN:A [SL:B " * 25 + "] " * 50
    assert len([*parse(deep).labels()]) == 50
    assert parse(deep).template().count("(") == 49
    for pairs in (26, 5_000):
        with pytest.raises(FormError) as caught:
            parse("[IN:A [SL:B " * pairs + "] " * (2 * pairs))
        assert (caught.value.problem, caught.value.column) == (
            "'[IN:A' is nested deeper than 50",
            25 * 12,
        )


names = st.text("ABCDEF_", min_size=1, max_size=4)
words = st.lists(st.sampled_from(["a", "7", "ม", "é"]), max_size=3)


@st.composite
def forms(draw: st.DrawFn, kind: str = "IN", depth: int = 3) -> Form:
    below = "SL" if kind == "IN" else "IN"
    most = 3 if depth else 0
    children = [draw(forms(below, depth - 1)) for _ in range(draw(st.integers(0, most)))]
    return Form(f"{kind}:{draw(names)}", tuple(children))


def written(form: Form, draw: st.DrawFn) -> str:
    parts = [f"[{form.label}"]
    for child in form.children:
        parts += [*draw(words), written(child, draw)]
    return " ".join([*parts, *draw(words), "]"])


@given(st.data())
def test_a_written_form_is_read_again(data: st.DataObject) -> None:
    form = data.draw(forms())
    assert parse(written(form, data.draw)) == form


@given(st.text("[]INSL:ab \t", max_size=30))
def test_nothing_but_a_form_or_an_error(text: str) -> None:
    try:
        form = parse(text)
    except FormError as error:
        assert 0 <= error.column <= len(text)  # noqa: PT017
    else:
        assert form.label.startswith("IN:")
