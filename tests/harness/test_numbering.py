"""Numbers of documents: names, tie orders, and picking many items of a collection at once."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness import settings as numbering
from mlir_harness.fingerprint import text_bytes
from mlir_harness.settings import Numbering
from mlir_harness.types import (
    Collection,
    IntArray,
    Provenance,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
    pick,
)


class Shelved(Sequence[str]):
    """Strings that are costly to read one by one."""

    def __init__(self, held: Sequence[str]) -> None:
        self.held, self.single = held, 0

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, place: Any) -> Any:
        self.single += not isinstance(place, slice)
        return self.held[place]

    def take(self, rows: IntArray) -> list[str]:
        return [self.held[row] for row in rows.tolist()]


# Surrogates, control characters and prefixes of each other are ids like any other.
IDS = st.lists(st.text(st.characters(codec=None), max_size=3), unique=True, max_size=12)


def numbered(ids: dict[str, list[str]], kind: type = tuple) -> Numbering:
    documents = {
        language: Collection(language, kind(names), kind(names)) for language, names in ids.items()
    }
    pool = tuple(Slice(language) for language in ids)
    return Numbering.of(
        Retrieval(
            queries={"en": Collection("en", ["q"], ["q"])},
            documents=documents,
            judgements={},
            settings=(Setting("en→all", SettingKind.MULTILINGUAL, "en", pool),),
            clusters={"en": ["q"]},
            provenance=Provenance("test"),
        )
    )


def all_names(ids: dict[str, list[str]]) -> list[str]:
    return [f"{language}:{name}" for language in sorted(ids) for name in ids[language]]


@given(IDS, IDS, st.sampled_from([tuple, Shelved]), st.integers(1, 5))
def test_orders_are_those_of_the_names(
    hindi: list[str], english: list[str], kind: type, at_once: int
) -> None:
    ids = {"hi": hindi, "en": english}
    names = all_names(ids)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(numbering, "_NAMES_AT_ONCE", at_once)
        made = numbered(ids, kind)
        by_hash, by_name = made.hash_order(), made.trec_order()
    rows = range(len(names))
    hashed = sorted(rows, key=lambda row: sha256(text_bytes(names[row])).digest()[:8])
    assert np.argsort(by_hash).tolist() == hashed
    falling = sorted(rows, key=lambda row: text_bytes(names[row]), reverse=True)
    assert np.argsort(by_name).tolist() == falling


@given(IDS, IDS, st.data())
def test_names_of_any_numbers(hindi: list[str], english: list[str], data: st.DataObject) -> None:
    ids = {"hi": hindi, "en": english}
    names = all_names(ids)
    chosen = data.draw(st.lists(st.integers(0, len(names) - 1))) if names else []
    rows = np.array(chosen, np.int64)
    for kind in (tuple, Shelved):
        assert numbered(ids, kind).names(rows) == [names[row] for row in chosen]


def test_many_items_are_taken_at_once_where_a_sequence_can() -> None:
    held = Shelved(["a", "b", "c"])
    assert pick(held, np.array([2, 0, 2])) == ["c", "a", "c"]
    assert held.single == 0
    assert pick(("a", "b"), np.array([1])) == ["b"]
    assert pick([], np.zeros(0, np.int64)) == []
