"""Names become plugins; a plugin that fails is kept with its reason, and the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from mlir_harness import registry
from mlir_harness.containment import contained
from mlir_harness.errors import Broken, HarnessError, Refused, UnknownName, UsageError
from mlir_harness.registry import EVALUATED, Choice, Kind
from mlir_harness.request import Request
from mlir_harness.text import described, did_you_mean, plain

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Failed:
    """A name that cannot be used here, and why."""

    choice: Choice
    error: HarnessError

    @property
    def traceback(self) -> str:
        return "".join(traceback.format_exception(self.error))


def choices(kind: Kind, names: Sequence[str]) -> list[Choice]:
    """What names stand for, each once.

    Raises:
        UsageError: a name is unknown, or two plugins would have one label.
    """
    found: dict[str, Choice] = {}
    for name in names:
        for choice in (
            registry.everything(kind) if name == "all" else [registry.resolve(kind, name)]
        ):
            other = found.setdefault(choice.label, choice)
            if (other.plugin, other.rest) != (choice.plugin, choice.rest):
                raise UsageError(
                    f"two {kind.value}s are called {plain(choice.label)}",
                    "Give each a label of its own: LABEL=NAME.",
                )
            if choice.wanted:
                found[choice.label] = choice
    if not found:
        missing = "is installed" if "all" in names else "was named"
        raise UsageError(f"no {kind.value} {missing}", f"See mlir-harness list {kind.value}s.")
    return list(found.values())


def of_either_kind(name: str) -> list[Choice]:
    """The encoder, the task, or both that a name stands for.

    py:MODULE:ATTRIBUTE, which does not say of what kind it is, is taken for an encoder.

    Raises:
        UnknownName: nothing has that name.
        UsageError: more than one thing of a kind has it.
    """
    found = []
    for kind in EVALUATED:
        with suppress(UnknownName):
            found.append(registry.resolve(kind, name))
    if not found:
        raise UnknownName(
            f"no encoder or task is called {plain(name)!r}",
            did_you_mean(name, registry.known_names(*EVALUATED)),
        )
    return found[:1] if not found[0].plugin.distribution else found


def attempt(choice: Choice, make: Callable[[], _Made]) -> _Made | Failed:
    """What `make` gives, or why not; whatever a plugin does, the others go on."""
    try:
        with contained():
            return make()
    except KeyboardInterrupt:
        raise
    except HarnessError as error:
        if isinstance(error, UsageError) and choice.wanted:
            raise
        return Failed(choice, error)
    except BaseException as error:
        failure = HarnessError(
            f"{choice.plugin.kind.value} {plain(choice.label)} failed: {described(error)}",
            "Run again with --debug for the traceback.",
        )
        failure.__cause__ = error
        return Failed(choice, failure)


def check_options(request: Request, chosen: Sequence[Choice]) -> None:
    """Raise UsageError if an option, or weights, are given for what is not chosen."""
    known = sorted(set().union(*map(_names, chosen)))
    for flag, given in (("--option", request.options), ("--weights", request.weights)):
        for name in given:
            if name not in known:
                raise UsageError(
                    f"{flag} is given for {plain(name)!r}, which is not part of this run",
                    did_you_mean(name, known),
                )


def _names(choice: Choice) -> set[str]:
    return {choice.label, choice.plugin.name, _spec(choice)}


def _spec(choice: Choice) -> str:
    return f"{choice.plugin.name}:{choice.rest}" if choice.rest else choice.plugin.name


def options_of(choice: Choice, request: Request) -> dict[str, str]:
    """The options that a request gives to a plugin, by whatever name; its weights are one."""
    merged: dict[str, str] = {}
    for name in (choice.plugin.name, _spec(choice), choice.label):  # the more special name wins
        merged |= request.options.get(name, {})
        if name in request.weights:
            merged["weights"] = request.weights[name]
    return merged


@contextmanager
def blamed(choice: Choice, *, given: bool) -> Iterator[None]:
    """A plugin's complaint about how it is used ends the run only if something was `given` to it.

    Where nothing was, it is the plugin that cannot run here.
    """
    try:
        yield
    except UsageError as error:
        if given:
            raise
        what = f"{choice.plugin.kind.value} {plain(choice.label)}"
        said = plain(error.message)
        message = said if said.startswith(what) else f"{what}: {said}"
        raise Refused(message, error.hint) from error


def wrong(choice: Choice, made: Any, expected: str) -> Broken:
    """The error that a plugin made something else than what was expected."""
    return made_a(choice, type(made).__name__, expected)


def made_a(choice: Choice, name: str, expected: str) -> Broken:
    """The same, where the class of what was made is known by name alone."""
    return Broken(
        f"{choice.plugin.kind.value} {plain(choice.label)} made a {plain(name)}, not {expected}",
        f"Mend {plain(choice.plugin.value)}.",
    )
