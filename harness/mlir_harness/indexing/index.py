"""FAISS from the harness's side: jobs for its process, and the cache of indexes."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xxhash

from mlir_harness import files, fingerprint
from mlir_harness.errors import HarnessError, UsageError
from mlir_harness.indexing.job import Job
from mlir_harness.indexing.search import Search
from mlir_harness.text import plain
from mlir_harness.types import FloatArray, IntArray

_KEPT = 30 * 86400  # seconds since an index was last used
_UNFINISHED = 86400  # seconds, for what a killed run left
_ROWS_AT_ONCE = 1 << 14
_LARGEST = 1 << 15  # dimension that factories are tried on
_HINT = "Free some space, or name another folder with --cache-dir."


@dataclass(frozen=True, slots=True)
class Reply:
    """What FAISS's process answered.

    Attributes:
        version: of FAISS.
        notes: what went wrong on the way and was mended.
        build_seconds, search_seconds: (parts,).
        bytes: of all indexes together.
    """

    version: str
    notes: tuple[str, ...]
    build_seconds: tuple[float, ...]
    search_seconds: tuple[float, ...]
    bytes: int


def checked(search: Search | None) -> Search | None:
    """The search with the version of its library, once FAISS has made such an index.

    Raises:
        UsageError: FAISS is not installed, or knows no such factory or parameter.
    """
    if search is None:
        return None
    job = Job(search.factory, search.parameters, _trial_dimension(search.factory))
    try:
        with tempfile.TemporaryDirectory() as folder:
            reply = ask(job, Path(folder))
    except HarnessError as error:
        raise UsageError(f"--search {plain(search.name)}: {error.message}", error.hint) from error
    return replace(search, engine=f"faiss {reply.version}")


def _trial_dimension(factory: str) -> int:
    """One that every product quantiser in the factory divides: the encoder's comes later."""
    splits = [int(found) for found in re.findall(r"(?:PQ|PRQ|PLSQ)([1-9]\d{0,3})", factory)]
    dimension = math.lcm(1, *splits)
    return dimension * -(-256 // dimension) if dimension <= _LARGEST else splits[-1]


def ask(job: Job, folder: Path) -> Reply:
    """Have a job done by a process of its own, and wait for it.

    Args:
        job: what to do.
        folder: for the messages between the two.

    Raises:
        HarnessError: the process refused the job, crashed, or was killed.
    """
    job_file, reply_file, log_file = (folder / name for name in ("job", "reply", "log"))
    job_file.write_text(job.as_json(), "utf-8")
    # -P: nothing is imported from the folder that the user happens to be in.
    module = [sys.executable, "-P", "-m", "mlir_harness.indexing.faiss_process"]
    command = [*module, str(job_file), str(reply_file)]
    with (
        log_file.open("wb") as log,
        subprocess.Popen(  # noqa: S603  our own module and file names
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            code = process.wait()
        except BaseException:
            process.kill()
            raise
    try:
        reply = json.loads(reply_file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _crash(code, log_file) from error
    if "error" in reply:
        raise HarnessError(*reply["error"])
    parts = reply["parts"]
    return Reply(
        version=reply["version"],
        notes=tuple(reply["notes"]),
        build_seconds=tuple(part["build_seconds"] for part in parts),
        search_seconds=tuple(part["search_seconds"] for part in parts),
        bytes=int(sum(part["bytes"] for part in parts)),
    )


def _crash(code: int, log: Path) -> HarnessError:
    if code < 0:
        name = str(-code)
        with suppress(ValueError):
            name = signal.Signals(-code).name
        memory = name == "SIGKILL"
        return HarnessError(
            f"the process that works with faiss was ended by {name}",
            "Most likely memory ran out: name fewer languages, or choose a smaller index."
            if memory
            else "Choose another index, or another version of faiss.",
        )
    said = log.read_text("utf-8", "replace").strip().splitlines()
    return HarnessError(
        f"the process that works with faiss failed: {plain(said[-1] if said else f'code {code}')}",
        "Choose another index, or another version of faiss.",
    )


@contextmanager
def workspace(cache: Path) -> Iterator[Path]:
    """A folder beside the indexes for what one search needs; gone afterwards.

    Raises:
        StoreError: it cannot be made.
    """
    home = cache / "indexes"
    with files.writing("indexes", home, _HINT):
        home.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix=".tmp-", dir=home, ignore_cleanup_errors=True)
    with made as folder:
        yield Path(folder)


def place(cache: Path, encoder: str, search: Search, vectors: FloatArray, rows: IntArray) -> Path:
    """Where the index of some documents is kept.

    Named by the vectors themselves, in their order, besides factory and version: an index never
    serves vectors it was not made of.

    Args:
        cache: the cache's root.
        encoder: its fingerprint.
        search: with its library's version.
        vectors: (n, dimension) float32, of which `rows` are indexed.
        rows: (documents,) int64.
    """
    state = xxhash.xxh3_128(str(vectors.shape[1]).encode())
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        state.update(np.ascontiguousarray(vectors[rows[start : start + _ROWS_AT_ONCE]]).data)
    # What is set while searching leaves the index as it is.
    parameters = search.parameters.split(",") if search.parameters else []
    building = sorted(each for each in parameters if "efConstruction" in each)
    parts = [search.engine, search.factory, building, state.hexdigest()]
    name = fingerprint.of_json("index", parts)
    return cache / "indexes" / encoder / f"{name}.faiss"


def prune(cache: Path) -> None:
    """Delete indexes that were not used for a month, and what killed runs left."""
    now = time.time()
    for aside in (cache / "indexes").glob("*/*.json"):
        with suppress(OSError):
            if now - aside.stat().st_mtime > _KEPT:
                aside.with_suffix(".faiss").unlink(missing_ok=True)
                aside.unlink()
    for folder in (cache / "indexes").glob(".tmp-*"):
        with suppress(OSError):
            if now - folder.stat().st_mtime > _UNFINISHED:
                import shutil

                shutil.rmtree(folder, ignore_errors=True)
