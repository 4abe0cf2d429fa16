"""XQuAD-R and MLQA-R, the two LAReQA tasks: which sentence, in any language, answers a question?

Source: Roy et al. 2020, "LAReQA: Language-agnostic answer retrieval from a multilingual pool",
arXiv:2004.05484. Documents are all sentences of a language, not deduplicated; the one in which
the answer starts is relevant. Questions and answers of different languages belong together
through their ids.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import Task, TaskInfo, TaskOptions
from mlir_harness.types import (
    Collection,
    Provenance,
    Relevant,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)
from mlir_tasks.squad import MarkedSquad, join_paragraphs, read_squad

_REPOSITORY = "https://github.com/google-research-datasets/lareqa"
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
        licence, citation, description: for people.
    """

    name: str
    counts: Mapping[str, tuple[int, int]]
    origin: str
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
    licence="CC-BY-NC-4.0",
    citation=f"{_LAREQA}; questions: Lewis et al. 2020, MLQA, arXiv:1910.07475",
    description="Find the sentence that answers a question; 7 partly parallel languages (LAReQA)",
)


def xquad_r(**options: object) -> Task:
    """XQuAD-R; takes no options.

    Raises:
        UsageError: an option was given.
    """
    _refuse_options(_XQUAD_R.name, options)
    return Lareqa(_XQUAD_R)


def mlqa_r(**options: object) -> Task:
    """MLQA-R, whose questions exist in 2 to 4 of the languages; takes no options.

    Raises:
        UsageError: an option was given.
    """
    _refuse_options(_MLQA_R.name, options)
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
        )

    def load(self, options: TaskOptions) -> Retrieval:
        """Read `{language}.json` of every language asked for.

        Raises:
            UsageError: an unknown language, split or option.
            Unavailable: no folder with the task's files on this machine.
            DataError: files are missing, unreadable or malformed.
        """
        _refuse_options(self.release.name, options.extra)
        _check_split(self.release.name, options.split, self.info.splits)
        languages = _chosen_languages(self.release, options.languages)
        try:
            folder = _find_folder(self.release, options.data_dir, languages)
            hint = f"Take the file from {self.release.origin}."
            files = {
                language: read_squad(folder / f"{language}.json", hint) for language in languages
            }
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
                source=str(folder), licence=self.release.licence, notes=_notes(self.release, files)
            ),
        )


def _refuse_options(name: str, options: Mapping[str, object]) -> None:
    if options:
        given = ", ".join(repr(option) for option in options)
        raise UsageError(f"{name} takes no options, but was given {given}", "Leave them out.")


def _check_split(name: str, split: str, known: tuple[str, ...]) -> None:
    if split and split not in known:
        raise UsageError(f"{name} has no split {split!r}", f"It has: {', '.join(known)}.")


def _chosen_languages(release: Release, asked: tuple[str, ...]) -> tuple[str, ...]:
    """The languages asked for in the task's own order; all of them where none is named."""
    known = list(release.counts)
    unknown = [language for language in asked if language not in known]
    if unknown:
        # One shared letter of two is no likeness, hence a cutoff above one half.
        near = [difflib.get_close_matches(one.lower(), known, 1, 0.55) for one in unknown]
        guesses = " and ".join(dict.fromkeys(match for matches in near for match in matches))
        raise UsageError(
            f"{release.name} has no language {', '.join(map(repr, unknown))}",
            f"{f'Did you mean {guesses}? ' if guesses else ''}It has: {', '.join(known)}.",
        )
    return tuple(language for language in known if not asked or language in asked)


def _find_folder(release: Release, data_dir: str | None, languages: tuple[str, ...]) -> Path:
    """The folder that holds every file needed."""
    homes = _data_homes() if data_dir is None else [_expanded(data_dir)]
    own = [home / release.name for home in homes]
    files = [f"{language}.json" for language in languages]

    def hint(wanted: list[str]) -> str:
        where = f"name their folder with --data-dir, or put them into {own[-1]}"
        return f"Take {', '.join(wanted)} from {release.origin} and {where}."

    folder = next((one for one in own if one.is_dir()), None)
    if folder is None and data_dir is None:
        looked = " or ".join(map(str, own))
        raise Unavailable(f"{release.name} is not on this machine: no {looked}", hint(files))
    if folder is None:
        folder = homes[0]  # given by hand, it may be the task's own folder
        if not folder.is_dir():
            raise DataError(f"the data folder {folder} does not exist or is no folder", hint(files))
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)} of {release.name}", hint(missing))
    return folder


def _data_homes() -> list[Path]:
    """Where data lies when no folder is given, first choice first; the cache is last."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # unset, or a relative path, which its specification ignores
        cache = _expanded("~/.cache")
    given = os.environ.get("MLIR_HARNESS_DATA")
    return [*([_expanded(given)] if given else []), cache / "mlir-harness" / "data"]


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:  # an unknown user, or no home: then nothing is found there
        return Path(path)


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


def _notes(release: Release, files: Mapping[str, MarkedSquad]) -> tuple[str, ...]:
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
    # Catches a folder of the other task, a truncated file and a later edition alike.
    other = [language for language in files if counts[language] != release.counts[language]]
    if other:
        notes.append(f"counts differ from those published: {', '.join(other)}")
    return tuple(notes)
