"""A file with encoders, tasks and defaults, such as mlir-harness.toml; read only when it is named.

tasks = ["mtop", "xquad-r"]       # any option of `mlir-harness run`, without its dashes
languages = ["hi", "th"]

[encoders.hashing]                # an encoder by its name
dimension = 256

[encoders.ours]                   # a label of your own for one
use = "xlmr-hybrid"
weights = "models/ours"           # paths are relative to the file

[encoders.tuned]
use = "st:models/tuned"           # this one too, if there is such a folder; else it is an id
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlir_harness.errors import UsageError
from mlir_harness.text import plain

PLUGINS = ("encoders", "tasks")
_FOLDERS = ("st:", "beir:")  # what they are followed by may be a folder
_LABEL = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """An encoder or task of the file.

    Attributes:
        use: what it is, as on the command line.
        options: given to it; numbers and truth values as text, as on the command line.
        weights: the folder with its weights; "" if none is named.
    """

    use: str
    options: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """What a file says.

    Attributes:
        path: of the file.
        entries: label -> what it stands for; encoders and tasks together.
        chosen: "encoders" and "tasks" -> the names to run where the command line has none.
        defaults: everything else: option name -> value.
    """

    path: Path
    entries: Mapping[str, Entry]
    chosen: Mapping[str, Sequence[str]]
    defaults: Mapping[str, Any]

    def expand(self, names: Sequence[str]) -> tuple[str, ...]:
        """Names as the command line knows them: a label of the file becomes LABEL=NAME."""
        return tuple(
            f"{name}={self.entries[name].use}"
            if name in self.entries and self.entries[name].use != name
            else name
            for name in names
        )

    def used(self, names: Sequence[str]) -> dict[str, Entry]:
        """The entries that `names` (labels, or LABEL=NAME of one) stand for."""
        wanted = {part for name in names for part in (name, name.partition("=")[2])}
        return {label: entry for label, entry in self.entries.items() if label in wanted}


def read(path: Path) -> Config:
    """Read a file.

    Raises:
        UsageError: it cannot be read, is no TOML, or an entry makes no sense.
    """
    name = plain(str(path), 300)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(f"cannot read {name}: {reason}", "Look at --config.") from error
    except ValueError as error:  # tomllib's error tells line and column; so does UnicodeError
        raise UsageError(
            f"{name} is not TOML: {plain(str(error), 300)}",
            "Save it as UTF-8."
            if isinstance(error, UnicodeError)
            else 'Write KEY = VALUE lines; text in quotes, lists in brackets: tasks = ["mtop"].',
        ) from error
    if not content:
        raise UsageError(
            f"{name} is empty", 'Write, say, encoders = ["hashing"] and tasks = ["mtop"] into it.'
        )
    entries: dict[str, Entry] = {}
    chosen: dict[str, Sequence[str]] = {}
    for kind in PLUGINS:
        held = content.pop(kind, None)
        if held is None:
            continue
        if isinstance(held, dict):
            chosen[kind] = list(held)
            for label, table in held.items():
                if label in entries:
                    raise UsageError(
                        f"{name}: {plain(label)!r} is an encoder and a task", "Rename one of them."
                    )
                entries[label] = _entry(label, table, f"{name}, [{kind}.{plain(label)}]", path)
        elif isinstance(held, list) and all(isinstance(each, str) for each in held):
            chosen[kind] = held
        else:
            raise UsageError(
                f"{name}: {kind} is neither a list of names nor a table for each",
                f'Write {kind} = ["NAME"], or [{kind}.NAME] above the options of each.',
            )
    defaults = {key.replace("_", "-"): value for key, value in content.items()}
    return Config(path, entries, chosen, defaults)


def _entry(label: str, table: Any, where: str, path: Path) -> Entry:
    if not _LABEL.fullmatch(label):
        raise UsageError(
            f"{where}: not a name that results can be filed under",
            'Use letters, digits, - and _; what it stands for goes into use = "...".',
        )
    if not isinstance(table, dict):
        raise UsageError(f"{where}: not a table of options", "Write KEY = VALUE lines below it.")
    texts = {key: _text(value, f"{where}: {plain(key)}") for key, value in table.items()}
    use = texts.pop("use", label)
    weights = texts.pop("weights", "")
    if weights:
        weights = str(path.absolute().parent / Path(weights).expanduser())
    return Entry(_placed(use, path.absolute().parent), texts, weights)


def _placed(use: str, folder: Path) -> str:
    """`use` with the whole path, where it names what is in the `folder` of the file."""
    for scheme in _FOLDERS:
        if use.startswith(scheme):
            place = folder / Path(use.removeprefix(scheme)).expanduser()
            return f"{scheme}{place}" if place.is_dir() else use
    return use


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise UsageError(
        f"{where} is a {type(value).__name__}", "Options are text, numbers, true or false."
    )
