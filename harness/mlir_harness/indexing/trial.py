"""An index on trial: each part of the pools searched exactly and through it, and compared."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlir_harness import averages, embed, files, measures
from mlir_harness.embed import Tally
from mlir_harness.environment import processors
from mlir_harness.errors import HarnessError
from mlir_harness.fitting import fitted
from mlir_harness.indexing import agreement, index, search
from mlir_harness.indexing.agreement import Lists, Pairs
from mlir_harness.indexing.bench import HINT, Bench, Mapped
from mlir_harness.indexing.job import Job, Part, timed
from mlir_harness.indexing.search import DEPTH, Search, SearchResult
from mlir_harness.loading import LoadedTask
from mlir_harness.making import ReadyEncoder
from mlir_harness.measures import Measure
from mlir_harness.prepare import Prepared
from mlir_harness.rank import Corpus, Question, rank
from mlir_harness.request import Watcher
from mlir_harness.results import CellResult, Store
from mlir_harness.settings import relevant
from mlir_harness.shelf import Shelf
from mlir_harness.text import described
from mlir_harness.types import Array, FloatArray, IntArray, Relevant, Retrieval, Role
from mlir_harness.vectors import Dense


def searched(
    cell: CellResult,
    encoder: ReadyEncoder,
    task: LoadedTask,
    prepared: Prepared,
    watcher: Watcher,
    store: Store | None,
) -> CellResult:
    """A cell with its exact scores, and what the run's search makes of it.

    From the store if it is there; a search that fails says why and leaves the scores alone.
    """
    asked = prepared.search
    if asked is None:
        return cell

    def busy() -> None:
        watcher.note(f"waiting for another run of {cell.encoder} on {cell.task} to end")

    try:
        if store is None or cell.folder is None:
            return replace(cell, search=_tried(cell, encoder, task, prepared, watcher, asked))
        with store.lock(cell.task, cell.encoder, busy):
            result = search.read(cell.folder, asked)
            if result is None:
                result = _tried(cell, encoder, task, prepared, watcher, asked)
                search.write(cell.folder, result)
        return replace(cell, search=result)
    except KeyboardInterrupt:
        raise
    except HarnessError as error:
        return replace(cell, search=search.failed(asked, error.message, error.hint))
    except BaseException as error:
        trace = "".join(traceback.format_exception(error))
        hint = "Run again with --debug for the traceback."
        return replace(cell, search=search.failed(asked, described(error), hint, trace))
    finally:
        watcher.stop()


def _tried(
    cell: CellResult,
    encoder: ReadyEncoder,
    task: LoadedTask,
    prepared: Prepared,
    watcher: Watcher,
    asked: Search,
) -> SearchResult:
    shelves = prepared.shelves(encoder, task)
    watcher.start(f"{cell.encoder} · {cell.task} · vectors", 0)
    fit = fitted(encoder.encoder, task.retrieval)
    for role, each in shelves.items():  # scores may be stored whose vectors are not
        embed.fill(each, role, task.info.instruction, fit, encoder.info, watcher, Tally())
    watcher.start(f"{cell.encoder} · {cell.task} · {asked.name}", 0)
    result = tried(asked, task, shelves, prepared.cache, encoder.fingerprint)
    for note in result.notes:
        watcher.note(note)
    index.prune(prepared.cache)
    return result


def tried(
    asked: Search, task: LoadedTask, shelves: Mapping[Role, Shelf], cache: Path, encoder: str
) -> SearchResult:
    """Search every part of the task's pools exactly and through an index.

    Args:
        asked: with its library's version.
        task: whose settings are searched.
        shelves: vectors by role.
        cache: where indexes are kept.
        encoder: its fingerprint.

    Raises:
        HarnessError: the index cannot be made of these vectors.
        StoreError: no room for it.
    """
    task = replace(task, retrieval=_without_variants(task.retrieval))
    with index.workspace(cache) as folder:
        bench = Bench.of(task, shelves, folder)
        places = [place for place, pool in enumerate(bench.layout.pools) if len(pool)]
        parts = [_part(place, asked, bench, cache, encoder, folder) for place in places]
        job = Job(
            factory=asked.factory,
            parameters=asked.parameters,
            dimension=bench.vectors.shape[1],
            depth=DEPTH,
            threads=processors(),
            vectors=str(folder / "vectors.npy"),
            queries=str(folder / "queries.npy"),
            parts=parts,
        )
        reply = index.ask(job, folder)
        exact: dict[int, _Found] = {}
        seconds = 0.0
        for place in places:
            spent, exact[place] = _exact(place, bench, job.threads)
            seconds += spent
        found = {
            place: _read(part, bench.layout.pools[place])
            for place, part in zip(places, parts, strict=True)
        }
        measure = _first(task.scoring.measures[0])
        settings = _settings(task, bench, found, exact, measure)
    searches = sum(last - first for part in parts for first, last in part.queries)
    documents = sum(len(bench.layout.pools[place]) for place in places)
    return SearchResult(
        search=asked.name,
        engine=asked.engine,
        measure=str(measure),
        summary=_means(task, settings),
        settings=settings,
        cost={
            "queries_per_second": searches / max(sum(reply.search_seconds), 1e-9),
            "exact_queries_per_second": searches / max(seconds, 1e-9),
            "threads": job.threads,
            "build_seconds": sum(reply.build_seconds),
            "index_bytes": reply.bytes,
            "vector_bytes": documents * job.dimension * 4,
            "documents": documents,
            "dimension": job.dimension,
            "indexes": len(parts),
        },
        notes=reply.notes,
    )


def _without_variants(retrieval: Retrieval) -> Retrieval:
    """The settings that an index is chosen for: small subsets would need one each."""
    whole = tuple(setting for setting in retrieval.settings if not setting.variant)
    return replace(retrieval, settings=whole or retrieval.settings)


def _first(measure: Measure) -> Measure:
    """The measure over no more than the first DEPTH places."""
    return replace(measure, cutoff=min(measure.cutoff or DEPTH, DEPTH))


def _part(place: int, asked: Search, bench: Bench, cache: Path, encoder: str, folder: Path) -> Part:
    rows = bench.corpus.rows[bench.layout.pools[place]]
    with files.writing("vectors", folder, HINT):
        np.save(folder / f"{place}-rows.npy", rows)
    return Part(
        name=bench.name(place),
        rows=str(folder / f"{place}-rows.npy"),
        queries=bench.batch(place),
        index=str(index.place(cache, encoder, asked, bench.vectors, rows)),
        found=str(folder / f"{place}-found.npy"),
        scores=str(folder / f"{place}-scores.npy"),
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What a search found in one pool, small as there is much of it.

    Attributes:
        places: (queries, width) int32 places in the pool, -1 for none.
        scores: (queries, width) float32.
        pool: (documents,) int64 document numbers.
    """

    places: Array
    scores: FloatArray
    pool: IntArray

    def rows(self, chosen: IntArray) -> Lists:
        """The lists of some of the queries."""
        places = self.places[chosen]
        return Lists.of(np.where(places >= 0, self.pool[places], -1), self.scores[chosen])


