"""What a task holds: where it is from, its texts and their length, its judgements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlir_harness.loading import LoadedTask
from mlir_harness.types import Collection, IntArray, Retrieval

_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one role and language.

    Attributes:
        texts: how many.
        mean, longest: characters of a text.
    """

    texts: int
    mean: float
    longest: int


@dataclass(frozen=True, slots=True)
class Relevance:
    """How many documents are relevant to a query of one language.

    Attributes:
        own: mean number in the documents of its own language; None if there are none.
        all: mean number in the documents of all languages.
        most: the largest number in all of them.
        unanswerable: queries without any.
    """

    own: float | None
    all: float
    most: int
    unanswerable: int


@dataclass(frozen=True)
class Description:
    """What there is to say about a task.

    Attributes:
        name, version, description, citation, licence: of the task.
        source, revision, sample, notes: of the data that was loaded.
        languages, splits: that it can have; `split` was loaded.
        measures: the main one first.
        settings: kind -> number.
        variants: of settings.
        queries, documents: language -> texts.
        relevant: query language -> judgements.
    """

    name: str
    version: str
    description: str
    citation: str
    licence: str
    source: str
    revision: str
    sample: bool
    notes: Sequence[str]
    languages: Sequence[str]
    splits: Sequence[str]
    split: str
    measures: Sequence[str]
    settings: Mapping[str, int]
    variants: Sequence[str]
    queries: Mapping[str, Texts]
    documents: Mapping[str, Texts]
    relevant: Mapping[str, Relevance]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def describe(loaded: LoadedTask) -> Description:
    """Read every text once and count; none is kept."""
    info, retrieval = loaded.info, loaded.retrieval
    provenance = retrieval.provenance
    return Description(
        name=loaded.choice.label,
        version=info.version,
        description=info.description,
        citation=info.citation,
        licence=provenance.licence or info.licence,
        source=provenance.source,
        revision=provenance.revision,
        sample=provenance.sample,
        notes=provenance.notes,
        languages=info.languages,
        splits=info.splits,
        split=loaded.split,
        measures=info.measures,
        settings=dict(Counter(setting.kind.value for setting in retrieval.settings)),
        variants=[*dict.fromkeys(each.variant for each in retrieval.settings if each.variant)],
        queries={language: _texts(held) for language, held in retrieval.queries.items()},
        documents={language: _texts(held) for language, held in retrieval.documents.items()},
        relevant={language: _relevance(language, retrieval) for language in retrieval.queries},
    )


def _texts(collection: Collection) -> Texts:
    characters = longest = 0
    for text in collection.texts:
        characters += len(text)
        longest = max(longest, len(text))
    return Texts(len(collection), characters / max(len(collection), 1), longest)


def _relevance(language: str, retrieval: Retrieval) -> Relevance:
    total = np.zeros(len(retrieval.queries[language]), np.int64)
    own: IntArray | None = None
    for asked, answering in retrieval.judgements:
        if asked == language:
            found = _numbers(retrieval, asked, answering)
            total += found
            own = found if answering == language else own
    if not len(total):
        return Relevance(None, 0.0, 0, 0)
    return Relevance(
        own=None if own is None else float(own.mean()),
        all=float(total.mean()),
        most=int(total.max()),
        unanswerable=int((total == 0).sum()),
    )


def _numbers(retrieval: Retrieval, asked: str, answering: str) -> IntArray:
    """(queries,) int64 relevant documents of each."""
    judgements = retrieval.judgements[asked, answering]
    queries = len(retrieval.queries[asked])
    parts = [
        np.diff(judgements.rows(slice(start, start + _AT_ONCE)).indptr)
        for start in range(0, queries, _AT_ONCE)
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])
