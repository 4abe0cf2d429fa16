"""Encoders that crash, hang, fork, and speak out of turn; used as py:faulty_plugins:NAME.

Those that fail but once leave a mark in the folder named by TEST_MARKS.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from plugins_for_tests import letters

from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.isolation import wire
from mlir_harness.protocols import Context, EncoderInfo, Environment
from mlir_harness.types import Collection, Role

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@dataclass
class Faulty:
    """An encoder that does something untoward before it answers."""

    before: Callable[[Sequence[str], Context], Any] = lambda texts, context: None
    info: EncoderInfo = field(
        default_factory=lambda: EncoderInfo(
            revision="1", options={"a": "1"}, languages=("de",), dimension=24, max_tokens=30
        )
    )

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        self.before(texts, context)
        return letters(texts)


def first_time(name: str) -> bool:
    """Whether this is asked for the first time, in whatever process."""
    try:
        Path(os.environ["TEST_MARKS"], name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _die(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(60)


def _segfault(texts: Any, context: Any) -> None:
    print("reading address 0")
    ctypes.string_at(0)


def _killed_once(texts: Sequence[str], context: Context) -> None:
    context.progress(2, 20, 1)
    time.sleep(0.2)
    context.progress(1, 10, 1)
    time.sleep(0.2)
    if first_time("killed"):
        _die(signal.SIGKILL)
    context.progress(2, 20, 1)


def _killed_on_queries(texts: Sequence[str], context: Context) -> None:
    if context.role == Role.QUERY:
        first_time(f"attempt {os.getpid()}")
        _die(signal.SIGKILL)


def _pace(texts: Sequence[str], context: Context) -> None:
    for _ in texts:
        time.sleep(0.8)
        context.progress(1, 1, 0)


def _fork(texts: Any, context: Context) -> None:
    """The child goes on as if it were the encoder."""
    if os.fork() == 0:
        context.progress(1000, 1000, 1000)


def _fork_and_exit(texts: Any, context: Any) -> None:
    """The child keeps all that it inherited open."""
    if os.fork() == 0:
        time.sleep(600)
    print("\x1b[31mlast words\u202e")
    sys.stdout.flush()
    os._exit(5)


def _children(texts: Any, context: Any) -> None:
    process = subprocess.Popen(SLEEP)
    Path(os.environ["TEST_MARKS"], "child").write_text(str(process.pid))


def _garbage(texts: Any, context: Any) -> None:
    os.write(1, bytes(range(256)) * 300)
    print("\ud800 half")


def _everywhere(texts: Any, context: Any) -> None:
    """Garbage into every pipe there is, that of the harness among them."""
    for fd in range(3, 64):
        try:
            os.write(fd, b"Loading weights: 100%")
        except OSError:
            continue
    time.sleep(60)


def _misreport(texts: Any, context: Any) -> None:
    """Messages that are whole, and say nothing that can be used."""
    parts = wire.buffers(wire.Message(wire.Kind.PROGRESS, {"done": ["many"]}))
    for fd in range(3, 64):
        with suppress(OSError):
            os.write(fd, b"".join(parts))
    time.sleep(60)


def _flood(texts: Any, context: Any) -> None:
    """More than a pipe holds; nobody may wait for anybody."""
    for _ in range(40):
        sys.stderr.write("x" * 50_000 + "\n")


def _flood_forever(texts: Any, context: Any) -> None:
    while True:
        os.write(2, b"x" * 50_000)


def _hold(texts: Any, context: Any) -> None:
    """Three seconds in which no other thread gets a turn."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        re.match(r"(a+)+$", "a" * 24 + "b")


def _memory(texts: Any, context: Any) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
    np.ones(1 << 32)


def _greed(texts: Any, context: Any) -> None:
    held = [np.ones(1_000_000) for _ in range(500)]  # 4 GB
    del held


class Odd(DataError):
    """An error class that only this plugin has."""


def _raise(error: Exception) -> None:
    raise error


