"""The record of the training texts, and which evaluation data is among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mlir_harness import api
from mlir_harness.contamination import NAME, Recorder
from mlir_harness.errors import DataError, Unavailable
from mlir_trainers.parallel.data import ParallelData
from mlir_trainers.watch import Reporter


def record(used: Sequence[ParallelData], folder: Path) -> Path:
    """Record all texts of some data, training and validation alike, unless that is done.

    Args:
        used: what is learnt from, and what the checkpoint is chosen by.
        folder: of this training alone.

    Returns:
        The file.
    """
    path = folder / NAME
    if path.is_file():
        return path
    recorder = Recorder()
    for data in used:
        for number, language in enumerate(data.languages):
            recorder.add(_texts(data, number), language)
    return recorder.save(folder)


def _texts(data: ParallelData, language: int) -> Iterator[str]:
    for row in data.present[:, language].nonzero()[0].tolist():
        yield data.question(row, language)
        yield data.passage(row, language)


def exposed(
    folder: Path,
    tasks: Sequence[str],
    reporter: Reporter,
    *,
    data_dir: Path | None,
    cache: Path,
) -> list[str]:
    """The tasks whose data was trained on, each in words.

    Args:
        folder: of the record.
        tasks: to look at; those whose data is not on this machine are noted, as are those of
            which only the sample is.
        reporter: told of them.
        data_dir: folder with a folder for each task, or with the files of the only one.
        cache: of fetched files.
    """
    found, samples = [], []
    for task in tasks:
        # A folder of one task's files would be taken for every other's of the same layout.
        own = data_dir if data_dir and (len(tasks) == 1 or (data_dir / task).is_dir()) else None
        try:
            seen = api.exposure(folder, task, data_dir=own, cache_dir=cache)
        except (Unavailable, DataError) as error:
            reporter.note(f"{task}: not compared with the training data: {error.message}")
            continue
        if seen.sample:
            samples.append(task)
        if seen.contaminated:
            sides = [
                f"{sum(side.found.values())} of {sum(side.of.values())} {name}"
                for name, side in (("queries", seen.queries), ("documents", seen.documents))
            ]
            found.append(f"{task}: {', '.join(sides)}")
    if samples:
        where = f"not in {data_dir}" if data_dir else "not here (--data-dir says where they are)"
        reporter.note(
            f"compared with the samples of {', '.join(samples)}, as their files are {where}"
        )
    return found
