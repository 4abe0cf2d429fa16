"""Tasks and runs in the files of other tools: FOLDER/<task>/<setting>/…, and an index of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mlir_harness.errors import StoreError
from mlir_harness.exporting import beir, streams, toplists, trec
from mlir_harness.exporting.export_folder import INDEX, Folder, check, opened
from mlir_harness.exporting.toplists import Lists
from mlir_harness.loading import LoadedTask
from mlir_harness.request import Watcher
from mlir_harness.results import CellResult
from mlir_harness.text import folder_names, plain
from mlir_harness.types import Role, Setting

__all__ = ["INDEX", "Layout", "check", "write"]

Layout: TypeAlias = Literal["trec", "beir"]


def write(
    root: Path,
    layout: Layout,
    tasks: Sequence[LoadedTask],
    encoders: Sequence[str],
    cells: Iterable[CellResult],
    watcher: Watcher,
    *,
    force: bool = False,
) -> list[CellResult]:
    """Write tasks, and the run of every cell as it comes.

    Args:
        root: the folder; it takes the place of an earlier export.
        layout: whose files.
        tasks: what to write queries, judgements and documents of.
        encoders: labels of all cells.
        cells: of these tasks; lists are read from where they are stored.
        watcher: told of progress.
        force: see `check`.

    Returns:
        The cells; one that has no run in the export says why.

    Raises:
        UsageError: see `check`.
        StoreError: a file cannot be written.
        DataError: ids cannot be told apart in UTF-8.
    """
    places = folder_names([task.choice.label for task in tasks], taken=[INDEX])
    exports = [_Task(layout, task, places[task.choice.label]) for task in tasks]
    runs = folder_names(encoders)
    planned = [name for each in exports for name in each.planned(list(runs.values()))]
    by_label = {task.choice.label: export for task, export in zip(tasks, exports, strict=True)}
    with opened(root, layout, planned, force=force) as folder:
        for each in exports:
            each.write(folder, watcher)
        done = [
            by_label[cell.task].write_runs(folder, cell, runs[cell.encoder], watcher)
            if cell.status == "ok"
            else cell
            for cell in cells
        ]
        folder.finish({"tasks": [each.entry for each in exports]})
    return done


class _Task:
    """One task of an export, and its entry in the index."""

    def __init__(self, layout: Layout, task: LoadedTask, place: str) -> None:
        self._layout = layout
        self._task = task
        settings = task.retrieval.settings
        names = folder_names([setting.id for setting in settings])
        self._places = {id_: f"{place}/{name}" for id_, name in names.items()}
        self._entries = {each.id: _described(each, self._places[each.id]) for each in settings}
        self.entry: dict[str, Any] = {
            "task": task.choice.label,
            "folder": place,
            "split": task.split,
            "sample": task.retrieval.provenance.sample,
            "provenance": asdict(task.retrieval.provenance),
            "fingerprints": {"data": task.data, "protocol": task.protocol},
            "measures": [str(measure) for measure in task.scoring.measures],
            "ties": task.scoring.ties,
            "gain": task.scoring.gain,
            "settings": list(self._entries.values()),
        }

    def planned(self, runs: Sequence[str]) -> Iterator[str]:
        """The names of all its files, if `runs` are the names of all encoders."""
        for setting in self._task.retrieval.settings:
            place = self._places[setting.id]
            yield from (f"{place}/{name}" for name, _ in self._texts(setting))
            yield f"{place}/{self._qrels}"
            yield from (f"{place}/run.{run}.txt" for run in runs)

    def write(self, folder: Folder, watcher: Watcher) -> None:
        """Write everything but the runs."""
        retrieval = self._task.retrieval
        for role, collection in retrieval.collections():
            kind = "query" if role is Role.QUERY else "document"
            task = plain(self._task.choice.label)
            where = f"task {task}, {kind} collection {plain(collection.language)}"
            streams.check_names(collection.ids, where)
        watcher.start(f"writing {self._task.choice.label}", len(retrieval.settings))
        shared: dict[Hashable, str] = {}
        for setting in retrieval.settings:
            place = self._places[setting.id]
            for name, lines in self._texts(setting):
                path = f"{place}/{name}"
                same = shared.setdefault((name, _content(name, setting)), path)
                if same == path:
                    folder.write(path, lines)
                else:
                    folder.share(path, same)
            judged = _Counted(streams.judged(retrieval, setting))
            write_lines = trec.qrels if self._layout == "trec" else beir.qrels
            folder.write(f"{place}/{self._qrels}", write_lines(judged))
            total = len(retrieval.queries[setting.query_language])
            self._entries[setting.id] |= {
                "queries": judged.queries,
                "unanswerable": total - judged.queries,
                "documents": retrieval.pool_size(setting),
                "judgements": judged.judgements,
                "qrels": self._qrels,
                "runs": [],
            }
            watcher.texts(1, 0)
        watcher.stop()

    def write_runs(
        self, folder: Folder, cell: CellResult, run: str, watcher: Watcher
    ) -> CellResult:
        """Write the cell's run of every setting; if one cannot be read, none belongs to it."""
        if cell.folder is None:
            return replace(cell, status="error")  # it was computed, and could not be stored
        watcher.start(f"writing {cell.encoder} · {cell.task}", len(cell.settings))
        names = {id_: f"{place}/run.{run}.txt" for id_, place in self._places.items()}
        try:
            for setting, lists in groupby(toplists.read(cell, self._depth), _setting):
                folder.write(names[setting], _run(lists, run))
                watcher.texts(1, 0)
        except StoreError as error:
            folder.kept.difference_update(names.values())
            return replace(cell, status="error", reason=error.message, hint=error.hint)
        finally:
            watcher.stop()
        for row in cell.settings:
            self._entries[row.id]["runs"].append(
                {
                    "encoder": cell.encoder,
                    "fingerprint": cell.fingerprints["encoder"],
                    "file": f"run.{run}.txt",
                    "depth": min(self._depth, row.documents),
                    "means": {name: row.measures[name] for name in self.entry["measures"]},
                }
            )
        return cell

    @property
    def _depth(self) -> int:
        return self._task.scoring.depth

    @property
    def _qrels(self) -> str:
        if self._layout == "trec":
            return "qrels.txt"
        (name,) = folder_names([self._task.split]).values()
        return f"qrels/{name}.tsv"

    def _texts(self, setting: Setting) -> tuple[tuple[str, Iterator[str]], ...]:
        """Names and lines of the files of a setting that hold texts."""
        retrieval = self._task.retrieval
        if self._layout == "trec":
            return (("topics.tsv", trec.topics(streams.queries(retrieval, setting))),)
        return (
            ("corpus.jsonl", beir.corpus(streams.pool(retrieval, setting))),
            ("queries.jsonl", beir.queries(streams.queries(retrieval, setting))),
        )


