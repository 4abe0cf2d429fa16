"""BEIR's files: corpus, queries and qrels as its GenericDataLoader reads them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence

from mlir_harness.text import utf8


def corpus(documents: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines of JSON with `_id`, `title` (empty: the text has it, if there is one) and `text`."""
    for document, text in documents:
        yield _line({"_id": utf8(document), "title": "", "text": utf8(text)})


def queries(asked: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines of JSON with `_id` and `text`."""
    for query, text in asked:
        yield _line({"_id": utf8(query), "text": utf8(text)})


def qrels(judged: Iterable[tuple[str, Sequence[tuple[str, int]]]]) -> Iterator[str]:
    """A heading, then query, document and grade between tabs, quoted where CSV needs it."""
    line = io.StringIO()
    writer = csv.writer(line, delimiter="\t", lineterminator="\n")
    yield "query-id\tcorpus-id\tscore\n"
    for query, documents in judged:
        writer.writerows((utf8(query), utf8(document), grade) for document, grade in documents)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _line(fields: dict[str, str]) -> str:
    return f"{json.dumps(fields, ensure_ascii=False)}\n"
