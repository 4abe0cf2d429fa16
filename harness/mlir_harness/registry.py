"""Plugins by name: found through entry points, imported one at a time when they are used."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from mlir_harness import entry_points, sources
from mlir_harness.entry_points import Flaw
from mlir_harness.errors import Broken, HarnessError, Unavailable, UnknownName, UsageError
from mlir_harness.text import described, did_you_mean, plain

OWN = "mlir-harness"
_ALIAS = re.compile(r"([A-Za-z0-9][\w.-]*)=(.+)", re.DOTALL)


class Kind(StrEnum):
    """What a plugin is; its entry-point groups are derived from it."""

    ENCODER = "encoder"
    TASK = "task"
    COMMAND = "command"

    @property
    def group(self) -> str:
        return f"mlir_harness.{self.value}s"

    @property
    def schemes(self) -> str:
        """Group of plugins used as `scheme:rest`, which are given the rest."""
        return f"mlir_harness.{self.value}_schemes"


EVALUATED = (Kind.ENCODER, Kind.TASK)  # the kinds that are named to be run, fetched, examined


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
        wanted: asked for by name; not so what `all` brought in.
    """

    label: str
    plugin: Plugin
    rest: str = ""
    wanted: bool = True


@cache
def plugins(kind: Kind) -> tuple[Plugin, ...]:
    """All plugins of a kind, schemes too, sorted by name; reads metadata only."""
    disabled = {
        name.strip()
        for name in os.environ.get("MLIR_HARNESS_DISABLE_PLUGINS", "").split(",")
        if name.strip()
    }
    found: dict[tuple[str, str, str], Plugin] = {}
    for point in entry_points.read((kind.group, kind.schemes))[0]:
        third_party = point.distribution != OWN
        names = {point.name, f"{point.distribution}/{point.name}"}
        if names & disabled or (third_party and "third-party" in disabled):
            continue
        scheme = point.group == kind.schemes
        plugin = Plugin(kind, point.name, point.value, point.distribution, point.version, scheme)
        found.setdefault((point.name, point.distribution, point.value), plugin)
    return tuple(sorted(found.values(), key=lambda p: (p.scheme, p.name, p.distribution)))


def flaws(kind: Kind) -> tuple[Flaw, ...]:
    """Plugins of a kind that are installed and passed over, and why."""
    return entry_points.read((kind.group, kind.schemes))[1]


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
            wanted=False,
        )
        for plugin in ordinary
    ]


def known_names(*kinds: Kind) -> list[str]:
    """The names that plugins of these kinds have, schemes as "name:…", sorted."""
    found = (plugin for kind in kinds for plugin in plugins(kind))
    return sorted({f"{plugin.name}:…" if plugin.scheme else plugin.name for plugin in found})


def resolve(kind: Kind, spec: str) -> Choice:
    """The plugin that `spec` names.

    Args:
        kind: encoder or task.
        spec: NAME, NAME:VARIANT, DISTRIBUTION/NAME, SCHEME:REST or py:MODULE:ATTRIBUTE,
            each also as LABEL=SPEC.

    Raises:
        UnknownName: nothing has that name.
        UsageError: more than one thing has it, or it is not whole.
    """
    alias = _ALIAS.fullmatch(spec)
    if alias:
        return replace(_resolve(kind, alias[2]), label=alias[1])
    label, equals, use = spec.partition("=")
    if equals and ":" not in label:  # what follows a colon may hold anything
        raise UsageError(
            f"{plain(spec)!r} names no {kind.value} after its ="
            if label and not use
            else f"{plain(label)!r} in {plain(spec)!r} cannot be a label",
            "Write LABEL=NAME, a label of letters, digits, '-', '_' and '.', or NAME alone.",
        )
    return _resolve(kind, spec)


