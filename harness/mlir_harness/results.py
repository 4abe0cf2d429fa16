"""Results on disk: one folder per evaluated cell, written whole, found again by fingerprint.

results/<task>/<encoder>/<uuid>/ holds manifest.json, settings.parquet (a row per setting),
queries.parquet (a row per setting and query) and top.parquet (a row per retrieved document).
`current` beside it names the newest one; last-error.json, why the cell last had no scores.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from mlir_harness import files
from mlir_harness.errors import StoreError
from mlir_harness.indexing.search import SearchResult
from mlir_harness.text import plain, slug

SCHEMA = 2  # 1 had no clusters; what is of an earlier one counts as not stored
_HINT = "Free some space, or name another folder with --output."
LAST_ERROR = "last-error.json"
_MADE = {"folder", "stored", "settings", "search", "lowered"}  # in no manifest


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting's means, as tables and JSON show them."""

    id: str
    kind: str
    variant: str
    query_language: str
    document_languages: tuple[str, ...]
    queries: int
    unanswerable: int
    documents: int
    tie_rate: float
    measures: Mapping[str, float]
    languages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    common: int | None = None


@dataclass(frozen=True, slots=True)
class Lowered:
    """What computing in less than float32 changed.

    Attributes:
        precision: what was computed in, such as "bf16".
        beside: the encoder's name where the same was computed in float32; None if nowhere.
        difference: kind of settings -> the main measure, less what it is in float32.
        speed: how many times as fast texts were encoded, everything included; None if unknown.
    """

    precision: str
    beside: str | None = None
    difference: Mapping[str, float] = field(default_factory=dict)
    speed: float | None = None


@dataclass(frozen=True)
class CellResult:
    """One encoder on one task.

    Attributes:
        encoder, task: the names they were asked for by.
        split: which part of the task's data.
        status: "ok", "error" or "unavailable".
        sample: scores are of bundled sample data.
        reason, hint: why there are no scores, and what to do; where there are, why they could
            not be stored.
        fingerprints: data, protocol, encoder; empty where unknown.
        summary: group of settings ("monolingual", "monolingual/spis-5") -> measure -> mean over
            its settings.
        deviations: group -> measure -> standard deviation over seeds, where there are seeds.
        settings: every setting.
        main_measure: the task's.
        details: provenance, environment, encoder's words, counts, timings.
        folder: where it is stored, if it is; a failure is the last-error.json in it.
        stored: it was answered from the store, not computed now.
        search: what an approximate search makes of it, if one was asked for; kept in a file of
            its own.
        lowered: beside the same in float32, if this was computed in less; not stored, as the
            other may come later.
    """

    encoder: str
    task: str
    split: str
    status: str
    sample: bool = False
    reason: str | None = None
    hint: str | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    summary: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    deviations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    settings: tuple[SettingRow, ...] = ()
    main_measure: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    stored: bool = False
    search: SearchResult | None = None
    lowered: Lowered | None = None


