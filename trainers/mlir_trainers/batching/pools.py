"""What a batch is drawn from: a data set, or the small ones together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlir_harness.errors import DataError, UsageError
from mlir_trainers.parallel.data import DataSet, Held, ParallelData

_SMALLER = "Use a smaller training.batch_size, name fewer languages, or add data."


@dataclass(frozen=True)
class Pool:
    """Data sets that a batch may be drawn from.

    Attributes:
        name: of the data set, or of all, joined by +.
        parts: their row ranges.
        languages: language -> what is held in it.
        crossing: rows in two languages or more.
    """

    name: str
    parts: tuple[tuple[int, int], ...]
    languages: dict[str, Held]
    crossing: Held


def pools(data: ParallelData, batch_size: int, share: float) -> tuple[Pool, ...]:
    """The pools of `data`: each data set that can fill a batch alone, and the others together.

    A batch comes from one pool, so that its negatives are alike. A data set is small if it lacks
    a batch of sources in one of its languages, or across them. Languages that only parallel
    sentences are in take no part in monolingual batches.

    Args:
        data: prepared rows.
        batch_size: pairs a batch.
        share: of monolingual batches; what is not drawn is not required.

    Raises:
        DataError: batches cannot be filled.
        UsageError: there is one language, and pairs across languages are asked for.
    """
    if data.ids < batch_size:
        raise DataError(
            f"there are {data.ids} rows, which is less than one batch of {batch_size}", _SMALLER
        )
    if share < 1 and len(data.languages) < 2:
        raise UsageError(
            f"pairs across languages need two, and the data is in {', '.join(data.languages)}",
            "Add data in another language, or train mono (alpha 1).",
        )
    found: list[Pool] = []
    small: dict[bool, list[DataSet]] = {True: [], False: []}
    for dataset in data.datasets:
        if _fills(dataset, batch_size, share):
            found.append(_pool([dataset]))
        else:
            small[dataset.monolingual].append(dataset)
    found += [_pool(datasets) for datasets in small.values() if datasets]
    _check(found, data, batch_size, share)
    return tuple(found)


def monolingual(data: ParallelData) -> tuple[int, ...]:
    """Numbers of the languages in which questions and passages differ: those of X-X batches."""
    held = {name for dataset in data.datasets if dataset.monolingual for name in dataset.languages}
    return tuple(number for number, name in enumerate(data.languages) if name in held)


def largest_batch(data: ParallelData, share: float, *, at_most: int) -> int:
    """The largest batch size, up to a bound, that every language (and all across) can fill.

    Args:
        data: prepared rows.
        share: of monolingual batches.
        at_most: the bound.
    """
    whole = _pool(data.datasets)
    held = list(whole.languages.values()) if share > 0 else []
    held += [whole.crossing] if share < 1 else []
    size = min([at_most, data.ids, *(each.sources for each in held)])
    while size > 0:
        try:
            pools(data, size, share)
        except DataError:  # data sets of two kinds are not drawn together: none may hold so many
            size -= 1
        else:
            break
    return size


def _fills(dataset: DataSet, batch_size: int, share: float) -> bool:
    held = list(dataset.languages.values()) if share > 0 and dataset.monolingual else []
    held += [dataset.crossing] if share < 1 and dataset.crossing.rows else []
    return bool(held) and all(each.sources >= batch_size for each in held)


def _pool(datasets: Sequence[DataSet]) -> Pool:
    languages: dict[str, Held] = {}
    for dataset in datasets:
        for language, held in dataset.languages.items() if dataset.monolingual else ():
            languages[language] = _sum([languages.get(language, Held(0, 0)), held])
    return Pool(
        "+".join(each.name for each in datasets),
        tuple((each.start, each.stop) for each in datasets),
        languages,
        _sum([each.crossing for each in datasets]),
    )


def _sum(held: Sequence[Held]) -> Held:
    return Held(sum(each.rows for each in held), sum(each.sources for each in held))


def _check(found: Sequence[Pool], data: ParallelData, batch_size: int, share: float) -> None:
    spoken = [data.languages[number] for number in monolingual(data)]
    if share > 0 and not spoken:
        raise DataError(
            "every passage is its question, as of parallel sentences: there is nothing to learn "
            "within a language",
            "Train cross (alpha 0), or add questions with passages that answer them.",
        )
    for language in spoken if share > 0 else ():
        best = max(pool.languages.get(language, Held(0, 0)).sources for pool in found)
        if best < batch_size:
            raise DataError(
                f"{language} has passages of {best} sources that answer questions in it: a "
                f"monolingual batch needs {batch_size}",
                _SMALLER,
            )
    if share < 1 and max(pool.crossing.sources for pool in found) < batch_size:
        best = max(pool.crossing.sources for pool in found)
        raise DataError(
            f"rows in two languages or more are of {best} sources: a batch needs {batch_size}",
            _SMALLER,
        )
