"""What is known of one cell: checked once for a record and a task's data, then remembered.

An exposure, as results and JSON hold it, is an object with `verdict`: "zero-shot", "contaminated"
or "unknown"; `reason`, why it is unknown; `untrained`; and, where there is a record, `record`,
`trained`, `unseen`, `queries` and `documents` (see exposure.Side).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mlir_harness import files, fingerprint
from mlir_harness.contamination import exposure, record, record_file
from mlir_harness.errors import HarnessError, StoreError
from mlir_harness.loading import LoadedTask
from mlir_harness.protocols import UNTRAINED
from mlir_harness.request import Watcher
from mlir_harness.text import described

_VERSION = "1"  # raised when the same record and data may give something else
_HINT = "Free some space, or name another folder with --cache-dir."


def exposed(training: str, task: LoadedTask, cache: Path, watcher: Watcher) -> dict[str, Any]:
    """What a model was trained on of a task's data; never raises but for an interruption.

    Args:
        training: see EncoderInfo.training.
        task: its data.
        cache: folder of all that is remembered.
        watcher: told of progress, and why nothing is known if there is a record.
    """
    if training == UNTRAINED:
        return {"verdict": "zero-shot", "reason": "", "untrained": True}
    if not training:
        return _unknown("it has no record of its training texts")
    try:
        return _remembered(Path(training), task, cache, watcher)
    except HarnessError as error:
        reason = error.message
    except Exception as error:  # the scores are there all the same
        reason = described(error)
    watcher.note(f"What it was trained on is unknown: {reason}")
    return _unknown(reason)


def _unknown(reason: str) -> dict[str, Any]:
    return {"verdict": "unknown", "reason": reason, "untrained": False}


def _remembered(folder: Path, task: LoadedTask, cache: Path, watcher: Watcher) -> dict[str, Any]:
    used = [[role.value, each.language] for role, each in task.retrieval.collections()]
    key = fingerprint.of_json(
        "exposure",
        {
            "version": _VERSION,
            "record": record_file.describe(folder / record_file.NAME),
            "data": task.data,
            "used": used,
            "translated": sorted(task.info.translated),
            "parallel": task.info.parallel,
        },
    )
    path = cache / "exposure" / f"{key}.json"
    known = _read(path)
    if known is None:
        watcher.start(f"{task.choice.label} · looking for training texts", 0)
        try:
            known = _checked(folder, task)
        finally:
            watcher.stop()
        try:
            with files.locked("an exposure", path.with_suffix(".lock"), _HINT):
                files.replace_file(
                    path, json.dumps(known, ensure_ascii=False).encode("utf-8", "surrogatepass")
                )
        except (StoreError, OSError) as error:
            watcher.note(f"not remembered: {described(error)}")
    return known


def _read(path: Path) -> dict[str, Any] | None:
    try:
        known: Any = json.loads(path.read_text("utf-8", "surrogatepass"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and "verdict" in known else None


def _checked(folder: Path, task: LoadedTask) -> dict[str, Any]:
    found = exposure.check(
        record.load(folder),
        task.retrieval,
        translated=task.info.translated,
        parallel=task.info.parallel,
    )
    return {
        "verdict": "contaminated" if found.contaminated else "zero-shot",
        "reason": "",
        "untrained": False,
        "record": found.record,
        "trained": dict(found.trained),
        "unseen": list(found.unseen),
        "queries": found.queries.as_dict(),
        "documents": found.documents.as_dict(),
    }
