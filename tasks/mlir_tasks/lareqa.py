"""XQuAD-R and MLQA-R, the two LAReQA tasks: which sentence, in any language, answers a question?

Source: Roy et al. 2020, "LAReQA: Language-agnostic answer retrieval from a multilingual pool",
arXiv:2004.05484. Documents are all sentences of a language, not deduplicated; the one in which
the answer starts is relevant. Questions and answers of different languages belong together
through their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlir_harness.errors import DataError
from mlir_harness.protocols import Count, Download, Task, TaskInfo, TaskOptions
from mlir_harness.types import (
    Collection,
    Provenance,
    Relevant,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)
from mlir_tasks.notes import flawed, other_counts
from mlir_tasks.places import Place, check_split, chosen_languages, locate, refuse_options
from mlir_tasks.squad import MarkedSquad, join_paragraphs, read_squad

_REPOSITORY = "https://github.com/google-research-datasets/lareqa"
_RAW = "https://raw.githubusercontent.com/google-research-datasets/lareqa"
_LAREQA = (
    "Roy et al. 2020, LAReQA: Language-agnostic answer retrieval from a multilingual pool, "
    "EMNLP 2020, arXiv:2004.05484"
)


@dataclass(frozen=True, slots=True)
class Release:
    """What is published about one of the two data sets.

    Attributes:
        name: of the task, and of the folder that holds its files.
        counts: language -> (questions, candidate sentences), the paper's Table 1, in the
            order tables show the languages.
        origin: where the files are to be had.
        revision: commit of the repository that holds them.
        licence, citation, description: for people.
    """

    name: str
    counts: Mapping[str, tuple[int, int]]
    origin: str
    revision: str
    licence: str
    citation: str
    description: str


_XQUAD_R = Release(
    name="xquad-r",
    counts={
        "ar": (1190, 1222),
        "de": (1190, 1276),
        "el": (1190, 1234),
        "en": (1190, 1180),
        "es": (1190, 1215),
        "hi": (1190, 1244),
        "ru": (1190, 1219),
        "th": (1190, 852),
        "tr": (1190, 1167),
        "vi": (1190, 1209),
        "zh": (1190, 1196),
    },
    origin=f"{_REPOSITORY} (folder xquad-r; the Hub's xquad_r has no sentence_breaks)",
    revision="5405d2a77e83d5ccb47623a3f9e5604c3f103193",
    licence="CC-BY-SA-4.0",
    citation=f"{_LAREQA}; questions: Artetxe et al. 2020, XQuAD, arXiv:1910.11856",
    description="Find the sentence that answers a question; 11 parallel languages (LAReQA)",
)

_MLQA_R = Release(
    name="mlqa-r",
    counts={
        "ar": (517, 2545),
        "de": (512, 2362),
        "en": (1148, 6264),
        "es": (500, 1787),
        "hi": (507, 2426),
        "vi": (511, 2828),
        "zh": (504, 2322),
    },
    origin=f"{_REPOSITORY}/tree/354d67d/mlqa-r (it left the main branch with commit b91469b)",
    revision="354d67d1cd066854cdfbf5ad0e6105528976141d",
    licence="CC-BY-NC-4.0",
    citation=f"{_LAREQA}; questions: Lewis et al. 2020, MLQA, arXiv:1910.07475",
    description="Find the sentence that answers a question; 7 partly parallel languages (LAReQA)",
)


def xquad_r(**options: object) -> Task:
    """XQuAD-R; takes no options.

    Raises:
        UsageError: an option was given.
    """
    refuse_options(_XQUAD_R.name, options)
    return Lareqa(_XQUAD_R)


def mlqa_r(**options: object) -> Task:
    """MLQA-R, whose questions exist in 2 to 4 of the languages; takes no options.

    Raises:
        UsageError: an option was given.
    """
    refuse_options(_MLQA_R.name, options)
    return Lareqa(_MLQA_R)


@dataclass(frozen=True, slots=True)
class Lareqa:
    """One of the two tasks."""

    release: Release

    @property
    def info(self) -> TaskInfo:
        """Measures, languages and licence; AP over the full pool is the main measure."""
        return TaskInfo(
            version="1",
            languages=tuple(self.release.counts),
            measures=("AP", "R@1", "R@10", "nDCG@10", "RR@10"),
            instruction="Given a question, retrieve the sentence that answers it",
            citation=self.release.citation,
            licence=self.release.licence,
            description=self.release.description,
            translated=(Role.QUERY,),  # sentences are counted by language: ids do not match
        )

    def load(self, options: TaskOptions) -> Retrieval:
        """Read `{language}.json` of every language asked for.

        Raises:
            UsageError: an unknown language, split or option.
            Unavailable: no folder with the task's files on this machine.
            DataError: files are missing, unreadable or malformed; with `strict`, also counts that
                are not those published.
        """
        refuse_options(self.release.name, options.extra)
        check_split(self.release.name, options.split, self.info.splits)
        release = self.release
        languages = chosen_languages(release.name, tuple(release.counts), options.languages)
        names = {language: f"{language}.json" for language in languages}
        hint = f"Take the file from {release.origin}."
        try:
            place = locate(release.name, tuple(names.values()), options, release.origin)
            files = {each: read_squad(place.folder / names[each], hint) for each in languages}
        except OSError as error:
            raise DataError(f"{error.filename}: {error.strerror}") from error
        return Retrieval(
            queries={
                language: Collection(
                    language,
                    tuple(question.id for question in squad.questions),
                    tuple(question.text for question in squad.questions),
                )
                for language, squad in files.items()
            },
            documents={
                language: Collection(language, squad.sentence_ids, squad.sentences)
                for language, squad in files.items()
            },
            judgements={
                (asked, answering): _judgements(files[asked], files[answering])
                for asked in languages
                for answering in languages
            },
            settings=_settings(languages),
            clusters=join_paragraphs(files),
            provenance=Provenance(
                source=place.source,
                licence=place.licence(release.licence),
                sample=place.sample,
                notes=_notes(release, files, place, strict=options.strict),
            ),
        )

    def downloads(self, languages: tuple[str, ...]) -> tuple[Download, ...]:
        """One file a language."""
        release = self.release
        base = f"{_RAW}/{release.revision}/{release.name}"
        chosen = chosen_languages(release.name, tuple(release.counts), languages)
        return tuple(Download(f"{base}/{each}.json", f"{each}.json") for each in chosen)

    def published(self, retrieval: Retrieval, options: TaskOptions) -> tuple[Count, ...]:
        """Questions and sentences by language, as in the paper's Table 1."""
        del options  # there is one split
        return tuple(
            Count(f"{what} ({language})", expected, len(found[language]))
            for language, sizes in self.release.counts.items()
            if language in retrieval.queries
            for what, expected, found in (
                ("questions", sizes[0], retrieval.queries),
                ("sentences", sizes[1], retrieval.documents),
            )
        )