FAULTS: dict[str, Callable[[Sequence[str], Context], Any]] = {
    "sound": lambda texts, context: None,
    "segfault": _segfault,
    "aborts": lambda texts, context: os.abort(),
    "exits": lambda texts, context: os._exit(5),
    "stops": lambda texts, context: _die(signal.SIGSTOP),
    "sleeps": lambda texts, context: time.sleep(600),
    "killed": lambda texts, context: _die(signal.SIGKILL),
    "killed_once": _killed_once,
    "killed_on_queries": _killed_on_queries,
    "paced": _pace,
    "forks": _fork,
    "forks_and_exits": _fork_and_exit,
    "children": _children,
    "garbage": _garbage,
    "everywhere": _everywhere,
    "misreports": _misreport,
    "closes": lambda texts, context: (os.closerange(3, 64), time.sleep(60)),
    "flood": _flood,
    "floods_forever": _flood_forever,
    "holds": _hold,
    "memory": _memory,
    "greedy": _greed,
    "raises_usage": lambda texts, context: _raise(UsageError("no such prompt", "Name another.")),
    "raises_odd": lambda texts, context: _raise(Odd("row 7", "Mend it.")),
    "raises_value": lambda texts, context: _raise(ValueError("no such layer")),
    "raises_nothing": lambda texts, context: _raise(ValueError()),
}


def __getattr__(name: str) -> Any:
    if name in FAULTS:
        return lambda: Faulty(FAULTS[name])
    raise AttributeError(name)


def crashes() -> Faulty:
    """Dies while it is made."""
    print("about to crash")
    _die(signal.SIGSEGV)
    return Faulty()


def lingers() -> Faulty:
    time.sleep(600)
    return Faulty()


def missing() -> Faulty:
    raise Unavailable("no weights here", "mlir-harness fetch weights")


def huge() -> Faulty:
    """Says more of itself than a message may hold."""
    return Faulty(info=EncoderInfo(revision="1", description="x" * (1 << 23)))


class Looking(Faulty):
    """Writes down what it finds around it."""

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        seen = {
            "folder": str(Path.cwd()),
            "path": sys.path,
            "environment": os.environ.get("TEST_SEEN"),
            "input": sys.stdin.read(),
            "session": os.getsid(0) == os.getpid() == os.getpgrp(),
            "inherited": [fd for fd in range(3, 64) if _inheritable(fd)],
            "modules": sorted({name.partition(".")[0] for name in sys.modules}),
            "prefix": sys.prefix,
            "pid": os.getpid(),
            "languages": list(context.languages),
            "instruction": context.instruction,
            "texts": list(texts),
        }
        Path(os.environ["TEST_MARKS"], "seen").write_text(json.dumps(seen))
        return super().encode(texts, context)

    def tokens(self, texts: Sequence[str], context: Context) -> Any:
        return np.array([len(text) for text in texts], np.int32)

    def close(self) -> None:
        first_time("closed")


def looking() -> Looking:
    return Looking()


def _inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


@dataclass
class Fitting(Faulty):
    """Its vectors say how many documents each language has, and what is in the last of them."""

    counts: dict[str, Any] = field(default_factory=dict)

    def fit(self, documents: Sequence[Collection]) -> Fitting:
        first_time(f"fit {os.getpid()}")
        held = {}
        for each in documents:
            assert each.texts[-1] == list(each.texts)[-1] == each.texts[-2:][-1]  # type: ignore[index]
            assert len(each.ids) == len(set(each.ids))
            last = each.texts[len(each) - 1]
            held[each.language] = [len(each), sum(map(len, each.texts)), len(last)]
        return Fitting(self.before, self.info, held)

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        self.before(texts, context)
        return np.array([self.counts[language] for language in context.languages], np.float32)


def fitting() -> Fitting:
    return Fitting()


def fitting_killed_once() -> Fitting:
    return Fitting(_killed_once)


@dataclass(frozen=True)
class Elsewhere:
    """A factory of encoders that need an environment of their own."""

    environment: Environment = field(default_factory=lambda: Environment(("nothing==1",), "3.11"))

    def __call__(self) -> Faulty:
        return Faulty()


elsewhere = Elsewhere()
