"""Any data set of ir_datasets that has documents, queries and judgements, as `irds:ID`.

Source: MacAvaney et al. 2021, "Simplified Data Wrangling with ir_datasets", arXiv:2103.02280.
One setting: the queries of the data set against its documents.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import Task, TaskInfo, TaskOptions
from mlir_harness.types import (
    Provenance,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
)
from mlir_tasks import corpus, judged
from mlir_tasks.irds_access import library, reading, state
from mlir_tasks.places import check_split, prepared
from mlir_tasks.qrels import Judgement, gather, match

_PARTS = ("docs", "queries", "qrels")
_OPTIONS = ("language", "query_language", "document_language")
_SPLITS = ("train", "dev", "validation", "valid", "test")
_UNKNOWN = "und"  # BCP-47 for a language that is not known
_TEXT = "1"  # version of how a document becomes a text


def create(name: str) -> Task:
    """The task of data set `name`; nothing of it is looked at before it loads."""
    return Irds(name)


@dataclass(frozen=True, slots=True)
class Irds:
    """One data set."""

    name: str

    @property
    def info(self) -> TaskInfo:
        """Languages are known only once the data set is read."""
        split = next((p for p in reversed(self.name.split("/")) if p in _SPLITS), "test")
        return TaskInfo(
            version="1",
            languages=(),
            measures=("nDCG@10", "R@100", "AP", "RR@10"),
            splits=(split,),
            depth=100,
            parallel=False,
            citation="MacAvaney et al. 2021, Simplified Data Wrangling with ir_datasets, "
            "SIGIR 2021, arXiv:2103.02280; and that of the data set itself",
            licence=self._page,
            description=f"{self.name} of ir_datasets",
        )

    @property
    def _page(self) -> str:
        """Where the licence is told."""
        return f"see https://ir-datasets.com/{self.name.partition('/')[0]}.html"

    def load(self, options: TaskOptions) -> Retrieval:
        """Read the data set.

        Raises:
            UsageError: an unknown split or option.
            Unavailable: ir_datasets or the files are not here, or there is no such data set,
                none with judgements, or none in the languages asked for.
            DataError: ir_datasets cannot read it, or one pair is judged twice, with different
                grades; with `strict`, also texts that are empty and judgements of documents or
                queries that there are not.
            StoreError: no room for the documents.
        """
        _check(self.name, options)
        check_split(self.name, options.split, self.info.splits)
        package = library()
        with reading(self.name, download=options.download):
            dataset = _dataset(package, self.name)
            asked, answering = _languages(dataset, options)
            qrels = gather(_judgements(dataset, self.name))
            asking = judged.asked(_texts(dataset.queries_iter(), "query_id"), asked, qrels)
            if not len(asking.queries):
                raise DataError(
                    f"{self.name} of ir_datasets has none of the queries that are judged",
                    "Take another data set.",
                )
            documents = corpus.stored(
                f"irds-{package.docs_parent_id(self.name)}",
                (package.__version__, _TEXT, *state(dataset)),
                _texts(dataset.docs_iter(), "doc_id"),
                answering,
                prepared(options),
            )
        matched = match(qrels, asking.queries.ids, documents.collection.ids)
        label = f"{asked}→{answering}"
        notes = judged.remarks(
            asked if asked == answering else label,
            asking,
            documents,
            qrels,
            matched,
            strict=options.strict,
        )
        if _UNKNOWN in (asked, answering):
            notes = ("ir_datasets does not tell every language; --option sets them", *notes)
        kind = SettingKind.MONOLINGUAL if asked == answering else SettingKind.CROSS_LINGUAL
        return Retrieval(
            queries={asked: asking.queries},
            documents={answering: documents.collection},
            judgements={(asked, answering): matched.judgements},
            settings=(Setting(label, kind, asked, (Slice(answering),)),),
            clusters={asked: asking.queries.ids},
            provenance=Provenance(
                source=f"ir_datasets {package.__version__}: {self.name}",
                licence=self._page,
                notes=notes,
            ),
        )


def _check(name: str, options: TaskOptions) -> None:
    for option in options.extra:
        if option not in _OPTIONS:
            raise UsageError(
                f"irds:{name} has no option {option!r}", f"It has: {', '.join(_OPTIONS)}."
            )
    if options.data == "sample":
        raise Unavailable(f"irds:{name} has no bundled sample", "Use --data real.")
    if options.data_dir is not None:
        raise Unavailable(
            f"irds:{name} does not look in --data-dir",
            "Leave it out; IR_DATASETS_HOME names the folder of ir_datasets.",
        )


def _dataset(package: Any, name: str) -> Any:
    """The data set, if there is one of that name with all that is needed."""
    known = list(package.registry)
    try:
        dataset = package.registry[name]
    except KeyError:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        raise Unavailable(
            f"ir_datasets has no data set {name!r}",
            f"Did you mean {' or '.join(near)}?" if near else "See https://ir-datasets.com.",
        ) from None
    lacking = _lacking(dataset)
    if lacking:
        parts = [
            each
            for each in known
            if each.startswith(f"{name}/") and not _lacking(package.registry[each])
        ]
        raise Unavailable(
            f"{name} of ir_datasets has no {' and no '.join(lacking)}",
            f"Take one of: {', '.join(parts[:8])}." if parts else "Take another data set.",
        )
    return dataset


def _lacking(dataset: Any) -> list[str]:
    return [part for part in _PARTS if not dataset.has(part)]


def _languages(dataset: Any, options: TaskOptions) -> tuple[str, str]:
    """Of the queries and of the documents: as an option says, else as the library does."""
    both = options.extra.get("language")
    asked, answering = (
        str(options.extra.get(f"{side}_language") or both or told() or _UNKNOWN)
        for side, told in (("query", dataset.queries_lang), ("document", dataset.docs_lang))
    )
    if options.languages and not {asked, answering} <= set(options.languages):
        raise Unavailable(
            f"its queries are in {asked!r} and its documents in {answering!r}, not only in the "
            "languages asked for",
            "Leave --languages out, or name these.",
        )
    return asked, answering


def _texts(records: Iterator[Any], id_field: str) -> Iterator[tuple[str, str]]:
    """Id and text of each record; whether a kind of record has a text shows at the first."""
    for record in records:
        yield str(getattr(record, id_field)), _text(record)


def _judgements(dataset: Any, name: str) -> Iterator[Judgement]:
    for number, each in enumerate(dataset.qrels_iter(), 1):
        place = f"{name}, judgement {number}"
        yield Judgement(str(each.query_id), str(each.doc_id), int(each.relevance), place)


def _text(record: Any) -> str:
    """As the library puts it, where it does: else the title and the text below each other."""
    if hasattr(record, "default_text"):
        text = str(record.default_text() or "")
        return "" if text.isspace() else text
    parts = [getattr(record, field) for field in ("title", "text") if hasattr(record, field)]
    if not parts:
        raise Unavailable(
            f"ir_datasets does not tell the text of a {type(record).__name__}",
            f"It has: {', '.join(record._fields)}.",
        )
    text = "\n".join(str(part) for part in parts if part)
    return "" if text.isspace() else text
