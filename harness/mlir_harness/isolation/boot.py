"""Starts a worker, by any interpreter: `python boot.py SETTINGS`. Standard library alone.

It is run as a file: an interpreter of another environment does not know the harness yet, and is
shown those of the host's packages that it may import, and no other.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_SCORE = "/proc/self/oom_score_adj"
_RATHER = "500"  # of 1000


class HostPackages(MetaPathFinder):
    """Finds some top-level packages or modules of the host; their parts follow from them."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def find_spec(
        self, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """The spec of a package in `files`, None for any other."""
        del path, target
        file = self._files.get(fullname)
        if file is None:
            return None
        folder = [str(Path(file).parent)] if Path(file).name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, file, submodule_search_locations=folder
        )


def _leave_with(parent: int) -> None:
    """Be killed when the harness ends, however it ends (Linux)."""
    with suppress(ImportError, AttributeError, OSError):
        import ctypes

        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it was quicker


def _before(file: str) -> None:
    """Be the one that is killed if memory runs out, rather than the harness (Linux)."""
    with suppress(OSError):
        Path(file).write_text(_RATHER)


def main(settings: str) -> None:
    """Prepare this interpreter and go to work.

    Args:
        settings: JSON: "parent", the harness's process; "fds", the two ends of the channel;
            "packages", files of host packages by name; "path", the host's sys.path, or None.
    """
    held = json.loads(settings)
    _leave_with(held["parent"])
    _before(_SCORE)
    for fd in held["fds"]:
        os.set_inheritable(fd, False)  # what the encoder starts does not speak for it
    for stream in (sys.stdout, sys.stderr):
        # What is said right before a crash is not lost, and no character is refused.
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    if held["path"] is not None:
        sys.path[:] = held["path"]
    sys.meta_path.insert(0, HostPackages(held["packages"]))
    importlib.import_module("mlir_harness.isolation.worker").main(*held["fds"])


if __name__ == "__main__":  # not so where a plugin's child process imports this file
    main(sys.argv[1])
