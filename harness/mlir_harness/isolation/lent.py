"""Collections on both sides of the pipe: an encoder in a worker reads them from the harness.

An encoder is fitted to all documents of a task, and these may be millions that lie on the disk: a
worker asks for some thousands at a time, and neither side holds more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, overload

import numpy as np

from mlir_harness.isolation import wire
from mlir_harness.isolation.wire import Garbled, Kind, Message
from mlir_harness.types import Array, Collection, IntArray, pick

_AT_ONCE = 4096  # texts


class Lender(Protocol):
    """Asks the harness, and waits for its answer."""

    def send(self, message: Message) -> None: ...

    def receive(self) -> Message: ...


def described(documents: Sequence[Collection]) -> list[list[Any]]:
    """What a worker is told of collections: language and size of each."""
    return [[collection.language, len(collection)] for collection in documents]


def lend(documents: Sequence[Collection], asked: Message) -> Message:
    """The answer to a worker that borrows.

    Raises:
        Garbled: it asks for what there is not.
    """
    try:
        with wire.reading():
            collection = documents[asked.fields["collection"]]
            held = {"ids": collection.ids, "texts": collection.texts}[asked.fields["what"]]
            rows = asked.arrays["rows"].astype(np.int64)
            return Message(Kind.LENT, {}, wire.packed(pick(held, rows)))
    except Garbled as error:
        raise Garbled("a request for texts that are not there") from error


def borrowed(lender: Lender, languages: Sequence[tuple[str, int]]) -> list[Collection]:
    """Collections whose ids and texts are asked for when they are used."""
    lock = threading.Lock()
    return [
        Collection(
            language,
            Borrowed(lender, lock, number, "ids", size),
            Borrowed(lender, lock, number, "texts", size),
        )
        for number, (language, size) in enumerate(languages)
    ]


class Borrowed(Sequence[str]):
    """The ids or texts of a collection that the harness holds."""

    def __init__(
        self, lender: Lender, lock: threading.Lock, collection: int, what: str, size: int
    ) -> None:
        self._lender, self._lock = lender, lock
        self._asked = {"collection": collection, "what": what}
        self._size = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self.take(np.arange(*index.indices(self._size), dtype=np.int64))
        return self.take(np.array([range(self._size)[index]], np.int64))[0]

    def __iter__(self) -> Iterator[str]:
        for start in range(0, self._size, _AT_ONCE):
            yield from self[start : start + _AT_ONCE]

    def take(self, rows: IntArray) -> list[str]:
        """The items in `rows` (n,), in that order."""
        found: list[str] = []
        for start in range(0, len(rows), _AT_ONCE):
            found += self._ask({"rows": np.asarray(rows[start : start + _AT_ONCE], np.int64)})
        return found

    def _ask(self, arrays: Mapping[str, Array]) -> list[str]:
        with self._lock:
            self._lender.send(Message(Kind.BORROW, self._asked, arrays))
            return wire.unpacked(self._lender.receive().arrays)
