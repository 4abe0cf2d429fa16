"""Groups are the connected components of rows that share a key, however they are come by."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlir_trainers.parallel.groups import (
    Keys,
    joined,
    key_of_passage,
    key_of_question,
    key_of_source,
)


def components(rows: int, keys: list[tuple[int, int]]) -> list[int]:
    """The first row of each row's group, by going on until nothing changes."""
    group = list(range(rows))
    changed = True
    while changed:
        changed = False
        for key, row in keys:
            for other, place in keys:
                if key == other and group[row] > group[place]:
                    group[row], changed = group[place], True
    return group


@given(
    st.lists(
        st.tuples(st.integers(2**64 - 20, 2**64 - 1) | st.integers(0, 9), st.integers(0, 14)),
        max_size=30,
    ),
    st.integers(1, 8),
)
def test_rows_that_share_a_key_have_one_group_and_no_others(
    keys: list[tuple[int, int]], batch: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, Keys(Path(folder)) as held:
        for start in range(0, len(keys), batch):
            held.add(keys[start : start + batch])
        found = held.groups(15)
        assert not list(Path(folder).iterdir())
    assert found.tolist() == components(15, keys)


def test_chains_are_joined_whatever_their_order() -> None:
    group = joined(np.arange(6), np.array([4, 2, 5]), np.array([2, 0, 4]))
    assert group.tolist() == [0, 1, 0, 3, 0, 0]


@given(st.text(), st.integers(0, 9), st.integers(0, 9))
def test_a_source_is_one_of_its_data_set_alone(source: str, one: int, other: int) -> None:
    assert (key_of_source(one, source) == key_of_source(other, source)) == (one == other)
    assert key_of_source(one, source) != key_of_passage(source)


def test_passages_are_equal_but_for_case_unicode_form_and_white_space_around() -> None:
    assert key_of_passage("Ｓtraße ") == key_of_passage("STRASSE")
    assert key_of_passage("\ufeffStraße") == key_of_passage("Straße")
    assert key_of_passage("Strasse 1") != key_of_passage("Strasse 2")


def test_a_question_is_equal_to_questions_alone() -> None:
    """A passage that asks what a question asks does not answer it."""
    assert key_of_question("Was? ") == key_of_question("WAS?")
    assert key_of_question("Was?") != key_of_passage("Was?")