def _read(part: Part, pool: IntArray) -> _Found:
    """What an index found, from the files its process wrote."""
    return _Found(np.load(part.found), np.load(part.scores), pool)


def _exact(place: int, bench: Bench, threads: int) -> tuple[float, _Found]:
    """The seconds that the harness's own search of one pool takes, and what it finds."""
    pool = bench.layout.pools[place]
    used, rows = np.unique(bench.corpus.rows[pool], return_inverse=True)
    first, last = used[0], used[-1] + 1
    together = len(used) == last - first  # then nothing is copied
    source = Mapped(bench.vectors[first:last] if together else bench.vectors[used])
    order = np.argsort(np.argsort(bench.corpus.ties[pool]))
    corpus = Corpus(source, rows, np.zeros_like(rows), order, [np.arange(len(pool))])
    queries = [bench.queries[low:high] for low, high in bench.batch(place)]
    batch = Dense(queries[0] if len(queries) == 1 else np.concatenate(queries))
    none = np.zeros(0, np.int64)
    nothing = np.zeros(len(batch) + 1, np.int64), none, none, np.zeros((1, 1), bool)
    asked = Question(batch, *nothing, listed=[(0,)])
    seconds, (answer,) = timed(lambda: rank([asked], corpus, k=DEPTH + 1, workers=threads))
    places, scores = answer.top[(0,)]
    return seconds, _Found(places.astype(np.int32), scores, pool)


def _settings(
    task: LoadedTask,
    bench: Bench,
    found: Mapping[int, _Found],
    exact: Mapping[int, _Found],
    measure: Measure,
) -> dict[str, dict[str, float]]:
    """Setting id -> recall, and the measure through the index and exactly."""
    values: dict[str, dict[str, float]] = {}
    for language, (first, last) in bench.stretches.items():
        asked = Dense(bench.queries[first:last])
        judged = relevant(language, slice(None), bench.numbering)
        for setting in task.retrieval.settings:
            if setting.query_language != language:
                continue
            places = [place for place in bench.layout.parts[setting.id] if place in exact]
            pools = [bench.layout.pools[place] for place in places]
            rows, own = agreement.within(judged, pools)
            if not len(rows):
                continue
            at = [(place, rows + bench.offset(place, language)) for place in places]
            pairs = Pairs.of(asked[rows], bench.corpus, bench.longest)
            truth = agreement.exact_lists(
                [exact[place].rows(these) for place, these in at], own, pairs
            )
            parts = [found[place].rows(these) for place, these in at]
            through = agreement.index_lists(parts, truth, own, pairs)

            def value(lists: Lists, own: Relevant = own) -> float:
                ranked = agreement.ranked(lists, own)
                return float(measures.per_query(measure, ranked, gain=task.scoring.gain).mean())

            values[setting.id] = {
                "recall": float(agreement.recall(through, truth).mean()),
                "found": value(through),
                "exact": value(truth),
            }
    return values


def _means(
    task: LoadedTask, settings: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Group of settings -> means over its settings, as the other tables take them."""
    members = [setting for setting in task.retrieval.settings if setting.id in settings]
    return averages.macro(members, [settings[setting.id] for setting in members])
