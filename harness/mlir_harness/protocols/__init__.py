"""What a plugin author writes: encoders and tasks, and what the harness asks of them."""

from mlir_harness.protocols.encoders import (
    UNTRAINED,
    Closes,
    Context,
    Counts,
    Encoder,
    EncoderInfo,
    Environment,
    Fits,
    Isolated,
    Trainable,
    Vectors,
)
from mlir_harness.protocols.files import Download, Fetches, Finishes
from mlir_harness.protocols.tasks import Count, Published, Reads, Task, TaskInfo, TaskOptions

__all__ = [
    "UNTRAINED",
    "Closes",
    "Context",
    "Count",
    "Counts",
    "Download",
    "Encoder",
    "EncoderInfo",
    "Environment",
    "Fetches",
    "Finishes",
    "Fits",
    "Isolated",
    "Published",
    "Reads",
    "Task",
    "TaskInfo",
    "TaskOptions",
    "Trainable",
    "Vectors",
]
