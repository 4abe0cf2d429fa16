"""What a user may choose of an encoder that is a stack of sentence-transformers modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from mlir_encoders.model_folder import ModelFolder
from mlir_harness.errors import UsageError
from mlir_harness.types import Role

_KNOWN = ("device", "precision", "token_budget", "max_tokens", "query_prompt", "document_prompt")
_PRECISIONS = ("fp32", "bf16", "fp16")
_DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose; the first four fields change vectors, the others do not.

    Attributes:
        precision: arithmetic of the forward pass; weights stay float32.
        query_prompt, document_prompt: put before each text.
        max_tokens: truncate there; None for the model's own limit.
        device: where the model runs.
        token_budget: padded tokens a batch at most; None for what suits the device.
    """

    query_prompt: str
    document_prompt: str
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    max_tokens: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    token_budget: int | None = None


def check(options: Mapping[str, Any], name: str) -> None:
    """See that options can be right, whatever the model is; see `parse`.

    Raises:
        UsageError: an option is unknown or out of range.
    """
    for option in options:
        if option not in _KNOWN:
            close = get_close_matches(option, _KNOWN, n=1)
            raise UsageError(
                f"{name} has no option {option!r}",
                f"did you mean {close[0]}?" if close else f"its options: {', '.join(_KNOWN)}",
            )
    precision = _choice("precision", options, _PRECISIONS)
    device = _choice("device", options, _DEVICES)
    if precision == "fp16" and device == "cpu":
        raise UsageError("fp16 runs on a GPU only", "use precision=bf16 or fp32 with device=cpu")
    for option in ("max_tokens", "token_budget"):
        _count(option, options)


def parse(options: Mapping[str, Any], folder: ModelFolder, name: str) -> Options:
    """What a user chose; what they did not is left to the model in `folder`.

    Args:
        options: values may be strings, as they come from the command line.
        folder: has passed its own `check`.
        name: of the encoder, for messages.

    Raises:
        UsageError: an option is unknown or out of range.
    """
    check(options, name)
    parsed = Options(
        query_prompt=str(options.get("query_prompt", folder.prompt(Role.QUERY))),
        document_prompt=str(options.get("document_prompt", folder.prompt(Role.DOCUMENT))),
        precision=_choice("precision", options, _PRECISIONS),
        max_tokens=_count("max_tokens", options),
        device=_choice("device", options, _DEVICES),
        token_budget=_count("token_budget", options),
    )
    if parsed.max_tokens and folder.positions and parsed.max_tokens > folder.positions:
        raise UsageError(
            f"{folder.name} takes at most {folder.positions} tokens, not {parsed.max_tokens}",
            f"use max_tokens={folder.positions} or less",
        )
    return parsed


def _choice(name: str, options: Mapping[str, Any], allowed: tuple[str, ...]) -> Any:
    value = str(options.get(name, allowed[0]))
    if value not in allowed:
        raise UsageError(f"{name} cannot be {value!r}", f"choose from {', '.join(allowed)}")
    return value


def _count(name: str, options: Mapping[str, Any]) -> int | None:
    given = options.get(name)
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", str(given)) or int(given) < 1:
        raise UsageError(
            f"{name} cannot be {given!r}", f"give a whole number from 1 up, such as {name}=256"
        )
    return int(given)
