"""MTOP as exemplar retrieval: which train utterances mean the same, in a language that has few?

Queries are utterances of a low-resource language, documents train utterances; relevance is graded
by their logical forms, and subsets of the train utterances show what few examples are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.errors import UsageError
from mlir_harness.protocols import Count, Download, Task, TaskInfo, TaskOptions
from mlir_harness.types import (
    ClassJudgements,
    IntArray,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
)
from mlir_tasks import spis
from mlir_tasks.mtop_data import (
    CITATION,
    LANGUAGES,
    LICENCE,
    NAME,
    SPLITS,
    collection,
    counted,
    downloads,
    find,
    folded,
    listed,
    paths,
    provenance,
    read,
    split_of,
)
from mlir_tasks.mtop_files import Utterance
from mlir_tasks.places import chosen_languages, refuse_options

LOW_RESOURCE = ("hi", "th")
SIZES = (1, 5, 10, 25)  # samples per intent and slot
SEEDS = range(5)
FULL = "full"

_Files = Mapping[str, tuple[Utterance, ...]]  # by language


def mtop(variant: str = "", **options: object) -> Task:
    """Exemplar retrieval.

    Args:
        variant: "full" or "spis-1", "spis-5", "spis-10", "spis-25": only these settings.
        **options: none is known.

    Raises:
        UsageError: an unknown variant, or an option was given.
    """
    refuse_options(NAME, options)
    known = (FULL, *(f"spis-{size}" for size in SIZES))
    if variant and variant not in known:
        raise UsageError(f"{NAME} has no variant {variant!r}", f"It has: {', '.join(known)}.")
    return Exemplars(variant)


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
            citation=CITATION,
            licence=LICENCE,
            description="Find utterances of the same intent and slots, asked in hi and th (MTOP)",
            parallel=False,
            translated=(Role.QUERY, Role.DOCUMENT),
        )

    def load(self, options: TaskOptions) -> Retrieval:
        """Read train and the split; documents are those of all languages.

        Raises:
            UsageError: an unknown language, split or option.
            Unavailable: no folder with the task's files on this machine.
            DataError: files are missing, unreadable or malformed.
        """
        split, files = split_of(options), self._files(options)
        asked, place = files[split], find(options, files)
        train, every = (read(place, x, y) for x, y in (("train", LANGUAGES), (split, asked)))
        known = {x: {folded(each.text) for each in train[x]} for x in asked}
        kept = {x: tuple(u for u in every[x] if folded(u.text) not in known[x]) for x in asked}
        overlap = {x: len(every[x]) - len(kept[x]) for x in asked}
        documents = {x: collection(x, train[x]) for x in LANGUAGES}
        return Retrieval(
            queries={x: collection(x, kept[x]) for x in asked},
            documents=documents,
            judgements=_same_form(kept, train),
            settings=tuple(s for x in asked for s in self._settings(x, train[x])),
            clusters={x: tuple(each.id for each in kept[x]) for x in asked},
            labels={
                Role.QUERY: {x: tuple(each.intent for each in kept[x]) for x in asked},
                Role.DOCUMENT: {x: tuple(u.intent for u in held) for x, held in train.items()},
            },
            provenance=provenance(
                place,
                (
                    f"queries ({split}): {listed({x: len(kept[x]) for x in asked})}; left out, "
                    f"since the train file has the same text: {listed(overlap)}",
                    f"documents (train): {listed({x: len(held) for x, held in train.items()})}",
                    f"intents (train): {listed({x: _intents(held) for x, held in train.items()})}",
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
        chosen_languages(NAME, LANGUAGES, languages)
        return downloads()

    def reads(self, options: TaskOptions) -> tuple[str, ...]:
        """Train in every language, and the split in those asked for."""
        return paths(self._files(options))

    def published(self, retrieval: Retrieval, options: TaskOptions) -> tuple[Count, ...]:
        """Utterances of train and the split; queries are fewer, so the files are read again."""
        if retrieval.provenance.sample:
            return ()
        place = find(options, self._files(options))
        split, asked = split_of(options), tuple(retrieval.queries)
        held = {x: len(utterances) for x, utterances in read(place, split, asked).items()}
        train = {x: len(documents) for x, documents in retrieval.documents.items()}
        return (*counted("train", train), *counted(split, held))

    def _files(self, options: TaskOptions) -> Mapping[str, Sequence[str]]:
        """Split -> languages whose file is read."""
        asked = chosen_languages(NAME, LANGUAGES, options.languages or LOW_RESOURCE)
        return {"train": LANGUAGES, split_of(options): asked}


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


def _intents(utterances: Sequence[Utterance]) -> int:
    return len({each.intent for each in utterances})
