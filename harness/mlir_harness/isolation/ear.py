"""Hears what a worker writes to standard error: passes it on to ours, and keeps the end."""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress

_KEPT = 8192  # bytes
_PIPE = 1 << 16  # bytes


class Ear:
    """At the end of a pipe; nothing waits on it."""

    def __init__(self, fd: int) -> None:
        """Listen to `fd`, which does not block."""
        self._fd = fd
        self._kept = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def said(self) -> str:
        """The end of what was heard."""
        return self._kept.decode("utf-8", "replace")

    def listen(self) -> bool:
        """Take what is there, as much as a pipe holds; False if no more will come.

        Not all until there is nothing: who writes faster than our own reader reads has no end.
        """
        try:
            data = os.read(self._fd, _PIPE)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._kept = (self._kept + data)[-_KEPT:]
        with suppress(OSError, ValueError, AttributeError):  # closed, or None
            sys.stderr.write(self._decoder.decode(data))
            sys.stderr.flush()
        return True
