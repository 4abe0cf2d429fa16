"""`beir:FOLDER`: any retrieval data set in the layout of BEIR.

    corpus.jsonl[.gz]     {"_id": "…", "title": "…", "text": "…"}
    queries.jsonl[.gz]    {"_id": "…", "text": "…"}
    qrels/SPLIT.tsv       query-id, corpus-id, score under that header; or TREC's four columns

Source: Thakur et al. 2021, "BEIR: A heterogeneous benchmark for zero-shot evaluation of
information retrieval models", arXiv:2104.08663.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import Task, TaskInfo, TaskOptions
from mlir_harness.types import Provenance, Retrieval, Setting, SettingKind, Slice
from mlir_tasks import places
from mlir_tasks.corpus import Source, prepare
from mlir_tasks.jsonl import records
from mlir_tasks.judged import asked, remarks
from mlir_tasks.lines import failure, quoted
from mlir_tasks.qrels import match, read_qrels

_DEFAULT = "test"
_UNDETERMINED = "und"  # BCP-47 for a language nobody named
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_LAYOUT = "It must hold corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, as BEIR lays them out."


def create(folder: str, **options: object) -> Task:
    """The data set in `folder`; the option `language` is given when it is loaded.

    Raises:
        UsageError: an option was given.
    """
    places.refuse_options("beir", options)
    return Beir(places.expanded(folder).absolute())


@dataclass(frozen=True, slots=True)
class Beir:
    """The data set in one folder."""

    folder: Path

    @property
    def info(self) -> TaskInfo:
        """Splits are those with judgements; without a test split the only one is the default."""
        splits = sorted(file.stem for file in self.folder.glob("qrels/*.tsv") if file.is_file())
        if _DEFAULT in splits or not splits:
            splits = [_DEFAULT, *(split for split in splits if split != _DEFAULT)]
        elif len(splits) > 1:
            splits = ["", *splits]
        return TaskInfo(
            version="1",
            languages=(),
            measures=("nDCG@10", "R@100", "AP", "RR@10"),
            splits=tuple(splits),
            depth=100,
            parallel=False,
            citation="the data set's own; layout: Thakur et al. 2021, BEIR, arXiv:2104.08663",
            description="Any data set in the layout of BEIR, by its folder",
        )

    def load(self, options: TaskOptions) -> Retrieval:
        """Read the queries that have a judgement in the split, and prepare the corpus.

        Raises:
            UsageError: an unknown option or split, or several splits and none named.
            Unavailable: another language was asked for, or the sample.
            DataError: files are missing, unreadable or malformed; with `strict`, also texts that
                are empty and judgements of what is not there.
            StoreError: no room for the corpus.
        """
        language = self._language(options)
        if not self.folder.is_dir():
            raise DataError(f"the folder {self.folder} does not exist or is no folder", _LAYOUT)
        corpus, queries = (self._file(name) for name in ("corpus", "queries"))
        qrels = read_qrels(self._qrels(options.split))
        asking = asked(_queries(queries), language, qrels)
        if not len(asking.queries):
            raise DataError(f"{queries}: holds none of the queries that are judged", _LAYOUT)
        held = prepare(Source(language, (corpus,), "_id"), places.prepared(options))
        matched = match(qrels, asking.queries.ids, held.collection.ids)
        pool = (Slice(language),)
        return Retrieval(
            queries={language: asking.queries},
            documents={language: held.collection},
            judgements={(language, language): matched.judgements},
            settings=(Setting(f"{language}→{language}", SettingKind.MONOLINGUAL, language, pool),),
            clusters={language: asking.queries.ids},
            provenance=Provenance(
                source=str(self.folder),
                notes=remarks(language, asking, held, qrels, matched, strict=options.strict),
            ),
        )

    def _language(self, options: TaskOptions) -> str:
        """The language that the person who runs it says it is in; folders' names say nothing."""
        other = sorted(set(options.extra) - {"language"})
        if other:
            given = ", ".join(map(repr, other))
            raise UsageError(f"beir has no option {given}", "Its only option is `language`.")
        language = str(options.extra.get("language", _UNDETERMINED))
        if not _LANGUAGE.fullmatch(language):
            raise UsageError(
                f"{quoted(language)} is no language tag", "Write one of BCP-47, such as sw or zh."
            )
        if options.languages and language not in options.languages:
            said = "nobody said what" if language == _UNDETERMINED else f"it is {language}"
            raise Unavailable(
                f"beir:{self.folder.name} is in none of the languages asked for: {said}",
                "Say it with --option NAME.language=TAG, NAME being the task as you named it.",
            )
        if options.data == "sample":
            raise Unavailable(f"beir:{self.folder.name} has no bundled sample", "Use --data real.")
        return language

    def _file(self, name: str) -> Path:
        found = [self.folder / f"{name}{form}" for form in (".jsonl", ".jsonl.gz")]
        there = [file for file in found if file.is_file()]
        if len(there) == 1:
            return there[0]
        if there:
            names = " and ".join(file.name for file in there)
            raise DataError(f"{self.folder} has {names}", "Keep one of them.")
        raise DataError(f"{self.folder} lacks {name}.jsonl", _LAYOUT)

    def _qrels(self, split: str) -> Path:
        splits = self.info.splits
        chosen = split or splits[0]
        if not chosen:
            raise UsageError(
                f"{self.folder} has several splits, and none of them is called {_DEFAULT}",
                f"Choose with --split: {', '.join(splits[1:])}.",
            )
        # Taken from what the folder holds: a name with slashes is no way out of it.
        places.check_split(f"beir:{self.folder.name}", chosen, splits)
        file = self.folder / "qrels" / f"{chosen}.tsv"
        if not file.is_file():
            raise DataError(f"{self.folder} lacks qrels/{chosen}.tsv", _LAYOUT)
        return file


def _queries(file: Path) -> Iterator[tuple[str, str]]:
    """Id and text of every query, each id once."""
    lines: dict[str, int] = {}
    for record in records(file, "_id"):
        first = lines.setdefault(record.id, record.line)
        if first != record.line:
            what = f"query {quoted(record.id)} is there twice, first in line {first}"
            raise failure(file, record.line, what)
        yield record.id, record.text
