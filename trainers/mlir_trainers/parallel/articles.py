"""The articles of SQuAD and LAReQA files: their titles, a split, and files with some of them.

Articles go together by their position: the third of one language is a translation of the third
of every other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from mlir_harness.errors import DataError, StoreError, UsageError
from mlir_trainers.parallel.folders import by_language
from mlir_trainers.parallel.reading import quoted
from mlir_trainers.parallel.tree import root


def articles(path: Path) -> list[str]:
    """The title of every article, in English where there is an English file.

    Args:
        path: a folder of `{language}.json`, or one such file.

    Raises:
        DataError: a file cannot be read, or the files have not as many articles.
    """
    return _titles(by_language(path, (".json",)))


def split(path: Path, held_out: int = 12, seed: int = 0) -> tuple[list[str], list[str]]:
    """Titles to train on, and titles to test on; the same for the same titles and seed.

    Args:
        path: as of `articles`.
        held_out: how many to test on.
        seed: decides which.

    Raises:
        DataError: as of `articles`, or two have the same title.
        UsageError: there are not so many that one is left to train on.
    """
    titles = articles(path)
    if len(set(titles)) < len(titles):
        twice = next(each for each in titles if titles.count(each) > 1)
        raise DataError(f"{path}: two articles have the title {quoted(twice)}", "Rename one.")
    if not 0 <= held_out < len(titles):
        raise UsageError(
            f"{held_out} articles cannot be held out: {path} has {len(titles)}",
            f"Hold out 0 to {len(titles) - 1}.",
        )
    # By hash: no library's generator has to stay the same for a split to stay the same.
    drawn = sorted(titles, key=lambda title: sha256(f"{seed}\0{title}".encode()).digest())
    test = set(drawn[:held_out])
    return [each for each in titles if each not in test], [each for each in titles if each in test]


def write(path: Path, titles: Iterable[str], folder: Path) -> Path:
    """Write the files of `path` with the articles `titles` alone.

    Args:
        path: as of `articles`.
        titles: as `articles` gives them.
        folder: made if it is not there; files of the same names are replaced.

    Returns:
        `folder`.

    Raises:
        DataError: as of `articles`.
        UsageError: there is no article of such a title, or the files lie in `folder`.
        StoreError: a file cannot be written.
    """
    files = by_language(path, (".json",))
    kept = chosen(_titles(files), {"only": list(titles)}, path)
    for file in files.values():
        if folder.resolve() == file.parent.resolve():
            raise UsageError(
                f"{folder} holds the files: writing would replace them", "Name another."
            )
        content = root(file).value
        assert isinstance(content, dict)  # noqa: S101  its articles were counted
        data = [each for place, each in enumerate(content["data"]) if place in kept]
        _replace(folder / file.name, json.dumps(content | {"data": data}, ensure_ascii=False))
    return folder


def positions(path: Path, selection: Mapping[str, object]) -> Collection[int]:
    """The places of the articles that the recipe option `articles` leaves.

    Args:
        path: as of `articles`.
        selection: `only` or `exclude`, each a list of titles.

    Raises:
        DataError: as of `articles`.
        UsageError: anything else is given, or a title that is not there.
    """
    return chosen(articles(path), selection, path)


def chosen(titles: Sequence[str], selection: Mapping[str, object], path: Path) -> Collection[int]:
    """The places in `titles` that `selection` leaves; see `positions`."""
    hint = 'Write articles = {only = ["…"]} or articles = {exclude = ["…"]}, with titles.'
    if not isinstance(selection, Mapping) or set(selection) not in ({"only"}, {"exclude"}):
        raise UsageError("articles must have either only or exclude", hint)
    ((way, named),) = selection.items()
    if not isinstance(named, list | tuple) or not all(isinstance(each, str) for each in named):
        raise UsageError(f"articles.{way} must be a list of titles", hint)
    if unknown := [each for each in named if each not in titles]:
        some = ", ".join(quoted(each) for each in titles[:5])
        raise UsageError(
            f"{path} has no article {quoted(unknown[0])}",
            f"Its {len(titles)} articles begin with {some}.",
        )
    wanted = set(named)
    return {place for place, title in enumerate(titles) if (title in wanted) == (way == "only")}


def _titles(files: Mapping[str, Path]) -> list[str]:
    found: list[str] = []
    counts: dict[Path, int] = {}
    first = "en" if "en" in files else next(iter(files))
    for language, file in files.items():
        data = list(root(file).member("data").items())
        counts[file] = len(data)
        if language == first:
            found = [
                each.member("title").text()
                if isinstance(each.value, dict) and "title" in each.value
                else f"article {place}"
                for place, each in enumerate(data, 1)
            ]
    for file, count in counts.items():
        if count != len(found):
            raise DataError(
                f"{file} has {count} articles, {files[first].name} has {len(found)}: "
                "they cannot be told apart by their position",
                "Take files of the same articles, or leave articles out.",
            )
    return found


def _replace(file: Path, text: str) -> None:
    unfinished = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"cannot write {file}: {error.strerror or error}", "Free some space, or name another."
        ) from error
