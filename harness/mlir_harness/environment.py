"""Machine and versions that made a result: recorded beside it, never part of its identity."""

from __future__ import annotations

import importlib.metadata
import os
import platform

_PACKAGES = ("mlir-harness", "numpy", "torch", "transformers", "sentence-transformers", "pyarrow")


def describe() -> dict[str, str]:
    """Versions and machine, as strings."""
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": str(os.cpu_count() or 1),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
