"""What this machine has that encoders and tasks need: torch, a GPU, uv, room, a network."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

from mlir_harness.environment import processors
from mlir_harness.errors import Unavailable
from mlir_harness.isolation import installer
from mlir_harness.text import plain, size

_HUB = ("huggingface.co", 443)
_SECONDS = 3.0  # for the hub to answer
_TORCH = """
import torch
name = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
print(name or ("Apple GPU (mps)" if torch.backends.mps.is_available() else "no GPU"))
"""


def facts(cache: Path, checkpoints: Path) -> dict[str, str]:
    """What there is, by name, in words.

    Args:
        cache: the folder of vectors and fetched files.
        checkpoints: the folder of trained encoders.
    """
    return {
        "python": f"{platform.python_version()} ({sys.executable})",
        "machine": f"{platform.system()} {platform.machine()}, {_processors()}",
        "torch": _torch(),
        "uv": _uv(),
        "cache": _cache(cache),
        "checkpoints": f"{checkpoints}{'' if checkpoints.is_dir() else ', not there'}",
        "network": _network(),
    }


def _processors() -> str:
    count = processors()
    return f"{count} processor{'' if count == 1 else 's'}"


def _torch() -> str:
    """Version and device; torch takes seconds to import, and may fail at it: elsewhere."""
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "not installed: pip install torch"
    if version.endswith("+cpu"):
        return f"{version}: a build that uses no GPU"
    try:
        done = subprocess.run(  # noqa: S603  our own words
            [sys.executable, "-P", "-c", _TORCH],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        return f"{version}, which does not start: {plain(str(error), 80)}"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return f"{version}, which cannot be imported: {plain(last, 120)}"
    return f"{version}, {plain(done.stdout.strip(), 80)}"


def _uv() -> str:
    """For encoders with environments of their own."""
    try:
        found = str(installer.find())
    except Unavailable as error:
        return f"not found: encoders with environments of their own need it ({error.hint})"
    try:
        done = subprocess.run(  # noqa: S603
            [found, "--version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        return f"{found}, which does not start: {plain(str(error), 80)}"
    return f"{plain(done.stdout.strip().removeprefix('uv '), 60)} ({found})"


def _cache(folder: Path) -> str:
    """Where it is, what it holds, and what is free; sizes as the files have them."""
    held = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                held += (Path(parent) / name).lstat().st_size
            except OSError:
                continue  # just removed
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = size(shutil.disk_usage(existing).free)
    return f"{folder}{f': {size(held)}' if folder.is_dir() else ', not there yet'}, {free} free"


def _network() -> str:
    """Whether models and data could be fetched; a look-up of a name may hang, and is left to."""
    switched = [name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name)]
    if switched:
        return f"offline, as {' and '.join(switched)} says"
    answered = threading.Event()

    def knock() -> None:
        try:
            socket.create_connection(_HUB, timeout=_SECONDS).close()
        except OSError:
            return
        answered.set()

    threading.Thread(target=knock, daemon=True).start()
    if answered.wait(_SECONDS):
        return f"{_HUB[0]} answers"
    return f"offline: {_HUB[0]} does not answer; what is here can be run"
