"""Runs the command line as a user would: in a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lareqa_files import write_lareqa

_TESTS = Path(__file__).resolve().parent
PLUGINS = "py:plugins_for_tests"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one object on standard output; NaN is no JSON."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} in JSON")

        return json.loads(self.out, parse_constant=refuse)

    def cells(self) -> dict[str, Any]:
        return {cell["encoder"]: cell for cell in self.json()["cells"]}


@dataclass(frozen=True)
class Desk:
    """A folder to run commands in, with a small data set in it."""

    root: Path
    env: Mapping[str, str] = field(default_factory=dict)
    languages: Sequence[str] = ("de", "en", "hi")

    @classmethod
    def at(cls, root: Path, languages: Sequence[str] = ("de", "en", "hi"), **env: str) -> Desk:
        write_lareqa(root / "data", languages)
        return cls(root, env, languages)

    def command(self, *encoders: str, more: Sequence[str] = ()) -> list[str]:
        """A run of encoders on the small data set; relative paths, as people write them."""
        folders = ["--data-dir", "data", "--output", "out", "--cache-dir", "cache"]
        what = ["--tasks", "xquad-r"]
        if "--languages" not in more:
            what += ["--languages", ",".join(self.languages)]
        named = [part for encoder in encoders for part in ("--encoders", encoder)]
        return ["run", *named, *what, *folders, *more]

    def run(self, *encoders: str, more: Sequence[str] = (), **env: str) -> Done:
        return self.do(*self.command(*encoders, more=more), **env)

    def do(self, *arguments: str, **env: str) -> Done:
        process = self.start(*arguments, **env)
        out, err = process.communicate(timeout=400)
        return Done(process.returncode, out, err)

    def start(
        self, *arguments: str, program: Sequence[str] = ("-m", "mlir_harness"), **env: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.root,
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            # A session in the background ignores Ctrl-C, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def environment(self, **env: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLIR_HARNESS_", "XDG_", "COV_", "COLUMNS"))
        }
        given = {**self.env, **env}
        path = os.pathsep.join(filter(None, [str(_TESTS), given.pop("PYTHONPATH", "")]))
        return inherited | {"PYTHONPATH": path, "HOME": str(self.root)} | given

    def calls(self) -> list[tuple[str, str, list[str]]]:
        """What encoders of plugins_for_tests were asked, if TEST_CALLS named `calls`."""
        file = self.root / "calls"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]  # one may be under way

    def files(self, folder: str, pattern: str = "*") -> list[Path]:
        return sorted(path for path in (self.root / folder).rglob(pattern) if path.is_file())

    def leftovers(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if ".tmp" in path.name]


def check_golden(name: str, text: str) -> None:
    """`text` is what the golden file holds; UPDATE_GOLDEN=1 writes it anew."""
    file = _TESTS / "golden" / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    if not file.exists():
        pytest.fail(f"no golden file {name}; UPDATE_GOLDEN=1 writes it")
    assert text == file.read_text(encoding="utf-8")
