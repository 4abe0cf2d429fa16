"""What a plugin does to this process is undone, so that it cannot change what others do."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def contained() -> Iterator[None]:
    """Put the working directory and the random states back; end a forked child that returns.

    A child would otherwise go on as a second run that writes the same files. Plugins that must
    not share a process at all can be isolated.
    """
    process = os.getpid()
    here = _folder()
    state = random.getstate()
    numbers = sys.modules.get("numpy.random")
    drawn = numbers.get_state() if numbers else None
    torch = sys.modules.get("torch")
    seeded = torch.get_rng_state() if torch and hasattr(torch, "get_rng_state") else None
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(0)
        if here is not None and _folder() != here:
            with suppress(OSError):
                os.chdir(here)
        random.setstate(state)
        if numbers and drawn is not None:
            numbers.set_state(drawn)
        if torch and seeded is not None:
            torch.set_rng_state(seeded)


def _folder() -> Path | None:
    """The working directory; None if somebody has removed it."""
    try:
        return Path.cwd()
    except OSError:
        return None
