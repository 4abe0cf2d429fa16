"""The way to a worker: started when it is first asked, fitted, and started anew if it died."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mlir_harness.choices import made_a
from mlir_harness.errors import EncoderError
from mlir_harness.isolation import faults, lent
from mlir_harness.isolation.place import Place
from mlir_harness.isolation.process import Died, Patience, Worker
from mlir_harness.isolation.wire import Garbled, Kind, Message
from mlir_harness.protocols import EncoderInfo, Environment
from mlir_harness.registry import Choice
from mlir_harness.types import Collection


@dataclass(frozen=True)
class Origin:
    """What a worker makes, and where.

    Attributes:
        choice: the plugin.
        options, offered: see registry.create; what JSON can hold.
        place: the interpreter.
        patience: how long it is waited for.
        note: told what went wrong and was mended.
    """

    choice: Choice
    options: Mapping[str, Any]
    offered: Mapping[str, Any]
    place: Place
    patience: Patience
    note: Callable[[str], None] = field(default=lambda _: None)

    def request(self, *, info: bool) -> Message:
        plugin = asdict(self.choice.plugin)
        told = {"plugin": plugin, "label": self.choice.label, "rest": self.choice.rest}
        given = {"options": dict(self.options), "offered": dict(self.offered)}
        return Message(Kind.MAKE, told | given | {"info": info})


@dataclass(frozen=True)
class Made:
    """What a worker says of the encoder that it made.

    Attributes:
        info: the encoder's own words.
        source: see sources.loaded.
        counts, fits: whether it implements protocols.Counts and protocols.Fits.
        environment: what its factory asks for, as protocols.Isolated.
    """

    info: EncoderInfo
    source: str = ""
    counts: bool = False
    fits: bool = False
    environment: Environment | None = None


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
            reported(*message.fields["done"])
            return None

        try:
            worker = self._made()
            if documents is not None and self._fitted is not documents:
                self._fitted = None
                fit = Message(Kind.FIT, {"documents": lent.described(documents)})
                expected(worker.ask(fit, heard), Kind.FITTED)
                self._fitted = documents
            return worker.ask(request, heard)
        except (Died, KeyboardInterrupt):
            self._worker = None
            raise

    def _made(self) -> Worker:
        if self._worker is None:
            self._fitted = None
            worker = Worker(self._origin.place, self._origin.patience)
            try:
                told = expected(worker.make(self._origin.request(info=False)), Kind.MADE).fields
                if "wrong" in told:
                    raise made_a(self._origin.choice, *told["wrong"])
                # "" also in an environment where the plugin is shown but not installed.
                if self._source and told["source"] not in {"", self._source}:
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


def expected(answer: Message, kind: Kind) -> Message:
    """The answer, if it is of a kind; else what went wrong is raised."""
    if answer.kind == Kind.FAILED:
        raise faults.raised(answer.fields)
    if answer.kind != kind:
        raise Garbled(f"a message of kind {answer.kind.name}, not {kind.name}")
    return answer
