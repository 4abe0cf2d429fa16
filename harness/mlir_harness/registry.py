"""Plugins by name: found through entry points, imported one at a time when they are used."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from mlir_harness.errors import HarnessError, Unavailable, UsageError
from mlir_harness.text import did_you_mean, plain

_OWN = "mlir-harness"
_ALIAS = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)


class Kind(StrEnum):
    """What a plugin is; its entry-point groups are derived from it."""

    ENCODER = "encoder"
    TASK = "task"

    @property
    def group(self) -> str:
        return f"mlir_harness.{self.value}s"

    @property
    def schemes(self) -> str:
        """Group of plugins used as `scheme:rest`, which are given the rest."""
        return f"mlir_harness.{self.value}_schemes"


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point, not yet imported."""

    kind: Kind
    name: str
    value: str  # "package.module:attribute"
    distribution: str
    version: str
    scheme: bool = False

    @property
    def origin(self) -> str:
        """What tells it from a plugin of the same name: part of the encoder fingerprint."""
        return f"{self.distribution} {self.value}" if self.distribution else self.value


@dataclass(frozen=True, slots=True)
class Choice:
    """One name from the command line, resolved to a plugin.

    Attributes:
        label: what tables show and results are filed under.
        plugin: the plugin it names.
        rest: what follows "scheme:" or "name:", "" for nothing.
    """

    label: str
    plugin: Plugin
    rest: str = ""


@cache
def plugins(kind: Kind) -> tuple[Plugin, ...]:
    """All plugins of a kind, schemes too, sorted by name; reads metadata only."""
    disabled = {
        name.strip()
        for name in os.environ.get("MLIR_HARNESS_DISABLE_PLUGINS", "").split(",")
        if name.strip()
    }
    found: dict[tuple[str, str, str], Plugin] = {}
    for group, scheme in ((kind.group, False), (kind.schemes, True)):
        for point in importlib.metadata.entry_points(group=group):
            distribution = point.dist.name if point.dist else ""
            version = point.dist.version if point.dist else ""
            third_party = distribution != _OWN
            if point.name in disabled or (third_party and "third-party" in disabled):
                continue
            plugin = Plugin(kind, point.name, point.value, distribution, version, scheme)
            found.setdefault((point.name, distribution, point.value), plugin)
    return tuple(sorted(found.values(), key=lambda p: (p.scheme, p.name, p.distribution)))


def everything(kind: Kind) -> list[Choice]:
    """What `all` stands for: every plugin that needs no argument."""
    ordinary = [plugin for plugin in plugins(kind) if not plugin.scheme]
    names = [plugin.name for plugin in ordinary]
    return [
        Choice(
            plugin.name
            if names.count(plugin.name) == 1
            else f"{plugin.distribution}/{plugin.name}",
            plugin,
        )
        for plugin in ordinary
    ]


def resolve(kind: Kind, spec: str) -> Choice:
    """The plugin that `spec` names.

    Args:
        kind: encoder or task.
        spec: NAME, NAME:VARIANT, DISTRIBUTION/NAME, SCHEME:REST or py:MODULE:ATTRIBUTE,
            each also as LABEL=SPEC.

    Raises:
        UsageError: nothing or more than one thing has that name.
    """
    alias = _ALIAS.fullmatch(spec)
    if alias:
        chosen = resolve(kind, alias[2])
        return Choice(alias[1], chosen.plugin, chosen.rest)
    head, colon, rest = spec.partition(":")
    if colon and head == "py":
        return Choice(spec, _module_plugin(kind, rest))
    if colon:
        schemes = [p for p in plugins(kind) if p.scheme and p.name == head]
        if schemes:
            if not rest:
                raise UsageError(
                    f"{kind.value} {plain(spec)} names nothing after the colon",
                    f"Write {head}:FOLDER or {head}:ID.",
                )
            return Choice(spec, _only(schemes, head, kind), rest)
    distribution, slash, name = head.rpartition("/")
    ordinary = [p for p in plugins(kind) if not p.scheme]
    named = [
        p for p in ordinary if p.name == name and (not slash or p.distribution == distribution)
    ]
    if not named:
        known = sorted(
            {p.name for p in ordinary} | {f"{p.name}:…" for p in plugins(kind) if p.scheme}
        )
        raise UsageError(f"no {kind.value} is called {plain(spec)!r}", did_you_mean(spec, known))
    return Choice(spec, _only(named, name, kind), rest)


