"""Encoders and tasks that misbehave in one way each; used as py:plugins_for_tests:NAME.

Every `encode` appends its texts to the file named by TEST_CALLS, and sleeps TEST_DELAY seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlir_harness.errors import DataError, Unavailable
from mlir_harness.protocols import (
    Context,
    Count,
    Download,
    EncoderInfo,
    TaskInfo,
    TaskOptions,
)
from mlir_harness.types import (
    Collection,
    Provenance,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)

HOSTILE = "=1+1 [red]a[/b] \x1b[31m\u202e../../x|`*\n<b>"
LONE = "half \ud800 pair"


def letters(texts: Sequence[str], dimension: int = 24) -> Any:
    """Vectors from the bytes of each text: float32 (n, dimension)."""
    matrix = np.zeros((len(texts), dimension), np.float32)
    for row, text in enumerate(texts):
        encoded = text.encode("utf-8", "surrogatepass")
        for place, byte in enumerate(encoded):
            matrix[row, (byte + place % 3) % dimension] += 1
    return matrix + np.float32(0.01)


@dataclass
class Spelling:
    """An encoder whose answer goes through `change`."""

    change: Callable[[Any, Context], Any] = lambda matrix, context: matrix
    info: Any = field(default_factory=lambda: EncoderInfo(revision="1"))

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        if "TEST_CALLS" in os.environ:
            line = json.dumps([context.role.value, context.languages[0], list(texts)])
            with Path(os.environ["TEST_CALLS"]).open("a") as file:
                file.write(f"{line}\n")
        time.sleep(float(os.environ.get("TEST_DELAY", "0")))
        return self.change(letters(texts), context)


def spelling() -> Spelling:
    return Spelling()


def sized(size: str = "24", kind: str = "cosine", revision: str = "1") -> Spelling:
    info = EncoderInfo(
        revision=revision, options={"size": size}, similarity=kind, dimension=int(size)
    )
    return Spelling(lambda matrix, _: matrix[:, : int(size)], info)


def tuned(device: str = "", token_budget: int = 0) -> Spelling:
    """Takes what changes no vector; neither is in its info."""
    del device, token_budget
    return Spelling()


def aware() -> Spelling:
    return Spelling(info=EncoderInfo(revision="1", language_aware=True))


class Truncating(Spelling):
    """Reports its progress, and what it truncated, after every five texts."""

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        for start in range(0, len(texts), 5):
            part = texts[start : start + 5]
            long = sum(len(text) > 30 for text in part)
            context.progress(np.int64(len(part)), np.int64(7 * len(part)), np.int64(long))
            time.sleep(float(os.environ.get("TEST_DELAY", "0")))
        return letters([text[:30] for text in texts])


def truncating() -> Truncating:
    return Truncating(info=EncoderInfo(revision="1", max_tokens=30, dimension=24))


def _raise(error: BaseException) -> Any:
    raise error


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


BAD_ANSWERS: dict[str, Callable[[Any, Context], Any]] = {
    "raises": lambda m, c: _raise(ValueError("no such layer")),
    "raises_lone": lambda m, c: _raise(ValueError(f"{LONE} {HOSTILE}")),
    "raises_unprintable": lambda m, c: _raise(Unprintable()),
    "raises_memory": lambda m, c: _raise(MemoryError()),
    "raises_unavailable": lambda m, c: _raise(Unavailable("no weights", "fetch them")),
    "exits": lambda m, c: sys.exit(7),
    "nan": lambda m, c: np.where(np.arange(len(m))[:, None] == 2, np.nan, m),
    "infinite": lambda m, c: m * np.float64(1e300),
    "one_dimensional": lambda m, c: m[:, 0],
    "three_dimensional": lambda m, c: m[:, :, None],
    "too_few_rows": lambda m, c: m[:-1],
    "no_columns": lambda m, c: m[:, :0],
    "objects": lambda m, c: m.astype(object),
    "ragged": lambda m, c: [[1.0] * (1 + row % 2) for row in range(len(m))],
    "words": lambda m, c: ["one"] * len(m),
    "nothing": lambda m, c: None,
    "uneven": lambda m, c: m[:, :20] if c.role == "query" else m,
}
GOOD_ANSWERS: dict[str, Callable[[Any, Context], Any]] = {
    "as_list": lambda m, c: m.tolist(),
    "as_double": lambda m, c: m.astype(np.float64),
    "zeros": lambda m, c: m * 0,
    "constant": lambda m, c: m * 0 + 1,
    "as_columns": lambda m, c: np.asfortranarray(m),
    "prints": lambda m, c: (_print(), m)[1],
    "moves": lambda m, c: (os.chdir("/"), m)[1],
    "forks": lambda m, c: (os.fork(), m)[1],  # both the parent and the child go on
}


def _print() -> None:
    print("hello from a plugin")
    os.write(1, b"hello from C\n")
    subprocess.run([sys.executable, "-c", "print('hello from a child')"], check=True)


def _as_tensor(matrix: Any, context: Context) -> Any:
    import torch

    return torch.from_numpy(matrix).to(torch.float64).requires_grad_()


def __getattr__(name: str) -> Any:
    for answers in (BAD_ANSWERS, GOOD_ANSWERS, {"as_tensor": _as_tensor}):
        if name in answers:
            return lambda: Spelling(answers[name])
    raise AttributeError(name)


def bad_factory() -> Spelling:
    raise KeyError("weights")


def exiting_factory() -> Spelling:
    sys.exit("no GPU")


def needs_size(size: str) -> Spelling:
    return sized(size)


def no_encoder() -> str:
    return "an encoder"


def no_info() -> Spelling:
    return Spelling(info={"revision": "1"})


class _Sulking(Spelling):
    @property
    def info(self) -> EncoderInfo:
        raise ConnectionError("the hub does not answer")

    @info.setter
    def info(self, value: Any) -> None: ...


def sulking() -> Spelling:
    return _Sulking()


def odd_similarity() -> Spelling:
    return Spelling(info=EncoderInfo(revision="1", similarity="euclidean"))  # type: ignore[arg-type]


class _Slamming(Spelling):
    def close(self) -> None:
        raise OSError("the worker is gone")


def slamming() -> Spelling:
    return _Slamming()


not_callable = 3


@dataclass
class Small:
    """Two languages of three texts; `change` may spoil what it loads."""

    change: Callable[[Retrieval], Any] = lambda retrieval: retrieval
    names: tuple[str, str, str] = ("a", "b", "c")
    texts: tuple[str, str, str] = ("red bridge", "blue river", "green hill")

    @property
    def info(self) -> TaskInfo:
        return TaskInfo(version="1", languages=("en", "de"), measures=("AP", "R@1", "R@10"))

    def load(self, options: TaskOptions) -> Any:
        languages = options.languages or self.info.languages
        held = {each: Collection(each, self.names, self.texts) for each in languages}
        judged = SparseJudgements.from_triples(3, [(0, 0, 1), (1, 1, 1), (2, 2, 1)])
        everything = tuple(Slice(each) for each in languages)
        settings = [
            Setting(f"{x}→{y}", _kind(x, y), x, (Slice(y),)) for x in languages for y in languages
        ]
        multilingual = SettingKind.MULTILINGUAL
        settings += [Setting(f"{x}→all", multilingual, x, everything) for x in languages]
        return self.change(
            Retrieval(
                queries=held,
                documents=held,
                judgements={(x, y): judged for x in languages for y in languages},
                settings=tuple(settings),
                clusters=dict.fromkeys(languages, self.names),
                provenance=Provenance(source=self.names[0], licence="CC0", notes=(self.names[1],)),
            )
        )


def _kind(x: str, y: str) -> SettingKind:
    return SettingKind.MONOLINGUAL if x == y else SettingKind.CROSS_LINGUAL


def small() -> Small:
    return Small()


def hostile_task() -> Small:
    texts = (f"{HOSTILE} one", LONE, "'; DROP TABLE \x00 three")
    return Small(names=(HOSTILE, LONE, "../../../etc/passwd"), texts=texts)


class Fetching(Small):
    """Made of the files that TEST_DOWNLOADS lists as JSON; texts.txt holds its three texts."""

    @property
    def info(self) -> TaskInfo:
        return replace(super().info, folder="small", licence="CC0-1.0 [red]a[/b]")

    def downloads(self, languages: tuple[str, ...]) -> list[Download]:
        listed = json.loads(os.environ.get("TEST_DOWNLOADS", "[]"))
        return [Download(**each) for each in listed]

    def load(self, options: TaskOptions) -> Any:
        given = options.data_dir or f"{options.cache_dir}/data"
        for folder in (Path(given) / "small", Path(given)):
            if (folder / "texts.txt").exists():
                lines = (folder / "texts.txt").read_text().splitlines()
                if len(lines) != 3:
                    raise DataError(f"{folder}/texts.txt has {len(lines)} lines, not 3", "Mend it.")
                self.texts = tuple(lines)  # type: ignore[assignment]
                return super().load(options)
        raise Unavailable(f"no texts.txt in {given}", "Put it there.")

    def published(self, retrieval: Retrieval, options: TaskOptions) -> list[Count]:
        held = retrieval.documents.items()
        return [Count(f"characters ({each})", 30, sum(map(len, c.texts))) for each, c in held]


class TwoSplits(Fetching):
    """Its only split is read from texts.txt; what else is listed is of no split."""

    def reads(self, options: TaskOptions) -> list[str]:
        return ["texts.txt"]


def two_splits() -> TwoSplits:
    return TwoSplits()


def fetching() -> Fetching:
    return Fetching()


def twin() -> Fetching:
    """Another task made of the same files."""
    return Fetching()


def failing_task() -> Small:
    return Small(lambda retrieval: _raise(LookupError("row 7")))


def exiting_task() -> Small:
    return Small(lambda retrieval: sys.exit(9))


def empty_task() -> Small:
    return Small(lambda retrieval: None)


def spoilt_task() -> Small:
    """Its judgements break after loading, while they are ranked."""

    def spoil(retrieval: Retrieval) -> Retrieval:
        for pair in retrieval.judgements:
            retrieval.judgements[pair] = Late(retrieval.judgements[pair])  # type: ignore[index]
        return retrieval

    return Small(spoil)


@dataclass
class Late:
    """Judgements that can be read once, for the fingerprint."""

    held: Any
    reads: int = 0

    def rows(self, queries: slice) -> Any:
        self.reads += 1
        if self.reads > 1:
            raise IndexError("judgement 7 of 3")
        return self.held.rows(queries)


WORDS = ("red", "bridge", "blue", "river", "green", "hill", "old", "town")
ODD_IDS = (
    HOSTILE,
    LONE,
    "",
    "10020#0",
    "#a",
    "a b",
    "a%20b",
    "a\u00a0b",
    "a\u3000b",
    "a\tb\r\nc",
    '"quoted"',
    "100%",
    "\ufeffmarked",
    "de:1",
    "../../../etc/passwd",
    "\x00",
    "\x1c\x85\u2028",
)


@dataclass
class Graded:
    """Grades, ties and odd ids, in two languages that use the same ids for other documents."""

    size: int = 130

    @property
    def info(self) -> TaskInfo:
        return TaskInfo(
            version="1",
            languages=("en", "de"),
            measures=("nDCG@10", "AP", "R@100", "RR", "Success@1", "R@10", "RR@10", "AP@20"),
        )

    def load(self, options: TaskOptions) -> Retrieval:
        ids = (*ODD_IDS, *(f"d{number}" for number in range(self.size - len(ODD_IDS))))
        documents = {
            language: Collection(
                language,
                ids,
                # Every third text is there several times: such documents tie.
                [
                    self._text(number // 3 * 3 if number % 3 else number + shift)
                    for number in range(self.size)
                ],
            )
            for language, shift in (("en", 0), ("de", 1))
        }
        queries = {
            language: Collection(
                language,
                (*ODD_IDS, "last"),
                [self._text(7 * n + shift) for n in range(len(ODD_IDS) + 1)],
            )
            for language, shift in (("en", 2), ("de", 5))
        }
        asked = len(ODD_IDS) + 1

        def judged(x: str, y: str) -> SparseJudgements:
            seed = len(x + y) + (x == y) + 2 * (x < y)
            triples = [
                (query, (query * 11 + step * (seed + 3) * 5) % self.size, 1 + (query + step) % 3)
                for query in range(asked)
                for step in range(query % 5)  # every fifth query has no answer
            ]
            return SparseJudgements.from_triples(asked, triples)

        some = np.arange(self.size)[::-2].copy()
        return Retrieval(
            queries=queries,
            documents=documents,
            judgements={(x, y): judged(x, y) for x in queries for y in documents},
            settings=(
                Setting("en→en", SettingKind.MONOLINGUAL, "en", (Slice("en"),)),
                Setting("en→de", SettingKind.CROSS_LINGUAL, "en", (Slice("de"),)),
                Setting("en de", SettingKind.CROSS_LINGUAL, "en", (Slice("de", some),), "half"),
                Setting("de→all", SettingKind.MULTILINGUAL, "de", (Slice("de", some), Slice("en"))),
            ),
            clusters={language: held.ids for language, held in queries.items()},
            provenance=Provenance(source="made up", licence="CC0"),
        )

    @staticmethod
    def _text(number: int) -> str:
        chosen = [WORDS[number >> shift & 7] for shift in (0, 2, 4)]
        return " ".join(chosen) + ("\ttabs\nand lines" if number % 4 == 0 else "")


def graded() -> Graded:
    return Graded()