def _settings(languages: tuple[str, ...]) -> tuple[Setting, ...]:
    """Each language alone, each ordered pair, and each against the pool of all."""
    everything = tuple(Slice(language) for language in languages)
    alone = [Setting(f"{x}→{x}", SettingKind.MONOLINGUAL, x, (Slice(x),)) for x in languages]
    pairs = [
        Setting(f"{x}→{y}", SettingKind.CROSS_LINGUAL, x, (Slice(y),))
        for x in languages
        for y in languages
        if x != y
    ]
    pooled = [Setting(f"{x}→all", SettingKind.MULTILINGUAL, x, everything) for x in languages]
    # A pool of one language would be its monolingual setting again, under a grander name.
    return (*alone, *pairs, *(pooled if len(languages) > 1 else ()))


def _judgements(asked: MarkedSquad, answering: MarkedSquad) -> SparseJudgements:
    """The sentence that answers each question, for questions both languages have."""
    rows = {question.id: question.sentence for question in answering.questions}
    found = np.array([rows.get(question.id, -1) for question in asked.questions], np.int64)
    answered = found >= 0
    indptr = np.zeros(len(found) + 1, np.int64)
    np.cumsum(answered, out=indptr[1:])
    documents = found[answered]
    return SparseJudgements(Relevant(indptr, documents, np.ones_like(documents)))


def _notes(
    release: Release, files: Mapping[str, MarkedSquad], place: Place, *, strict: bool
) -> tuple[str, ...]:
    """What a reader of the tables must know: counts, and where they are not those published."""
    counts = {
        language: (len(squad.questions), len(squad.sentences)) for language, squad in files.items()
    }
    notes = [
        "questions: " + ", ".join(f"{language} {count[0]}" for language, count in counts.items()),
        "sentences: " + ", ".join(f"{language} {count[1]}" for language, count in counts.items()),
    ]
    ids = {language: {question.id for question in files[language].questions} for language in files}
    shared = [len(ids[x] & ids[y]) for x in files for y in files if x < y]
    if any(ids[x] != ids[y] for x in files for y in files):
        notes.append(f"questions shared by two languages: {min(shared)} to {max(shared)} a pair")
    other = () if place.sample else other_counts(counts, release.counts)
    return (*notes, *flawed(other, strict=strict))
