"""Questions of SQuAD files of several languages, joined by their ids.

LAReQA's files are SQuAD files too; what the passage of a question is, their reader says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from mlir_trainers.parallel.articles import positions
from mlir_trainers.parallel.folders import by_language
from mlir_trainers.parallel.reading import quoted
from mlir_trainers.parallel.rows import Row
from mlir_trainers.parallel.tree import Node, root

# The passage, from a paragraph and a question on it; None where nothing answers the question.
PassageOf: TypeAlias = Callable[[Node, Node], str | None]
_Paragraph: TypeAlias = tuple[str, int]  # language, number in its file


@dataclass(frozen=True, slots=True)
class _Asked:
    question: str
    passage: str
    paragraph: _Paragraph


def files(path: Path, *, languages: Sequence[str] = (), **_: object) -> tuple[Path, ...]:
    """The files that `rows` reads."""
    return tuple(by_language(path, (".json",), languages).values())


def rows(
    path: Path,
    passage_of: PassageOf,
    languages: Sequence[str],
    articles: Mapping[str, object] | None,
) -> Iterator[Row]:
    """One row a question id, in the order ids are met; its source is the paragraph.

    Args:
        path: a folder of `{language}.json`, or one such file.
        passage_of: finds the passage.
        languages: only these; none means all.
        articles: {"only": titles} or {"exclude": titles}; None for all.

    Raises:
        DataError: a file is missing, malformed or inconsistent, or has an id twice.
        UsageError: `articles` names what is not there.
    """
    kept = None if articles is None else positions(path, articles)
    found = {
        language: _read(file, language, passage_of, kept)
        for language, file in by_language(path, (".json",), languages).items()
    }
    sources = _sources(found)
    for name in dict.fromkeys(name for asked in found.values() for name in asked):
        here = {language: asked[name] for language, asked in found.items() if name in asked}
        yield Row(
            name,
            {language: each.question for language, each in here.items()},
            {language: each.passage for language, each in here.items()},
            sources[next(iter(here.values())).paragraph],
            f"{path}, question {quoted(name)}",
        )


def _read(
    file: Path, language: str, passage_of: PassageOf, kept: Collection[int] | None
) -> dict[str, _Asked]:
    found: dict[str, _Asked] = {}
    places: dict[str, str] = {}  # to say where an id stood before
    number = 0
    for place, article in enumerate(root(file).member("data").items()):
        for paragraph in article.member("paragraphs").items():
            number += 1
            if kept is not None and place not in kept:
                continue
            for node in paragraph.member("qas").items():
                name = node.member("id").text()
                if name in places:
                    raise node.error(f"the id {quoted(name)} is there twice, at {places[name]} too")
                places[name] = node.path
                if (passage := passage_of(paragraph, node)) is not None:
                    question = node.member("question").text()
                    found[name] = _Asked(question, passage, (language, number))
    return found


def _sources(found: Mapping[str, Mapping[str, _Asked]]) -> dict[_Paragraph, str]:
    """One name for all translations of a paragraph: those that share a question id."""
    parents: dict[_Paragraph, _Paragraph] = {}
    holders: dict[str, _Paragraph] = {}

    def top(paragraph: _Paragraph) -> _Paragraph:
        while (parent := parents.setdefault(paragraph, paragraph)) != paragraph:
            parents[paragraph] = parents[parent]
            paragraph = parents[paragraph]
        return paragraph

    for asked in found.values():
        for name, each in asked.items():
            parents[top(each.paragraph)] = top(holders.setdefault(name, each.paragraph))
    return {paragraph: "{}:{}".format(*top(paragraph)) for paragraph in list(parents)}
