"""What a task loaded, held against its contract before anything is computed from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from mlir_harness import measures
from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import TaskInfo
from mlir_harness.text import plain
from mlir_harness.types import (
    Collection,
    Judgements,
    Relevant,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
)

_AT_ONCE = 8192
_HINT = "Mend the task's files, or the plugin that reads them."


def check_info(info: TaskInfo, task: str) -> None:
    """See that what a task says of itself can be used.

    Raises:
        Unavailable: its measures or splits cannot.
    """
    named = f"task {plain(task)}"
    declared: list[tuple[str, Any]] = [("measures", info.measures), ("splits", info.splits)]
    for what, names in declared:
        if isinstance(names, str) or not names or not all(isinstance(n, str) for n in names):
            raise Unavailable(
                f"{named} names no {what}", f"Its info must have a tuple of {what}, one or more."
            )
    try:
        for name in info.measures:
            measures.parse(name)
    except UsageError as error:
        raise Unavailable(f"{named}: {plain(error.message)}", error.hint) from error


def check(retrieval: Retrieval, task: str) -> None:
    """See that a task loaded what it should; texts are read in turn, and none is kept.

    Raises:
        DataError: the first thing that is wrong, with task, collection and id.
    """
    named = f"task {plain(task)}"
    for role, collections in (
        (Role.QUERY, retrieval.queries),
        (Role.DOCUMENT, retrieval.documents),
    ):
        for language, collection in collections.items():
            where = f"{named}, {role.value} collection {plain(str(language))}"
            if collection.language != language:
                raise _wrong(f"{where}: its language is {_shown(collection.language)}")
            _check_collection(collection, where)
    _check_settings(retrieval, named)
    _check_parallel(retrieval, named)
    for pair, judgements in retrieval.judgements.items():
        asked, answering = pair
        where = f"{named}, judgements {plain(str(asked))}→{plain(str(answering))}"
        if asked not in retrieval.queries or answering not in retrieval.documents:
            raise _wrong(f"{where}: one of these languages has no collection")
        _check_judgements(
            judgements, retrieval.queries[asked], len(retrieval.documents[answering]), where
        )


def answerable(retrieval: Retrieval) -> bool:
    """Whether any query has a relevant document in the pool of any setting."""
    return any(
        part.rows is None or bool(np.isin(relevant.documents, part.rows).any())
        for setting in retrieval.settings
        for part in setting.pool
        for relevant in _relevant(retrieval, setting, part)
        if len(relevant.documents)
    )


def _relevant(retrieval: Retrieval, setting: Setting, part: Slice) -> Iterator[Relevant]:
    judgements = retrieval.judgements.get((setting.query_language, part.language))
    if judgements is not None:
        for start in range(0, len(retrieval.queries[setting.query_language]), _AT_ONCE):
            yield judgements.rows(slice(start, start + _AT_ONCE))


def _wrong(message: str) -> DataError:
    return DataError(message, _HINT)


def _shown(value: Any) -> str:
    return repr(plain(value)) if isinstance(value, str) else f"a {plain(type(value).__name__)}"


def _check_collection(collection: Collection, where: str) -> None:
    ids = collection.ids
    for start, batch in _batches(ids):
        place = _no_string(batch)
        if place is not None:
            raise _wrong(f"{where}: id {start + place} is {_shown(batch[place])}, not a string")
    double = _repeated(ids)
    if double is not None:
        raise _wrong(f"{where}: duplicate id {_shown(double)}")
    for start, batch in _batches(collection.texts):
        place = _no_string(batch)
        if place is not None:
            raise _wrong(
                f"{where}: the text of {_shown(ids[start + place])} is {_shown(batch[place])}, "
                "not a string"
            )
        for place, text in enumerate(batch):
            if not text or text.isspace():
                raise _wrong(f"{where}: the text of {_shown(ids[start + place])} is empty")


def _batches(values: Sequence[Any]) -> Iterator[tuple[int, Sequence[Any]]]:
    remaining = iter(values)
    start = 0
    while batch := list(islice(remaining, _AT_ONCE)):
        yield start, batch
        start += len(batch)


def _no_string(batch: Sequence[Any]) -> int | None:
    """The first place that holds no string."""
    if all(issubclass(kind, str) for kind in set(map(type, batch))):
        return None
    return next(place for place, value in enumerate(batch) if not isinstance(value, str))


def _repeated(ids: Sequence[str]) -> str | None:
    """An id that is there twice; holds eight bytes per id."""
    hashes = np.sort(np.fromiter(map(hash, ids), np.int64, len(ids)))
    suspects = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    if not suspects:
        return None
    counts = Counter(name for name in ids if hash(name) in suspects)
    return next((name for name, count in counts.items() if count > 1), None)


def _check_settings(retrieval: Retrieval, named: str) -> None:
    if not retrieval.settings:
        raise DataError(f"{named} has no settings", "Name more languages.")
    seen: set[str] = set()
    for setting in retrieval.settings:
        if not isinstance(setting.id, str):
            raise _wrong(f"{named}: the id of a setting is {_shown(setting.id)}, not a string")
        if setting.id in seen:
            raise _wrong(f"{named}: duplicate setting {_shown(setting.id)}")
        seen.add(setting.id)
        _check_setting(setting, retrieval, f"{named}, setting {_shown(setting.id)}")


def _check_setting(setting: Setting, retrieval: Retrieval, where: str) -> None:
    if not isinstance(setting.kind, SettingKind):
        raise _wrong(f"{where}: its kind is {_shown(setting.kind)}, not a SettingKind")
    if setting.query_language not in retrieval.queries:
        raise _wrong(f"{where}: there are no queries in {_shown(setting.query_language)}")
    pooled: set[str] = set()
    for part in setting.pool:
        if part.language not in retrieval.documents:
            raise _wrong(f"{where}: there are no documents in {_shown(part.language)}")
        if part.language in pooled:
            raise _wrong(f"{where}: {_shown(part.language)} is in its pool twice")
        pooled.add(part.language)
        if part.rows is not None:
            _check_rows(part.rows, retrieval.documents[part.language], where)
    if not retrieval.pool_size(setting):
        raise _wrong(f"{where}: its pool is empty")


def _check_rows(rows: Any, documents: Collection, where: str) -> None:
    where = f"{where}: rows of the document collection {plain(documents.language)}"
    if not _integers(rows):
        raise _wrong(f"{where} are {_shown(rows)}, not an array of integers")
    outside = rows[(rows < 0) | (rows >= len(documents))]
    if len(outside):
        raise _wrong(f"{where}: {outside[0]} is outside 0..{len(documents) - 1}")
    ordered = np.sort(rows)
    double = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(double):
        raise _wrong(
            f"{where}: {double[0]} (id {_shown(documents.ids[int(double[0])])}) is there twice"
        )


def _integers(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.ndim == 1 and array.dtype.kind in "iu"


def _check_parallel(retrieval: Retrieval, named: str) -> None:
    """Clusters and labels have one entry per query, labels one per document too."""
    asked = {setting.query_language for setting in retrieval.settings}
    pooled = {language for each in retrieval.settings for language in each.document_languages}
    held = [("clusters", Role.QUERY, retrieval.clusters, asked)]
    for role, needed in ((Role.QUERY, asked), (Role.DOCUMENT, pooled)) if retrieval.labels else ():
        held.append(("labels", role, retrieval.labels.get(role, {}), needed))
    for what, role, values, needed in held:
        collections = retrieval.queries if role is Role.QUERY else retrieval.documents
        for language in sorted({*values, *needed}):
            where = f"{named}, {what} of the {role.value} collection {plain(language)}"
            if language not in collections:
                raise _wrong(f"{where}: there is no such collection")
            if language not in values:
                raise _wrong(f"{where}: missing")
            _check_names(values[language], collections[language], where)


def _check_names(values: Sequence[str], collection: Collection, where: str) -> None:
    if len(values) != len(collection):
        raise _wrong(f"{where}: {len(values)} for {len(collection)} texts")
    for start, batch in _batches(values):
        place = _no_string(batch)
        if place is not None:
            raise _wrong(
                f"{where}: that of {_shown(collection.ids[start + place])}"
                f" is {_shown(batch[place])}, not a string"
            )


def _check_judgements(
    judgements: Judgements, queries: Collection, documents: int, where: str
) -> None:
    total = len(queries)
    for start in range(0, total, _AT_ONCE):
        last = start + _AT_ONCE >= total
        # One more than there are queries: judgements of too many show.
        stop = total + 1 if last else start + _AT_ONCE
        relevant = judgements.rows(slice(start, stop))
        expected = min(start + _AT_ONCE, total) - start
        if not (
            isinstance(relevant, Relevant)
            and all(map(_integers, (relevant.indptr, relevant.documents, relevant.grades)))
        ):
            raise _wrong(f"{where}: they are no Relevant of integer arrays")
        if len(relevant) != expected:
            more = "more" if len(relevant) > expected else "fewer"
            raise _wrong(f"{where}: judgements of {more} queries than the {total} there are")
        _check_relevant(relevant, queries.ids, start, documents, where)


def _check_relevant(
    relevant: Relevant, ids: Sequence[str], start: int, documents: int, where: str
) -> None:
    indptr, found, grades = relevant.indptr, relevant.documents, relevant.grades
    if indptr[0] != 0 or indptr[-1] != len(found) or (np.diff(indptr) < 0).any():
        raise _wrong(f"{where}: the entries of indptr do not ascend from 0 to the last document")
    if len(grades) != len(found):
        raise _wrong(f"{where}: {len(grades)} grades for {len(found)} documents")

    def refuse(entry: int, what: str) -> DataError:
        row = start + int(np.searchsorted(indptr, entry, side="right")) - 1
        return _wrong(f"{where}, query {_shown(ids[row])}: {what}")

    if not len(found):
        return
    if found.min() < 0 or found.max() >= documents:
        entry = int(np.flatnonzero((found < 0) | (found >= documents))[0])
        raise refuse(entry, f"document row {found[entry]} is outside 0..{documents - 1}")
    if grades.min() < 1:
        entry = int(np.flatnonzero(grades < 1)[0])
        raise refuse(entry, f"grade {grades[entry]} is below 1")
    falls = np.flatnonzero(found[1:] <= found[:-1]) + 1
    falls = falls[~np.isin(falls, indptr)]  # the first document of a query may be any
    if len(falls):
        entry = int(falls[0])
        raise refuse(entry, f"document row {found[entry]} is there twice or out of order")
