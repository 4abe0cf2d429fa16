"""What is kept of an evaluated cell to compare it with another one later."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mlir_harness import averages
from mlir_harness.comparing import queries
from mlir_harness.comparing.queries import Coded, Queries
from mlir_harness.errors import StoreError
from mlir_harness.results import CellResult
from mlir_harness.text import plain

_ABSOLUTE = re.compile(r"[/~\\]|[A-Za-z]:[/\\]")


class Key(NamedTuple):
    """What tells cells apart; `data` is "real" or "sample"."""

    encoder: str
    task: str
    split: str
    data: str

    def __str__(self) -> str:
        """For people."""
        sample = ", sample data" if self.data == "sample" else ""
        return plain(f"{self.encoder} × {self.task} ({self.split}{sample})", 300)


@dataclass(frozen=True, slots=True)
class Kept:
    """A setting; fields as of results.SettingRow."""

    id: str
    kind: str
    variant: str
    query_language: str
    document_languages: tuple[str, ...]
    documents: int

    @property
    def group(self) -> str:
        """What it is averaged in: "monolingual", or "monolingual/spis-5" over seeds."""
        return averages.group(self.kind, self.variant)


@dataclass(frozen=True)
class Cell:
    """One encoder on one task.

    Attributes:
        key: which.
        settings: those that are compared.
        queries: values of the measures that are compared, a row per setting and query.
        summary: group of settings -> measure -> mean.
        fingerprints: of data, protocol and encoder.
        parts: "data" and "protocol" -> what these are made of, by name.
        info: what the encoder says of itself.
        environment: versions and machine.
        device: what was asked for.
    """

    key: Key
    settings: tuple[Kept, ...]
    queries: Queries
    summary: Mapping[str, Mapping[str, float]]
    fingerprints: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]
    info: Mapping[str, Any]
    environment: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"

    @property
    def exact(self) -> bool:
        """Its encoder says that vectors are the same to the last bit."""
        return self.info.get("exact") is True

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(setting.group for setting in self.settings))


def key(result: CellResult) -> Key:
    """What tells a result from others."""
    return Key(result.encoder, result.task, result.split, "sample" if result.sample else "real")


def cell(result: CellResult, measures: Collection[str], *, variants: bool) -> Cell:
    """What is kept of a stored result.

    Args:
        result: scored.
        measures: which; () for its main measure. What it does not have is left out.
        variants: keep the settings of variants too.

    Raises:
        StoreError: its values are not stored, or cannot be read.
    """
    rows = queries.read(result)
    kept = tuple(
        Kept(s.id, s.kind, s.variant, s.query_language, tuple(s.document_languages), s.documents)
        for s in result.settings
        if variants or not s.variant
    )
    names = {setting.id for setting in kept}
    held = np.array([name in names for name in (*rows.setting.names, "")], np.bool_)
    rows = compact(rows.of(held[rows.setting.codes]))
    wanted = measures or [result.main_measure]
    values = {
        name: value
        for name, value in rows.values.items()
        if name in wanted and not np.isnan(value).all()
    }
    parts = result.details.get("parts")
    if not isinstance(parts, Mapping) or not {"data", "protocol"} <= set(parts):
        raise StoreError(
            f"the result of {key(result)} does not say what data and protocol it is of",
            "Evaluate again with --fresh.",
        )
    groups = dict.fromkeys(setting.group for setting in kept)
    return Cell(
        key=key(result),
        settings=kept,
        queries=Queries(rows.setting, rows.query, rows.cluster, values),
        summary={
            group: {
                name: float(mean)
                for name, mean in result.summary.get(group, {}).items()
                if name in values
            }
            for group in groups
        },
        fingerprints=dict(result.fingerprints),
        parts={name: dict(parts[name]) for name in ("data", "protocol")},
        info=_info(result.details.get("encoder", {})),
        environment=dict(result.details.get("environment", {})),
        device=str(result.details.get("device", "auto")),
    )


def compact(rows: Queries) -> Queries:
    """The same rows, names that no row has dropped."""
    setting, query, cluster = map(_used, (rows.setting, rows.query, rows.cluster))
    return Queries(setting, query, cluster, rows.values)


def _used(column: Coded) -> Coded:
    used, codes = np.unique(column.codes, return_inverse=True)
    return Coded(tuple(column.names[place] for place in used.tolist()), codes.astype(np.int64))


def of_this_machine(name: str) -> bool:
    """Whether a name says where something lies on one machine: an absolute path, or a home."""
    ends = (name, *re.split(r"[=:]", name)) if not _ABSOLUTE.match(name) else (name,)
    return any(_ABSOLUTE.match(end) for end in ends)


def _info(told: Mapping[str, Any]) -> dict[str, Any]:
    """An encoder's words without those that name places on this machine."""
    kept = {name: value for name, value in told.items() if name != "training"}
    options = kept.get("options", {})
    kept["options"] = {
        name: value for name, value in options.items() if not of_this_machine(str(value))
    }
    return kept


def labels(cells: Sequence[Cell], part: int) -> list[str]:
    """The encoders (0) or tasks (1) of some cells, each once."""
    return list(dict.fromkeys(each.key[part] for each in cells))
