"""The process in which one plugin is examined: run as `python -m mlir_harness.doctor.process`.

Reads an Order from standard input, and writes a line of JSON to standard output for each thing
that becomes known, so that the other side knows where it was if this process ends or hangs.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from typing import Any

from mlir_harness.doctor.diagnosis import Order, State
from mlir_harness.doctor.examination import examine
from mlir_harness.text import described


def _leave_with_parent(pipe: int) -> None:
    """End when the command does, however it ends: its end of this pipe is closed then."""
    os.read(pipe, 1)
    os._exit(1)


def main() -> None:
    """Do what standard input says; what the plugin prints goes to standard error."""
    order: Order = pickle.load(sys.stdin.buffer)  # noqa: S301  written by our own parent
    threading.Thread(target=_leave_with_parent, args=[os.dup(0)], daemon=True).start()
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # a plugin that asks gets no answer

    own = os.getpid()

    def say(event: dict[str, Any]) -> None:
        if os.getpid() != own:
            os._exit(0)  # a child that a plugin forked and let return
        told.write(f"{json.dumps(event)}\n")
        told.flush()

    try:
        examine(order, say)
    except BaseException as error:  # whatever a plugin does, a line says so
        hint = "Its output, and the traceback, are shown with --debug."
        say({"state": State.BROKEN.value, "message": described(error), "hint": hint})
        raise
    finally:
        say({"end": True})


if __name__ == "__main__":
    main()
