"""What a task may not load, and how it is told."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plugins_for_tests import Small

from mlir_harness.check import answerable, check
from mlir_harness.errors import DataError
from mlir_harness.protocols import TaskOptions
from mlir_harness.types import (
    Collection,
    Provenance,
    Relevant,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)

MONO = SettingKind.MONOLINGUAL


def loaded() -> Retrieval:
    retrieval: Retrieval = Small().load(TaskOptions())
    return retrieval


def documents(
    ids: Any = ("a", "b", "c"), texts: Any = ("x", "y", "z"), language: str = "de"
) -> Any:
    held = Collection(language, ids, texts)
    return lambda r: replace(r, documents={**r.documents, "de": held})


def queries(ids: Any = ("a", "b", "c"), texts: Any = ("x", "y", "z")) -> Any:
    return lambda r: replace(r, queries={**r.queries, "de": Collection("de", ids, texts)})


def judged(indptr: Any, rows: Any, grades: Any) -> Any:
    relevant = Relevant(*(np.array(each) for each in (indptr, rows, grades)))
    return lambda r: replace(
        r, judgements={**r.judgements, ("en", "de"): SparseJudgements(relevant)}
    )


def settings(*given: Setting) -> Any:
    return lambda r: replace(r, settings=given)


def pool(*parts: Slice) -> Any:
    return settings(Setting("s", MONO, "en", parts))


def clusters(given: Mapping[str, Any]) -> Any:
    return lambda r: replace(r, clusters=given)


def labels(given: Mapping[Role, Mapping[str, Any]]) -> Any:
    return lambda r: replace(r, labels=given)


WRONG = [
    (documents(("a", "b", "a")), "document collection de: duplicate id 'a'"),
    (queries(("a", "b", "a")), "query collection de: duplicate id 'a'"),
    (documents(("a", 7, "c")), "document collection de: id 1 is a int, not a string"),
    (documents(texts=("x", None, "z")), "de: the text of 'b' is a NoneType, not a string"),
    (queries(texts=("x", "y", "")), "query collection de: the text of 'c' is empty"),
    (documents(texts=("x", " \u3000\n", "z")), "document collection de: the text of 'b' is empty"),
    (documents(language="hi"), "document collection de: its language is 'hi'"),
    (judged([0, 1, 2, 3], [0, 3, 2], [1, 1, 1]), "en→de, query 'b': document row 3 is outside"),
    (judged([0, 1, 2, 3], [0, 1, -1], [1, 1, 1]), "en→de, query 'c': document row -1 is outside"),
    (judged([0, 1, 2, 3], [0, 1, 2], [1, 0, 1]), "en→de, query 'b': grade 0 is below 1"),
    (judged([0, 1, 3, 4], [0, 1, 1, 2], [1] * 4), "query 'b': document row 1 is there twice"),
    (judged([0, 1, 2, 3, 3], [0, 1, 2], [1, 1, 1]), "en→de: judgements of more queries than the 3"),
    (judged([0, 1, 2], [0, 1], [1, 1]), "en→de: judgements of fewer queries than the 3"),
    (judged([0, 1, 2, 3], [0, 1, 2], [1, 1]), "en→de: 2 grades for 3 documents"),
    (judged([0, 2, 1, 3], [0, 1, 2], [1, 1, 1]), "en→de: the entries of indptr do not ascend"),
    (judged([0, 1, 2, 3], [0.0, 1.0, 2.0], [1, 1, 1]), "en→de: they are no Relevant of integer"),
    (pool(Slice("de", np.array([0, 3]))), "setting 's': rows of the document collection de: 3 is"),
    (pool(Slice("de", np.array([-1]))), "document collection de: -1 is outside 0..2"),
    (pool(Slice("de", np.array([1, 2, 1]))), "collection de: 1 (id 'b') is there twice"),
    (pool(Slice("de", [1, 2])), "are a list, not an array of integers"),  # type: ignore[arg-type]
    (pool(), "setting 's': its pool is empty"),
    (pool(Slice("de", np.zeros(0, np.int64))), "setting 's': its pool is empty"),
    (pool(Slice("de"), Slice("de")), "setting 's': 'de' is in its pool twice"),
    (pool(Slice("hi")), "setting 's': there are no documents in 'hi'"),
    (settings(Setting("s", MONO, "hi", (Slice("de"),))), "'s': there are no queries in 'hi'"),
    (settings(*2 * [Setting("s", MONO, "de", (Slice("de"),))]), "duplicate setting 's'"),
    (
        settings(Setting("s", "monolingual", "de", (Slice("de"),))),  # type: ignore[arg-type]
        "setting 's': its kind is 'monolingual', not a SettingKind",
    ),
    (settings(), "has no settings"),
    (clusters({"en": "abc"}), "clusters of the query collection de: missing"),
    (clusters({"en": "abc", "de": "ab"}), "clusters of the query collection de: 2 for 3 texts"),
    (clusters({"en": "abc", "de": ["a", 1, "c"]}), "that of 'b' is a int, not a string"),
    (labels({Role.QUERY: {"de": "ab"}}), "labels of the query collection de: 2 for 3 texts"),
    (labels({Role.QUERY: {"en": "abc"}}), "labels of the query collection de: missing"),
    (labels({Role.QUERY: {"de": "abc", "en": "abc"}}), "of the document collection de: missing"),
    (
        lambda r: replace(r, judgements={("en", "hi"): r.judgements["en", "de"]}),
        "judgements en→hi: one of these languages has no collection",
    ),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_what_is_wrong_is_named_with_its_place(change: Any, said: str) -> None:
    with pytest.raises(DataError) as caught:
        check(change(loaded()), "mine")
    assert caught.value.message.startswith("task mine")
    assert said in caught.value.message
    assert caught.value.hint


def test_what_is_right_passes() -> None:
    check(loaded(), "mine")
    retrieval = pool(Slice("de", np.array([2, 0])), Slice("en"))(loaded())
    check(retrieval, "mine")
    assert answerable(retrieval)


def test_only_what_is_in_a_pool_answers() -> None:
    lone = judged([0, 1, 1, 1], [1], [1])(loaded())
    assert answerable(pool(Slice("de", np.array([1])))(lone))
    assert not answerable(pool(Slice("de", np.array([0, 2])))(lone))
    assert not answerable(replace(loaded(), judgements={}))


def large(count: int) -> Retrieval:
    names = [f"name {number}" for number in range(count)]
    held = {"en": Collection("en", names, [f"{name} of a sentence" for name in names])}
    relevant = Relevant(np.arange(count + 1), np.arange(count), np.ones(count, np.int64))
    return Retrieval(
        queries=held,
        documents=held,
        judgements={("en", "en"): SparseJudgements(relevant)},
        settings=(Setting("s", MONO, "en", (Slice("en", np.arange(count)),)),),
        clusters={"en": names},
        provenance=Provenance("here"),
    )


def test_a_task_of_many_texts_is_checked_quickly() -> None:
    retrieval = large(13_000)  # of each role
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        check(retrieval, "mine")
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.1


@pytest.mark.parametrize("count", [8191, 8192, 8193])
def test_places_are_right_beyond_the_first_block(count: int) -> None:
    retrieval = large(count)
    check(retrieval, "mine")
    judgements = retrieval.judgements["en", "en"]
    assert isinstance(judgements, SparseJudgements)
    judgements.relevant.grades[-1] = 0
    with pytest.raises(DataError, match=f"query 'name {count - 1}': grade 0 is below 1"):
        check(retrieval, "mine")
