"""Plugins examined, each in a process of its own, so that one that ends or hangs costs itself."""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, Any, Protocol

from mlir_harness import registry
from mlir_harness.choices import check_options, of_either_kind
from mlir_harness.doctor.diagnosis import Diagnosis, Finding, Order, State
from mlir_harness.errors import UsageError
from mlir_harness.registry import EVALUATED, Choice, Kind
from mlir_harness.request import Request

TIMEOUT = 600.0  # seconds that a check may take
_OUTPUT = 4000  # characters kept of what a plugin prints


@dataclass(frozen=True)
class Patient:
    """A plugin to examine; `kind` None if only its code can tell what it is."""

    choice: Choice
    kind: Kind | None


def patients(names: Sequence[str]) -> list[Patient]:
    """What names stand for, encoders and tasks alike; "all" for everything installed.

    Raises:
        UsageError: a name is unknown.
    """
    found: list[Patient] = []
    if "all" in names:
        found += [
            Patient(choice, kind) for kind in EVALUATED for choice in registry.everything(kind)
        ]
        found += [
            Patient(Choice(f"{plugin.name}:…", plugin, wanted=False), kind)
            for kind in EVALUATED
            for plugin in registry.plugins(kind)
            if plugin.scheme
        ]
    for name in names:
        if name != "all":
            # What is not registered may be either: only its code can tell.
            named = [
                Patient(one, one.plugin.kind if one.plugin.distribution else None)
                for one in of_either_kind(name)
            ]
            labels = {each.choice.label for each in named}
            found = [each for each in found if each.choice.label not in labels] + named
    return found


class Onlooker(Protocol):
    """Is told how examinations go on; by two threads."""

    def begun(self, name: str, check: str) -> None:
        """A check of the plugin `name` begins; "" before the first, while it is made."""
        ...

    def found(self, diagnosis: Diagnosis) -> None:
        """An examination ended."""
        ...


def examine_all(
    found: Sequence[Patient],
    request: Request,
    onlooker: Onlooker,
    *,
    timeout: float = TIMEOUT,
) -> list[Diagnosis]:
    """Examine plugins: encoders one after the other, and tasks beside them.

    Ctrl-C ends it: what was found until then is returned, the others as UNEXAMINED.

    Args:
        found: which.
        request: options, weights and folders; checked.
        onlooker: told of each.
        timeout: seconds that a check may take.

    Raises:
        UsageError: options that are given are none of a plugin's.
    """
    check_options(request, [each.choice for each in found])
    ward = _Ward()
    diagnoses = {each: Diagnosis(each.choice, State.UNEXAMINED) for each in found}

    def one_after_the_other(some: Sequence[Patient]) -> None:
        for each in some:
            diagnosis = _examine(each, request, timeout, ward, onlooker)
            if ward.closed:  # and the process at work was ended
                return
            diagnoses[each] = diagnosis
            onlooker.found(diagnosis)

    tasks = [each for each in found if each.kind is Kind.TASK]
    others = [each for each in found if each.kind is not Kind.TASK]
    pool = ThreadPoolExecutor(2)
    try:
        both = [pool.submit(one_after_the_other, some) for some in (others, tasks)]
        for ended in wait(both, return_when=FIRST_EXCEPTION).done:
            ended.result()
    except KeyboardInterrupt:
        pass  # the diagnoses say so
    finally:
        ward.close()
        pool.shutdown(cancel_futures=True)
    order = list(Kind)
    return sorted(diagnoses.values(), key=lambda each: order.index(each.choice.plugin.kind))


class _Ward:
    """The processes that are at work, so that none outlives the command."""

    def __init__(self) -> None:
        self._held: set[subprocess.Popen[bytes]] = set()
        self.closed = False
        self._lock = threading.Lock()

    def start(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self.closed:
                raise KeyboardInterrupt
            # -P: nothing is imported from the folder that the user happens to be in.
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mlir_harness.doctor.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
            self._held.add(process)
            return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End it with all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(OSError):
                    pipe.close()
        self._held.discard(process)

    def close(self) -> None:
        with self._lock:
            self.closed = True
            for process in list(self._held):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)