def _described(setting: Setting, place: str) -> dict[str, Any]:
    """What the index says of a setting before anything is written."""
    return {
        "setting": setting.id,
        "folder": place,
        "kind": setting.kind.value,
        "variant": setting.variant,
        "query_language": setting.query_language,
        "document_languages": list(setting.document_languages),
    }


def _content(name: str, setting: Setting) -> Hashable:
    """Equal for settings whose file `name` has equal texts."""
    if name != "corpus.jsonl":
        return setting.query_language
    return tuple(
        (part.language, None if part.rows is None else part.rows.tobytes()) for part in setting.pool
    )


class _Counted:
    """Judged queries, counted as they go by."""

    def __init__(self, judged: Iterable[tuple[str, list[tuple[str, int]]]]) -> None:
        self._judged = judged
        self.queries = 0
        self.judgements = 0

    def __iter__(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        for query, documents in self._judged:
            self.queries += 1
            self.judgements += len(documents)
            yield query, documents


def _setting(lists: Lists) -> str:
    return lists.setting.id


def _run(blocks: Iterable[Lists], tag: str) -> Iterator[str]:
    """The lines of one setting's run."""
    for lists in blocks:
        several = len(lists.setting.document_languages) > 1
        names = [
            [
                streams.name(language, document, several=several)
                for language, document in zip(*pair, strict=True)
            ]
            for pair in zip(lists.languages, lists.documents, strict=True)
        ]
        yield from trec.run(lists.queries, names, lists.scores, tag)
