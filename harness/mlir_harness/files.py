"""Files that are whole or absent: atomic writes, locks, and messages for full disks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from mlir_harness.errors import StoreError

_TEMPORARY = ".tmp-"
_STALE = 24 * 3600.0  # seconds after which a temporary file has lost its writer


@contextmanager
def writing(what: str, path: Path, hint: str) -> Iterator[None]:
    """Turn the operating system's refusals into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write {what} to {path}: {error.strerror or error}", hint
        ) from error


def temporary(path: Path) -> Path:
    """A name beside `path` for what is not finished yet."""
    return path.with_name(f"{_TEMPORARY}{uuid4().hex}")


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = temporary(path)
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Delete what writers that died left behind in `folder`."""
    import shutil

    for leftover in folder.glob(f"{_TEMPORARY}*"):
        try:
            if time.time() - leftover.stat().st_mtime > _STALE:
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # another process swept it


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; freed by the operating system if the process dies."""
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def cache_folder() -> Path:
    """Where vectors and data are kept: MLIR_HARNESS_CACHE, else the user's cache folder."""
    given = os.environ.get("MLIR_HARNESS_CACHE")
    if given:
        return Path(given).expanduser()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mlir-harness"
