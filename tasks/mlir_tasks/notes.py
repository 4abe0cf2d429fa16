"""What a reader of the tables must know of the data; with `--strict`, its flaws are errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlir_harness.errors import DataError


def flawed(flaws: Sequence[str], *, strict: bool) -> tuple[str, ...]:
    """The flaws as notes.

    Raises:
        DataError: with `strict`, if there is one; names them all.
    """
    if flaws and strict:
        raise DataError("; ".join(flaws), "Without --strict this is only noted.")
    return tuple(flaws)


def without_text(language: str, what: str, count: int) -> tuple[str, ...]:
    """The flaw that `count` of `what` ("documents", "queries") had no text, if any had none."""
    return (f"{language}: {what} without text, left out: {count}",) if count else ()


def other_counts(found: Mapping[str, object], published: Mapping[str, object]) -> tuple[str, ...]:
    """The flaw that counts are not those published, if some are not.

    Catches a file cut short, the folder of another task, and a later edition alike.

    Args:
        found: language -> a count, or several.
        published: as `found`, of these languages and maybe others.
    """
    other = [language for language, counts in found.items() if counts != published[language]]
    return (f"counts differ from those published: {', '.join(other)}",) if other else ()
