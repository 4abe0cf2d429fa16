"""MTOP as retrieval: which utterances mean the same? Exemplars of an intent, and translations.

Source: Li et al. 2021, "MTOP: A Comprehensive Multilingual Task-Oriented Semantic Parsing
Benchmark", arXiv:2008.09335. `mtop` asks with utterances of a low-resource language for train
utterances of the same logical form; `mtop-parallel` asks for the translations of an utterance.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.errors import DataError, UsageError
from mlir_harness.protocols import Count, Download, Task, TaskInfo, TaskOptions
from mlir_harness.types import (
    ClassJudgements,
    Collection,
    IntArray,
    Provenance,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)
from mlir_tasks import spis
from mlir_tasks.mtop_files import Utterance, read_mtop
from mlir_tasks.places import Place, check_split, chosen_languages, locate, refuse_options

LANGUAGES = ("en", "de", "fr", "es", "hi", "th")
LOW_RESOURCE = ("hi", "th")
SIZES = (1, 5, 10, 25)  # samples per intent and slot
SEEDS = range(5)
SPLITS = ("test", "eval")
FULL = "full"

_NAME = "mtop"
_URL = "https://fb.me/mtop_dataset"
_LICENCE = "CC-BY-SA-4.0"
_CITATION = (
    "Li et al. 2021, MTOP: A Comprehensive Multilingual Task-Oriented Semantic Parsing "
    "Benchmark, EACL 2021, arXiv:2008.09335"
)
_COUNTS = {  # language -> utterances in train, eval, test
    "en": {"train": 15667, "eval": 2235, "test": 4386},
    "de": {"train": 13424, "eval": 1815, "test": 3549},
    "fr": {"train": 11814, "eval": 1577, "test": 3193},
    "es": {"train": 10934, "eval": 1527, "test": 2998},
    "hi": {"train": 11330, "eval": 2012, "test": 2789},
    "th": {"train": 10759, "eval": 1671, "test": 2765},
}
_Files = Mapping[str, tuple[Utterance, ...]]  # by language


def mtop(variant: str = "", **options: object) -> Task:
    """Exemplar retrieval.

    Args:
        variant: "full" or "spis-1", "spis-5", "spis-10", "spis-25": only these settings.
        **options: none is known.

    Raises:
        UsageError: an unknown variant, or an option was given.
    """
    refuse_options(_NAME, options)
    known = (FULL, *(f"spis-{size}" for size in SIZES))
    if variant and variant not in known:
        raise UsageError(f"{_NAME} has no variant {variant!r}", f"It has: {', '.join(known)}.")
    return Exemplars(variant)


def mtop_parallel(**options: object) -> Task:
    """Retrieval of translations; takes no options.

    Raises:
        UsageError: an option was given.
    """
    refuse_options("mtop-parallel", options)
    return Parallel()


@dataclass(frozen=True, slots=True)
class Exemplars:
    """Utterances of a split against train utterances: grade 2 same template, 1 same intent."""

    variant: str = ""

    @property
    def info(self) -> TaskInfo:
        """nDCG@10 is the main measure; intents are labels for nearest-neighbour accuracy."""
        return TaskInfo(
            version="1",
            languages=LANGUAGES,
            splits=SPLITS,
            measures=("nDCG@10", "AP", "Success@1"),
            instruction="Given an utterance, retrieve utterances with the same intent and slots",
            citation=_CITATION,
            licence=_LICENCE,
            description="Find utterances of the same intent and slots, asked in hi and th (MTOP)",
            parallel=False,
        )

    def load(self, options: TaskOptions) -> Retrieval:
        """Read train and the split; documents are those of all languages.

        Raises:
            UsageError: an unknown language, split or option.
            Unavailable: no folder with the task's files on this machine.
            DataError: files are missing, unreadable or malformed.
        """
        split, files = _split(options), self._files(options)
        asked, place = files[split], _locate(options, files)
        train, every = (_read(place, x, y) for x, y in (("train", LANGUAGES), (split, asked)))
        known = {x: {folded(each.text) for each in train[x]} for x in asked}
        kept = {x: tuple(u for u in every[x] if folded(u.text) not in known[x]) for x in asked}
        overlap = {x: len(every[x]) - len(kept[x]) for x in asked}
        documents = {x: _collection(x, train[x]) for x in LANGUAGES}
        return Retrieval(
            queries={x: _collection(x, kept[x]) for x in asked},
            documents=documents,
            judgements=_same_form(kept, train),
            settings=tuple(s for x in asked for s in self._settings(x, train[x])),
            clusters={x: tuple(each.id for each in kept[x]) for x in asked},
            labels={
                Role.QUERY: {x: tuple(each.intent for each in kept[x]) for x in asked},
                Role.DOCUMENT: {x: tuple(u.intent for u in held) for x, held in train.items()},
            },
            provenance=_provenance(
                place,
                (
                    f"queries ({split}): {_listed({x: len(kept[x]) for x in asked})}; left out, "
                    f"since the train file has the same text: {_listed(overlap)}",
                    f"documents (train): {_listed({x: len(held) for x, held in train.items()})}",
                    f"intents (train): {_listed({x: _intents(held) for x, held in train.items()})}",
                ),
            ),
        )

    def _settings(self, language: str, train: Sequence[Utterance]) -> list[Setting]:
        """In-language, from each other language, from all; then with subsets of its own side."""
        others = tuple(Slice(x) for x in LANGUAGES if x != language)
        settings = []
        if self.variant in {"", FULL}:
            own = Slice(language)
            settings = [
                Setting(f"{language}→{language}", SettingKind.MONOLINGUAL, language, (own,)),
                *(
                    Setting(f"{language}→{x.language}", SettingKind.CROSS_LINGUAL, language, (x,))
                    for x in others
                ),
                Setting(f"{language}→all", SettingKind.MULTILINGUAL, language, (own, *others)),
            ]
        for size in SIZES:
            if self.variant in {"", f"spis-{size}"}:
                for seed in SEEDS:
                    rows = _subset(train, size, seed)
                    variant = f"spis-{size}/seed-{seed}"
                    part = Slice(language, rows)
                    for name, kind, pool in (
                        (language, SettingKind.MONOLINGUAL, (part,)),
                        ("all", SettingKind.MULTILINGUAL, (part, *others)),
                    ):
                        place = f"{language}→{name}/{variant}"
                        settings.append(Setting(place, kind, language, pool, variant))
        return settings

    def downloads(self, languages: tuple[str, ...]) -> tuple[Download, ...]:
        """One archive, whatever the languages."""
        chosen_languages(_NAME, LANGUAGES, languages)
        return _downloads()

    def reads(self, options: TaskOptions) -> tuple[str, ...]:
        """Train in every language, and the split in those asked for."""
        return _paths(self._files(options))

    def published(self, retrieval: Retrieval, options: TaskOptions) -> tuple[Count, ...]:
        """Utterances of train and the split; queries are fewer, so the files are read again."""
        if retrieval.provenance.sample:
            return ()
        place = _locate(options, self._files(options))
        split, asked = _split(options), tuple(retrieval.queries)
        held = {x: len(utterances) for x, utterances in _read(place, split, asked).items()}
        train = {x: len(documents) for x, documents in retrieval.documents.items()}
        return (*_counted("train", train), *_counted(split, held))

    def _files(self, options: TaskOptions) -> Mapping[str, Sequence[str]]:
        """Split -> languages whose file is read."""
        asked = chosen_languages(_NAME, LANGUAGES, options.languages or LOW_RESOURCE)
        return {"train": LANGUAGES, _split(options): asked}


@dataclass(frozen=True, slots=True)
class Parallel:
    """Utterances in one language against those of the same split in others: which is it?"""

    @property
    def info(self) -> TaskInfo:
        """AP over the full pool is the main measure, as in LAReQA."""
        return TaskInfo(
            version="1",
            languages=LANGUAGES,
            splits=SPLITS,
            measures=("AP", "R@1", "R@10", "nDCG@10", "RR@10"),
            folder=_NAME,
            instruction="Given an utterance, retrieve its translation",
            citation=_CITATION,
            licence=_LICENCE,
            description="Find the translations of an utterance; 6 parallel languages (MTOP)",
        )

    def load(self, options: TaskOptions) -> Retrieval:
        """Read the split in every language asked for.

        Raises:
            UsageError: an unknown language, split or option.
            Unavailable: no folder with the task's files on this machine.
            DataError: files are missing, unreadable or malformed, or share no id.
        """
        languages = chosen_languages("mtop-parallel", LANGUAGES, options.languages)
        if len(languages) < 2:
            raise UsageError(
                "mtop-parallel needs two languages or more", f"Name some of {', '.join(LANGUAGES)}."
            )
        split = _split(options)
        place = _locate(options, {split: languages})
        held = _read(place, split, languages)
        ids = {x: {each.id for each in held[x]} for x in languages}
        pairs = [(x, y) for x in languages for y in languages if x != y]
        shared = [len(ids[x] & ids[y]) for x, y in pairs]
        if not max(shared):
            raise DataError(
                f"{place.folder}: no two languages share an id",
                f"Take MTOP as it was published, from {_URL}.",
            )
        every = {x: _collection(x, held[x]) for x in languages}
        return Retrieval(
            queries=every,
            documents=every,
            judgements={(x, y): _translations(held[x], held[y]) for x, y in pairs},
            settings=(
                *(Setting(f"{x}→{y}", SettingKind.CROSS_LINGUAL, x, (Slice(y),)) for x, y in pairs),
                *(
                    Setting(
                        f"{x}→all",
                        SettingKind.MULTILINGUAL,
                        x,
                        tuple(Slice(y) for y in languages if y != x),
                    )
                    for x in languages
                    if len(languages) > 2
                ),
            ),
            clusters={x: tuple(each.id for each in held[x]) for x in languages},
            provenance=_provenance(
                place,
                (
                    f"utterances ({split}): {_listed({x: len(held[x]) for x in languages})}",
                    f"ids shared by two languages: {min(shared)} to {max(shared)} a pair",
                ),
            ),
        )

    def downloads(self, languages: tuple[str, ...]) -> tuple[Download, ...]:
        """Those of `mtop`, whose folder it shares."""
        chosen_languages("mtop-parallel", LANGUAGES, languages)
        return _downloads()

    def reads(self, options: TaskOptions) -> tuple[str, ...]:
        """The split, in the languages asked for."""
        languages = chosen_languages("mtop-parallel", LANGUAGES, options.languages)
        return _paths({_split(options): languages})

    def published(self, retrieval: Retrieval, options: TaskOptions) -> tuple[Count, ...]:
        """Utterances of the split by language."""
        if retrieval.provenance.sample:
            return ()
        return _counted(_split(options), {x: len(held) for x, held in retrieval.queries.items()})


def folded(text: str) -> str:
    """`text` as overlap is judged by: NFC, white space folded, case folded."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _split(options: TaskOptions) -> str:
    check_split(_NAME, options.split, SPLITS)
    refuse_options(_NAME, options.extra)
    return options.split or SPLITS[0]


