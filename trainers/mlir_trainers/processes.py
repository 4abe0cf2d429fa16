"""Processes that train together: how many there are, and which one writes."""

from __future__ import annotations

import os


def count() -> int:
    """How many train together, as torchrun says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Whether this process is the one that writes."""
    return os.environ.get("RANK", "0") == "0"
