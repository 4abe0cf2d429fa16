"""A worker from the harness's side: started, asked, watched, and ended with all that it started."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlir_harness.errors import Unavailable
from mlir_harness.isolation import deaths, wire
from mlir_harness.isolation.deaths import Death
from mlir_harness.isolation.ear import Ear
from mlir_harness.isolation.place import Place
from mlir_harness.isolation.wire import Garbled, Kind, Message
from mlir_harness.text import described, plain

_TICK = 0.25  # seconds between two looks at whether the process is alive
_CLOSING = 10.0  # seconds for an encoder to close
_ENDING = 1.0  # seconds for a process to end once its pipe has
_MINUTE = 60.0
_LONGER = "Give it longer with --timeout, or lower --token-budget, if it takes one."


@dataclass(frozen=True)
class Patience:
    """How long, in seconds, a worker is waited for.

    Attributes:
        batch: for it to finish a batch.
        start: for the interpreter to start, and for the encoder to be made, if `batch` is not
            less; then it is that, but a minute at least: what is imported takes its time.
        silence: for a sign of life, which comes each second.
    """

    batch: float
    start: float = 300.0
    silence: float = 60.0

    @property
    def starting(self) -> float:
        return min(self.start, max(self.batch, _MINUTE))

    @property
    def quicker(self) -> str:
        """What to do about an encoder that does not start in time."""
        if self.starting < self.start:
            return f"Starting may take {_MINUTE:g} s, or --timeout if that is more: give it longer."
        return (
            "Nothing that takes long, such as loading weights, belongs before its first `encode`."
        )


class Died(Exception):
    """A worker ended, or had to be ended, before it answered."""

    def __init__(self, death: Death) -> None:
        super().__init__(death.message)
        self.death = death


class Worker:
    """A process with one encoder.

    Its standard output and error come to our standard error; the end is kept, to be shown if it
    dies. It has a process group of its own: all in it is killed with it, and Ctrl-C does not reach
    it but through us.
    """

    def __init__(self, place: Place, patience: Patience) -> None:
        """Start it.

        Raises:
            Unavailable: there is no such interpreter.
            Died: it did not get as far as to say so.
        """
        self._patience = patience
        self._kills = deaths.memory_kills()
        self._to = self._from = self._err = -1
        try:
            self._process = self._started(place)
        except OSError as error:
            raise Unavailable(
                f"{plain(str(place.python))} cannot be started in {plain(place.folder)}: "
                f"{described(error)}",
                "Check that both are there.",
            ) from error
        self._ear = Ear(self._err)
        self._parser = wire.parser()
        self._target = next(self._parser)
        self._answer([], patience.starting, _deaf, "did not start", patience.quicker)

    def _started(self, place: Place) -> subprocess.Popen[bytes]:
        """The process, at the other ends of our pipes; no descriptor is left if there is none."""
        theirs: list[int] = []
        try:
            reads, self._to = os.pipe()
            theirs.append(reads)
            self._from, writes = os.pipe()
            theirs.append(writes)
            self._err, says = os.pipe()
            theirs.append(says)
            for fd in (self._to, self._from, self._err):
                os.set_blocking(fd, False)
            _widen(self._from)
            return subprocess.Popen(  # noqa: S603  our own file, an interpreter that was chosen
                place.command(reads, writes),
                stdin=subprocess.DEVNULL,
                stdout=says,
                stderr=says,
                cwd=place.folder,
                pass_fds=(reads, writes),
                start_new_session=True,
            )
        except BaseException:
            self._shut()
            raise
        finally:
            for fd in theirs:
                os.close(fd)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def open(self) -> bool:
        """Whether it can be asked; it may have died since."""
        return self._to >= 0

    def ask(
        self,
        request: Message,
        heard: Callable[[Message], Message | None] | None = None,
    ) -> Message:
        """Send a request and wait for its answer.

        Args:
            request: what to do.
            heard: told of progress and of what the worker wants to borrow, which it returns.

        Raises:
            Died: no answer came; whatever is left of the worker is gone.
        """
        return self._answer([request], self._patience.batch, heard or _deaf, "finished no batch")

    def make(self, request: Message) -> Message:
        """Have the encoder made; see `ask`."""
        patience = self._patience
        return self._answer([request], patience.starting, _deaf, "was not made", patience.quicker)

    def close(self) -> Message | None:
        """Let the encoder close, and end the process; None if it was gone already."""
        if self._process.poll() is not None:
            self.kill()
            return None
        try:
            return self._answer([Message(Kind.CLOSE)], _CLOSING, _deaf, "did not close")
        finally:
            self.kill()

    def kill(self) -> None:
        """End it, and all in its group. May be called again."""
        if not self.open:
            return  # its number may be another process's by now
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        try:
            self._ear.listen()  # only now: while it lives, what it says may have no end
        finally:
            self._shut()

    def _shut(self) -> None:
        for name in ("_to", "_from", "_err"):
            fd = getattr(self, name)
            setattr(self, name, -1)
            if fd >= 0:
                os.close(fd)

    def _answer(
        self,
        requests: list[Message],
        limit: float,
        heard: Callable[[Message], Message | None],
        late: str,
        hint: str = _LONGER,
    ) -> Message:
        try:
            return self._wait(requests, limit, heard, (late, hint))
        except BaseException:  # Ctrl-C, say: it would go on for nobody
            self.kill()
            raise

    def _wait(
        self,
        requests: list[Message],
        limit: float,
        heard: Callable[[Message], Message | None],
        late: tuple[str, str],
    ) -> Message:
        """Write requests and whatever the worker borrows, until an answer comes.

        If it takes longer than `limit`, `late` says what it failed to do, and what to do about it.
        A turn counts as half a second at most: we may have been stopped ourselves.
        """
        left = deque(part for request in requests for part in wire.buffers(request))
        silent = idle = 0.0
        worked: str | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._from, selectors.EVENT_READ)
            selector.register(self._err, selectors.EVENT_READ)
            writing = False
            before = time.monotonic()
            while True:
                if bool(left) != writing:
                    writing = bool(left)
                    change = selector.register if writing else _unregister(selector)
                    change(self._to, selectors.EVENT_WRITE)
                ready = {key.fd for key, _ in selector.select(_TICK)}
                now = time.monotonic()  # with the last turn's listening: our reader may be slow
                waited, before = min(now - before, 2 * _TICK), now
                silent, idle = silent + waited, idle + waited
                if self._err in ready and not self._ear.listen():
                    selector.unregister(self._err)
                if self._to in ready:
                    self._write(left)
                if self._from in ready:
                    silent, worked = 0.0, None
                    for message in self._read():
                        if message.kind in {Kind.PROGRESS, Kind.BORROW}:
                            idle = 0.0
                            left += self._heard(message, heard)
                        elif message.kind != Kind.ALIVE:
                            return message
                elif self._process.poll() is not None:
                    raise self._died()  # a child that it forked may hold the pipe open
                worked = worked or _processor_time(self.pid)
                if idle > limit:
                    words, hint = late
                    raise self._given_up(f"{words} in {limit:g} s", hint, again=False)
                if silent > self._patience.silence:
                    used = _processor_time(self.pid)
                    if used == worked:
                        hint = "Something stopped it, or it waits for what never comes."
                        words = f"gave no sign of life for {self._patience.silence:g} s"
                        raise self._given_up(words, hint)
                    silent, worked = 0.0, used  # busy where no other thread gets a turn

    def _heard(
        self, message: Message, heard: Callable[[Message], Message | None]
    ) -> list[memoryview]:
        """What to write, where something is borrowed."""
        try:
            answer = heard(message)
            return wire.buffers(answer) if answer else []
        except Garbled as error:
            raise self._garbled(error) from error

    def _write(self, left: deque[memoryview]) -> None:
        while left:
            try:
                count = os.write(self._to, left[0])
            except BlockingIOError:
                return
            except BrokenPipeError:
                left.clear()  # it is dead or dying: reading tells how
                return
            left[0] = left[0][count:]
            if not left[0]:
                left.popleft()

    def _read(self) -> list[Message]:
        """The messages that are here, whole."""
        found: list[Message] = []
        while True:
            try:
                count = os.readv(self._from, [self._target])
            except BlockingIOError:
                return found
            if not count:
                if found:
                    return found
                raise self._died()
            self._target = self._target[count:]
            if not self._target:
                try:
                    self._target = self._parser.send(None)
                except StopIteration as done:
                    found.append(done.value)
                    self._parser = wire.parser()
                    self._target = next(self._parser)
                except Garbled as error:
                    raise self._garbled(error) from error

    def _died(self) -> Died:
        """It ended, or closed its pipe; what words there are for it."""
        try:
            code = self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            return self._given_up("closed its channel to the harness", "An encoder must not do so.")
        self.kill()
        kills = deaths.memory_kills()
        for_memory = None if kills is None or self._kills is None else kills > self._kills
        return Died(deaths.of_code(code, self._ear.said, for_memory))

    def _garbled(self, error: Garbled) -> Died:
        hint = "Something in it writes where only the harness does."
        return self._given_up(f"sent {plain(str(error))}", hint)

    def _given_up(self, words: str, hint: str, *, again: bool = True) -> Died:
        self.kill()
        return Died(Death(words, hint, self._ear.said, again))


def _deaf(message: Message) -> None:
    """Hears of nothing."""
    del message


def _unregister(selector: selectors.BaseSelector) -> Callable[[int, int], object]:
    return lambda fd, _: selector.unregister(fd)


def _widen(fd: int) -> None:
    """A pipe that takes a megabyte: fewer turns for large answers (Linux)."""
    with suppress(AttributeError, OSError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 1 << 20)


def _processor_time(pid: int) -> str | None:
    """What a process used so far, in the kernel's unit; None where it cannot be known."""
    with suppress(OSError):
        return " ".join(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])
    return None
