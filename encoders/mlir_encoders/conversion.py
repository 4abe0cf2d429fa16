"""Weights that were saved as pickles become safetensors, once, in a process of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlir_encoders.model_folder import ModelFolder
from mlir_harness.errors import Unavailable

RECORD = "converted.json"
_SCHEMA = 1
_PICKLE, _SAFE = "pytorch_model.bin", "model.safetensors"
_WORKER = Path(__file__).with_name("unpickling.py")


@dataclass(frozen=True)
class Converted:
    """One file of weights, and what it was before.

    Attributes:
        pickle, safetensors: paths below the model's folder.
        pickle_sha256, sha256: of the two.
        tensors: how many there are.
        versions: of torch and safetensors, which did it.
    """

    pickle: str
    safetensors: str
    pickle_sha256: str
    sha256: str
    tensors: int
    versions: Mapping[str, str]


def convert(folder: Path) -> list[Converted]:
    """Write safetensors beside each pickle in a model's folder that has none beside it.

    The pickles stay. What was done is recorded in `converted.json`, with hashes. Where two
    processes try at once, one does it.

    Args:
        folder: of a model, with a module's weights in each of its folders perhaps.

    Returns:
        What was converted; nothing if there was nothing to do.

    Raises:
        Unavailable: a pickle holds more than tensors, or is damaged, or the folder cannot be
            written.
    """
    with _writing(folder), FileLock(folder / ".convert.lock"):
        model = ModelFolder(folder, str(folder)).contents
        names = [model.name(pickle) for pickle in model.pickles]
        _check_kinds(folder, names)
        done = []
        for name in names:
            done.append(_convert(folder, name))
            _note(folder, done[-1])  # at once: what is converted is not looked at again
    return done


def convert_into(folder: Path, output: Path) -> list[Converted]:
    """Copy a model to `output`, with safetensors in the place of pickles.

    Args:
        folder: is only read.
        output: must not exist, or be empty; appears when all is done.

    Raises:
        Unavailable: see `convert`.
    """
    with _writing(output.parent):
        output.parent.mkdir(parents=True, exist_ok=True)
        # Of two at once, neither touches what the other writes.
        with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as private:
            beside = Path(private, output.name)  # inside: only `private` is closed to others
            contents = ModelFolder(folder, str(folder)).contents
            for file in contents.files:
                target = beside / contents.name(file)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
            done = convert(beside)
            for each in done:
                (beside / each.pickle).unlink()
            (beside / ".convert.lock").unlink(missing_ok=True)
            beside.replace(output)
    return done


def _check_kinds(folder: Path, names: Sequence[str]) -> None:
    """Raise `Unavailable` if one cannot be converted, before time is spent on the others."""
    for name in names:
        if (folder / name).name != _PICKLE:
            raise Unavailable(
                f"{name} in {folder} is a pickle of unknown kind; only {_PICKLE} is converted",
                f"get the model as safetensors; if {name} is not part of it, move it away",
            )


def _convert(folder: Path, name: str) -> Converted:
    pickle = folder / name
    target = pickle.with_name(_SAFE)
    temporary = pickle.with_name(f".{_SAFE}.tmp")
    try:
        answer = _run(pickle, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return Converted(
        name,
        target.relative_to(folder).as_posix(),
        answer["pickle_sha256"],
        answer["sha256"],
        answer["tensors"],
        {package: answer[package] for package in ("torch", "safetensors")},
    )


def _run(pickle: Path, target: Path) -> dict[str, Any]:
    """What the worker answers; -P keeps this folder, and where we are, off its path."""
    done = subprocess.run(  # noqa: S603  a program of ours
        [sys.executable, "-P", str(_WORKER), str(pickle), str(target)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise Unavailable(*_died(pickle, done.returncode, done.stderr)) from error
    if "error" in answer:
        raise Unavailable(*_explained(pickle, answer["kind"], answer["error"]))
    return answer


def _died(pickle: Path, code: int, said: str) -> tuple[str, str]:
    if code < 0:
        name = signal.Signals(-code).name
        size = pickle.stat().st_size / 1e9
        return (
            f"the process that read {pickle} was ended by {name}",
            f"it needs memory for the weights ({size:.1f} GB) once or twice; free some",
        )
    last = (said.strip() or "no reason was given").splitlines()[-1]
    return f"{pickle} could not be read: {last}", "torch and safetensors must be installed"


def _explained(pickle: Path, kind: str, error: str) -> tuple[str, str]:
    return {
        "old": (
            f"torch {error} may run code that is in a pickle (CVE-2025-32434), so {pickle} was not "
            "read",
            "pip install 'torch>=2.6'",
        ),
        "unsafe": (
            f"{pickle} is more than weights: reading it would use {error}. Nothing of it was run",
            "do not use this file; ask for safetensors where it comes from",
        ),
        "damaged": (
            f"{pickle} is damaged, or no weights of torch: {error}",
            "get it again where it comes from",
        ),
        "odd": (
            f"{pickle} is no table of tensors: {error}",
            "save the model's state_dict() as safetensors",
        ),
        "disk": (f"{_SAFE} cannot be written beside {pickle}: {error}", "free some space"),
    }[kind]


def _note(folder: Path, done: Converted) -> None:
    """Add to the record of the folder."""
    record = folder / RECORD
    try:
        known = json.loads(record.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    known[done.safetensors] = {
        "from": done.pickle,
        "pickle_sha256": done.pickle_sha256,
        "sha256": done.sha256,
        "tensors": done.tensors,
        **done.versions,
    }
    temporary = record.with_name(f".{RECORD}.tmp")
    temporary.write_text(f"{json.dumps({'schema': _SCHEMA, 'files': known}, indent=1)}\n", "utf-8")
    temporary.replace(record)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"cannot convert in {folder}: {error.strerror or error}",
            "mlir-harness convert FOLDER -o OTHER writes to another folder",
        ) from error
