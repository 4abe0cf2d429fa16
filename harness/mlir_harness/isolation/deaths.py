"""How a process ended, in words; and whether the system killed it because memory ran out."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.text import plain

_WORDS = {
    "SIGSEGV": "a segmentation fault",
    "SIGBUS": "a bus error",
    "SIGABRT": "it aborted",
    "SIGILL": "an instruction that this processor does not know",
    "SIGFPE": "an arithmetic error",
}
_LAST_LINES = 3
_KILLED = "Somebody, or a limit of the system, ended it: the system's log may say more."
_MEMORY = "Lower --token-budget, if it takes one; or use a smaller model, or more memory."


@dataclass(frozen=True)
class Death:
    """The end of a worker.

    Attributes:
        words: what happened, to follow "its process": "was ended by SIGSEGV (...)".
        hint: what to do.
        said: the end of what it wrote to standard error.
        again: it may go better next time; not so where it was stopped for taking too long.
    """

    words: str
    hint: str
    said: str = ""
    again: bool = True

    @property
    def message(self) -> str:
        """The words, and the last lines of what it said: one line, safe to show."""
        lines = [plain(line) for line in self.said.splitlines() if line.strip()][-_LAST_LINES:]
        return plain(
            f"{self.words}; it last said: {' / '.join(lines)}" if lines else self.words, 600
        )


def of_code(code: int, said: str, killed_for_memory: bool | None) -> Death:
    """The death of a process that ended by itself, or that somebody else ended.

    Args:
        code: as subprocess gives it: negative for a signal.
        said: the end of what it wrote to standard error.
        killed_for_memory: whether the system killed for want of memory while it ran; None
            where that cannot be known.
    """
    if code >= 0:
        hint = "It, or a library, ended the process: an encoder should raise an exception."
        return Death(f"ended by itself with exit code {code}", hint, said)
    name = str(-code)
    with suppress(ValueError):
        name = signal.Signals(-code).name
    if name == "SIGKILL":
        if killed_for_memory:
            return Death("was killed because memory ran out", _MEMORY, said)
        if killed_for_memory is None:
            return Death("was killed by SIGKILL (out of memory?)", _MEMORY, said)
        return Death("was killed by SIGKILL, not for want of memory", _KILLED, said)
    words = f" ({_WORDS[name]})" if name in _WORDS else ""
    hint = "A library of the encoder crashed: try another version of it, or --device cpu."
    return Death(f"was ended by {name}{words}", hint, said)


def memory_kills() -> int | None:
    """How often processes of this control group were killed because memory ran out.

    None where the system does not count it.
    """
    for file in _counters():
        with suppress(OSError, ValueError):
            for line in file.read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return None


def _counters() -> list[Path]:
    """Files that may have the count, by version 2 and 1 of control groups.

    In a container the path that /proc names may be outside of what can be seen.
    """
    found: list[Path] = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            below = path.lstrip("/")
            if not controllers:
                root, name = Path("/sys/fs/cgroup"), "memory.events"
            elif "memory" in controllers.split(","):
                root, name = Path("/sys/fs/cgroup/memory"), "memory.oom_control"
            else:
                continue
            found += [root / below / name, root / name]
    return found
