"""Scores as rows and columns: what results store and `to_pandas` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlir_harness.results import SettingRow, Tables
from mlir_harness.scoring import SettingScores
from mlir_harness.settings import Numbering
from mlir_harness.text import utf8
from mlir_harness.types import Array, pick


def settings_rows(scores: Sequence[SettingScores]) -> tuple[SettingRow, ...]:
    """One row per setting, as tables and JSON show it."""
    return tuple(
        SettingRow(
            id=each.setting.id,
            kind=each.setting.kind.value,
            variant=each.setting.variant,
            query_language=each.setting.query_language,
            document_languages=each.setting.document_languages,
            queries=len(each.rows),
            unanswerable=each.unanswerable,
            documents=each.documents,
            tie_rate=each.tie_rate,
            measures=each.means,
            languages=each.languages,
            common=each.common,
        )
        for each in scores
    )


def tables(scores: Sequence[SettingScores], numbering: Numbering) -> Tables:
    """Per-query values and top lists as Arrow columns, strings dictionary-encoded."""
    return Tables(_queries(scores, numbering), _top(scores, numbering))


def _queries(scores: Sequence[SettingScores], numbering: Numbering) -> dict[str, Any]:
    import pyarrow as pa

    columns = _keys(scores, numbering, [np.ones(len(each.rows), np.int64) for each in scores])
    columns["cluster"] = _clusters(scores, numbering)
    for name in dict.fromkeys(name for each in scores for name in each.values):
        parts = [
            pa.array(each.values[name])
            if name in each.values
            else pa.nulls(len(each.rows), pa.float64())
            for each in scores
        ]
        columns[name] = pa.chunked_array(parts, pa.float64())
    return columns


def _clusters(scores: Sequence[SettingScores], numbering: Numbering) -> Any:
    """What each query is resampled with in tests of differences."""
    import pyarrow as pa

    clusters = numbering.retrieval.clusters
    picked = (pick(clusters[each.setting.query_language], each.rows) for each in scores)
    names = [utf8(name) for part in picked for name in part]
    return pa.array(names, pa.string()).dictionary_encode()


def _top(scores: Sequence[SettingScores], numbering: Numbering) -> dict[str, Any]:
    import pyarrow as pa

    held = [each.best.documents >= 0 for each in scores]
    columns = _keys(scores, numbering, [mask.sum(axis=1) for mask in held])
    place = [np.broadcast_to(np.arange(1, mask.shape[1] + 1), mask.shape)[mask] for mask in held]
    columns["rank"] = _joined(place).astype(np.int32)
    documents = _joined(
        [each.best.documents[mask] for each, mask in zip(scores, held, strict=True)]
    )
    languages = numbering.language_of(documents)
    columns["language"] = _coded(languages, list(numbering.languages))
    used, codes = np.unique(documents, return_inverse=True)
    names = [name.partition(":")[2] for name in numbering.names(used)]
    columns["document"] = _coded(codes, names)
    parts = [each.best.scores[mask] for each, mask in zip(scores, held, strict=True)]
    columns["score"] = pa.array(np.concatenate(parts) if parts else np.zeros(0, np.float32))
    return columns


def _keys(
    scores: Sequence[SettingScores], numbering: Numbering, repeats: Sequence[Array]
) -> dict[str, Any]:
    """Columns `setting` and `query`, each query of each setting as often as `repeats` says."""
    lengths = [int(each.sum()) for each in repeats]
    settings = np.repeat(np.arange(len(scores)), lengths)
    queries = numbering.retrieval.queries
    languages = sorted({each.setting.query_language for each in scores})
    starts = np.cumsum([0, *(len(queries[language]) for language in languages)])
    rows = _joined(
        [
            np.repeat(each.rows, repeat) + starts[languages.index(each.setting.query_language)]
            for each, repeat in zip(scores, repeats, strict=True)
        ]
    )
    used, codes = np.unique(rows, return_inverse=True)
    names: list[str] = []
    for language, start, end in zip(languages, starts[:-1], starts[1:], strict=True):
        own = used[(used >= start) & (used < end)]  # ascending, and so are the languages
        names += pick(queries[language].ids, own - start)
    return {
        "setting": _coded(settings, [each.setting.id for each in scores]),
        "query": _coded(codes, names),
    }


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _coded(codes: Array, names: Sequence[str]) -> Any:
    import pyarrow as pa

    safe = [utf8(name) for name in names]  # as Arrow's strings are
    return pa.DictionaryArray.from_arrays(
        pa.array(codes.astype(np.int32)), pa.array(safe, pa.string())
    )
