"""Folders with one file a language, told apart by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlir_harness.errors import DataError
from mlir_trainers.parallel.languages import chosen, tag_in
from mlir_trainers.parallel.reading import listed


def by_language(
    path: Path, endings: Sequence[str], languages: Sequence[str] = ()
) -> dict[str, Path]:
    """The file of each language, in the order of their tags.

    Args:
        path: a folder, or one of its files alone.
        endings: what file names end with, such as ".json"; others are passed over.
        languages: only these; none means all.

    Raises:
        DataError: no such file, a name without a language, two files of one language, or none
            of a language that was asked for.
    """
    found: dict[str, Path] = {}
    for file in listed(path) if not path.is_file() else [path]:
        ending = next((each for each in endings if file.name.endswith(each)), None)
        if ending is None:
            continue
        try:
            language = tag_in(file.name.removesuffix(ending))
        except DataError as error:
            raise DataError(
                f"{file}: its name does not say its language: {error.message}",
                f"Name it after its language, such as de{ending}, or move it away.",
            ) from error
        if language in found:
            raise DataError(
                f"{found[language]} and {file.name} are both in {language}",
                "Move one of them away.",
            )
        found[language] = file
    if not found:
        raise DataError(
            f"{path} holds no file {' or '.join(f'*{each}' for each in endings)}",
            f"It must hold one file a language, such as de{endings[0]}.",
        )
    return {language: found[language] for language in chosen(languages, found, path)}
