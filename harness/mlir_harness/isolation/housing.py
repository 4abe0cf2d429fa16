"""Encoders that work in an environment of their own: found, or built when they first encode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlir_harness import sources
from mlir_harness.choices import wrong
from mlir_harness.errors import Unavailable
from mlir_harness.isolation import environments, origin
from mlir_harness.isolation.process import Patience
from mlir_harness.isolation.remote import Made, RemoteEncoder
from mlir_harness.protocols import (
    Context,
    Counts,
    Encoder,
    EncoderInfo,
    Environment,
    Fits,
    Isolated,
)
from mlir_harness.registry import Choice
from mlir_harness.request import Request, Watcher
from mlir_harness.text import plain
from mlir_harness.types import Collection
from mlir_harness.vectors import Stored


def made_here(choice: Choice, encoder: Encoder, factory: Isolated) -> Made:
    """What a worker would say of an encoder that was made in this process.

    Raises:
        Unavailable: what its factory declares is no environment.
    """
    environment = declared(choice, factory)
    counts, fits = isinstance(encoder, Counts), isinstance(encoder, Fits)
    return Made(encoder.info, sources.loaded(choice.plugin), counts, fits, environment)


def declared(choice: Choice, factory: Isolated) -> Environment:
    """What the encoders of a factory need; raises Unavailable if it is no environment."""
    environment: object = factory.environment
    if not isinstance(environment, Environment):
        raise wrong(choice, environment, "an Environment as its factory's `environment`")
    return environment


def housed(
    choice: Choice,
    made: Made,
    options: Mapping[str, Any],
    offered: Mapping[str, Any],
    request: Request,
    watcher: Watcher,
) -> RemoteEncoder | Unbuilt:
    """The encoder that `made` describes, in the environment it names; nothing is built or started.

    Args:
        choice, options, offered: see registry.create. In the worker, a factory that takes a
            parameter `expected_revision` is told what its vectors are filed under.
        made: what the encoder says here, where it was made and cannot encode.
        request: checked.
        watcher: told when the environment is built, and of what went wrong and was mended.

    Raises:
        UsageError: an option cannot be sent to another process.
        Unavailable: the environment is not here and was not asked for by name, or cannot be built
            here (no uv, too old a Python).
    """
    assert request.cache_dir is not None  # noqa: S101  checked() fills it in
    assert made.environment is not None  # noqa: S101  or it would work here
    environment, cache = made.environment, request.cache_dir
    # Before anything is built for them.
    given, told = origin.sendable(options), origin.sendable(offered)

    def encoder(python: Path) -> RemoteEncoder:
        start = origin.foreign(
            choice,
            python,
            options=given,
            offered={**told, "expected_revision": made.info.revision},
            patience=Patience(request.timeout),
            note=watcher.note,
        )
        return RemoteEncoder(start, made)

    if found := environments.find(environment, cache):
        return encoder(found)
    if not (choice.wanted or request.download):
        first = environments.lack()
        raise Unavailable(
            f"the environment of {plain(choice.label)} is not built: "
            f"{plain(', '.join(environment.requirements))} (Python {plain(environment.python)})",
            f"{f'{first}, then ' if first else ''}mlir-harness fetch {plain(choice.plugin.name)}",
        )
    environments.check(environment)
    return Unbuilt(made, lambda: encoder(environments.build(environment, cache, watcher)))


class Unbuilt:
    """An Encoder that Closes, and Fits where it does: its environment is built when it first works.

    So a run that finds everything stored builds nothing, and neither does a dry run; tokens are
    counted only once it is there.
    """

    def __init__(self, made: Made, build: Callable[[], RemoteEncoder]) -> None:
        self._made, self._build = made, build
        self._encoder: RemoteEncoder | None = None
        if made.fits:  # as an attribute, since the protocol is recognised by it
            self.fit = self._fit

    @property
    def info(self) -> EncoderInfo:
        return self._made.info

    @property
    def source(self) -> str:
        """See sources.loaded."""
        return self._made.source

    def encode(self, texts: Sequence[str], context: Context) -> Stored:
        """See protocols.Encoder.

        Raises:
            Unavailable: the environment cannot be built.
        """
        return self._built().encode(texts, context)

    def close(self) -> None:
        """End the worker, if there is one."""
        if self._encoder is not None:
            self._encoder.close()

    def _fit(self, documents: Sequence[Collection]) -> Encoder:
        return self._built().fit(documents)

    def _built(self) -> RemoteEncoder:
        if self._encoder is None:
            self._encoder = self._build()
        return self._encoder
