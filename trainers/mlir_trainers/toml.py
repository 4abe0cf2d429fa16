"""Recipes back into TOML, so that a trained folder says how to train it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(content: Mapping[str, Any]) -> str:
    """Values first, then one table for each mapping; deeper mappings are written inline."""
    lines = [
        f"{_key(name)} = {_value(value)}"
        for name, value in content.items()
        if not isinstance(value, Mapping)
    ]
    for name, value in content.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_key(name)}]"]
            lines += [f"{_key(each)} = {_value(held)}" for each, held in value.items()]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_key(each)} = {_value(held)}" for each, held in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool | int | float):
        return str(value).lower()  # JSON's NaN and Infinity are not TOML's
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
