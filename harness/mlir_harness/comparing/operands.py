"""What is to be compared: encoders that are evaluated now, or folders of stored results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlir_harness import prepare, runner
from mlir_harness.comparing.compare import Compared, Pair
from mlir_harness.errors import HarnessError, IncomparableError, UsageError
from mlir_harness.newest import newest
from mlir_harness.request import Request, Silent, Watcher
from mlir_harness.results import CellResult, read_cell
from mlir_harness.text import did_you_mean, plain
from mlir_harness.types import Retrieval


@dataclass(frozen=True)
class Matched:
    """The pairs of one task, and its data, where that is at hand."""

    pairs: tuple[Pair, ...]
    retrieval: Retrieval | None


@dataclass(frozen=True)
class Found:
    """What can be compared.

    Attributes:
        tasks: one by one.
        cells: those that have no scores among what was evaluated now.
        notes: what has no counterpart, and why texts are not shown.
    """

    tasks: tuple[Matched, ...]
    cells: tuple[CellResult, ...] = ()
    notes: tuple[str, ...] = ()


def are_folders(operands: Sequence[str]) -> bool:
    """Whether all operands are folders of results; none of them is, if they are encoders.

    Raises:
        UsageError: some are, or one that is written as a path is not.
    """
    held = [_is_folder(each) for each in operands]
    if any(held) and not all(held):
        one = operands[held.index(False)]
        raise UsageError(
            f"{plain(one)} is no folder of results, and {plain(operands[held.index(True)])} is",
            "Compare encoders with encoders, or folders with folders.",
        )
    return all(held)


def _is_folder(operand: str) -> bool:
    folder = Path(operand)
    if not folder.is_dir():
        return False
    return (folder / "manifest.json").is_file() or any(folder.glob("*/*/*/manifest.json"))


def of_encoders(request: Request, watcher: Watcher) -> Found:
    """Encoders of one run, the first being the baseline.

    Args:
        request: with two encoders or more, and a folder for results.
        watcher: told of progress.

    Raises:
        UsageError: two have the same name, or a name, language or option is unknown.
    """
    prepared = runner.prepare(request, watcher)
    labels = [each.choice.label for each in prepared.encoders]
    if len(labels) < 2:
        raise UsageError(
            "an encoder cannot be compared with itself",
            "Rename one of two with other options: LABEL=NAME.",
        )
    cells = list(runner.run(prepared, watcher))
    tasks, notes = [], []
    for task in prepared.tasks:
        label = task.choice.label
        own = {each.encoder: each for each in cells if each.task == label and each.status == "ok"}
        if labels[0] in own and len(own) > 1:
            pairs = [
                Pair(own[labels[0]], own[name], (labels[0], name))
                for name in labels[1:]
                if name in own
            ]
            loaded = task.retrieval if isinstance(task, runner.LoadedTask) else None
            tasks.append(Matched(tuple(pairs), loaded))
        elif own:
            notes.append(f"{label}: nothing to compare, as only {', '.join(own)} has scores")
    failed = tuple(each for each in cells if each.status != "ok")
    return Found(tuple(tasks), failed, tuple(notes))


def of_folders(folders: Sequence[str], request: Request, watcher: Watcher) -> Found:
    """What folders hold in common; the first is the baseline.

    Two cells are compared if they are of the same task, split and encoder, and both of the sample
    or of real data; single cells, if they are of the same task and split.

    Args:
        folders: of a store, or of single cells.
        request: its tasks are those to compare, () for all; it says where their data is.
        watcher: told of progress.

    Raises:
        UsageError: they have nothing in common, or not the tasks asked for.
        IncomparableError: what they have in common is of the sample here and of real data there.
        StoreError: results cannot be read, or are of another version.
    """
    held = [_cells(Path(folder)) for folder in folders]
    single = all((Path(folder) / "manifest.json").is_file() for folder in folders)
    known = list(dict.fromkeys(cell.task for cells in held for cell in cells))
    for task in request.tasks:
        if task not in known:
            raise UsageError(
                f"the folders hold no results on {plain(task)}",
                did_you_mean(task, known),
            )
    keys = [
        {
            # A store may hold scores of the sample beside those of real data.
            (
                (cell.task, cell.split),
                "" if single else cell.encoder,
                cell.sample and not single,
            ): cell
            for cell in cells
            if cell.task in request.tasks or not request.tasks
        }
        for cells in held
    ]
    pairs: dict[tuple[tuple[str, str], bool], list[Pair]] = {}
    notes = []
    for folder, cells in zip(folders[1:], keys[1:], strict=True):
        for key in keys[0].keys() & cells.keys():
            before, after = keys[0][key], cells[key]
            names = before.encoder, after.encoder
            if before.encoder == after.encoder:
                names = f"{names[0]} in {_short(folders[0])}", f"{names[1]} in {_short(folder)}"
            pairs.setdefault((key[0], key[2]), []).append(Pair(before, after, names))
        for name, alone in (
            (folders[0], keys[0].keys() - cells.keys()),
            (folder, cells.keys() - keys[0].keys()),
        ):
            told = sorted(
                f"{encoder or 'a cell'} on {task}{' (sample)' if sample else ''}"
                for (task, _), encoder, sample in alone
            )
            if told:
                notes.append(f"only in {name}: {', '.join(told)}")
    if not pairs:
        if any({key[:2] for key in keys[0]} & {key[:2] for key in cells} for cells in keys[1:]):
            raise IncomparableError(
                "some folders hold scores of the sample, others of real data: " + "; ".join(notes),
                "Evaluate both on the same data: --data sample, or --data real.",
            )
        raise UsageError(
            "the folders have no task, split and encoder in common: " + "; ".join(notes),
            "`mlir-harness runs --output FOLDER` lists what a folder holds.",
        )
    tasks = []
    for _, found in sorted(pairs.items()):
        ordered = tuple(sorted(found, key=lambda pair: pair.names))
        retrieval = _retrieval(ordered[0].baseline, request, watcher)
        if retrieval is None:
            notes.append(
                f"{ordered[0].baseline.task}: queries are shown without their words, as its data "
                "is not here; --data-dir says where it is"
            )
        tasks.append(Matched(ordered, retrieval))
    return Found(tuple(tasks), (), tuple(notes))


def _short(folder: str) -> str:
    """A folder as it was written; of a single cell, the beginning of its name."""
    path = Path(folder)
    return path.resolve().name[:8] if (path / "manifest.json").is_file() else folder


def _cells(folder: Path) -> list[CellResult]:
    if (folder / "manifest.json").is_file():
        cell = read_cell(folder)
        if cell is None:
            raise UsageError(
                f"{plain(str(folder))} holds no scores that can be read",
                "Evaluate again, or name another folder.",
            )
        return [cell]
    return list(newest(folder))


def _retrieval(cell: CellResult, request: Request, watcher: Watcher) -> Retrieval | None:
    """The data of a stored cell, if it is still the same here."""
    asked = replace(request, encoders=(), tasks=(cell.task,), split=cell.split)
    watcher.start(f"loading {cell.task}", 0)
    try:
        loaded = prepare.load(*prepare.make(cell.task), asked, Silent())
    except HarnessError:
        return None  # values are compared all the same
    finally:
        watcher.stop()
    return loaded.retrieval if loaded.data == cell.fingerprints.get("data") else None


def with_texts(compared: Compared, retrieval: Retrieval | None) -> Compared:
    """The same with the words of the queries that changed most, where the data is at hand."""
    if retrieval is None:
        return compared
    wanted: dict[str, set[str]] = {}
    for each in compared.movers:
        wanted.setdefault(each.language, set()).add(each.query)
    texts = {
        (language, name): text
        for language, names in wanted.items()
        for name, text in _texts(retrieval, language, names)
    }
    movers = (
        replace(each, text=texts.get((each.language, each.query), "")) for each in compared.movers
    )
    return replace(compared, movers=tuple(movers))


def _texts(retrieval: Retrieval, language: str, names: set[str]) -> Iterable[tuple[str, str]]:
    collection = retrieval.queries[language]
    for place, name in enumerate(collection.ids):
        if name in names:
            yield name, collection.texts[place]
