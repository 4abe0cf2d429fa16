"""What a list of languages looks like."""

from __future__ import annotations

import re
from typing import Any

_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def are_tags(languages: Any) -> bool:
    """Whether it is a tuple or list of BCP-47 tags, and not one string."""
    return isinstance(languages, tuple | list) and all(
        isinstance(tag, str) and _TAG.fullmatch(tag) for tag in languages
    )
