"""What a plugin may not change in the process that it works in: looked at before and after."""

from __future__ import annotations

import contextlib
import io
import locale
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlir_harness.containment import contained
from mlir_harness.text import plain


@contextlib.contextmanager
def elsewhere() -> Iterator[None]:
    """Work in another folder, with other random states, and put all that back.

    Else nothing would be seen to change where a plugin sets what it set before.
    """
    with tempfile.TemporaryDirectory() as folder, contained():
        os.chdir(folder)
        random.seed(folder)
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if numpy is not None:
            numpy.random.seed(random.getrandbits(32))
        if torch is not None:
            torch.manual_seed(random.getrandbits(32))
        yield


def snapshot() -> dict[str, Any]:
    """The state of this process, by name for people; only what is loaded is asked."""
    held: dict[str, Any] = {
        "the working folder": _folder(),
        "the random state of `random`": random.getstate(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the signal handlers": {number.name: signal.getsignal(number) for number in signal.Signals},
        "the file mode mask": _mask(),
        "the environment": dict(os.environ),
        "sys.stdout or sys.stderr": (id(sys.stdout), id(sys.stderr)),
    }
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        name, keys, *rest = numpy.random.get_state()
        held["the random state of numpy"] = (name, keys.tobytes(), *rest)
        held["numpy's handling of errors"] = numpy.geterr()
    if torch is not None:
        held["the random state of torch"] = torch.get_rng_state().numpy().tobytes()
        held["torch's default dtype"] = torch.get_default_dtype()
        held["torch's recording of gradients"] = torch.is_grad_enabled()
    return held


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """What differs, and how, as far as it can be said in a few words.

    What was loaded in between has no state before, and is left out.
    """
    found: dict[str, str] = {}
    for name, value in before.items():
        if after[name] != value:
            found[name] = _difference(value, after[name])
    return found


def _difference(before: Any, after: Any) -> str:
    if isinstance(before, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return ", ".join(plain(str(name), 60) for name in sorted(names)[:5])
    return plain(str(after), 80) if isinstance(before, str | bool) else ""


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "a folder that is gone"


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@dataclass
class Printed:
    """What was printed to standard output, by Python or by libraries below it."""

    text: str = ""


@contextlib.contextmanager
def printing() -> Iterator[Printed]:
    """Catch what is printed to standard output, file descriptor 1 included."""
    found = Printed()
    written = io.StringIO()
    sys.stdout.flush()
    with tempfile.TemporaryFile() as file:
        kept = os.dup(1)
        try:
            os.dup2(file.fileno(), 1)
            with contextlib.redirect_stdout(written):
                yield found
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            found.text = written.getvalue() + file.read(10_000).decode("utf-8", "replace")


def children() -> dict[int, str]:
    """Processes that this one started and that still run: number and command.

    Known on Linux alone. Helpers that Python's multiprocessing keeps for itself do not count.
    """
    found = {}
    for file in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for number in map(int, file.read_text().split()):
                command = _command(number)
                if command and "multiprocessing" not in command:
                    found[number] = command
    return found


def _command(number: int) -> str:
    """The command of a running process; "" if it ended."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        command = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ")
    except (OSError, IndexError):
        return ""
    return "" if state == "Z" else plain(command.decode("utf-8", "replace").strip(), 80)
