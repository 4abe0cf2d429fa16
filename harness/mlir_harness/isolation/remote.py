"""An encoder that works in a process of its own, as an encoder like any other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mlir_harness.choices import made_a
from mlir_harness.errors import EncoderError, Unavailable, UsageError
from mlir_harness.isolation import faults, lent, place, wire
from mlir_harness.isolation.place import Place
from mlir_harness.isolation.process import Died, Patience, Worker
from mlir_harness.isolation.wire import Garbled, Kind, Message
from mlir_harness.protocols import Context, EncoderInfo, Environment
from mlir_harness.registry import Choice
from mlir_harness.text import plain
from mlir_harness.types import Collection, IntArray
from mlir_harness.vectors import Dense


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


def create(
    choice: Choice,
    options: Mapping[str, Any],
    offered: Mapping[str, Any],
    timeout: float,
    note: Callable[[str], None],
) -> RemoteEncoder:
    """An encoder that never enters this process: not even its module is imported here.

    Args:
        choice, options, offered: see registry.create.
        timeout: seconds it may go without finishing a batch.
        note: told what went wrong and was mended.

    Raises:
        UsageError: it does not take these options.
        Unavailable: it cannot run here, or is no encoder; a crash on import is one reason.
    """
    origin = Origin(
        choice, _sendable(options), _sendable(offered), place.own(choice.plugin), Patience(timeout)
    )
    origin = replace(origin, note=note)
    return RemoteEncoder(origin, look(origin))


def look(origin: Origin) -> Made:
    """Have a worker make the encoder and say what it is, and end: none waits with its memory.

    Raises:
        UsageError, Unavailable: see `create`; or what else the plugin raises.
    """
    choice = origin.choice
    try:
        worker = Worker(origin.place, origin.patience)
        try:
            answer = worker.make(origin.request(info=True))
        finally:
            worker.kill()
    except Died as error:
        raise Unavailable(
            f"{choice.plugin.kind.value} {plain(choice.label)} cannot be loaded: its process "
            f"{error.death.message}",
            error.death.hint,
        ) from error
    told = _expected(answer, Kind.MADE).fields
    if "wrong" in told:
        raise made_a(choice, *told["wrong"])
    info, wanted = told["info"], told["environment"]
    return Made(
        EncoderInfo(**info | {"languages": tuple(info["languages"])}),
        told["source"],
        told["counts"],
        told["fits"],
        Environment(tuple(wanted["requirements"]), wanted["python"]) if wanted else None,
    )


class RemoteEncoder:
    """An Encoder that Closes, and that Counts and Fits where the one in the worker does.

    A worker starts at the first call that needs one. If it dies, what was asked is asked once more
    of another; if that dies too, the call fails, and the next one starts anew.
    """

    def __init__(
        self,
        origin: Origin,
        made: Made,
        *,
        line: Line | None = None,
        documents: Sequence[Collection] | None = None,
    ) -> None:
        """Nothing is started.

        Args:
            origin: what to make, and where.
            made: what it is, from `look` or from an encoder that was made here.
            line: to a worker that is shared; None for one of its own.
            documents: what it is fitted to.
        """
        self._origin, self._made, self._documents = origin, made, documents
        self._line = Line(origin, made.source) if line is None else line
        # As attributes, since the protocols that are optional are recognised by them.
        if made.counts:
            self.tokens = self._tokens
        if made.fits and documents is None:
            self.fit = self._fit

    @property
    def info(self) -> EncoderInfo:
        return self._made.info

    @property
    def made(self) -> Made:
        return self._made

    @property
    def source(self) -> str:
        """See sources.loaded; of the worker's process."""
        return self._made.source

    def encode(self, texts: Sequence[str], context: Context) -> Dense:
        """See protocols.Encoder; what the encoder raises is raised here as what it was.

        Raises:
            EncoderError: its process died twice, or took too long.
        """
        reported = Reported(context.progress)
        request = _about(Kind.ENCODE, texts, context)
        answer = self._asked(request, f"{len(texts)} {context.role.value} texts", reported)
        return _vectors(_expected(answer, Kind.VECTORS))

    def close(self) -> None:
        """End the worker; the next call starts another."""
        self._line.close()

    def _tokens(self, texts: Sequence[str], context: Context) -> IntArray:
        """See protocols.Counts."""
        request = _about(Kind.TOKENS, texts, context)
        answer = self._asked(request, "counting tokens", Reported(context.progress))
        counted: IntArray = _expected(answer, Kind.COUNTED).arrays["tokens"]
        return counted

    def _fit(self, documents: Sequence[Collection]) -> RemoteEncoder:
        """See protocols.Fits; it is fitted when it first encodes, in the same process."""
        return RemoteEncoder(self._origin, self._made, line=self._line, documents=documents)

    def _asked(self, request: Message, what: str, reported: Reported) -> Message:
        try:
            return self._line.ask(request, self._documents, reported)
        except Died as error:
            first = error
        if first.death.again:
            name = plain(self._origin.choice.label)
            self._origin.note(f"{name}: its process {first.death.message}; trying once more")
            reported.begin_again()
            try:
                return self._line.ask(request, self._documents, reported)
            except Died as error:
                first, twice = error, ", after another one had died"
        else:
            twice = ""
        death = first.death
        raise EncoderError(
            f"its process {death.message}{twice} (on {what})", death.hint
        ) from faults.Elsewhere(death.said)


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
                _expected(worker.ask(fit, heard), Kind.FITTED)
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
                told = _expected(worker.make(self._origin.request(info=False)), Kind.MADE).fields
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
                _expected(answer, Kind.CLOSED)


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


def foreign(choice: Choice, python: Path, **rest: Any) -> Origin:
    """The origin of an encoder that works by another environment's interpreter.

    Args:
        choice: the plugin.
        python: the interpreter.
        **rest: see Origin.
    """
    return Origin(choice, place=place.foreign(python, choice.plugin), **rest)


def _about(kind: Kind, texts: Sequence[str], context: Context) -> Message:
    names, codes = wire.coded(context.languages)
    told = {"role": context.role.value, "instruction": context.instruction, "languages": names}
    return Message(kind, told, wire.packed(texts) | {"languages": codes})


def _expected(answer: Message, kind: Kind) -> Message:
    """The answer, if it is of a kind; else what went wrong is raised."""
    if answer.kind == Kind.FAILED:
        raise faults.raised(answer.fields)
    if answer.kind != kind:
        raise Garbled(f"a message of kind {answer.kind.name}, not {kind.name}")
    return answer


def _vectors(answer: Message) -> Dense:
    if set(answer.arrays) != {"matrix"}:
        raise EncoderError(f"returned vectors of {plain(', '.join(answer.arrays))}")
    return Dense(answer.arrays["matrix"])


def _sendable(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options, if they can be sent.

    Raises:
        UsageError: one of them cannot.
    """
    for name, value in options.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"option {plain(name)} is a {type(value).__name__}, which cannot be handed to an "
                "isolated encoder",
                "Give a string or a number.",
            ) from error
    return options
