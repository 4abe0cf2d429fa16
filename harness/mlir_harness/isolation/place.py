"""Where a worker runs: which interpreter, and what it finds of the host."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

from mlir_harness.errors import Unavailable
from mlir_harness.registry import Plugin
from mlir_harness.text import plain

_OWN = "mlir_harness"


@dataclass(frozen=True)
class Place:
    """An interpreter and its surroundings.

    Attributes:
        python: the interpreter.
        packages: files of the host's packages that it may import, by name.
        path: its sys.path; None to leave it as it is.
        folder: the working directory.
    """

    python: Path
    packages: Mapping[str, str]
    path: Sequence[str] | None
    folder: str

    def command(self, reads: int, writes: int) -> list[str]:
        """What starts a worker there, which reads and writes these file descriptors."""
        settings = {
            "parent": os.getpid(),
            "fds": [reads, writes],
            "packages": dict(self.packages),
            "path": None if self.path is None else list(self.path),
        }
        # -I: neither PYTHONPATH nor the user's own packages are meant for another environment.
        # -P: the folder of the file that is run is no place to import from.
        flag = "-I" if self.path is None else "-P"
        boot = str(Path(__file__).with_name("boot.py"))
        return [str(self.python), flag, boot, json.dumps(settings)]


def own(plugin: Plugin) -> Place:
    """This interpreter, with the same packages, in the same folder.

    Raises:
        Unavailable: the plugin is part of a running program, or there is no interpreter to start.
    """
    if os.name != "posix":
        raise Unavailable("isolated encoders need Linux or macOS", "Leave out --isolate.")
    if plugin.value.startswith("__main__:"):
        raise Unavailable(
            f"{plain(plugin.name)} is defined in the program that is running, where no other "
            "process finds it",
            "Move it into a module of its own: py:MODULE:ATTRIBUTE.",
        )
    if not sys.executable:
        raise Unavailable("it is not known which Python this is", "Leave out --isolate.")
    return Place(Path(sys.executable), {}, [*sys.path], _here())


def foreign(python: Path, plugin: Plugin) -> Place:
    """Another environment's interpreter, with the harness and the plugin's package of this one.

    Args:
        python: the interpreter.
        plugin: whose top-level package is lent. Nothing is imported to find it.

    Raises:
        Unavailable: the plugin's module is not found here.
    """
    if os.name != "posix":
        raise Unavailable("isolated encoders need Linux or macOS", "Use one of these.")
    files = {}
    for name in (_OWN, plugin.value.partition(":")[0].strip().partition(".")[0]):
        spec = _spec(name)
        if spec is None or not spec.origin or not Path(spec.origin).is_file():
            raise Unavailable(
                f"{plugin.kind.value} {plain(plugin.name)}: there is no package {plain(name)} "
                "that could be shown to another interpreter",
                "It must be a folder with __init__.py, or a module in a file.",
            )
        files[name] = spec.origin
    return Place(python, files, None, _here())


def _spec(name: str) -> ModuleSpec | None:
    """Where an import of a top-level name would find it."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            return spec
    return None


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "/"  # somebody deleted it
