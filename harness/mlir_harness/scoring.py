"""One encoder on one task: ranks become measures, setting by setting, and their averages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from mlir_harness import bias, measures, neighbours
from mlir_harness.measures import Gain, Measure, Ranked
from mlir_harness.neighbours import Labels
from mlir_harness.ranking import Encoded, Part, rankings
from mlir_harness.settings import Best, Numbering
from mlir_harness.types import BoolArray, DoubleArray, IntArray, Retrieval, Setting

PEER_CUTOFF = 20
LANGUAGES_CUTOFF = 10  # places of the top lists whose languages are counted
COMMON = "_common"  # ends the name of a measure over the queries that all settings can answer
_PEER = f"PEER@{PEER_CUTOFF}"
BIAS_VERSIONS = {"rank_distance": "1", "language_preference": "1", _PEER: "1"}


@dataclass(frozen=True, slots=True)
class Scoring:
    """How scores are made; all of it is in the protocol fingerprint but `depth`.

    Attributes:
        measures: main measure first.
        ties: "hash" favours no language or name; "trec" is trec_eval's order of names.
        gain: of nDCG, "linear" as in trec_eval or "exponential".
        depth: how many documents per query the top lists keep, at least 10.
        parallel: see protocols.TaskInfo; language bias is measured only then.
        labels: the task has class labels; nearest-neighbour accuracy is measured only then.
    """

    measures: tuple[Measure, ...]
    ties: Literal["hash", "trec"] = "hash"
    gain: Gain = "linear"
    depth: int = 10
    parallel: bool = True
    labels: bool = False

    def versions(self) -> dict[str, str]:
        """Every measure that results will hold, with the version of its definition."""
        own = {str(measure): measures.VERSION[measure.name] for measure in self.measures}
        if self.parallel:
            own |= BIAS_VERSIONS
        if self.labels:
            own |= {neighbours.measure(k): neighbours.VERSION for k in neighbours.CUTOFFS}
        return own


@dataclass(frozen=True)
class SettingScores:
    """Everything known about one setting.

    Attributes:
        setting: which.
        rows: (n,) int64 the queries that have a value: those with a relevant document in the
            pool, or, of a task with class labels, all.
        unanswerable: number of queries that have no relevant document in the pool; only
            nearest-neighbour accuracy takes them in.
        common: how many queries all settings of this query language can answer; None if
            in every language those are the same queries.
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
    common: int | None
    documents: int
    values: Mapping[str, DoubleArray]
    means: Mapping[str, float]
    tie_rate: float
    best: Best
    languages: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class _Scored:
    """What a block of queries adds to a setting's scores; fields as of SettingScores.

    Attributes:
        answered: (n,) bool: which of `rows` have a relevant document in the pool.
        notes: values that only means are made of.
        tied, relevant: how many relevant documents tie with another, and of each language.
    """

    rows: IntArray
    answered: BoolArray
    values: Mapping[str, DoubleArray]
    notes: Mapping[str, DoubleArray]
    best: Best
    tied: int
    relevant: IntArray
    documents: int


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
    ties = numbering.trec_order() if scoring.ties == "trec" else numbering.hash_order()
    labels = Labels.of(retrieval, numbering) if scoring.labels else None
    use = partial(_scored, scoring=scoring, labels=labels)
    parts = rankings(retrieval, queries, documents, numbering, ties, scoring.depth, use)
    common = _common(retrieval, parts)
    measured = [str(measure) for measure in scoring.measures]
    scores = tuple(
        _joined(setting, parts[setting.id], common.get(setting.query_language), measured, numbering)
        for setting in retrieval.settings
    )
    return scores, numbering


def _scored(setting: Setting, part: Part, *, scoring: Scoring, labels: Labels | None) -> _Scored:
    found = part.ranked
    every = part.first + np.arange(len(part.best.documents))
    rows = found.queries if labels is None else every
    values = {
        str(measure): measures.per_query(measure, found, gain=scoring.gain)
        for measure in scoring.measures
    }
    notes: dict[str, DoubleArray] = {}
    if scoring.parallel and len(found.languages) > 1:
        values |= _bias(found)
        notes = _bias_notes(found)
    answered = np.isin(rows, found.queries)
    values = {name: _spread(value, answered) for name, value in values.items()}
    if labels is not None:
        values |= labels.accuracies(setting.query_language, rows, part.best)
    kept = rows - part.first
    return _Scored(
        rows,
        answered,
        values,
        notes,
        Best(part.best.documents[kept], part.best.scores[kept]),
        int(found.tied.sum()),
        np.bincount(found.language, minlength=len(found.languages)),
        found.pool_size,
    )