@dataclass
class _Heard:
    """What an examination has said so far; `watch` is told of each check as it begins."""

    watch: Callable[[str], None]
    kind: Kind | None = None
    state: State | None = None
    message: str = ""
    hint: str = ""
    promises: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    begun: str = ""
    ended: bool = False

    def hear(self, event: dict[str, Any]) -> None:
        if "usage" in event:
            raise UsageError(*event["usage"])
        if "kind" in event:
            self.kind = Kind(event["kind"])
        if "state" in event:
            self.state = State(event["state"])
            self.message, self.hint = event.get("message", ""), event.get("hint", "")
        self.promises |= dict(event.get("checks", ()))
        if "begun" in event:
            self.begun = event["begun"]
            self.watch(self.begun)
        self.ended = self.ended or "end" in event
        if "check" in event:
            held = {**event, "notes": tuple(event["notes"])}
            self.findings.append(Finding(promise=self.promises[event["check"]], **held))


def _examine(
    patient: Patient, request: Request, timeout: float, ward: _Ward, onlooker: Onlooker
) -> Diagnosis:
    choice = patient.choice
    if choice.plugin.scheme and not choice.rest:
        return Diagnosis(choice, State.SCHEME)
    start = time.monotonic()
    heard = _Heard(partial(onlooker.begun, choice.label))
    heard.watch("")
    with tempfile.TemporaryFile() as log:
        process = ward.start(log)
        try:
            why = _listen(
                process, pickle.dumps(Order(choice, patient.kind, request)), heard, timeout
            )
            code = process.poll()
        finally:
            ward.end(process)
        output = _end_of(log)
    if heard.kind is not None:
        choice = replace(choice, plugin=replace(choice.plugin, kind=heard.kind))
    if not heard.ended or heard.state is None:
        heard.state = State.BROKEN
        heard.message = why or _ended(code, heard.begun)
        heard.hint = "Its output is shown with --debug."
    elif heard.state is State.READY and any(each.result == "failed" for each in heard.findings):
        heard.state = State.FAILING
    return Diagnosis(
        choice,
        heard.state,
        tuple(heard.findings),
        heard.message,
        heard.hint,
        time.monotonic() - start,
        output,
    )


def _listen(process: subprocess.Popen[bytes], order: bytes, heard: _Heard, timeout: float) -> str:
    """Hear what a process says until it has said all; why not, if it did not."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    assert process.stdin is not None  # noqa: S101  it is a pipe
    with suppress(BrokenPipeError):
        process.stdin.write(order)
        process.stdin.flush()
    while not heard.ended:
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            return f"nothing happened for {timeout:g} seconds {_where(heard.begun)}"
        if line is None:
            process.wait()
            return ""
        heard.hear(json.loads(line))
    return ""


def _end_of(log: IO[bytes]) -> str:
    """The last of what was printed, which may be gigabytes."""
    most = 4 * _OUTPUT  # bytes: a character has no more than four
    log.seek(max(0, log.seek(0, os.SEEK_END) - most))
    return log.read(most).decode("utf-8", "replace")[-_OUTPUT:]


def _where(begun: str) -> str:
    return f"while the check `{begun}` was carried out" if begun else "while it was made"


def _read(process: subprocess.Popen[bytes], lines: queue.SimpleQueue[bytes | None]) -> None:
    assert process.stdout is not None  # noqa: S101  it is a pipe
    with suppress(ValueError, OSError):  # closed, once all was heard
        for line in process.stdout:
            lines.put(line)
    lines.put(None)


def _ended(code: int | None, begun: str) -> str:
    """How a process ended that had more to say."""
    if code is not None and code < 0:
        name = str(-code)
        with suppress(ValueError):
            name = signal.Signals(-code).name
        memory = ": most likely memory ran out" if name == "SIGKILL" else ""
        return f"its process was ended by {name} {_where(begun)}{memory}"
    return f"its process ended with code {code} {_where(begun)}"
