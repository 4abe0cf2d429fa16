"""How fast each encoder last was on this machine, for the time a plan expects."""

from __future__ import annotations

import json
from pathlib import Path

from mlir_harness import files
from mlir_harness.errors import StoreError

_SPEEDS = "speeds.json"  # encoder fingerprint -> characters per second


def known(cache: Path) -> dict[str, float]:
    """Characters per second by encoder fingerprint; {} if none or unreadable."""
    try:
        held = json.loads((cache / _SPEEDS).read_text())
        return {str(name): float(speed) for name, speed in held.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def remember(cache: Path, encoder: str, characters: int, seconds: float) -> None:
    """Keep an encoder's speed for the next plan; of no consequence if it cannot be written."""
    if seconds <= 0 or characters < 1:
        return
    try:
        with files.locked("speeds", cache / f"{_SPEEDS}.lock", ""):
            held = known(cache) | {encoder: characters / seconds}
            files.replace_file(cache / _SPEEDS, json.dumps(held).encode())
    except (OSError, StoreError):
        return