def _spread(values: DoubleArray, answered: BoolArray) -> DoubleArray:
    """Values of the answered queries among NaN for the others."""
    spread = np.full(len(answered), np.nan)
    spread[answered] = values
    return spread


def _bias(found: Ranked) -> dict[str, DoubleArray]:
    return {
        "rank_distance": bias.rank_distance(found),
        "language_preference": bias.language_preference(found),
        _PEER: bias.peer(found, PEER_CUTOFF)[0],
    }


def _bias_notes(found: Ranked) -> dict[str, DoubleArray]:
    return {
        "language_preference_chance": bias.language_preference_chance(found),
        f"{_PEER}_informative": bias.peer(found, PEER_CUTOFF)[1].astype(np.float64),
    }


def _common(retrieval: Retrieval, parts: Mapping[str, Sequence[_Scored]]) -> dict[str, IntArray]:
    """Query language -> rows of the queries that every one of its settings can answer.

    Empty where all settings can answer the same queries, or share none: nothing to tell.
    """
    common: dict[str, IntArray] = {}
    differ = False
    for setting in retrieval.settings:
        rows = np.concatenate([part.rows[part.answered] for part in parts[setting.id]])
        held = common.setdefault(setting.query_language, rows)
        differ = differ or not np.array_equal(held, rows)
        common[setting.query_language] = np.intersect1d(held, rows)
    return common if differ and any(map(len, common.values())) else {}


def _joined(
    setting: Setting,
    parts: Sequence[_Scored],
    common: IntArray | None,
    measured: Sequence[str],
    numbering: Numbering,
) -> SettingScores:
    rows = np.concatenate([part.rows for part in parts])
    answered = np.concatenate([part.answered for part in parts])
    values = {
        name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values
    }
    best = Best(
        np.concatenate([part.best.documents for part in parts]),
        np.concatenate([part.best.scores for part in parts]),
    )
    means = {name: _mean(value) for name, value in values.items()}
    if "rank_distance" in values:
        means["rank_distance_median"] = _median(values["rank_distance"])
        means["rank_distance_share"] = means["rank_distance"] / parts[0].documents
    for name in parts[0].notes:
        means[name] = _mean(np.concatenate([part.notes[name] for part in parts]))
    if common is not None:
        shared = np.isin(rows, common)
        means |= {f"{name}{COMMON}": _mean(values[name][shared]) for name in measured}
    relevant = np.sum([part.relevant for part in parts], axis=0)
    total = len(numbering.retrieval.queries[setting.query_language])
    return SettingScores(
        setting=setting,
        rows=rows,
        unanswerable=total - int(answered.sum()),
        common=None if common is None else len(common),
        documents=parts[0].documents,
        values=values,
        means=means,
        tie_rate=sum(part.tied for part in parts) / max(int(relevant.sum()), 1),
        best=best,
        languages=_language_shares(setting, best.documents[answered], relevant, numbering),
    )


def _mean(values: DoubleArray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def _median(values: DoubleArray) -> float:
    defined = values[~np.isnan(values)]
    return float(np.median(defined)) if len(defined) else float("nan")


def _language_shares(
    setting: Setting, documents: IntArray, relevant: IntArray, numbering: Numbering
) -> dict[str, dict[str, float]]:
    names = setting.document_languages
    if len(names) < 2:
        return {}
    shown = documents[:, :LANGUAGES_CUTOFF]
    place = np.full(len(numbering.languages), -1, np.int64)
    for number, language in enumerate(names):
        place[numbering.languages.index(language)] = number
    listed = np.where(shown >= 0, place[numbering.language_of(shown)], -1)
    sizes = [len(numbering.numbers(part)) for part in setting.pool]
    shares = {
        "top": bias.language_distribution(listed, names),
        "pool": np.array(sizes) / sum(sizes),
        "relevant": relevant / relevant.sum() if relevant.any() else np.full(len(names), np.nan),
    }
    return {name: dict(zip(names, values.tolist(), strict=True)) for name, values in shares.items()}
