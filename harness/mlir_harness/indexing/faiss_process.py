"""FAISS at work in a process of its own: builds indexes, or loads them, and searches them.

Run as `python -m mlir_harness.indexing.faiss_process JOB REPLY`. It never imports torch: two OpenMP
runtimes in one process can crash, and what crashes here costs one search, not the run.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from threadpoolctl import threadpool_limits

from mlir_harness import files
from mlir_harness.errors import HarnessError, StoreError
from mlir_harness.indexing.job import Job, Part, timed
from mlir_harness.text import described
from mlir_harness.types import FloatArray, IntArray

_INSTALL = "pip install faiss-cpu"
_ROWS_AT_ONCE = 1 << 16
_POINTS_A_CENTROID = 256  # FAISS takes no more to train with
_CACHE = "Free some space, or name another folder with --cache-dir."
_MEMORY = "Name fewer languages, choose a smaller index, or use a larger machine."
_TOO_FEW = re.compile(r"Number of training points \((\d+)\).* number of clusters \((\d+)\)")
_WHERE = re.compile(r"^Error in .*? at \S+:\d+: ", re.DOTALL)


def work(job: Job) -> dict[str, Any]:
    """Do a job.

    Returns:
        "version" of FAISS, "notes", and by part, in their order, "build_seconds",
        "search_seconds" and "bytes".

    Raises:
        HarnessError: FAISS is missing, or refuses the factory, its parameters or the vectors.
        StoreError: an index cannot be written.
    """
    try:
        import faiss
    except ImportError as error:
        raise HarnessError(f"faiss cannot be imported: {described(error)}", _INSTALL) from error
    notes: list[str] = []
    reply = {"version": str(faiss.__version__), "notes": notes}
    made = _make(faiss, job)
    del made
    costs: list[dict[str, float]] = [{} for _ in job.parts]
    if job.parts:
        vectors, queries = _mapped(job.vectors), _mapped(job.queries)
        rows = [_mapped(part.rows) for part in job.parts]
        # The smallest first: what cannot be trained fails before anything large is built.
        for place in sorted(range(len(rows)), key=lambda place: len(rows[place])):
            costs[place] = _part(faiss, job, job.parts[place], vectors, rows[place], queries, notes)
    return reply | {"parts": costs}


def _mapped(path: str) -> Any:
    return np.asarray(np.load(path, mmap_mode="r"))


def _make(faiss: Any, job: Job) -> Any:
    """An empty index that compares by inner product."""
    try:
        index = faiss.index_factory(job.dimension, job.factory, faiss.METRIC_INNER_PRODUCT)
        _tune(faiss, index, job.parameters)
        if "ht=" not in job.parameters:  # the threshold of polysemous search
            _plain(faiss, index)
    except Exception as error:  # SWIG raises what it likes
        raise HarnessError(
            f"faiss cannot make an index {job.factory!r} of {job.dimension} dimensions"
            f"{f' with {job.parameters!r}' if job.parameters else ''}: {_said(error)}",
            "See https://github.com/facebookresearch/faiss/wiki/The-index-factory.",
        ) from error
    if index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise HarnessError(
            f"faiss's {job.factory!r} does not compare by inner product",
            "Choose another index: Flat, HNSW32, IVF256,Flat, PQ48, SQ8, ...",
        )
    return index


def _plain(faiss: Any, index: Any) -> None:
    """Leave out polysemous training, minutes of annealing that ordinary search has no use for.

    It renames centroids and changes no score (Douze et al. 2016, "Polysemous codes").
    """
    held = faiss.downcast_index(index)
    if hasattr(held, "do_polysemous_training"):
        held.do_polysemous_training = False
    for name in ("index", "base_index", "storage"):
        inner = getattr(held, name, None)
        if inner is not None:
            _plain(faiss, inner)


def _tune(faiss: Any, index: Any, parameters: str) -> None:
    if parameters:
        faiss.ParameterSpace().set_index_parameters(index, parameters)


def _said(error: BaseException) -> str:
    """FAISS's own words, without the C++ function and source line."""
    words = _WHERE.sub("", str(error)) or type(error).__name__
    return re.sub(r"^Error: '(.*?)' failed:? ?(?=\S)", "", words, flags=re.DOTALL)


def _part(
    faiss: Any,
    job: Job,
    part: Part,
    vectors: FloatArray,
    rows: IntArray,
    queries: FloatArray,
    notes: list[str],
) -> dict[str, float]:
    """Build or load one index, search it and write down what it finds."""
    path = Path(part.index)
    lock = path.with_suffix(".lock")
    with files.locked("indexes", lock, _CACHE):
        index, record = _load(faiss, path, len(rows), notes)
        if index is None:
            index, seconds = _build(faiss, job, part.name, vectors, rows)
            record = _keep(faiss, index, path, seconds)
        lock.unlink(missing_ok=True)  # from here on nobody waits for it
    _tune(faiss, index, job.parameters)
    asked = [queries[first:last] for first, last in part.queries]
    batch = asked[0] if len(asked) == 1 else np.concatenate(asked)
    try:
        with threadpool_limits(job.threads):
            seconds, (scores, found) = timed(lambda: index.search(batch, job.depth))
    except RuntimeError as error:
        raise _refused(f"faiss cannot search {part.name}", error) from error
    np.save(part.found, found.astype(np.int32))
    np.save(part.scores, scores)
    return {
        "build_seconds": record["build_seconds"],
        "search_seconds": seconds,
        "bytes": record["bytes"],
    }


