"""Whether what is evaluated was trained on: records of training texts, and what is in them.

A trainer writes a record into the folder of its model::

    recorder = Recorder()
    recorder.add(texts, "hi")
    recorder.save(folder)

and `check(load(folder), retrieval)` says which queries and documents of a task are in it.
"""

from mlir_harness.contamination.exposure import Exposure, Side, check, unseen
from mlir_harness.contamination.record import TextRecord, load
from mlir_harness.contamination.record_file import NAME
from mlir_harness.contamination.recorder import Recorder

__all__ = ["NAME", "Exposure", "Recorder", "Side", "TextRecord", "check", "load", "unseen"]
