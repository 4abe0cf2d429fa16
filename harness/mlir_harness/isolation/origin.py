"""Where an isolated encoder comes from: what a worker is to make, and with which interpreter."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlir_harness.errors import UsageError
from mlir_harness.isolation import place
from mlir_harness.isolation.place import Place
from mlir_harness.isolation.process import Patience
from mlir_harness.isolation.wire import Kind, Message
from mlir_harness.registry import Choice
from mlir_harness.text import plain


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
        """Asks a worker to make it, and if so wished, what it says of itself."""
        plugin = asdict(self.choice.plugin)
        told = {"plugin": plugin, "label": self.choice.label, "rest": self.choice.rest}
        given = {"options": dict(self.options), "offered": dict(self.offered)}
        return Message(Kind.MAKE, told | given | {"info": info})


def foreign(choice: Choice, python: Path, **rest: Any) -> Origin:
    """The origin of an encoder that works by another environment's interpreter.

    Args:
        choice: the plugin.
        python: the interpreter.
        **rest: see Origin; options are `sendable`.
    """
    return Origin(choice, place=place.foreign(python, choice.plugin), **rest)


def sendable(options: Mapping[str, Any]) -> Mapping[str, Any]:
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