def _resolve(kind: Kind, spec: str) -> Choice:
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
        if not rest:
            raise UsageError(
                f"{kind.value} {plain(spec)} names nothing after the colon",
                f"Write {plain(head)}, or a variant of it after the colon.",
            )
    distribution, slash, name = head.rpartition("/")
    ordinary = [p for p in plugins(kind) if not p.scheme]
    named = [
        p for p in ordinary if p.name == name and (not slash or p.distribution == distribution)
    ]
    if not named:
        for flaw in flaws(kind):
            if spec in (flaw.name, f"{flaw.distribution}/{flaw.name}"):
                raise UsageError(
                    f"the {kind.value} {plain(spec)!r} of {flaw.source} cannot be used: {flaw.why}",
                    flaw.hint,
                )
        raise UnknownName(
            f"no {kind.value} is called {plain(spec)!r}", did_you_mean(spec, known_names(kind))
        )
    return Choice(spec, _only(named, name, kind), rest)


def _only(found: list[Plugin], name: str, kind: Kind) -> Plugin:
    if len(found) > 1:
        choices = ", ".join(f"{plugin.distribution}/{plugin.name}" for plugin in found)
        raise UsageError(
            f"two or more distributions offer the {kind.value} {plain(name)}",
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
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` would find it
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
    made_by = factory(plugin)
    signature = _signature(made_by)
    known = signature.parameters if signature else {}
    arguments = {name: value for name, value in offered.items() if name in known} | dict(options)
    positional = []
    if plugin.scheme:
        positional.append(choice.rest)
    elif choice.rest:
        arguments["variant"] = choice.rest
    try:
        if signature:
            _check_known(choice, arguments, signature)
            signature.bind(*positional, **arguments)
    except TypeError as error:
        raise UsageError(
            f"{plugin.kind.value} {plain(choice.label)} cannot be made with these options: "
            f"{plain(str(error))}",
            _told(signature),
        ) from error
    try:
        return made_by(*positional, **arguments)
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also sys.exit, which ends the plugin, not the run
        raise _broken(plugin, error) from error


def _check_known(
    choice: Choice, arguments: Mapping[str, Any], signature: inspect.Signature
) -> None:
    """Raise UsageError if the factory has no parameter for one of the arguments."""
    parameters = signature.parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return  # it tells itself
    what = f"{choice.plugin.kind.value} {plain(choice.label)}"
    for name in arguments:
        if name in signature.parameters:
            continue
        if name == "variant" and choice.rest:
            raise UsageError(f"{what} names a variant, and there are none", _told(signature))
        if name == "weights":
            raise UsageError(
                f"{what} takes no weights", f"Leave them out (--weights). {_told(signature)}"
            )
        raise UsageError(f"{what} has no option {plain(name)!r}", _told(signature))


def _told(signature: inspect.Signature | None) -> str:
    """The options of a factory, for a hint."""
    known = sorted(map(plain, signature.parameters)) if signature else []
    return f"Its options: {', '.join(known) or 'none'}."


def _signature(factory: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(factory)
    except (TypeError, ValueError):
        return None  # some built-in callables do not tell


def factory(plugin: Plugin) -> Callable[..., Any]:
    """Import the plugin; what its entry point names, which makes encoders or tasks.

    Raises:
        Unavailable: it cannot be imported, or names nothing that can be called.
    """
    module, _, attribute = plugin.value.partition(":")
    try:
        loaded: Any = importlib.import_module(module.strip())
        sources.remember(plugin)
        for part in attribute.split("[")[0].strip().split("."):
            loaded = getattr(loaded, part)
    except (Unavailable, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _broken(plugin, error) from error
    if not callable(loaded):
        raise Broken(
            f"{plugin.kind.value} {plain(plugin.name)} is not callable: {plain(plugin.value)} "
            f"is a {type(loaded).__name__}",
            "Its entry point must name a function or class that makes it.",
        )
    return loaded  # type: ignore[no-any-return]


def _broken(plugin: Plugin, error: BaseException) -> Broken:
    source = plain(f"{plugin.distribution} {plugin.version}".strip() or plugin.value)
    hint = (
        f"Mend or uninstall {source}, or switch it off with "
        f"MLIR_HARNESS_DISABLE_PLUGINS={plain(plugin.name)}."
        if plugin.distribution
        else f"Mend {source}; modules are looked for in this folder and on PYTHONPATH."
    )
    return Broken(
        f"{plugin.kind.value} {plain(plugin.name)} ({source}) cannot be loaded: {described(error)}",
        hint,
    )