def _only(found: list[Plugin], name: str, kind: Kind) -> Plugin:
    if len(found) > 1:
        choices = ", ".join(f"{plugin.distribution}/{plugin.name}" for plugin in found)
        raise UsageError(
            f"{len(found)} distributions offer a {kind.value} called {plain(name)}",
            f"Write one of: {choices}.",
        )
    return found[0]


def _module_plugin(kind: Kind, value: str) -> Plugin:
    module, colon, attribute = value.partition(":")
    if not (colon and module and attribute):
        raise UsageError(
            f"py:{plain(value)} does not name a module and an attribute",
            "Write py:package.module:attribute.",
        )
    return Plugin(kind, f"py:{value}", value, "", "")


def create(choice: Choice, options: Mapping[str, Any], offered: Mapping[str, Any]) -> Any:
    """Import the plugin and call its factory.

    Args:
        choice: which plugin.
        options: given for this plugin; it must know them.
        offered: given for all; passed on if the factory has parameters of these names.

    Raises:
        UsageError: the factory does not take these options.
        Unavailable: it cannot run here; import errors and surprises in a factory are turned
            into this, so that a broken plugin never takes the program down.
    """
    plugin = choice.plugin
    factory = _load(plugin)
    known = _parameters(factory)
    arguments = {name: value for name, value in offered.items() if name in known} | dict(options)
    positional = []
    if plugin.scheme:
        positional.append(choice.rest)
    elif choice.rest:
        arguments["variant"] = choice.rest
    try:
        made = factory(*positional, **arguments)
    except HarnessError:
        raise
    except TypeError as error:
        if arguments and "argument" in str(error):
            raise UsageError(
                f"{plugin.kind.value} {plain(choice.label)} does not take these options: {error}",
                "See its documentation for the options it knows.",
            ) from error
        raise _broken(plugin, error) from error
    except Exception as error:
        raise _broken(plugin, error) from error
    return made


def _parameters(factory: Callable[..., Any]) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _load(plugin: Plugin) -> Callable[..., Any]:
    module, _, attribute = plugin.value.partition(":")
    if plugin.name.startswith("py:") and "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` would find it
    try:
        loaded: Any = importlib.import_module(module.strip())
        for part in attribute.split("[")[0].strip().split("."):
            loaded = getattr(loaded, part)
    except Exception as error:
        raise _broken(plugin, error) from error
    if not callable(loaded):
        raise Unavailable(
            f"{plugin.kind.value} {plain(plugin.name)} is not callable: {plain(plugin.value)} "
            f"is a {type(loaded).__name__}",
            "Its entry point must name a function or class that makes it.",
        )
    return loaded  # type: ignore[no-any-return]


def _broken(plugin: Plugin, error: Exception) -> Unavailable:
    source = f"{plugin.distribution} {plugin.version}".strip() or plugin.value
    return Unavailable(
        f"{plugin.kind.value} {plain(plugin.name)} ({plain(source)}) cannot be loaded: "
        f"{type(error).__name__}: {plain(str(error))}",
        f"Mend or uninstall {plain(source)}, or switch it off with "
        f"MLIR_HARNESS_DISABLE_PLUGINS={plain(plugin.name)}.",
    )


def revision(plugin: Plugin) -> str:
    """Version of a plugin that states no revision; edited code gives another one."""
    stated = f"{plugin.distribution} {plugin.version}".strip()
    if plugin.distribution and not _editable(plugin.distribution):
        return stated
    return f"{stated} source {_source_hash(plugin)}".strip()


def _editable(distribution: str) -> bool:
    try:
        text = importlib.metadata.distribution(distribution).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return False
    return bool(text and json.loads(text).get("dir_info", {}).get("editable"))


def _source_hash(plugin: Plugin) -> str:
    import xxhash

    module = sys.modules.get(plugin.value.partition(":")[0])
    file = getattr(module, "__file__", None)
    if not file:
        return "unknown"
    folder = Path(file).parent
    sources = sorted(folder.rglob("*.py")) if Path(file).name == "__init__.py" else [Path(file)]
    state = xxhash.xxh3_128()
    for source in sources:
        state.update(source.name.encode())
        state.update(source.read_bytes())
    return state.hexdigest()
