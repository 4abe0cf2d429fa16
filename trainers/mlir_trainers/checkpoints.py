"""Folders of trained encoders, and of trainings that are not done."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def last(work: Path) -> Path | None:
    """The newest checkpoint that was written to its end; what was not is deleted.

    trainer_state.json is the last file of a checkpoint.
    """
    found = sorted(work.glob("checkpoint-*"), key=_step, reverse=True)
    for folder in found:
        try:
            json.loads((folder / "trainer_state.json").read_text("utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        return folder
    return None


def failed_to_write(error: BaseException) -> bool:
    """Whether an error of a training is of the disk: safetensors and torch have their own words."""
    words = ("PytorchStreamWriter", "unexpected pos", "I/O error", "No space", "File too large")
    return isinstance(error, OSError) or any(each in str(error) for each in words)


def _step(folder: Path) -> int:
    number = folder.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1
