"""Foreign text made safe to show: no markup, no control characters, no formulas, no paths."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from hashlib import sha256

_SLUG = re.compile(r"[^a-z0-9._-]+")
_LONGEST = 60  # characters of a folder name that carries no hash
_FORMULA = ("=", "+", "-", "@")


def plain(text: str, limit: int = 200) -> str:
    """`text` on one line, without control, format or surrogate characters, cut to `limit`.

    Right-to-left overrides and escape sequences come in as such characters; joiners, which
    several scripts need, stay.
    """
    shown = "".join(_shown(character) for character in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _shown(character: str) -> str:
    if character in "\u200c\u200d":
        return character
    if character in "\n\r\t":
        return " "
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return "�"
    return character


def described(error: BaseException) -> str:
    """Type and message of a foreign exception, safe to show."""
    try:
        message = str(error)
    except Exception:
        message = ""  # an exception class of a plugin may fail at this too
    return plain(f"{type(error).__name__}: {message}" if message else type(error).__name__)


def names(given: str | Iterable[str]) -> tuple[str, ...]:
    """One or more names: a list, or a string with commas between them (\\, for a comma)."""
    if not isinstance(given, str):
        return tuple(given)
    parts = (part.replace("\0", ",").strip() for part in given.replace("\\,", "\0").split(","))
    return tuple(part for part in parts if part)


def cell(text: str) -> str:
    """`text` for a CSV cell; spreadsheets do not take it for a formula."""
    shown = plain(text, limit=10_000)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def markdown(text: str, limit: int = 200) -> str:
    """`text` for Markdown, in which nothing of it is markup."""
    shown = plain(text, limit)
    for character in "\\`*_{}[]<>|#&~":
        shown = shown.replace(character, f"\\{character}")
    return shown


def slug(name: str) -> str:
    """A folder name for `name`: readable, bounded, and different for different names."""
    readable = _SLUG.sub("-", name.lower()).strip("-.")[:40] or "x"
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable}-{digest}"


def folder_names(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A folder name for each of `names`, as readable as may be: "en→de" becomes "en-de".

    Args:
        names: what folders are to be named after.
        taken: names that none may have.
    """
    readable = {name: _SLUG.sub("-", name.lower()).strip("-.") for name in names}
    counts = Counter([*readable.values(), *taken])
    return {
        name: short if 0 < len(short) <= _LONGEST and counts[short] == 1 else slug(name)
        for name, short in readable.items()
    }


def utf8(text: str) -> str:
    """`text` as UTF-8 can hold it: U+FFFD in the place of lone surrogates, three for each."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def did_you_mean(name: str, known: list[str]) -> str:
    """A hint for an unknown name: the nearest known ones, then all of them."""
    near = get_close_matches(name, known, n=2, cutoff=0.55)
    guess = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{guess}Known: {', '.join(known) or 'none'}."


def size(count: int) -> str:
    """A number of bytes for people."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
