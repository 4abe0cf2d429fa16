"""MTOP as retrieval of translations: which utterance of another language is this one?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlir_harness.errors import DataError, UsageError
from mlir_harness.protocols import Count, Download, Task, TaskInfo, TaskOptions
from mlir_harness.types import (
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)
from mlir_tasks.mtop_data import (
    CITATION,
    LANGUAGES,
    LICENCE,
    NAME,
    SPLITS,
    URL,
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


def mtop_parallel(**options: object) -> Task:
    """Retrieval of translations; takes no options.

    Raises:
        UsageError: an option was given.
    """
    refuse_options("mtop-parallel", options)
    return Parallel()


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
            folder=NAME,
            instruction="Given an utterance, retrieve its translation",
            citation=CITATION,
            licence=LICENCE,
            description="Find the translations of an utterance; 6 parallel languages (MTOP)",
            translated=(Role.QUERY, Role.DOCUMENT),
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
        split = split_of(options)
        place = find(options, {split: languages})
        held = read(place, split, languages)
        ids = {x: {each.id for each in held[x]} for x in languages}
        pairs = [(x, y) for x in languages for y in languages if x != y]
        shared = [len(ids[x] & ids[y]) for x, y in pairs]
        if not max(shared):
            raise DataError(
                f"{place.folder}: no two languages share an id",
                f"Take MTOP as it was published, from {URL}.",
            )
        every = {x: collection(x, held[x]) for x in languages}
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
            provenance=provenance(
                place,
                (
                    f"utterances ({split}): {listed({x: len(held[x]) for x in languages})}",
                    f"ids shared by two languages: {min(shared)} to {max(shared)} a pair",
                ),
            ),
        )

    def downloads(self, languages: tuple[str, ...]) -> tuple[Download, ...]:
        """Those of `mtop`, whose folder it shares."""
        chosen_languages("mtop-parallel", LANGUAGES, languages)
        return downloads()

    def reads(self, options: TaskOptions) -> tuple[str, ...]:
        """The split, in the languages asked for."""
        languages = chosen_languages("mtop-parallel", LANGUAGES, options.languages)
        return paths({split_of(options): languages})

    def published(self, retrieval: Retrieval, options: TaskOptions) -> tuple[Count, ...]:
        """Utterances of the split by language."""
        if retrieval.provenance.sample:
            return ()
        return counted(split_of(options), {x: len(held) for x, held in retrieval.queries.items()})


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
