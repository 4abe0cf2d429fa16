"""XQuAD-R by articles: most to train on, the others to evaluate on under a name of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlir_harness.errors import UsageError
from mlir_trainers.parallel import articles

TASK = "xquad-r"


@dataclass(frozen=True)
class HeldOut:
    """A split of the articles.

    Attributes:
        source: those to train on, as a recipe's table.
        task: what is evaluated, LABEL=NAME: a part of a task is not to be taken for the whole.
        folder: its files.
    """

    source: dict[str, Any]
    task: str
    folder: Path


def split(data_dir: Path, count: int, seed: int, output: Path) -> HeldOut:
    """Hold articles out, and write their files.

    Args:
        data_dir: XQuAD-R's folder, or the one it is in.
        count: articles to evaluate on.
        seed: decides which.
        output: folder to write into.

    Raises:
        UsageError: there are not so many articles.
        DataError: the files are missing or malformed.
    """
    if count < 1:
        raise UsageError(f"{count} articles are to be held out", "Hold out one or more.")
    inner = data_dir / TASK
    whole = (inner if inner.is_dir() else data_dir).absolute()
    train, test = articles.split(whole, count, seed)
    label = f"{TASK}-{count}-articles"
    folder = output / (label if seed == 0 else f"{label}-{seed}") / TASK
    articles.write(whole, test, folder)
    table = {
        "format": "lareqa",
        "path": str(whole),
        "name": TASK,
        "options": {"articles": {"only": train}},
    }
    return HeldOut(table, f"{label}={TASK}", folder)