@dataclass(frozen=True)
class Tables:
    """Columns of the per-query files; `pyarrow.table` takes each mapping as it is."""

    queries: Mapping[str, Any]
    top: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of results."""

    root: Path

    def home(self, task: str, encoder: str) -> Path:
        return self.root / slug(task) / slug(encoder)

    def lock(
        self, task: str, encoder: str, busy: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        """Held while a cell is computed and written, so that two runs do not do it twice.

        Args:
            task, encoder: the cell.
            busy: called once if another run holds it, before waiting.
        """
        return files.locked("results", self.home(task, encoder) / ".lock", _HINT, busy)

    def find(
        self, task: str, encoder: str, fingerprints: Mapping[str, str], depth: int
    ) -> CellResult | None:
        """The newest scores with these fingerprints, and top lists at least `depth` long.

        Raises:
            StoreError: the newest result is of a schema this version does not know.
        """
        for _, path in dated(self.home(task, encoder).glob("*/manifest.json")):
            manifest = read_manifest(path)
            if manifest is None or manifest.get("status") != "ok":
                continue
            try:
                if (
                    manifest["fingerprints"] == dict(fingerprints)
                    and manifest["details"]["scoring"]["depth"] >= depth
                ):
                    return replace(_cell(manifest, path.parent), encoder=encoder, stored=True)
            except Exception:  # noqa: S112  somebody edited it, or deleted half of it
                continue
        return None

    def write(self, cell: CellResult, tables: Tables | None) -> CellResult:
        """Store a cell, scores or error, whole or not at all; returns it with its folder.

        The caller holds the cell's lock. An error, which has no tables, takes the place of the
        one before and leaves the scores as they are.

        Raises:
            StoreError: disk full, folder read-only, results of another version, ...
        """
        home = self.home(cell.task, cell.encoder)
        for _, path in dated(home.glob("*/manifest.json")):
            read_manifest(path)  # nothing is put beside what this version does not know
        text = json.dumps(_manifest(cell), indent=1, ensure_ascii=False, allow_nan=False)
        manifest = f"{text}\n".encode("utf-8", "surrogatepass")
        with files.writing("results", home, _HINT):
            home.mkdir(parents=True, exist_ok=True)
            files.sweep(home)
            if tables is None:
                files.replace_file(home / LAST_ERROR, manifest)
                return replace(cell, folder=home)
            name = str(uuid4())
            unfinished = files.temporary(home / name)
            try:
                unfinished.mkdir()
                _write_tables(unfinished, cell, tables)
                (unfinished / "manifest.json").write_bytes(manifest)
                unfinished.rename(home / name)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
            files.replace_file(home / "current", f"{name}\n".encode())
        return replace(cell, folder=home / name)


def read_cell(folder: Path) -> CellResult | None:
    """The scores in a folder of the store; None if it holds none that can be read.

    Raises:
        StoreError: they are of a schema this version does not know.
    """
    manifest = read_manifest(folder / "manifest.json")
    if manifest is None or manifest.get("status") != "ok":
        return None
    try:
        return replace(_cell(manifest, folder), stored=True)
    except Exception:  # somebody edited it, or deleted half of it
        return None


def dated(paths: Iterable[Path]) -> list[tuple[int, Path]]:
    """When each was written, in nanoseconds, newest first; one may be deleted meanwhile."""
    found = []
    for path in paths:
        with suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    return sorted(found, reverse=True)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """A manifest, or None if the file is not one (half-deleted by hand, say) or of long ago.

    Raises:
        StoreError: it was written by a later version, with another schema.
    """
    try:
        manifest: Any = json.loads(path.read_text("utf-8", "surrogatepass"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or "schema" not in manifest:
        return None
    if manifest["schema"] in range(1, SCHEMA):
        return None
    if manifest["schema"] != SCHEMA:
        raise StoreError(
            f"{path} has schema {plain(str(manifest['schema']))}; this version reads {SCHEMA}",
            "Upgrade mlir-harness, or name another folder with --output.",
        )
    return dict(manifest)


def _manifest(cell: CellResult) -> dict[str, Any]:
    content = {name: value for name, value in asdict(cell).items() if name not in _MADE}
    stored: dict[str, Any] = finite(content)
    return {"schema": SCHEMA, "harness": "mlir-harness"} | stored


def finite(value: Any) -> Any:
    """The value as JSON can hold it: NaN and infinities as None, foreign objects as strings."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [finite(each) for each in value]
    return str(value)


def _write_tables(folder: Path, cell: CellResult, tables: Tables) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [asdict(setting) for setting in cell.settings]
    names = list(dict.fromkeys(name for row in rows for name in row["measures"]))
    columns: dict[str, Any] = {
        key: [row[key] for row in rows] for key in rows[0] if key not in {"measures", "languages"}
    }
    columns["common"] = pa.array(columns["common"], pa.int64())  # also where it is always None
    columns["languages"] = [json.dumps(finite(row["languages"])) for row in rows]
    for name in names:
        columns[name] = pa.array([row["measures"].get(name) for row in rows], pa.float64())
    for name, table in (("settings", columns), ("queries", tables.queries), ("top", tables.top)):
        pq.write_table(pa.table(dict(table)), folder / f"{name}.parquet", compression="zstd")


def _cell(manifest: Mapping[str, Any], folder: Path) -> CellResult:
    """The cell that a manifest and its settings file describe."""
    import pyarrow.parquet as pq

    rows: Sequence[dict[str, Any]] = pq.ParquetFile(folder / "settings.parquet").read().to_pylist()
    for name in ("queries", "top"):
        pq.read_metadata(folder / f"{name}.parquet")
    return replace(known(manifest, folder), settings=tuple(map(_setting, rows)))


def known(manifest: Mapping[str, Any], folder: Path) -> CellResult:
    """The cell that a manifest describes, without its settings."""
    known = set(CellResult.__dataclass_fields__) - _MADE - {"summary", "deviations"}
    return CellResult(
        **{key: value for key, value in manifest.items() if key in known},
        summary=_unfinite(manifest["summary"]),
        deviations=_unfinite(manifest["deviations"]),
        folder=folder,
    )


def _unfinite(groups: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    """Means by group and measure, NaN where JSON has null."""
    return {
        group: {name: math.nan if value is None else value for name, value in means.items()}
        for group, means in groups.items()
    }


def _setting(row: Mapping[str, Any]) -> SettingRow:
    own = set(SettingRow.__dataclass_fields__)
    fields: dict[str, Any] = {key: value for key, value in row.items() if key in own}
    fields["document_languages"] = tuple(row["document_languages"])
    fields["languages"] = json.loads(row["languages"])
    fields["measures"] = {
        key: value for key, value in row.items() if key not in own and value is not None
    }
    return SettingRow(**fields)
