"""Encoders are made: told what is given to them, and held against their contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from mlir_harness import fingerprint, registry, sources
from mlir_harness.choices import blamed, options_of, wrong
from mlir_harness.errors import Unavailable
from mlir_harness.protocols import Closes, Encoder, EncoderInfo, Isolated
from mlir_harness.registry import Choice, Plugin
from mlir_harness.request import Request, Watcher
from mlir_harness.text import plain, slug


@dataclass(frozen=True)
class ReadyEncoder:
    """An encoder that was made; its weights may not be loaded yet."""

    choice: Choice
    encoder: Encoder
    info: EncoderInfo
    fingerprint: str

    def close(self) -> None:
        if isinstance(self.encoder, Closes):
            self.encoder.close()


def make_encoder(choice: Choice, request: Request, watcher: Watcher) -> ReadyEncoder:
    """The encoder, its weights not loaded.

    Args:
        choice: which one.
        request: checked; it may have options, weights or folders for it.
        watcher: told of progress.

    Raises:
        UsageError: it does not take the options that are given to it.
        Unavailable: it cannot run here, or is no encoder.
    """
    options = options_of(choice, request)
    told = offered(choice, request)
    given = bool(options) or bool(choice.rest and not choice.plugin.scheme)
    with blamed(choice, given=given):
        if request.isolate:
            from mlir_harness.isolation import housing, remote

            isolated = remote.create(choice, options, told, request.timeout, watcher.note)
            ready = _ready(choice, isolated, isolated.source)
            if isolated.made.environment is None:
                return ready
            housed = housing.housed(choice, isolated.made, options, told, request, watcher)
            return replace(ready, encoder=housed)
        encoder = registry.create(choice, options, told)
    ready = _ready(choice, encoder)
    factory: object = registry.factory(choice.plugin)
    if not isinstance(factory, Isolated):
        return ready
    from mlir_harness.isolation import housing

    made = housing.made_here(choice, ready.encoder, factory)
    return replace(ready, encoder=housing.housed(choice, made, options, told, request, watcher))


def offered(choice: Choice, request: Request) -> dict[str, object]:
    """What an encoder is told if it wants to know: the general options, and where files are."""
    return {
        **request.offered,
        "files": str(home(choice.plugin, request)),
        "checkpoints": str(request.checkpoints),
    }


def home(plugin: Plugin, request: Request) -> Path:
    """The folder of the files that are fetched for an encoder; it need not exist."""
    assert request.cache_dir is not None  # noqa: S101  checked() fills it in
    own = plugin.distribution == registry.OWN
    name = plugin.name if own else slug(f"{plugin.distribution}/{plugin.name}")
    return request.cache_dir / "encoders" / name


def _ready(choice: Choice, encoder: object, source: str | None = None) -> ReadyEncoder:
    """Held against the contract.

    Args:
        choice: what was made.
        encoder: what its factory gave.
        source: see sources.revision.
    """
    if not isinstance(encoder, Encoder):
        raise wrong(choice, encoder, "an encoder (with `info` and `encode`)")
    info = encoder.info
    if not isinstance(info, EncoderInfo):
        raise wrong(choice, info, "an EncoderInfo as its `info`")
    if info.similarity not in ("cosine", "dot"):
        raise Unavailable(
            f"encoder {plain(choice.label)} compares by {plain(str(info.similarity))!r}",
            "Its similarity must be 'cosine' or 'dot'.",
        )
    info = replace(
        info,
        revision=sources.revision(choice.plugin, str(info.revision or ""), source),
        options={str(name): str(value) for name, value in info.options.items()},
    )
    return ReadyEncoder(choice, encoder, info, fingerprint.of_encoder(choice.plugin.origin, info))
