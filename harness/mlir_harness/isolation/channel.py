"""The worker's end of the pipes: messages in and out, and a sign of life each second."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mlir_harness.isolation import wire
from mlir_harness.isolation.wire import Kind, Message

BEAT = 1.0  # seconds between two signs of life
_PROGRESS = 0.1  # seconds between two reports, or encoders of one text a batch would flood the pipe


class Channel:
    """Speaks with the harness, from the one process that was started to do so."""

    def __init__(self, reads: int, writes: int) -> None:
        self._reads, self._writes = reads, writes
        self._process = os.getpid()
        self._writing = threading.Lock()
        self._busy = False
        self._done = [0, 0, 0]
        self._reported = time.monotonic()
        threading.Thread(target=self._live, name="mlir-harness", daemon=True).start()

    def receive(self) -> Message:
        """The next message; ends this process if the harness is gone."""
        self._only_here()
        parsing = wire.parser()
        try:
            while True:
                self._fill(next(parsing))
        except StopIteration as done:
            message: Message = done.value
            return message

    def _fill(self, target: memoryview) -> None:
        while target:
            count = os.readv(self._reads, [target])
            if not count:
                _end()
            target = target[count:]

    def send(self, message: Message) -> None:
        """Write a message, whole.

        Raises:
            Garbled: it is too large; nothing was written.
        """
        self._only_here()
        parts = wire.buffers(message)
        with self._writing:
            self._write(parts)

    def _write(self, parts: list[memoryview]) -> None:
        try:
            for part in parts:
                left = part
                while left:
                    left = left[os.write(self._writes, left) :]
        except BrokenPipeError:
            _end()

    def _only_here(self) -> None:
        """End a child that an encoder forked, and that came back here as if it were its parent."""
        if os.getpid() != self._process:
            os._exit(0)

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a request is carried out, the harness hears each second that it still is."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def progress(self, texts: int, tokens: int, truncated: int) -> None:
        """Note what was done; it is reported at once, or soon, or with the answer."""
        if os.getpid() != self._process:
            return
        with self._writing:
            for place, count in enumerate((texts, tokens, truncated)):
                self._done[place] += int(count)
        if time.monotonic() - self._reported >= _PROGRESS:
            self.report()

    def report(self) -> None:
        """Send what progress was noted and not sent."""
        with self._writing:
            done, self._done = self._done, [0, 0, 0]
            self._reported = time.monotonic()
            if any(done):
                self._write(wire.buffers(Message(Kind.PROGRESS, {"done": done})))

    def _live(self) -> None:
        """Give signs of life; end when the harness has closed its ends, however that came."""
        watched = select.poll()
        watched.register(self._reads, 0)  # no event but that the other end is gone
        while True:
            events = watched.poll(1000 * BEAT)
            if any(event & select.POLLNVAL for _, event in events):
                return  # the encoder closed what is not its own; the harness will say so
            if events:
                _end()
            if not self._busy:
                continue
            if self._writing.acquire(blocking=False):  # else something is on its way
                try:
                    self._write(wire.buffers(Message(Kind.ALIVE)))
                finally:
                    self._writing.release()
                self.report()


def _end() -> None:
    """End this process and all that the encoder started in its group."""
    os.killpg(0, signal.SIGKILL)
