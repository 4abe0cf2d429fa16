"""What runs in a worker: makes one encoder, and does what it is asked until it is closed.

It runs by interpreters that have numpy and nothing else of what the harness needs: all that it
imports is the vocabulary, the protocols, and what makes plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from mlir_harness import registry, sources
from mlir_harness.errors import EncoderError
from mlir_harness.isolation import faults, lent, wire
from mlir_harness.isolation.channel import Channel
from mlir_harness.isolation.wire import Kind, Message
from mlir_harness.protocols import (
    Closes,
    Context,
    Counts,
    Encoder,
    EncoderInfo,
    Fits,
    Isolated,
)
from mlir_harness.registry import Choice, Plugin
from mlir_harness.types import Role
from mlir_harness.vectors import as_vectors

_NOTES = 20  # of one request; an encoder that says more says it in vain


def main(reads: int, writes: int) -> None:
    """Serve the harness at the other ends of two pipes, until it closes them.

    Args:
        reads, writes: file descriptors.
    """
    channel = Channel(reads, writes)
    desk = Desk(channel)
    channel.send(Message(Kind.READY, {"version": wire.VERSION}))
    while True:
        request = channel.receive()
        with channel.working():
            try:
                answer = desk.answer(request)
            except BaseException as error:  # whatever an encoder raises is an answer
                answer = Message(Kind.FAILED, faults.fields(error))
            channel.report()
            try:
                channel.send(answer)
            except wire.Garbled as error:
                channel.send(Message(Kind.FAILED, faults.fields(EncoderError(f"gave {error}"))))


class Desk:
    """The encoder that was made, and the one that was fitted to documents last."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._encoder: Encoder | None = None
        self._fitted: Encoder | None = None

    def answer(self, request: Message) -> Message:
        """Do what is asked; what the encoder raises comes out of it."""
        if request.kind == Kind.MAKE:
            return self._make(request.fields)
        if request.kind == Kind.ENCODE:
            return self._encode(request)
        if request.kind == Kind.TOKENS:
            return self._tokens(request)
        if request.kind == Kind.FIT:
            return self._fit(request.fields["documents"])
        if request.kind == Kind.CLOSE:
            return self._close()
        raise wire.Garbled(f"a request of kind {request.kind.name}")

    def _make(self, asked: Mapping[str, Any]) -> Message:
        told = dict(asked["plugin"])
        plugin = Plugin(registry.Kind(told.pop("kind")), **told)
        choice = Choice(asked["label"], plugin, asked["rest"])
        factory = registry.factory(plugin)
        encoder = registry.create(choice, asked["options"], asked["offered"])
        # `info` may hash weights (and before Python 3.12 the protocol's check asks for it).
        if not (isinstance(encoder, Encoder) if asked["info"] else hasattr(encoder, "encode")):
            wrong = [type(encoder).__name__, "an encoder (with `info` and `encode`)"]
            return Message(Kind.MADE, {"wrong": wrong})
        self._encoder, self._fitted = encoder, None
        made = {
            "source": sources.loaded(plugin),
            "counts": isinstance(encoder, Counts),
            "fits": isinstance(encoder, Fits),
            "environment": _environment(factory),
        }
        if asked["info"]:
            info: Any = encoder.info
            if not isinstance(info, EncoderInfo):
                wrong = [type(info).__name__, "an EncoderInfo as its `info`"]
                return Message(Kind.MADE, {"wrong": wrong})
            made["info"] = _plain(info)
        return Message(Kind.MADE, made)

    def _encode(self, request: Message) -> Message:
        texts = wire.unpacked(request.arrays)
        notes: list[str] = []
        context = replace(self._context(request), note=lambda said: notes.append(str(said)[:400]))
        encoder = self._meant(request)
        vectors = as_vectors(encoder.encode(texts, context), len(texts))
        return Message(Kind.VECTORS, {"notes": notes[:_NOTES]}, vectors.tensors())

    def _tokens(self, request: Message) -> Message:
        encoder = self._meant(request)
        if not isinstance(encoder, Counts):
            encoder = self._made()
        assert isinstance(encoder, Counts)  # noqa: S101  the harness was told
        counted = encoder.tokens(wire.unpacked(request.arrays), self._context(request))
        return Message(Kind.COUNTED, {}, {"tokens": np.asarray(counted, np.int64)})

    def _context(self, request: Message) -> Context:
        names, told = request.fields["languages"], request.fields
        languages = [names[code] for code in request.arrays["languages"].tolist()]
        progress = self._channel.progress
        return Context(Role(told["role"]), languages, told["instruction"], progress)

    def _fit(self, documents: list[tuple[str, int]]) -> Message:
        encoder = self._made()
        assert isinstance(encoder, Fits)  # noqa: S101  the harness was told
        self._fitted = None  # what it was fitted to before need not stay in memory
        self._fitted = encoder.fit(lent.borrowed(self._channel, documents))
        return Message(Kind.FITTED)

    def _close(self) -> Message:
        held: tuple[object, ...] = (self._fitted, self._encoder)
        for encoder in held:
            if isinstance(encoder, Closes):
                encoder.close()
        return Message(Kind.CLOSED)

    def _meant(self, request: Message) -> Encoder:
        """The encoder as it was made, or as it was fitted last: the harness says which."""
        if not request.fields["fitted"]:
            return self._made()
        assert self._fitted is not None  # noqa: S101  the harness had it fitted
        return self._fitted

    def _made(self) -> Encoder:
        assert self._encoder is not None  # noqa: S101  it is made before anything else is asked
        return self._encoder


def _environment(factory: object) -> dict[str, Any] | None:
    if not isinstance(factory, Isolated):
        return None
    wanted = factory.environment
    return {"requirements": list(wanted.requirements), "python": wanted.python}


def _plain(info: EncoderInfo) -> dict[str, Any]:
    """What an encoder says of itself, as JSON can hold it."""
    held = {each.name: getattr(info, each.name) for each in fields(info)}
    held["options"] = {str(name): str(value) for name, value in info.options.items()}
    held["languages"] = list(info.languages)
    return {name: value if _jsonable(value) else str(value) for name, value in held.items()}


def _jsonable(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | list | dict)
