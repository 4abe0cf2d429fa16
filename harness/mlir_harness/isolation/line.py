"""The line to a worker that has made an encoder: opened when it is needed, and opened again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mlir_harness.choices import made_a
from mlir_harness.errors import EncoderError, HarnessError
from mlir_harness.isolation import faults, lent, wire
from mlir_harness.isolation.origin import Origin
from mlir_harness.isolation.process import Died, Worker
from mlir_harness.isolation.wire import Garbled, Kind, Message
from mlir_harness.text import plain
from mlir_harness.types import Collection


class Line:
    """Leads to a worker that has made an encoder, starting one when there is none."""

    def __init__(self, origin: Origin, source: str) -> None:
        self._origin, self._source = origin, source
        self._worker: Worker | None = None
        self._fitted: Sequence[Collection] | None = None

    def ask(
        self, request: Message, documents: Sequence[Collection] | None, reported: Reported
    ) -> Message:
        """The answer to a request, by an encoder that is fitted to `documents` if there are any.

        Raises:
            Died: there will be none.
        """

        def heard(message: Message) -> Message | None:
            if message.kind == Kind.BORROW:
                return lent.lend(documents or (), message)
            with wire.reading():
                texts, tokens, truncated = map(int, message.fields["done"])
            reported(texts, tokens, truncated)
            return None

        worker = self._made()
        if documents is not None and self._fitted is not documents:
            self._fitted = None
            fit = Message(Kind.FIT, {"documents": lent.described(documents)})
            expected(worker.ask(fit, heard), Kind.FITTED)
            self._fitted = documents
        return worker.ask(request, heard)

    def _made(self) -> Worker:
        if self._worker is None or not self._worker.open:
            self._fitted = None
            worker = Worker(self._origin.place, self._origin.patience)
            try:
                told = expected(worker.make(self._origin.request(info=False)), Kind.MADE).fields
                with wire.reading():
                    if "wrong" in told:
                        raise made_a(self._origin.choice, *told["wrong"])
                    source = str(told["source"])
                # "" also in an environment where the plugin is shown but not installed.
                if self._source and source not in {"", self._source}:
                    raise EncoderError(
                        "its source was edited while it was in use", "Run the command again."
                    )
            except BaseException:
                worker.kill()
                raise
            self._worker = worker
        return self._worker

    def close(self) -> None:
        """Let the encoder close; what it raises is raised here. The process is gone in any case."""
        worker, self._worker = self._worker, None
        if worker is not None:
            try:
                answer = worker.close()
            except Died as error:
                if error.death.again:
                    return  # it went by itself: nothing is left to close
                death = error.death
                raise EncoderError(f"its process {death.message}", death.hint) from error
            if answer is not None:
                expected(answer, Kind.CLOSED)


class Reported:
    """Passes progress on; what is done a second time is not reported a second time."""

    def __init__(self, progress: Callable[[int, int, int], None]) -> None:
        self._progress = progress
        self._told = [0, 0, 0]
        self._done = [0, 0, 0]

    def begin_again(self) -> None:
        self._done = [0, 0, 0]

    def __call__(self, *done: int) -> None:
        self._done = [had + new for had, new in zip(self._done, done, strict=True)]
        news = [max(0, had - told) for had, told in zip(self._done, self._told, strict=True)]
        self._told = [told + new for told, new in zip(self._told, news, strict=True)]
        self._progress(*news)


@contextmanager
def understood(error: type[HarnessError], what: str) -> Iterator[None]:
    """Say that a worker sent what was not agreed, as an error of a class that is shown."""
    try:
        yield
    except Garbled as garbled:
        raise error(
            f"{what}, which is not what the harness asked for: {plain(str(garbled))}",
            "Something in it writes where only the harness does.",
        ) from garbled


def expected(answer: Message, kind: Kind) -> Message:
    """The answer, if it is of a kind; else what went wrong is raised.

    Raises:
        Garbled: it is of another kind, or what went wrong cannot be read.
    """
    if answer.kind == Kind.FAILED:
        with wire.reading():
            error = faults.raised(answer.fields)
        raise error
    if answer.kind != kind:
        raise Garbled(f"a message of kind {answer.kind.name}, not {kind.name}")
    return answer
