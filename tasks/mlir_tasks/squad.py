"""Reads SQuAD files whose paragraphs also mark their sentences, the layout of LAReQA.

Every error names the file and the place in it, so that a damaged download or a file of another
layout can be told apart without opening it.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.errors import DataError

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Question:
    """A question and where its answer stands.

    Attributes:
        id: shared with the same question in other languages.
        text: as in the file.
        paragraph: number of its paragraph, counted through the file from 0.
        sentence: row of the answering sentence in `MarkedSquad.sentences`.
    """

    id: str
    text: str
    paragraph: int
    sentence: int


@dataclass(frozen=True, slots=True)
class MarkedSquad:
    """One file: its questions and all its sentences, in file order.

    Attributes:
        questions: ids are unique.
        sentence_ids: "article-paragraph-sentence", each counted from 0 as in the JSON path.
        sentences: parallel to `sentence_ids`; texts as in the file, duplicates kept.
    """

    questions: tuple[Question, ...]
    sentence_ids: tuple[str, ...]
    sentences: tuple[str, ...]


def read_squad(file: Path, hint: str = "") -> MarkedSquad:
    """Read one file.

    The answering sentence is the one in which the first answer starts; the sentence break
    [start, end) holds its start but not its end. Texts are kept as they are: some sentences
    of the published files start with U+FEFF.

    Args:
        file: UTF-8 JSON, with or without a byte order mark.
        hint: what to do about a bad file, handed on with every error.

    Raises:
        DataError: not UTF-8, malformed, of another structure, or inconsistent.
        OSError: the file cannot be opened.
    """
    root = _Node(file, "", _parse(file, hint), hint)
    questions: list[Question] = []
    sentence_ids: list[str] = []
    sentences: list[str] = []
    paths: dict[str, str] = {}  # of the questions, to say where a repeated id stood before
    paragraphs = 0
    for a, article in enumerate(root.member("data").items()):
        for p, paragraph in enumerate(article.member("paragraphs").items()):
            first = len(sentences)
            sentences.extend(text.text() for text in paragraph.member("sentences").items())
            sentence_ids.extend(f"{a:04}-{p:03}-{s:03}" for s in range(len(sentences) - first))
            starts, ends = _breaks(paragraph, len(sentences) - first)
            for node in paragraph.member("qas").items():
                name = node.member("id").text()
                if name in paths:
                    raise node.error(f"duplicate question id {name!r}, first at {paths[name]}")
                paths[name] = node.path
                row = _answering(node, name, starts, ends)
                text = node.member("question").text()
                questions.append(Question(name, text, paragraphs, first + row))
            paragraphs += 1
    if not questions:
        raise root.error("holds no question")
    return MarkedSquad(tuple(questions), tuple(sentence_ids), tuple(sentences))


def join_paragraphs(files: Mapping[str, MarkedSquad]) -> dict[str, tuple[str, ...]]:
    """The source paragraph of each question, as one name for all its translations.

    Paragraphs of different languages are joined where they share a question id. A cluster is
    named after its smallest question id, which does not depend on the order of languages or
    paragraphs and, where files are fully parallel, not on the choice of languages either.
    """
    parents: dict[tuple[str, int], tuple[str, int]] = {}
    holders: dict[str, tuple[str, int]] = {}  # question id -> the first paragraph seen with it

    def root(node: tuple[str, int]) -> tuple[str, int]:
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents[parent]
            node = parents[node]
        return node

    for language, squad in files.items():
        for question in squad.questions:
            here = (language, question.paragraph)
            parents[root(here)] = root(holders.setdefault(question.id, here))
    names: dict[tuple[str, int], str] = {}
    for name, paragraph in holders.items():
        top = root(paragraph)
        names[top] = min(name, names.get(top, name))
    return {
        language: tuple(names[root((language, question.paragraph))] for question in squad.questions)
        for language, squad in files.items()
    }


def _parse(file: Path, hint: str) -> object:
    data = file.read_bytes()
    try:
        text = data.decode("utf-8").removeprefix(_BYTE_ORDER_MARK)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 at byte {error.start}", hint) from error
    try:
        parsed: object = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{file}: malformed JSON at {place}: {error.msg}", hint) from error
    except (ValueError, RecursionError) as error:  # absurdly long numbers, absurd nesting
        raise DataError(f"{file}: malformed JSON: {error}", hint) from error
    return parsed


def _breaks(paragraph: _Node, sentences: int) -> tuple[list[int], list[int]]:
    """Where each sentence of a paragraph starts and ends, in characters, ascending."""
    breaks = paragraph.member("sentence_breaks")
    starts: list[int] = []
    ends: list[int] = []
    for pair in breaks.items():
        bounds = [bound.whole() for bound in pair.items()]
        if len(bounds) != 2 or not 0 <= bounds[0] <= bounds[1]:
            raise pair.error("is not a pair [start, end]")
        if starts and bounds[0] < ends[-1]:
            raise pair.error("starts before the sentence in front of it ends")
        starts.append(bounds[0])
        ends.append(bounds[1])
    if len(starts) != sentences:
        raise breaks.error(f"{len(starts)} sentence breaks for {sentences} sentences")
    return starts, ends


def _answering(question: _Node, name: str, starts: list[int], ends: list[int]) -> int:
    """Number of the sentence, within its paragraph, in which the first answer starts."""
    answer = next(question.member("answers").items(), None)
    if answer is None:
        raise question.error(f"question {name!r} has no answer")
    offset = answer.member("answer_start").whole()
    row = bisect_right(starts, offset) - 1
    # A sentence's end is not part of it: Chinese sentences follow each other without a gap.
    if row < 0 or offset >= ends[row]:
        raise question.error(
            f"answer offset outside every sentence: question {name!r}, offset {offset}"
        )
    return row


@dataclass(frozen=True, slots=True)
class _Node:
    """A value of the file with its JSON path, such as data[3].paragraphs[0].sentences."""

    file: Path
    path: str
    value: object
    hint: str

    def error(self, problem: str) -> DataError:
        place = f"{self.file}: {self.path}" if self.path else str(self.file)
        return DataError(f"{place}: {problem}", self.hint)

    def member(self, key: str) -> _Node:
        if not isinstance(self.value, dict):
            raise self.error(f"expected an object, found {_kind(self.value)}")
        path = f"{self.path}.{key}" if self.path else key
        if key not in self.value:
            raise _Node(self.file, path, None, self.hint).error("missing")
        return _Node(self.file, path, self.value[key], self.hint)

    def items(self) -> Iterator[_Node]:
        if not isinstance(self.value, list):
            raise self.error(f"expected a list, found {_kind(self.value)}")
        for number, value in enumerate(self.value):
            yield _Node(self.file, f"{self.path}[{number}]", value, self.hint)

    def whole(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.error(f"expected a whole number, found {_kind(self.value)}")
        return self.value

    def text(self) -> str:
        """A string that says something and that UTF-8 can hold."""
        if not isinstance(self.value, str):
            raise self.error(f"expected a string, found {_kind(self.value)}")
        if not self.value.replace(_BYTE_ORDER_MARK, "").strip():
            raise self.error("is empty")
        try:
            self.value.encode()
        except UnicodeEncodeError as error:  # JSON can escape half of a surrogate pair
            code = f"U+{ord(self.value[error.start]):04X}"
            raise self.error(f"lone surrogate {code} at character {error.start}") from error
        return self.value


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value"}
    return "null" if value is None else names.get(type(value), "a number")
