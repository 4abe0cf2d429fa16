"""What the two tasks on MTOP share: where its files are, how they are read, their sizes.

Source: Li et al. 2021, "MTOP: A Comprehensive Multilingual Task-Oriented Semantic Parsing
Benchmark", arXiv:2008.09335.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress

from mlir_harness.errors import Missing, Unavailable
from mlir_harness.protocols import Count, Download, TaskOptions
from mlir_harness.types import (
    Collection,
    Provenance,
)
from mlir_tasks.mtop_files import Utterance, read_mtop
from mlir_tasks.places import Place, check_split, locate, refuse_options

LANGUAGES = ("en", "de", "fr", "es", "hi", "th")
SPLITS = ("test", "eval")
NAME = "mtop"
URL = "https://fb.me/mtop_dataset"
LICENCE = "CC-BY-SA-4.0"
CITATION = (
    "Li et al. 2021, MTOP: A Comprehensive Multilingual Task-Oriented Semantic Parsing "
    "Benchmark, EACL 2021, arXiv:2008.09335"
)
COUNTS = {  # language -> utterances in train, eval, test
    "en": {"train": 15667, "eval": 2235, "test": 4386},
    "de": {"train": 13424, "eval": 1815, "test": 3549},
    "fr": {"train": 11814, "eval": 1577, "test": 3193},
    "es": {"train": 10934, "eval": 1527, "test": 2998},
    "hi": {"train": 11330, "eval": 2012, "test": 2789},
    "th": {"train": 10759, "eval": 1671, "test": 2765},
}


def folded(text: str) -> str:
    """`text` as overlap is judged by: NFC, white space folded, case folded."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def split_of(options: TaskOptions) -> str:
    """The split asked for; raises UsageError if there is none of that name, or for an option."""
    check_split(NAME, options.split, SPLITS)
    refuse_options(NAME, options.extra)
    return options.split or SPLITS[0]


def find(options: TaskOptions, wanted: Mapping[str, Sequence[str]]) -> Place:
    """The folder that holds the files of some languages, by split."""
    try:
        return locate(NAME, paths(wanted), options, URL)
    except Missing as error:
        first, second = SPLITS
        others = {second if split == first else split: x for split, x in wanted.items()}
        with suppress(Missing, Unavailable):
            locate(NAME, paths(others), options, URL)
            error.hint = f"--split {second} is there. {error.hint}"
        raise


def paths(wanted: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The files of some languages, by split, below the folder."""
    return tuple(f"{x}/{split}.txt" for split, languages in wanted.items() for x in languages)


def counted(split: str, found: Mapping[str, int]) -> tuple[Count, ...]:
    """Utterances in the files of one split beside those published."""
    return tuple(Count(f"{split} utterances ({x})", COUNTS[x][split], n) for x, n in found.items())


def read(place: Place, split: str, languages: Sequence[str]) -> dict[str, tuple[Utterance, ...]]:
    """The utterances of a split by language; raises DataError naming file and line."""
    hint = f"Take the file from {URL}."
    return {x: read_mtop(place.folder / x / f"{split}.txt", x, hint) for x in languages}


def collection(language: str, utterances: Sequence[Utterance]) -> Collection:
    """Ids and texts of utterances."""
    ids = tuple(each.id for each in utterances)
    return Collection(language, ids, tuple(each.text for each in utterances))


def downloads() -> tuple[Download, ...]:
    """The archive with the files of every language and split."""
    files = paths(dict.fromkeys(("train", *SPLITS), LANGUAGES))
    return (Download(URL, "", members={f"mtop/{file}": file for file in files}),)


def provenance(place: Place, notes: tuple[str, ...]) -> Provenance:
    """Where the utterances came from, and what a reader of the tables must know."""
    return Provenance(
        place.source, licence=place.licence(LICENCE), sample=place.sample, notes=notes
    )


def listed(counts: Mapping[str, int]) -> str:
    """Counts by language, for people."""
    return ", ".join(f"{language} {count:,}" for language, count in counts.items())
