"""Where parallel data comes from: `FORMAT:PATH`, or a recipe's table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from mlir_harness.errors import DataError, UsageError
from mlir_trainers.parallel.languages import tag
from mlir_trainers.parallel.reading import kind, quoted
from mlir_trainers.parallel.rows import Row

# Format -> the module that reads it, and what it is told besides.
_READERS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "lareqa": ("lareqa", {}),
    "squad": ("squad", {}),
    "jsonl": ("tabular", {"form": "jsonl"}),
    "parquet": ("tabular", {"form": "parquet"}),
    "tsv": ("tabular", {"form": "tsv"}),
    "mmarco": ("mmarco", {}),
    "sentences": ("sentences", {}),
}
FORMATS = tuple(_READERS)
_KEYS = ("format", "path", "name", "columns", "languages", "options")


@dataclass(frozen=True, slots=True)
class Source:
    """One data set, as it is named; nothing is read yet.

    Attributes:
        name: of the data set.
        format: one of `FORMATS`.
        path: file or folder.
        options: of the format's reader; `languages` restricts the data set to some.
    """

    name: str
    format: str
    path: Path
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def languages(self) -> tuple[str, ...]:
        """What `languages` restricts it to, as BCP-47 tags; nothing where it does not.

        Raises:
            UsageError: it is no list of languages.
        """
        return _languages(self.options.get("languages", ()))

    def rows(self) -> Iterator[Row]:
        """Read the rows.

        Raises:
            DataError: files are missing or malformed.
            UsageError: an option has a value that does not fit.
        """
        found: Iterator[Row] = self._told("read")
        return found

    def files(self) -> tuple[Path, ...]:
        """The files that `rows` reads.

        Raises:
            DataError: there are none.
        """
        found: tuple[Path, ...] = self._told("files")
        return found

    def _told(self, what: str) -> Any:
        told = _reader(self.format, what)
        return told(self.path, **self.options)


def parse(text: str) -> Source:
    """The source that `FORMAT:PATH` names, called after the last part of its path.

    Raises:
        UsageError: it has not this form, or there is no such format.
    """
    form, colon, path = text.partition(":")
    if not colon or not path:
        raise UsageError(f"{quoted(text)} is not FORMAT:PATH", f"Formats: {', '.join(FORMATS)}.")
    return from_table({"format": form, "path": path})


def from_table(table: Mapping[str, object], base: Path = Path()) -> Source:
    """The source of a recipe's table `{format, path, name?, columns?, languages?, options?}`.

    Args:
        table: as TOML gives it.
        base: what a relative path is relative to.

    Raises:
        UsageError: an unknown key, format or option, or a value of the wrong kind.
    """
    known(table, _KEYS, "a data set")
    for what in ("format", "path"):
        _string(table, what)
    form = str(table["format"])
    if form not in FORMATS:
        raise UsageError(f"there is no format {quoted(form)}", _near(form, FORMATS))
    path = base / Path(str(table["path"])).expanduser()
    options = table.get("options", {})
    if not isinstance(options, Mapping):
        raise UsageError(f"options of {form} is {kind(options)}, not a table", "Write {key = …}.")
    given = {**options, **{each: table[each] for each in ("columns", "languages") if each in table}}
    known(given, _options(form), f"the format {form}")
    if "languages" in given:
        given["languages"] = _languages(given["languages"])
    name = _string(table, "name") if "name" in table else path.resolve().name.split(".")[0]
    return Source(name or form, form, path, given)


def distinct(sources: Sequence[Source]) -> tuple[Source, ...]:
    """The same sources, those called alike numbered: "data", "data-2"."""
    names: set[str] = set()
    found = []
    for source in sources:
        name, number = source.name, 1
        while name in names:
            number += 1
            name = f"{source.name}-{number}"
        names.add(name)
        found.append(replace(source, name=name))
    return tuple(found)


def known(given: Mapping[str, object], names: Sequence[str], what: str) -> None:
    """Refuse a key that `what` does not have.

    Raises:
        UsageError: names it, and those that are there.
    """
    if unknown := sorted(set(given) - set(names)):
        raise UsageError(f"{what} has no {quoted(unknown[0])}", _near(unknown[0], names))


def _near(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    return (f"Did you mean {near[0]}? " if near else "") + f"Known: {', '.join(names)}."


def _string(table: Mapping[str, object], what: str) -> str:
    value = table.get(what)
    if not isinstance(value, str) or not value:
        raise UsageError(
            f"{what} of a data set is {kind(value) if what in table else 'missing'}",
            f'Write {what} = "…".',
        )
    return value


def _languages(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise UsageError("languages is no list of languages", 'Write languages = ["de", "en"].')
    try:
        return tuple(tag(each) for each in value)
    except DataError as error:
        raise UsageError(error.message, error.hint) from error


def _reader(form: str, what: str) -> Callable[..., Any]:
    module, told = _READERS[form]
    function = getattr(import_module(f"mlir_trainers.parallel.{module}"), what)
    return partial(function, **told)


def _options(form: str) -> tuple[str, ...]:
    told = _READERS[form][1]
    names = signature(_reader(form, "read").func).parameters  # type: ignore[attr-defined]
    return tuple(name for name in names if name != "path" and name not in told)
