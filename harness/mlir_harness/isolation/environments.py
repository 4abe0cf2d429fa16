"""Environments of encoders that cannot live beside the harness: built once, kept, found again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlir_harness import files
from mlir_harness.errors import Unavailable
from mlir_harness.isolation import installer
from mlir_harness.protocols import Environment
from mlir_harness.request import Watcher
from mlir_harness.text import plain, size

# Raise this when environments that were built before will not do any more.
_FORMAT = 1
_FINISHED = "finished.json"
_SCRIPT = "environment.py"
_VENV = "venv-"  # followed by random digits: a killed build goes on in a folder nobody looks at
_VENV_NAME = re.compile(rf"{_VENV}[0-9a-f]{{8}}")
_PYTHON = re.compile(r"3\.(\d{1,3})(\.\d{1,3})?")
_OLDEST = 11  # of 3.x: the harness is imported in the environment too
_NEEDED = "numpy"  # by the harness, wherever it works
_HINT = "Free some space, or name another folder with --cache-dir."


@dataclass(frozen=True)
class _Place:
    """Where an environment is kept, and what is in it."""

    folder: Path
    requirements: tuple[str, ...]
    python: str

    @classmethod
    def of(cls, environment: Environment, cache: Path) -> _Place:
        requirements = tuple(sorted({*environment.requirements, _NEEDED}))
        machine = f"{sys.platform} {platform.machine()}"  # a home may be shared by several
        told = json.dumps([_FORMAT, machine, environment.python, requirements])
        key = hashlib.sha256(told.encode()).hexdigest()[:16]
        return cls(cache.absolute() / "environments" / key, requirements, environment.python)

    def __str__(self) -> str:
        named = [each for each in self.requirements if each != _NEEDED] or [_NEEDED]
        return f"{plain(', '.join(named))} (Python {plain(self.python)})"


def find(environment: Environment, cache: Path) -> Path | None:
    """The interpreter of a finished environment, None if there is none; quick, and no network."""
    return _finished(_Place.of(environment, cache))


def check(environment: Environment) -> None:
    """Whether it could be built, as far as that is known at once, without a network.

    Raises:
        Unavailable: uv is missing, or what is declared will not do.
    """
    requirements: object = environment.requirements
    if isinstance(requirements, str):
        raise Unavailable(
            f"the requirements of an environment are {plain(requirements)!r}, not a tuple of them",
            'Mend the environment that the encoder declares: requirements=("package==1.0",).',
        )
    for each in environment.requirements:
        if not each.strip():
            raise Unavailable(
                f"{plain(each)!r} is among the requirements of an environment: it names no package",
                'Mend the environment that the encoder declares: requirements=("package==1.0",).',
            )
    _check_python(environment.python)
    installer.find()


def lack() -> str:
    """The command without which no environment can be built here; "" if nothing is lacking."""
    try:
        installer.find()
    except Unavailable as error:
        return error.hint
    return ""


def build(environment: Environment, cache: Path, watcher: Watcher) -> Path:
    """The interpreter of an environment, which is built if it is not there; once, by one process.

    Args:
        environment: what it is to hold; numpy, which the harness needs, is added.
        cache: the cache folder; environments lie below it.
        watcher: told what is built and downloaded, and how long it took.

    Raises:
        Unavailable: uv is missing, or could not build it (the reason is uv's).
        StoreError: the cache folder cannot be written to.
    """
    place = _Place.of(environment, cache)
    if found := _finished(place):
        return found
    check(environment)
    uv = installer.find()

    def busy() -> None:
        watcher.note(f"waiting for another process, which builds the environment of {place}")

    lock = place.folder.with_suffix(".lock")
    with files.locked("environments", lock, _HINT, busy):
        python = _finished(place) or _built(place, uv, watcher)
        # Only now that nothing is left to do: who waits would hold this one, who comes another.
        with suppress(OSError):
            lock.unlink()
        return python


def _finished(place: _Place) -> Path | None:
    try:
        held = json.loads((place.folder / _FINISHED).read_bytes())
        name = str(held["venv"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    python = installer.interpreter(place.folder / name)
    # The Python that it was made with may have been removed since.
    return python if _VENV_NAME.fullmatch(name) and python.exists() else None


def _check_python(python: str) -> None:
    version = _PYTHON.fullmatch(python)
    if version is None:
        raise Unavailable(
            f"{plain(python)!r} is not the version of a Python",
            'Mend the environment that the encoder declares: python="3.11".',
        )
    if int(version[1]) < _OLDEST:
        raise Unavailable(
            f"an environment with Python {python} will not do: mlir-harness, which works "
            f"in it too, needs 3.{_OLDEST} or later",
            'Mend the environment that the encoder declares: python="3.11".',
        )


def _built(place: _Place, uv: Path, watcher: Watcher) -> Path:
    """Build it; the caller holds the lock. `finished.json` comes last and names the folder."""
    start = time.monotonic()
    watcher.note(f"building the environment of {place}; this is done once")
    with files.writing("environments", place.folder, _HINT):
        shutil.rmtree(place.folder, ignore_errors=True)  # what a killed process left
        place.folder.mkdir(parents=True, exist_ok=True)
        script = place.folder / _SCRIPT
        script.write_text(_metadata(place), "utf-8", "replace")
    venv = place.folder / f"{_VENV}{secrets.token_hex(4)}"
    watcher.start(f"environment of {place}", 0)
    try:
        installer.install(uv, script, place.python, venv, watcher.note)
        seconds, taken = time.monotonic() - start, _size(venv)
        record = {
            "format": _FORMAT,
            "venv": venv.name,
            "python": place.python,
            "requirements": place.requirements,
            "packages": installer.packages(uv, venv),
            "seconds": round(seconds, 1),
            "bytes": taken,
        }
        with files.writing("environments", place.folder, _HINT):
            files.replace_file(place.folder / _FINISHED, json.dumps(record, indent=1).encode())
    except BaseException as error:
        shutil.rmtree(place.folder, ignore_errors=True)
        if isinstance(error, Unavailable):
            raise Unavailable(
                f"the environment of {place} cannot be built: {error.message}", error.hint
            ) from error
        raise
    finally:
        watcher.stop()
    watcher.note(f"environment of {place} built in {seconds:.0f} s: {size(taken)}")
    return installer.interpreter(venv)


def _metadata(place: _Place) -> str:
    """The environment as inline script metadata (PEP 723), which other tools read as well."""
    exact = place.python.count(".") > 1
    quoted = [json.dumps(each, ensure_ascii=False) for each in place.requirements]  # as TOML does
    lines = [
        "# /// script",
        f'# requires-python = "=={place.python}{"" if exact else ".*"}"',
        "# dependencies = [",
        *(f"#   {each}," for each in quoted),
        "# ]",
        "# ///",
    ]
    return "\n".join(lines) + "\n"


def _size(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(
        os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118  tens of thousands of files
        for where, _, names in os.walk(folder)
        for name in names
    )
