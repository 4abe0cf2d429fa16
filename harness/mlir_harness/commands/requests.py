"""The requests that the shared options make. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlir_harness.config import Config
    from mlir_harness.request import Request

_OFFERED = ("device", "precision", "token_budget")  # to every encoder that knows them


def tasks_alone(tasks: tuple[str, ...], asked: dict[str, Any]) -> Request:
    """The request of a command that needs no encoder."""
    from mlir_harness.request import Request

    data_dir = asked.pop("data_dir")
    given = None if data_dir is None else str(data_dir)
    return Request((), tasks, **asked, data_dir=given).checked()


def request(asked: dict[str, Any]) -> Request:
    """The request that the options of a run make; `asked` holds them all and no other."""
    from mlir_harness.request import Request

    offered = {key: value for key in _OFFERED if (value := asked.pop(key)) is not None}
    held: Config | None = asked.pop("config", None)
    if held is not None:
        _settle(asked, held)
    data_dir = asked.pop("data_dir")
    if asked["timeout"] is None:
        del asked["timeout"]
    else:
        asked["isolate"] = True  # nothing else can be stopped
    return Request(**asked, offered=offered, data_dir=None if data_dir is None else str(data_dir))


def _settle(asked: dict[str, Any], config: Config) -> None:
    """Put in what a file says of the encoders and tasks asked for; the command line wins."""
    options, weights = asked["options"], asked["weights"]
    for kind in ("encoders", "tasks"):
        for label, entry in config.used(asked[kind]).items():
            options[label] = {**entry.options, **options.get(label, {})}
            if entry.weights:
                weights.setdefault(label, entry.weights)
        asked[kind] = config.expand(asked[kind])
    asked["options"] = {name: held for name, held in options.items() if held}
