"""LAReQA's files, such as XQuAD-R: a question's passage is one sentence: `lareqa:FOLDER`.

Source: Roy et al. 2020, "LAReQA: Language-agnostic answer retrieval from a multilingual pool",
arXiv:2004.05484.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlir_trainers.parallel import questions
from mlir_trainers.parallel.reading import quoted
from mlir_trainers.parallel.rows import Row
from mlir_trainers.parallel.tree import Node

files = questions.files


def read(
    path: Path, *, languages: Sequence[str] = (), articles: Mapping[str, object] | None = None
) -> Iterator[Row]:
    """Questions with the sentence in which their first answer starts; the source is the paragraph.

    Args:
        path: a folder of `{language}.json`, or one such file.
        languages: only these; none means all.
        articles: {"only": titles} or {"exclude": titles}; None for all.

    Raises:
        DataError: a file is missing, malformed or inconsistent, or has an id twice.
        UsageError: `articles` names what is not there.
    """
    return questions.rows(path, _sentence, languages, articles)


def _sentence(paragraph: Node, question: Node) -> str:
    sentences = list(paragraph.member("sentences").items())
    breaks = [
        [bound.whole() for bound in pair.items()]
        for pair in paragraph.member("sentence_breaks").items()
    ]
    if len(breaks) != len(sentences) or any(len(each) != 2 for each in breaks):
        raise paragraph.error(
            f"{len(breaks)} sentence breaks [start, end] for {len(sentences)} sentences"
        )
    answer = next(question.member("answers").items(), None)
    if answer is None:
        raise question.error("has no answer")
    offset = answer.member("answer_start").whole()
    row = bisect_right(breaks, offset, key=lambda bounds: bounds[0]) - 1
    # A sentence's end is not part of it: Chinese sentences follow each other without a gap.
    if row < 0 or offset >= breaks[row][1]:
        name = quoted(question.member("id").text())
        raise question.error(f"the answer to {name} is outside every sentence, at {offset}")
    return sentences[row].text()
