"""Files that are whole or absent: atomic writes, locks, room on the disk, and where they lie."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlir_harness.errors import StoreError
from mlir_harness.text import plain, size

if TYPE_CHECKING:
    from filelock import BaseFileLock

_TEMPORARY = ".tmp-"
_TRIES = 100  # to hold a lock whose folder others remove; each stands for one of them


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
    """A name beside `path` for what is not finished yet.

    Always the same one: only the holder of the lock on `path` writes, and what a killed
    process left there is overwritten by the next.
    """
    return path.with_name(f"{_TEMPORARY}{path.name}")


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all; the caller holds a lock on it."""
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
    """Delete what a killed process left unfinished in `folder`; the caller holds its lock."""
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextmanager
def locked(
    what: str, path: Path, hint: str, busy: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold the lock file `path`; freed by the operating system if the process dies.

    Args:
        what, hint: for the message if the lock cannot be made.
        path: the lock file; its folder is made too.
        busy: called once if another process holds it, before waiting.

    Raises:
        StoreError: the folder cannot be made or written to.
    """
    with writing(what, path.parent, hint):
        lock = _acquired(path, busy)
    try:
        yield
    finally:
        lock.release()


def _acquired(path: Path, busy: Callable[[], None] | None) -> BaseFileLock:
    """The lock, held; made anew where who held it before removed it with its folder."""
    from filelock import FileLock, Timeout

    told = False
    for left in reversed(range(_TRIES)):
        lock = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                if busy and not told:
                    busy()
                told = True
                lock.acquire()
        except (FileNotFoundError, FileExistsError):  # the folder went while we looked at it
            if not left:
                raise
            continue
        if path.exists():
            return lock
        lock.release()  # it is the lock of nothing: another process would make another
    raise FileNotFoundError(errno.ENOENT, "it is removed again and again")


def check_room(needed: int, folder: Path, what: str, hint: str) -> None:
    """Raise StoreError if the disk that holds `folder` has not `needed` bytes free.

    Args:
        needed: bytes.
        folder: need not exist yet.
        what, hint: for the message.
    """
    free = shutil.disk_usage(_existing(folder)).free
    if needed > free:
        raise StoreError(
            f"no room for {what}: it takes {size(needed)} more, and {plain(str(folder))} has "
            f"{size(free)} free",
            hint,
        )


def disk(folder: Path) -> int:
    """A number for the disk that holds `folder`, which need not exist yet."""
    return _existing(folder).stat().st_dev


def _existing(folder: Path) -> Path:
    absolute = folder.absolute()
    return next(path for path in (absolute, *absolute.parents) if path.exists())


def cache_folder() -> Path:
    """Where vectors are kept: MLIR_HARNESS_CACHE, else the user's cache folder."""
    given = os.environ.get("MLIR_HARNESS_CACHE")
    if given:
        return expanded(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # unset, or a relative path, which its specification ignores
        cache = expanded("~/.cache")
    return cache / "mlir-harness"


def checkpoint_folder() -> Path:
    """Where trained encoders are kept: MLIR_HARNESS_CHECKPOINTS, else `checkpoints` right here."""
    return expanded(os.environ.get("MLIR_HARNESS_CHECKPOINTS") or "checkpoints")


def expanded(path: str | Path) -> Path:
    """`path` with the user's home for ~, where there is such a user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