def _build(
    faiss: Any, job: Job, name: str, vectors: FloatArray, rows: IntArray
) -> tuple[Any, float]:
    """An index of the documents, and the seconds it took. FAISS's random seeds are fixed."""
    start = time.perf_counter()
    index = _make(faiss, job)
    try:
        with threadpool_limits(1):
            if not index.is_trained:
                index.train(vectors[_sample(faiss, index, rows)])
            for first in range(0, len(rows), _ROWS_AT_ONCE):
                index.add(vectors[rows[first : first + _ROWS_AT_ONCE]])
    except Exception as error:
        few = _TOO_FEW.search(str(error))
        if few:
            raise HarnessError(
                f"{job.factory} needs {int(few[2]):,} vectors or more to train; "
                f"{name} has {len(rows):,}",
                "Choose an index of fewer lists or codes, or one that needs no training (HNSW32).",
            ) from error
        raise _refused(f"faiss cannot index {name}", error) from error
    return index, time.perf_counter() - start


def _refused(what: str, error: Exception) -> HarnessError:
    if isinstance(error, MemoryError) or "bad_alloc" in str(error):
        return HarnessError(f"{what}: memory ran out", _MEMORY)
    return HarnessError(f"{what}: {_said(error)}", "Choose another index.")


def _sample(faiss: Any, index: Any, rows: IntArray) -> IntArray:
    """The rows to train with: no more than FAISS would take, always the same ones."""
    lists = faiss.try_extract_index_ivf(index)
    most = _POINTS_A_CENTROID * max(256, int(lists.nlist) if lists is not None else 0)
    if len(rows) <= most:
        return rows
    chosen = np.random.default_rng(1234).choice(len(rows), most, replace=False)
    return rows[np.sort(chosen)]


def _keep(faiss: Any, index: Any, path: Path, seconds: float) -> dict[str, float]:
    """Write an index, whole or not at all, and beside it what it cost and its checksum."""
    unfinished = files.temporary(path)
    with files.writing("indexes", path, _CACHE):
        try:
            try:
                faiss.write_index(index, str(unfinished))
            except RuntimeError as error:
                why = _said(error)
                raise StoreError(f"cannot write indexes to {path}: {why}", _CACHE) from error
            size = unfinished.stat().st_size
            record = {"build_seconds": seconds, "bytes": size}
            text = json.dumps(record | {"checksum": _checksum(unfinished, path.stem)})
            unfinished.replace(path)
            files.replace_file(path.with_suffix(".json"), text.encode())
        finally:
            unfinished.unlink(missing_ok=True)
    return record


def _load(faiss: Any, path: Path, documents: int, notes: list[str]) -> tuple[Any, dict[str, float]]:
    """A kept index and its record; None if there is none, or it is not what was written.

    FAISS parses these files in C++: one whose checksum differs is not shown to it.
    """
    aside = path.with_suffix(".json")
    if not path.exists() or not aside.exists():
        return None, {}
    try:
        record = json.loads(aside.read_text())
        if _checksum(path, path.stem) != record["checksum"]:
            raise ValueError("its checksum does not match")
        index = faiss.read_index(str(path))
        if index.ntotal != documents:
            raise ValueError(f"it holds {index.ntotal} vectors, not {documents}")
        kept = {name: float(record[name]) for name in ("build_seconds", "bytes")}
        os.utime(aside)  # when it was last used, for pruning
    except Exception as error:
        why = str(error) if isinstance(error, ValueError) else described(error)
        notes.append(f"cached index {path.name} is damaged ({why}): building it again")
        return None, {}
    return index, kept


def _checksum(path: Path, name: str) -> str:
    """Covers the name too: a file copied to another's place is noticed."""
    state = xxhash.xxh3_128(name.encode())
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()


def _leave_with_parent() -> None:
    """End when the harness does, however it ends: its end of this pipe is closed then."""
    os.read(0, 1)
    os._exit(1)


def main(job_file: str, reply_file: str) -> None:
    """Do the job in one file and write the reply, or {"error": [message, hint]}, to another."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        reply = work(Job.of_json(Path(job_file).read_text("utf-8")))
    except HarnessError as error:
        reply = {"error": [error.message, error.hint]}
    except MemoryError:
        reply = {"error": ["memory ran out while faiss was at work", _MEMORY]}
    Path(reply_file).write_text(json.dumps(reply), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
