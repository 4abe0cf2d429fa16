"""MIRACL's files: how they are called, how many are published, and which of them are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.errors import DataError
from mlir_harness.protocols import Download
from mlir_tasks import places

FOLDER = "miracl"
# language -> (passages, topics of dev), as published.
SIZES: Mapping[str, tuple[int, int]] = {
    "ar": (2061414, 2896),
    "bn": (297265, 411),
    "en": (32893221, 799),
    "es": (10373953, 648),
    "fa": (2207172, 632),
    "fi": (1883509, 1271),
    "fr": (14636953, 343),
    "hi": (506264, 350),
    "id": (1446315, 960),
    "ja": (6953614, 860),
    "ko": (1486752, 213),
    "ru": (9543918, 1252),
    "sw": (131924, 482),
    "te": (518079, 828),
    "th": (542166, 733),
    "zh": (4934368, 393),
    "de": (15866222, 305),
    "yo": (49043, 119),
}
SPLITS = ("dev", "train")
_NO_TRAIN = ("de", "yo")
_SHARD = 500_000  # passages of a published file
_TOPICS = "hf://datasets/miracl/miracl@5be20db9509754dadad47689368639fcec739c00"
_PASSAGES = "hf://datasets/miracl/miracl-corpus@d921ec7e349ce0d28daf30b2da9da5ee698bef0d"
ORIGIN = "https://huggingface.co/datasets/miracl/miracl and …/miracl/miracl-corpus"
_DOCS = re.compile(r"docs-([0-9]+)\.jsonl(?:\.gz)?")


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one language, whether they are there or not.

    Attributes:
        language: whose.
        topics, qrels: one file each.
        passages: files in their order, as far as they are there.
        missing: paths of what is not there, below the task's folder.
        any: something is there.
    """

    language: str
    topics: Path
    qrels: Path
    passages: tuple[Path, ...]
    missing: tuple[str, ...]
    any: bool

    @classmethod
    def of(cls, folder: Path, language: str, split: str) -> Files:
        topics, qrels = (folder / _path(what, language, split) for what in ("topics", "qrels"))
        corpus = folder / f"miracl-corpus-v1.0-{language}"
        passages, gaps = _shards(corpus)
        here = [file.is_file() for file in (topics, qrels)]
        wanted = [file for file, there in zip((topics, qrels), here, strict=True) if not there]
        wanted += gaps
        missing = tuple(str(file.relative_to(folder)) for file in wanted)
        return cls(language, topics, qrels, passages, missing, any(here) or bool(passages))


def _path(what: str, language: str, split: str) -> str:
    name = f"miracl-v1.0-{language}"
    return f"{name}/{what}/{what}.{name}-{split}.tsv"


def _shards(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The files of passages in the order of their numbers, and those missing before the last.

    Raises:
        DataError: a number is there twice.
    """
    found: dict[int, Path] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        named = _DOCS.fullmatch(file.name)
        if named and file.is_file():
            other = found.setdefault(int(named[1]), file)
            if other != file:
                raise DataError(f"{folder} has {other.name} and {file.name}", "Keep one of them.")
    gaps = [number for number in range(max(found, default=0) + 1) if number not in found]
    return (
        tuple(found[number] for number in sorted(found)),
        tuple(folder / f"docs-{number}.jsonl.gz" for number in gaps),
    )


def complete(
    files: Mapping[str, Files], folder: Path, *, every: bool, strict: bool
) -> tuple[str, ...]:
    """The languages that have all their files.

    Raises:
        DataError: none has; with `every`, some have not; with `strict`, some have a part.
    """
    chosen = tuple(each for each, of_it in files.items() if not of_it.missing)
    partial = [of_it for of_it in files.values() if of_it.missing and (every or of_it.any)]
    if chosen and not (partial and (every or strict)):
        return chosen
    missing = [file for of_it in partial or files.values() for file in of_it.missing]
    what = places.listed(missing, 4)
    none = "" if every or chosen else "no language has topics, judgements and passages: "
    raise DataError(f"{none}{folder} lacks {what}", f"Take the files from {ORIGIN}.")


def downloads(language: str) -> list[Download]:
    """Every published file of one language."""
    small = [
        _path(what, language, split)
        for split in SPLITS
        if split == "dev" or language not in _NO_TRAIN
        for what in ("topics", "qrels")
    ]
    passages = SIZES[language][0]
    large = [
        f"miracl-corpus-v1.0-{language}/docs-{number}.jsonl.gz"
        for number in range(-(-passages // _SHARD))
    ]
    return [
        *(Download(f"{_TOPICS}/{path}", path) for path in small),
        *(Download(f"{_PASSAGES}/{path}", path) for path in large),
    ]
