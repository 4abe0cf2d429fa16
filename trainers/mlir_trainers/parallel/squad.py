"""SQuAD files, one a language, whose questions go together by their ids: `squad:FOLDER`.

A question's passage is its paragraph, which is also its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlir_trainers.parallel import questions
from mlir_trainers.parallel.rows import Row
from mlir_trainers.parallel.tree import Node

files = questions.files


def read(
    path: Path, *, languages: Sequence[str] = (), articles: Mapping[str, object] | None = None
) -> Iterator[Row]:
    """The questions that have an answer; SQuAD 2.0's others are passed over.

    Args:
        path: a folder of `{language}.json`, or one such file.
        languages: only these; none means all.
        articles: {"only": titles} or {"exclude": titles}; None for all.

    Raises:
        DataError: a file is missing, malformed, or has an id twice.
        UsageError: `articles` names what is not there.
    """
    return questions.rows(path, _paragraph, languages, articles)


def _paragraph(paragraph: Node, question: Node) -> str | None:
    if isinstance(question.value, dict) and question.value.get("is_impossible"):
        return None
    return paragraph.member("context").text()
