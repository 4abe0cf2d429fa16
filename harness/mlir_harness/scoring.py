"""One encoder on one task: vectors, ranks and measures, setting by setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from mlir_harness import bias, measures
from mlir_harness.measures import Gain, Measure, Ranked
from mlir_harness.protocols import Vectors
from mlir_harness.rank import Corpus, VectorSource, rank
from mlir_harness.settings import Best, Layout, Numbering, best, question, ranked
from mlir_harness.types import DoubleArray, IntArray, Retrieval, Setting

PEER_CUTOFF = 20
LANGUAGES_CUTOFF = 10  # places of the top lists whose languages are counted
BIAS_VERSIONS = {"rank_distance": "1", "language_preference": "1", f"PEER@{PEER_CUTOFF}": "1"}


@dataclass(frozen=True, slots=True)
class Scoring:
    """How scores are made; all of it is in the protocol fingerprint but `depth`.

    Attributes:
        measures: main measure first.
        ties: "hash" favours no language or name; "trec" is trec_eval's order of names.
        gain: of nDCG, "linear" as in trec_eval or "exponential".
        depth: how many documents per query the top lists keep, at least 10.
    """

    measures: tuple[Measure, ...]
    ties: Literal["hash", "trec"] = "hash"
    gain: Gain = "linear"
    depth: int = 10

    def versions(self) -> dict[str, str]:
        """Every measure that results will hold, with the version of its definition."""
        own = {str(measure): measures.VERSION[measure.name] for measure in self.measures}
        return own | BIAS_VERSIONS


@dataclass(frozen=True)
class SettingScores:
    """Everything known about one setting.

    Attributes:
        setting: which.
        rows: (n,) int64 the queries that have a relevant document in the pool.
        unanswerable: number of queries that have none, and are left out.
        documents: size of the pool.
        values: measure -> (n,) float64 per query; NaN where it is not defined.
        means: measure -> mean over queries, and what has no value per query.
        tie_rate: share of relevant documents that tie with another document.
        best: top lists of the queries in `rows`.
        languages: for pools of two languages or more, "top", "pool" and "relevant" -> language
            -> its share of the first ten places, of the pool, of the relevant documents.
    """

    setting: Setting
    rows: IntArray
    unanswerable: int
    documents: int
    values: Mapping[str, DoubleArray]
    means: Mapping[str, float]
    tie_rate: float
    best: Best
    languages: Mapping[str, Mapping[str, float]]


class Encoded(VectorSource, Protocol):
    """The vectors of one role, with the row of each text."""

    @property
    def rows(self) -> Mapping[str, IntArray]: ...


def score(
    retrieval: Retrieval, queries: Encoded, documents: Encoded, scoring: Scoring
) -> tuple[tuple[SettingScores, ...], Numbering]:
    """Rank every query in every setting and compute every measure.

    Args:
        retrieval: the task's data.
        queries, documents: their vectors.
        scoring: measures and conventions.
    """
    numbering = Numbering.of(retrieval)
    vector_rows = (
        np.concatenate([documents.rows[language] for language in numbering.languages])
        if numbering.languages
        else np.zeros(0, np.int64)
    )
    layout = Layout.of(numbering)
    languages = sorted({setting.query_language for setting in retrieval.settings})
    asked = [
        question(language, _queries(queries, language), numbering, layout) for language in languages
    ]
    corpus = Corpus(
        documents,
        vector_rows,
        numbering.language_of(np.arange(len(vector_rows))),
        numbering.trec_order() if scoring.ties == "trec" else numbering.hash_order(),
        layout.pools,
    )
    answers = rank([each for each, _ in asked], corpus, k=scoring.depth)
    scores = []
    for setting in retrieval.settings:
        place = languages.index(setting.query_language)
        found = ranked(setting, asked[place][1], answers[place], numbering, layout)
        top = best(setting, found.queries, answers[place], layout)
        scores.append(_score(setting, found, top, numbering, scoring))
    return tuple(scores), numbering


def _queries(queries: Encoded, language: str) -> Vectors:
    return queries.take(queries.rows[language])


def _score(
    setting: Setting, found: Ranked, top: Best, numbering: Numbering, scoring: Scoring
) -> SettingScores:
    values = {
        str(measure): measures.per_query(measure, found, gain=scoring.gain)
        for measure in scoring.measures
    }
    means = {
        name: float(value.mean()) if len(value) else float("nan") for name, value in values.items()
    }
    languages: dict[str, dict[str, float]] = {}
    if len(found.languages) > 1:
        extra, summary = _bias(found)
        values |= extra
        means |= summary
        languages = _language_shares(setting, found, top, numbering)
    total = len(numbering.retrieval.queries[setting.query_language])
    return SettingScores(
        setting=setting,
        rows=found.queries,
        unanswerable=total - len(found.queries),
        documents=found.pool_size,
        values=values,
        means=means,
        tie_rate=float(found.tied.mean()) if len(found.tied) else 0.0,
        best=top,
        languages=languages,
    )


def _bias(found: Ranked) -> tuple[dict[str, DoubleArray], dict[str, float]]:
    distance = bias.rank_distance(found)
    preference = bias.language_preference(found)
    chance = bias.language_preference_chance(found)
    peer, informs = bias.peer(found, PEER_CUTOFF)
    peer_name = f"PEER@{PEER_CUTOFF}"
    values = {"rank_distance": distance, "language_preference": preference, peer_name: peer}
    means = {
        "rank_distance": _mean(distance),
        "rank_distance_median": _median(distance),
        "rank_distance_share": _mean(distance) / found.pool_size,
        "language_preference": _mean(preference),
        "language_preference_chance": _mean(chance),
        peer_name: _mean(peer),
        f"{peer_name}_informative": float(informs.mean()) if len(informs) else float("nan"),
    }
    return values, means


def _mean(values: DoubleArray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _median(values: DoubleArray) -> float:
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if len(defined) else float("nan")


def _language_shares(
    setting: Setting, found: Ranked, top: Best, numbering: Numbering
) -> dict[str, dict[str, float]]:
    shown = top.documents[:, :LANGUAGES_CUTOFF]
    place = np.full(len(numbering.languages), -1, np.int64)
    for number, language in enumerate(found.languages):
        place[numbering.languages.index(language)] = number
    listed = np.where(shown >= 0, place[numbering.language_of(shown)], -1)
    sizes = [len(numbering.numbers(part)) for part in setting.pool]
    shares = {
        "top": bias.language_distribution(listed, found.languages),
        "pool": np.array(sizes) / sum(sizes),
        "relevant": bias.language_distribution(found.language, found.languages),
    }
    return {
        name: dict(zip(found.languages, values.tolist(), strict=True))
        for name, values in shares.items()
    }


def macro(scores: Sequence[SettingScores]) -> dict[str, dict[str, float]]:
    """Per kind of setting, the mean over its settings of every measure."""
    summary: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(each.setting.kind for each in scores):
        members = [each.means for each in scores if each.setting.kind == kind]
        names = list(dict.fromkeys(name for means in members for name in means))
        summary[kind.value] = {
            name: _mean(np.array([means.get(name, np.nan) for means in members])) for name in names
        }
    return summary
