"""What --search asks for, and what came of it: an index's recall, effect, speed and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mlir_harness import files
from mlir_harness.errors import UsageError
from mlir_harness.text import plain, slug

DEPTH = 100  # places of the lists that are compared
_SCHEMA = 1
_KNOWN = "Known: exact, faiss:FACTORY (such as faiss:HNSW32 or faiss:IVF256,Flat@nprobe=8)."
_HINT = "Free some space, or name another folder with --output."


@dataclass(frozen=True, slots=True)
class Search:
    """An approximate search.

    Attributes:
        factory: FAISS's index-factory string, such as "IVF1024,PQ48".
        parameters: FAISS's search parameters, such as "nprobe=16"; "" for its own defaults.
        engine: "faiss 1.9.0"; "" before it was asked.
    """

    factory: str
    parameters: str = ""
    engine: str = ""

    @property
    def name(self) -> str:
        """As it is written on the command line."""
        return f"faiss:{self.factory}" + (f"@{self.parameters}" if self.parameters else "")


def parse(text: str) -> Search | None:
    """The search that `text` names; None for the exact one.

    Raises:
        UsageError: it is neither "exact" nor "faiss:FACTORY". Whether FAISS knows the factory,
            `index.checked` finds out.
    """
    if text == "exact":
        return None
    library, colon, rest = text.partition(":")
    factory, _, parameters = rest.partition("@")
    if library != "faiss" or not colon or not factory.strip():
        raise UsageError(f"unknown search {plain(text)!r}", _KNOWN)
    return Search(factory.strip(), parameters.strip())


@dataclass(frozen=True)
class SearchResult:
    """What a search costs and saves, beside the exact one.

    Attributes:
        search: its name.
        engine: what it was done with, and which version.
        reason, hint: why there are no figures, and what to do.
        measure: the main measure over the first `DEPTH` places, such as "AP@100".
        summary: kind of setting -> means over its settings of "recall" (share of the exact
            search's first places), "found" (the measure, from what the index found) and
            "exact" (the measure, from the exact search's first places).
        settings: setting id -> the same.
        cost: "queries_per_second" and "exact_queries_per_second" (each counts a query once for
            every index it is put to), "threads", "build_seconds", "index_bytes",
            "vector_bytes" (of what is indexed, as float32), "documents", "dimension", "indexes".
        notes: what a reader of the figures must know.
        stored: answered from the store, not measured now.
        traceback: of an unforeseen failure; not stored.
    """

    search: str
    engine: str
    reason: str | None = None
    hint: str | None = None
    measure: str = ""
    summary: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stored: bool = False
    traceback: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without what concerns one run."""
        return {k: v for k, v in asdict(self).items() if k not in {"stored", "traceback"}}


def _file(folder: Path, name: str, library: str) -> Path:
    return folder / f"search-{slug(f'{name} {library}')}.json"


def read(folder: Path, search: Search) -> SearchResult | None:
    """What is stored of a search beside exact results; None if nothing usable is."""
    try:
        held = json.loads(_file(folder, search.name, search.engine).read_text("utf-8"))
        if held.pop("schema") != _SCHEMA:
            return None
        result = SearchResult(**held | {"notes": tuple(held["notes"]), "stored": True})
        if (result.search, result.engine) != (search.name, search.engine):
            return None
        # Somebody may have edited it: every number that tables show must be one.
        for means in (result.cost, *result.summary.values(), *result.settings.values()):
            for value in means.values():
                float(value)
        return result if result.summary and result.cost else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write(folder: Path, result: SearchResult) -> None:
    """Store a search beside the exact results in `folder`; the caller holds the cell's lock.

    Raises:
        StoreError: disk full, folder read-only.
    """
    content = json.dumps({"schema": _SCHEMA} | result.as_dict(), indent=1, allow_nan=False)
    path = _file(folder, result.search, result.engine)
    with files.writing("results", path, _HINT):
        files.replace_file(path, f"{content}\n".encode())


def failed(search: Search, reason: str, hint: str, traceback: str = "") -> SearchResult:
    """A search that gave nothing."""
    result = SearchResult(search.name, search.engine, reason, hint)
    return replace(result, traceback=traceback)
