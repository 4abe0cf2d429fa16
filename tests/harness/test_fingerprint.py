"""Identities: equal for what is equal, different for what may change a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from plugins_for_tests import small

from mlir_harness import fingerprint
from mlir_harness.protocols import EncoderInfo, TaskOptions
from mlir_harness.types import (
    Collection,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)

TEXTS = st.lists(st.text(st.characters(codec=None), max_size=4), max_size=5)


@given(TEXTS, TEXTS)
def test_lists_of_texts_are_told_apart(one: list[str], two: list[str]) -> None:
    same = fingerprint.of_texts("x", {}, one) == fingerprint.of_texts("x", {}, two)
    assert same == (one == two)


@given(TEXTS)
def test_equal_texts_have_equal_hashes(texts: list[str]) -> None:
    hashes = [tuple(row) for row in fingerprint.text_hashes(texts).tolist()]
    for text, hashed in zip(texts, hashes, strict=True):
        for other, other_hashed in zip(texts, hashes, strict=True):
            assert (text == other) == (hashed == other_hashed)


def of_data(retrieval: Retrieval) -> str:
    return fingerprint.of_data(fingerprint.data_parts(retrieval))


def test_lone_surrogates_are_not_lumped_together() -> None:
    hashes = fingerprint.text_hashes(["\ud800", "\ud801", "\ufffd", "?"]).tolist()
    assert len({tuple(row) for row in hashes}) == 4


def test_prints_stay_the_same_from_version_to_version() -> None:
    """Were these to change, every stored vector and result would be lost."""
    info = EncoderInfo(revision="r", options={"b": "2", "a": "1"}, max_tokens=512)
    assert fingerprint.of_encoder("p", info) == "24b6bc3ccec6d3cfc1a04afbdc5646e6"
    assert of_data(small().load(TaskOptions())) == "a2030e5bf9b3e606d0520e33ac057609"
    assert (
        fingerprint.of_texts("shard", {"role": "query"}, ["a", "é", "\ud800"])
        == "8260cc2d6e366cb42e4402e209ad351b"
    )


def test_what_makes_another_encoder() -> None:
    info = EncoderInfo(revision="r", options={"a": "1", "b": "2"})
    first = fingerprint.of_encoder("p", info)
    same = (
        replace(info, options={"b": "2", "a": "1"}),
        replace(info, description="x", licence="y", languages=("de",), dimension=3),
    )
    assert {fingerprint.of_encoder("p", each) for each in same} == {first}
    others = (
        replace(info, revision="s"),
        replace(info, options={"a": "1"}),
        replace(info, similarity="dot"),
        replace(info, language_aware=True),
        replace(info, max_tokens=8),
    )
    prints = {fingerprint.of_encoder("p", each) for each in others}
    assert len({first, fingerprint.of_encoder("q", info), *prints}) == 7


def test_what_makes_other_data() -> None:
    first = small().load(TaskOptions())

    def changed(**changes: object) -> str:
        return of_data(replace(first, **changes))  # type: ignore[arg-type]

    def documents(ids: Sequence[str], texts: Sequence[str]) -> str:
        return changed(documents=dict(first.documents) | {"en": Collection("en", ids, texts)})

    held = first.documents["en"]
    judged = dict(first.judgements)
    judged["en", "de"] = SparseJudgements.from_triples(3, [(0, 0, 2), (1, 1, 1), (2, 2, 1)])
    prints = [
        of_data(first),
        documents(held.ids, ["red bridge", "blue river", "green hills"]),
        documents(["a", "b", "d"], held.texts),
        documents(held.ids[::-1], held.texts[::-1]),
        documents(held.ids[:2], held.texts[:2]),
        changed(judgements=judged),
        changed(clusters={"en": ("a", "a", "a"), "de": ("a", "b", "c")}),
        changed(labels={Role.QUERY: {"en": ("x", "y", "z")}}),
        changed(labels={Role.DOCUMENT: {"en": ("x", "y", "z")}}),
    ]
    assert len(set(prints)) == len(prints)
    assert changed(settings=first.settings[:1]) == prints[0]  # what is asked for is no data
    moved = replace(first.provenance, source="elsewhere", revision="2")
    assert changed(provenance=moved) == prints[0]


def test_what_makes_another_protocol() -> None:
    settings = small().load(TaskOptions()).settings
    kind = SettingKind.MONOLINGUAL

    def protocol(**changes: object) -> str:
        given = {
            "task": "t",
            "version": "1",
            "split": "test",
            "settings": settings,
            "measures": {"AP": "1"},
            "ties": "hash",
        }
        return fingerprint.of_protocol(fingerprint.protocol_parts(**(given | changes)))  # type: ignore[arg-type]

    prints = [
        protocol(),
        protocol(task="u"),
        protocol(version="2"),
        protocol(split="dev"),
        protocol(settings=settings[1:]),
        protocol(settings=[Setting("x", kind, "en", (Slice("en"),))]),
        protocol(settings=[Setting("x", kind, "en", (Slice("en", np.array([0, 1])),))]),
        protocol(settings=[Setting("x", kind, "en", (Slice("en", np.array([0, 2])),))]),
        protocol(settings=[Setting("x", kind, "en", (Slice("en"),), "seed-1")]),
        protocol(measures={"AP": "2"}),
        protocol(ties="trec"),
    ]
    assert len(set(prints)) == len(prints)
