"""An encoder that works in a process of its own, as an encoder like any other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlir_harness.choices import made_a
from mlir_harness.errors import EncoderError, Unavailable
from mlir_harness.isolation import faults, place, wire
from mlir_harness.isolation.line import Line, Reported, expected, understood
from mlir_harness.isolation.origin import Origin, sendable
from mlir_harness.isolation.process import Died, Patience, Worker
from mlir_harness.isolation.wire import Kind, Message
from mlir_harness.protocols import Context, EncoderInfo, Environment
from mlir_harness.registry import Choice
from mlir_harness.text import plain
from mlir_harness.types import Collection, IntArray
from mlir_harness.vectors import Stored, from_tensors

_ANSWER = "its process gave an answer"


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
    here = place.own(choice.plugin)
    told, given = sendable(offered), sendable(options)
    origin = Origin(choice, given, told, here, Patience(timeout), note)
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
    return described(choice, answer)


def described(choice: Choice, answer: Message) -> Made:
    """What a worker's answer says of the encoder that it was to make; raises as `look` does."""
    what = f"{choice.plugin.kind.value} {plain(choice.label)} cannot be loaded: {_ANSWER}"
    with understood(Unavailable, what), wire.reading():
        told = expected(answer, Kind.MADE).fields
        if "wrong" in told:
            raise made_a(choice, *told["wrong"])
        info, wanted = told["info"], told["environment"]
        return Made(
            EncoderInfo(**info | {"languages": tuple(info["languages"])}),
            str(told["source"]),
            bool(told["counts"]),
            bool(told["fits"]),
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

    def encode(self, texts: Sequence[str], context: Context) -> Stored:
        """See protocols.Encoder; what the encoder raises is raised here as what it was.

        Raises:
            EncoderError: its process died twice, or took too long.
        """
        reported = Reported(context.progress)
        request = _about(Kind.ENCODE, texts, context, fitted=self._documents is not None)
        with understood(EncoderError, _ANSWER):
            answer = self._asked(request, f"{len(texts)} {context.role.value} texts", reported)
            answer = expected(answer, Kind.VECTORS)
            with wire.reading():
                notes = [str(said) for said in answer.fields["notes"]]
        for said in notes:
            context.note(said)
        return _vectors(answer)

    def close(self) -> None:
        """End the worker; the next call starts another."""
        with understood(EncoderError, _ANSWER):
            self._line.close()

    def _tokens(self, texts: Sequence[str], context: Context) -> IntArray:
        """See protocols.Counts."""
        request = _about(Kind.TOKENS, texts, context, fitted=self._documents is not None)
        with understood(EncoderError, _ANSWER):
            answer = self._asked(request, "counting tokens", Reported(context.progress))
            with wire.reading():
                counted: IntArray = expected(answer, Kind.COUNTED).arrays["tokens"]
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


def _about(kind: Kind, texts: Sequence[str], context: Context, *, fitted: bool = False) -> Message:
    """Asks the encoder that was made, or the one that it was `fitted` to."""
    names, codes = wire.coded(context.languages)
    told = {"role": context.role.value, "instruction": context.instruction, "languages": names}
    return Message(kind, {**told, "fitted": fitted}, wire.packed(texts) | {"languages": codes})


def _vectors(answer: Message) -> Stored:
    try:
        return from_tensors(answer.arrays)
    except ValueError as error:
        raise EncoderError(f"returned vectors that are none: {plain(str(error))}") from error
