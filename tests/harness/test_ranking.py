"""Counting and sorting give the same ranks, lists and measures, in blocks of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlir_harness import measures, order, scoring
from mlir_harness.ranking import Part, rankings
from mlir_harness.scoring import Scoring, SettingScores
from mlir_harness.settings import Numbering
from mlir_harness.types import (
    ClassJudgements,
    Collection,
    FloatArray,
    IntArray,
    Provenance,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
)
from mlir_harness.vectors import Dense

LANGUAGES = ("en", "hi", "th")


@dataclass(frozen=True)
class Held:
    """Vectors in memory."""

    matrix: FloatArray
    rows: Mapping[str, IntArray]

    def __len__(self) -> int:
        return len(self.matrix)

    def blocks(self) -> Iterator[tuple[int, Dense]]:
        yield 0, Dense(self.matrix)

    def take(self, rows: IntArray) -> Dense:
        return Dense(self.matrix)[rows]


def texts(language: str, number: int) -> Collection:
    names = tuple(f"{language}{row}" for row in range(number))
    return Collection(language, names, names)


def made(seed: int, queries: int = 9, documents: int = 30) -> tuple[Retrieval, Held, Held]:
    """A task of classes with slices as pools, and vectors of which many are equal."""
    rng = np.random.default_rng(seed)
    asked = {x: texts(x, queries) for x in ("hi", "th")}
    held = {x: texts(x, documents) for x in LANGUAGES}

    def classes(number: int) -> IntArray:
        coarse = rng.integers(0, 4, number)
        return np.stack([coarse, coarse * 2 + rng.integers(0, 2, number)], axis=1)

    of_queries = {x: classes(queries) for x in asked}
    of_documents = {x: classes(documents) for x in LANGUAGES}
    every = []
    for x in asked:
        others = [Slice(y) for y in LANGUAGES if y != x]
        every.append(Setting(f"{x}→{x}", SettingKind.MONOLINGUAL, x, (Slice(x),)))
        every.append(Setting(f"{x}→all", SettingKind.MULTILINGUAL, x, (Slice(x), *others)))
        for number in range(2):
            rows = np.sort(rng.choice(documents, 4, replace=False))
            variant = f"few/seed-{number}"
            part = Slice(x, rows)
            name = f"{x}→{x}/{variant}"
            every.append(Setting(name, SettingKind.MONOLINGUAL, x, (part,), variant))
            pool = (part, *others)
            name = f"{x}→all/{variant}"
            every.append(Setting(name, SettingKind.MULTILINGUAL, x, pool, variant))
    retrieval = Retrieval(
        queries=asked,
        documents=held,
        judgements={
            (x, y): ClassJudgements.of(of_queries[x], of_documents[y])
            for x in asked
            for y in LANGUAGES
        },
        settings=tuple(every),
        clusters={x: asked[x].ids for x in asked},
        labels={
            Role.QUERY: {x: [str(c) for c in of_queries[x][:, 0]] for x in asked},
            Role.DOCUMENT: {x: [str(c) for c in of_documents[x][:, 0]] for x in LANGUAGES},
        },
        provenance=Provenance("made up"),
    )
    distinct = rng.normal(size=(documents, 6)).astype(np.float32)
    rows = {x: rng.integers(0, documents, documents) for x in LANGUAGES}
    asking = rng.normal(size=(2 * queries, 6)).astype(np.float32)
    asked_rows = {x: np.arange(queries) + queries * place for place, x in enumerate(asked)}
    return retrieval, Held(asking, asked_rows), Held(distinct, rows)


def parts(seed: int, many: float) -> dict[str, list[Part]]:
    retrieval, queries, documents = made(seed)
    numbering = Numbering.of(retrieval)

    def keep(setting: Setting, part: Part) -> Part:
        return part

    ties = numbering.hash_order()
    return rankings(retrieval, queries, documents, numbering, ties, 10, keep, many=many)


def rows(held: list[Part], name: str) -> list[object]:
    return [value for part in held for value in getattr(part.ranked, name).tolist()]


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), block=st.sampled_from([1, 200, 1 << 20]))
def test_sorting_is_counting(seed: int, block: int) -> None:
    counted = parts(seed, np.inf)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "_AT_ONCE", block)
        ordered = parts(seed, 0)
    assert list(counted) == list(ordered)
    for name, one in counted.items():
        other = ordered[name]
        for field in ("queries", "rank", "mid_rank", "tied", "grade", "language"):
            assert rows(one, field) == rows(other, field), (name, field)
        sizes = [np.diff(part.ranked.indptr) for part in other]
        np.testing.assert_array_equal(np.diff(one[0].ranked.indptr), np.concatenate(sizes))
        listed = np.concatenate([part.best.documents for part in other])
        np.testing.assert_array_equal(one[0].best.documents, listed)
        values = np.concatenate([part.best.scores for part in other])
        np.testing.assert_allclose(one[0].best.scores, values, rtol=1e-5, atol=1e-5)


def scored(seed: int) -> dict[str, SettingScores]:
    retrieval, queries, documents = made(seed)
    chosen = Scoring((measures.parse("nDCG@10"), measures.parse("AP")), parallel=False, labels=True)
    scores, _ = scoring.score(retrieval, queries, documents, chosen)
    return {each.setting.id: each for each in scores}


def test_common_queries_are_those_that_every_setting_can_answer() -> None:
    found = scored(1)
    for language in ("hi", "th"):
        own = [each for each in found.values() if each.setting.query_language == language]
        answered = [set(each.rows[~np.isnan(each.values["AP"])].tolist()) for each in own]
        common = set.intersection(*answered)
        assert 0 < len(common) < max(map(len, answered))
        for each in own:
            assert each.common == len(common)
            chosen = [
                value
                for row, value in zip(each.rows, each.values["AP"], strict=True)
                if row in common
            ]
            assert each.means["AP_common"] == pytest.approx(np.mean(chosen))
            defined = each.values["AP"][~np.isnan(each.values["AP"])]
            assert each.means["AP"] == pytest.approx(defined.mean())
            assert each.unanswerable == 9 - len(defined)


def test_neighbours_vote_for_every_query_answerable_or_not() -> None:
    retrieval, _, _ = made(1)
    labels = retrieval.labels
    for each in scored(1).values():
        assert len(each.rows) == 9
        numbering = Numbering.of(retrieval)
        for row, listed, value in zip(
            each.rows, each.best.documents, each.values["kNN@1"], strict=True
        ):
            language = numbering.languages[int(numbering.language_of(listed[:1])[0])]
            place = listed[0] - numbering.starts[numbering.languages.index(language)]
            own = labels[Role.QUERY][each.setting.query_language][row]
            assert value == float(labels[Role.DOCUMENT][language][place] == own)


def test_five_neighbours_vote() -> None:
    retrieval, _, _ = made(1)
    numbering = Numbering.of(retrieval)
    every = [x for name in numbering.languages for x in retrieval.labels[Role.DOCUMENT][name]]
    voted = 0
    for each in scored(1).values():
        labels = retrieval.labels[Role.QUERY][each.setting.query_language]
        for row, listed, value in zip(
            each.rows, each.best.documents, each.values["kNN@5"], strict=True
        ):
            votes = Counter(every[number] for number in listed[:5] if number >= 0)
            (winner, most), *others = votes.most_common()
            if not others or others[0][1] < most:  # ties are tested with the votes themselves
                assert value == float(winner == labels[row])
                voted += 1
    assert voted > 50


def test_without_language_parallels_there_is_no_bias() -> None:
    assert not any("rank_distance" in each.means for each in scored(2).values())
    assert all(each.languages for name, each in scored(2).items() if "all" in name)
