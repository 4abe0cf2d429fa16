"""MIRACL: which Wikipedia passages answer a question asked in the same language?

Source: Zhang et al. 2023, "MIRACL: A multilingual retrieval dataset covering 18 diverse
languages", TACL 11, arXiv:2210.09984. A document is title, newline and text of a passage. Passages
are judged for questions of their own language only, so that is all that counts in the pool of
all languages, too. `miracl-judged` ranks the judged passages alone and is another task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.errors import DataError
from mlir_harness.protocols import Count, Download, Task, TaskInfo, TaskOptions
from mlir_harness.types import (
    Collection,
    Provenance,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
)
from mlir_tasks import places
from mlir_tasks.corpus import Corpus, Source, prepare
from mlir_tasks.lines import failure, numbered, quoted
from mlir_tasks.miracl_files import FOLDER, ORIGIN, SIZES, SPLITS, Files, complete, downloads
from mlir_tasks.notes import flawed, other_counts, without_text
from mlir_tasks.qrels import Matched, Qrels, flaws, match, read_qrels


def miracl(**options: object) -> Task:
    """MIRACL over all passages of Wikipedia; takes no options.

    Raises:
        UsageError: an option was given.
    """
    places.refuse_options("miracl", options)
    return Miracl()


def miracl_judged(**options: object) -> Task:
    """MIRACL over the judged passages alone, not comparable with MIRACL; takes no options.

    Raises:
        UsageError: an option was given.
    """
    places.refuse_options("miracl-judged", options)
    return Miracl(judged=True)


@dataclass(frozen=True, slots=True)
class Miracl:
    """The task; `judged`: its documents are those that are judged for a topic of the split."""

    judged: bool = False

    @property
    def name(self) -> str:
        return "miracl-judged" if self.judged else "miracl"

    @property
    def info(self) -> TaskInfo:
        """Measures and languages; version 1: title and text in one, every passage with a text."""
        what = "among judged passages only" if self.judged else "in all of Wikipedia"
        return TaskInfo(
            version="1",
            languages=tuple(SIZES),
            measures=("nDCG@10", "R@100"),
            splits=SPLITS,
            depth=100,
            folder=FOLDER,
            parallel=False,
            instruction="Given a question, retrieve Wikipedia passages that answer the question",
            citation="Zhang et al. 2023, MIRACL: A multilingual retrieval dataset covering 18 "
            "diverse languages, TACL 11, arXiv:2210.09984",
            licence="Apache-2.0",
            description=f"Find the passages that answer a question {what}; 18 languages (MIRACL)",
        )

    def load(self, options: TaskOptions) -> Retrieval:
        """Read topics and judgements, and prepare the passages, of every language asked for.

        Where none is asked for, the languages are those with all their files.

        Raises:
            UsageError: an unknown language, split or option.
            Unavailable: no folder with the task's files on this machine.
            DataError: files are missing, unreadable or malformed; with `strict`, also passages
                without text, judgements of what is not there, counts that are not those
                published, and a language without all its files.
            StoreError: no room for the passages.
        """
        places.refuse_options(self.name, options.extra)
        places.check_split(self.name, options.split, SPLITS)
        split = options.split or SPLITS[0]
        asked = places.chosen_languages(self.name, tuple(SIZES), options.languages)
        reads = self.reads(options)
        place = places.locate(self.name, (), options, ORIGIN, folder=FOLDER, prefer=reads)
        files = {each: Files.of(place.folder, each, split) for each in asked}
        chosen = complete(files, place.folder, every=bool(options.languages), strict=options.strict)
        home = places.prepared(options)
        parts = {each: _read(files[each], home, judged=self.judged) for each in chosen}
        left_out = [each for each in files if each not in parts and files[each].any]
        return Retrieval(
            queries={each: part.topics for each, part in parts.items()},
            documents={each: part.corpus.collection for each, part in parts.items()},
            judgements={(each, each): part.matched.judgements for each, part in parts.items()},
            settings=_settings(tuple(parts)),
            clusters={each: part.topics.ids for each, part in parts.items()},
            provenance=Provenance(
                source=place.source,
                revision="" if place.sample else f"miracl-v1.0-{split}",
                licence=place.licence(self.info.licence),
                sample=place.sample,
                notes=(
                    *self._notes(parts, left_out),
                    *_flaws(parts, split="" if place.sample else split, strict=options.strict),
                ),
            ),
        )

    def downloads(self, languages: tuple[str, ...]) -> tuple[Download, ...]:
        """Topics and judgements of both splits, and every file of passages."""
        chosen = places.chosen_languages(self.name, tuple(SIZES), languages)
        return tuple(each for language in chosen for each in downloads(language))

    def reads(self, options: TaskOptions) -> tuple[str, ...]:
        """Topics and judgements of the split, and every file of passages."""
        split = options.split or SPLITS[0]
        others = tuple(f"-{each}.tsv" for each in SPLITS if each != split)
        paths = (one.path for one in self.downloads(options.languages))
        return tuple(path for path in paths if not path.endswith(others))

    def published(self, retrieval: Retrieval, options: TaskOptions) -> tuple[Count, ...]:
        """Passages, where all of them are documents, and topics of dev; nothing of a sample."""
        if retrieval.provenance.sample:
            return ()
        counts = []
        for language, (passages, topics) in SIZES.items():
            if language in retrieval.queries:
                if not self.judged:
                    found = len(retrieval.documents[language])
                    counts.append(Count(f"passages ({language})", passages, found))
                if (options.split or SPLITS[0]) == "dev":
                    asked = len(retrieval.queries[language])
                    counts.append(Count(f"topics ({language})", topics, asked))
        return tuple(counts)

    def _notes(self, parts: Mapping[str, _Part], left_out: Sequence[str]) -> tuple[str, ...]:
        """What a reader of the tables must know, were the data without a flaw."""
        notes = []
        if self.judged:
            notes.append(
                "only passages judged for a topic of their language are ranked: not comparable "
                "with scores on all passages"
            )
        if len(parts) > 1:
            notes.append(
                "X→all: own-language judgements only, passages of other languages count "
                "as not relevant"
            )
        ranked = {each: len(part.corpus.collection) for each, part in parts.items()}
        held = {each: part.corpus.passages for each, part in parts.items()}
        for what, counts in (
            ("topics", {each: len(part.topics) for each, part in parts.items()}),
            ("passages ranked" if self.judged else "passages", ranked),
            *((("passages there are", held),) if self.judged else ()),
        ):
            notes.append(f"{what}: " + ", ".join(f"{each} {n}" for each, n in counts.items()))
        if left_out:
            notes.append(f"languages left out, whose files are not all here: {', '.join(left_out)}")
        return tuple(notes)


@dataclass(frozen=True, slots=True)
class _Part:
    """What was read of one language."""

    topics: Collection
    corpus: Corpus
    qrels: Qrels
    matched: Matched


def _flaws(parts: Mapping[str, _Part], *, split: str, strict: bool) -> tuple[str, ...]:
    """What is wrong with the data; `split`: whose topics were counted, "" for the sample.

    Raises:
        DataError: with `strict`, if something is.
    """
    found = {each: (part.corpus.passages, len(part.topics)) for each, part in parts.items()}
    if split != "dev":  # only of dev the number of topics was published; passages are the same
        found = {each: (passages, SIZES[each][1]) for each, (passages, _) in found.items()}
    empty = (
        note
        for each, part in parts.items()
        for note in without_text(each, "passages", part.corpus.empty)
    )
    own = (*(other_counts(found, SIZES) if split else ()), *empty)
    judged = (
        note
        for each, part in parts.items()
        for note in flaws(each, part.qrels, part.matched, strict=strict)
    )
    return (*judged, *flawed(own, strict=strict))


def _read(files: Files, home: Path, *, judged: bool) -> _Part:
    hint = f"Copy the file again, from {ORIGIN}."
    topics = _read_topics(files.topics, files.language, hint)
    qrels = read_qrels(files.qrels, hint)
    keep = frozenset(qrels.documents) if judged else None
    corpus = prepare(Source(files.language, files.passages, "docid", keep, hint), home)
    return _Part(topics, corpus, qrels, match(qrels, topics.ids, corpus.collection.ids))


def _read_topics(file: Path, language: str, hint: str) -> Collection:
    """A topic a line: id, tab, question."""
    topics: dict[str, tuple[str, int]] = {}
    for number, line in numbered(file, hint):
        fields = line.split("\t")
        if len(fields) != 2:
            what = f"{len(fields)} columns, not 2 (topic, question)"
            raise failure(file, number, what, hint)
        name, question = fields
        if not name or not question.strip():
            what = "the id" if not name else f"the question of topic {quoted(name)}"
            raise failure(file, number, f"{what} is empty", hint)
        if name in topics:
            what = f"topic {quoted(name)} is there twice, first in line {topics[name][1]}"
            raise failure(file, number, what, hint)
        topics[name] = question, number
    if not topics:
        raise DataError(f"{file}: holds no topic", hint)
    return Collection(language, tuple(topics), tuple(question for question, _ in topics.values()))


def _settings(languages: tuple[str, ...]) -> tuple[Setting, ...]:
    """Each language alone and, of two or more, each against the pool of all."""
    everything = tuple(Slice(language) for language in languages)
    alone = [Setting(f"{x}→{x}", SettingKind.MONOLINGUAL, x, (Slice(x),)) for x in languages]
    pooled = [Setting(f"{x}→all", SettingKind.MULTILINGUAL, x, everything) for x in languages]
    return (*alone, *(pooled if len(languages) > 1 else ()))
