"""What FAISS's process is asked to do, as a file that both sides read, and how both take time."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

_REPEATS, _QUICK = 3, 0.3  # searches of fewer seconds are repeated

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Part:
    """The documents of one index, and the queries it is searched with.

    Attributes:
        name: for messages.
        rows: .npy, (documents,) int64 vector row of each.
        queries: (first, last + 1) stretches of the query matrix.
        index: where the index is kept.
        found: .npy to write, (queries, depth) int32 positions in `rows`, -1 for none.
        scores: .npy to write, (queries, depth) float32.
    """

    name: str
    rows: str
    queries: list[tuple[int, int]]
    index: str
    found: str
    scores: str


@dataclass(frozen=True, slots=True)
class Job:
    """What to build and search; without parts, whether the index can be made is found out.

    Attributes:
        factory, parameters: see search.Search.
        dimension: of the vectors.
        depth: places of the lists.
        threads: to search with; indexes are built by one, so that equal vectors give equal ones.
        vectors, queries: .npy, (n, dimension) float32.
        parts: one index each.
    """

    factory: str
    parameters: str
    dimension: int
    depth: int = 0
    threads: int = 1
    vectors: str = ""
    queries: str = ""
    parts: list[Part] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Job:
        held = json.loads(text)
        return cls(**held | {"parts": [Part(**part) for part in held["parts"]]})


def timed(work: Callable[[], _Answer]) -> tuple[float, _Answer]:
    """Seconds that `work` takes, the median of a few times if it is quick, and what it gives."""
    spent: list[float] = []
    while True:
        start = time.perf_counter()
        answer = work()
        spent.append(time.perf_counter() - start)
        if len(spent) == _REPEATS or sum(spent) > _QUICK:
            return statistics.median(spent), answer
