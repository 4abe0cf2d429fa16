"""Where a task's files are: a folder given by hand, this machine's cache, or the bundled sample."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.errors import Missing, Unavailable, UsageError
from mlir_harness.protocols import TaskOptions

SAMPLES = Path(__file__).parent / "samples"
SAMPLE_SOURCE = "bundled sample, written for mlir-harness"
SAMPLE_LICENCE = "Apache-2.0"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with the files of a task.

    Attributes:
        folder: which.
        sample: it holds the bundled sample.
    """

    folder: Path
    sample: bool = False

    @property
    def source(self) -> str:
        """What provenance says of it."""
        return SAMPLE_SOURCE if self.sample else str(self.folder)

    def licence(self, real: str) -> str:
        """The sample's licence, or that of the `real` data."""
        return SAMPLE_LICENCE if self.sample else real


def locate(
    task: str,
    files: Sequence[str],
    options: TaskOptions,
    origin: str,
    *,
    folder: str = "",
    prefer: Sequence[str] = (),
) -> Place:
    """The folder that holds every one of `files`.

    Args:
        task: its name.
        files: paths below the folder; none where the task looks for itself what is there.
        options: which source, and where.
        origin: where the files are to be had, for messages.
        folder: name of the task's folder where that is another than the task's.
        prefer: by which of several folders is chosen, where `files` are none.

    Raises:
        Unavailable: not on this machine.
        Missing: the folder is there, and files are missing.
    """
    named = folder or task
    sample = SAMPLES / named
    if options.data == "sample":
        if not sample.is_dir():
            raise Unavailable(f"{task} has no bundled sample", "Use --data real.")
        return Place(sample, sample=True)
    homes = _homes(options) if options.data_dir is None else [expanded(options.data_dir)]
    own = [home / named for home in homes]

    def hint(wanted: Sequence[str]) -> str:
        where = f"name their folder with --data-dir, or put them into {own[-1]}"
        return f"Take {listed(wanted) or 'its files'} from {origin} and {where}."

    found = _fullest(own, files or prefer)
    if found is None and options.data_dir is None:
        if options.data == "auto" and sample.is_dir():
            return Place(sample, sample=True)
        looked = " or ".join(map(str, own))
        raise Unavailable(f"{task} is not on this machine: no {looked}", hint(files))
    if found is None:
        found = homes[0]  # given by hand, it may be the task's own folder
        if not found.is_dir():
            raise Missing(f"the data folder {found} does not exist or is no folder", hint(files))
    missing = [file for file in files if not (found / file).is_file()]
    if missing:
        raise Missing(f"{found} lacks {listed(missing)} of {task}", hint(missing))
    return Place(found)


def _fullest(folders: Sequence[Path], files: Sequence[str]) -> Path | None:
    """The first that holds all `files`, else some, else that is there; None if none is.

    `mlir-harness fetch` looks in the same order.
    """
    there = [one for one in folders if one.is_dir()]
    held = [[(one / file).is_file() for file in files] for one in there]
    for enough in (all, any):
        for one, found in zip(there, held, strict=True):
            if enough(found):
                return one
    return there[0] if there else None


def prepared(options: TaskOptions) -> Path:
    """Where to keep what is prepared from files too large for memory."""
    return _cache(options) / "corpora"


def chosen_languages(task: str, known: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """The languages asked for in the task's own order; all of them where none is named.

    Raises:
        UsageError: the task has no such language.
    """
    unknown = [language for language in asked if language not in known]
    if unknown:
        # One shared letter of two is no likeness, hence a cutoff above one half.
        near = [difflib.get_close_matches(one.lower(), known, 1, 0.55) for one in unknown]
        guesses = " and ".join(dict.fromkeys(match for matches in near for match in matches))
        raise UsageError(
            f"{task} has no language {', '.join(map(repr, unknown))}",
            f"{f'Did you mean {guesses}? ' if guesses else ''}It has: {', '.join(known)}.",
        )
    return tuple(language for language in known if not asked or language in asked)


def refuse_options(task: str, options: Mapping[str, object]) -> None:
    """Raise UsageError if a task that takes no options was given some."""
    if options:
        given = ", ".join(repr(option) for option in options)
        raise UsageError(f"{task} takes no options, but was given {given}", "Leave them out.")


def check_split(task: str, split: str, known: Sequence[str]) -> None:
    """Raise UsageError if the task has no such split; "" is its default."""
    if split and split not in known:
        raise UsageError(f"{task} has no split {split!r}", f"It has: {', '.join(known)}.")


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names with commas between them; of many, the first `most` and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _homes(options: TaskOptions) -> list[Path]:
    """Where data lies when no folder is given, first choice first; the cache is last."""
    given = os.environ.get("MLIR_HARNESS_DATA")
    return [*([expanded(given)] if given else []), _cache(options) / "data"]


def _cache(options: TaskOptions) -> Path:
    if options.cache_dir is not None:
        return expanded(options.cache_dir)
    given = os.environ.get("MLIR_HARNESS_CACHE")
    if given:
        return expanded(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # unset, or a relative path, which its specification ignores
        cache = expanded("~/.cache")
    return cache / "mlir-harness"


def expanded(path: str) -> Path:
    """`path` with the user's home for ~."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # an unknown user, or no home: then nothing is found there
        return Path(path)
