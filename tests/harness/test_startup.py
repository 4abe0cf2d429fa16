"""Asking for help or a list costs no heavy import."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Desk

_HEAVY = (
    "numpy",
    "scipy",
    "pyarrow",
    "torch",
    "datasets",
    "pandas",
    "rich",
    "transformers",
    "huggingface_hub",
)
_PROGRAM = """
import sys
from mlir_harness.cli import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["export", "--help"],
        ["fetch", "--help"],
        ["convert", "--help"],
        ["doctor", "--help"],
        ["new", "--help"],
        ["check", "--help"],
        ["baseline", "create", "--help"],
        ["data", "verify", "--help"],
        ["data", "describe", "--help"],
        ["list", "encoders"],
        ["list", "tasks", "--json"],
        ["list", "references"],
    ],
    ids=" ".join,
)
def test_help_and_lists_import_nothing_heavy(tmp_path: Path, command: list[str]) -> None:
    process = Desk(tmp_path).start(*command, program=("-c", _PROGRAM))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out
    assert not set(_HEAVY) & set(err.split())


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    program = "import sys, mlir_harness; print(*sys.modules)"
    process = Desk(tmp_path).start(program=("-c", program))
    out, _ = process.communicate(timeout=60)
    assert not set(_HEAVY) & {name.partition(".")[0] for name in out.split()}
