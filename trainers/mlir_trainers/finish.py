"""The folder of a trained encoder: written whole or not at all."""

from __future__ import annotations

import json
import platform
import shutil
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlir_harness import files
from mlir_trainers import toml
from mlir_trainers.card import card
from mlir_trainers.training import Job, Outcome

_HINT = "Free some space and run the same command again: only this is left to do."


def finish(job: Job, outcome: Outcome, record: Path, exposed: Sequence[str], folder: Path) -> None:
    """Put weights, recipe, curves, batches, record and model card into `folder`.

    What was there is replaced.

    Args:
        job, outcome: what was trained.
        record: file with the fingerprints of the training texts.
        exposed: tasks whose data is among them, in words.
        folder: of the encoder.

    Raises:
        StoreError: disk full, folder read-only ...
    """
    unfinished = files.temporary(folder)
    log = job.work / "batches.jsonl"
    with files.writing("the trained encoder", folder, _HINT):
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            outcome.model.save_pretrained(str(unfinished), create_model_card=False)
            shutil.copy(record, unfinished / record.name)
            if log.is_file():
                shutil.copy(log, unfinished / log.name)
            text = toml.dumps(job.recipe.as_dict())
            (unfinished / "recipe.toml").write_text(text, "utf-8")
            about = json.dumps(_about(job, outcome, exposed), indent=1, ensure_ascii=False)
            (unfinished / "training.json").write_text(about + "\n", "utf-8")
            shown = card(job.recipe, job.train, job.validation, outcome, _kinds(log), exposed)
            (unfinished / "README.md").write_text(shown, "utf-8")
            _replace(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _replace(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`; the old one goes once the new one is there."""
    old = folder.with_name(f".old-{folder.name}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _about(job: Job, outcome: Outcome, exposed: Sequence[str]) -> dict[str, Any]:
    packages = ("mlir-harness", "torch", "transformers", "sentence-transformers", "tokenizers")
    return {
        "schema": 1,
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "data": {"train": job.train.fingerprint, "validation": job.validation.fingerprint},
        "languages": list(job.train.languages),
        "contaminated": list(exposed),
        "environment": {
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
        "curve": list(outcome.curve),
    }


def _kinds(log: Path) -> Counter[str]:
    if not log.is_file():
        return Counter()
    with log.open(encoding="utf-8") as lines:
        return Counter(json.loads(line)["kind"] for line in lines)