def _locate(options: TaskOptions, wanted: Mapping[str, Sequence[str]]) -> Place:
    """The folder that holds the files of some languages, by split."""
    return locate(_NAME, _paths(wanted), options, _URL)


def _paths(wanted: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(f"{x}/{split}.txt" for split, languages in wanted.items() for x in languages)


def _counted(split: str, found: Mapping[str, int]) -> tuple[Count, ...]:
    """Utterances in the files of one split beside those published."""
    return tuple(Count(f"{split} utterances ({x})", _COUNTS[x][split], n) for x, n in found.items())


def _read(place: Place, split: str, languages: Sequence[str]) -> dict[str, tuple[Utterance, ...]]:
    hint = f"Take the file from {_URL}."
    return {x: read_mtop(place.folder / x / f"{split}.txt", x, hint) for x in languages}


def _collection(language: str, utterances: Sequence[Utterance]) -> Collection:
    ids = tuple(each.id for each in utterances)
    return Collection(language, ids, tuple(each.text for each in utterances))


def _subset(train: Sequence[Utterance], size: int, seed: int) -> IntArray:
    return spis.subset(
        [each.id for each in train],
        [each.text for each in train],
        [frozenset(each.form.labels()) for each in train],
        size,
        seed,
    )


def _same_form(queries: _Files, documents: _Files) -> dict[tuple[str, str], ClassJudgements]:
    """Grade 1 for the same intent, grade 2 for the same template, which implies it."""
    numbers: dict[str, int] = {}

    def classes(utterances: Sequence[Utterance]) -> IntArray:
        names = [(each.intent, each.form.template()) for each in utterances]
        rows = [[numbers.setdefault(name, len(numbers)) for name in pair] for pair in names]
        return np.array(rows, np.int64).reshape(-1, 2)

    asked = {x: classes(held) for x, held in queries.items()}
    answering = {x: classes(held) for x, held in documents.items()}
    return {(x, y): ClassJudgements.of(asked[x], answering[y]) for x in asked for y in answering}


def _translations(queries: Sequence[Utterance], documents: Sequence[Utterance]) -> SparseJudgements:
    """The documents with a query's id, and those of the same text as one of them."""
    by_text: dict[str, list[int]] = {}
    texts: dict[str, str] = {}
    for row, document in enumerate(documents):
        text = folded(document.text)
        by_text.setdefault(text, []).append(row)
        texts[document.id] = text
    return SparseJudgements.from_triples(
        len(queries),
        (
            (row, found, 1)
            for row, query in enumerate(queries)
            if query.id in texts
            for found in by_text[texts[query.id]]
        ),
    )


def _downloads() -> tuple[Download, ...]:
    files = _paths(dict.fromkeys(("train", *SPLITS), LANGUAGES))
    return (Download(_URL, "", members={f"mtop/{file}": file for file in files}),)


def _provenance(place: Place, notes: tuple[str, ...]) -> Provenance:
    return Provenance(
        place.source, licence=place.licence(_LICENCE), sample=place.sample, notes=notes
    )


def _intents(utterances: Sequence[Utterance]) -> int:
    return len({each.intent for each in utterances})


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{language} {count:,}" for language, count in counts.items())
