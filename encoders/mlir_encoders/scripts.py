"""What characters are to words: letters of scripts without spaces, marks, and what is not seen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

_Ranges: TypeAlias = tuple[tuple[int, int], ...]

_HAN: _Ranges = ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
_HAN += ((0x20000, 0x323AF),)
_KANA: _Ranges = ((0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF))
_KANA += ((0x31F0, 0x31FF), (0x1B000, 0x1B16F))
_BOPOMOFO: _Ranges = ((0x3105, 0x312F), (0x31A0, 0x31BF))
_HANGUL: _Ranges = ((0xAC00, 0xD7A3),)
# Thai and Lao, Burmese, Khmer, Tai Le and New Tai Lue, Tai Tham, Burmese again, Tai Viet: of
# these blocks the letters.
_SOUTH_EAST: _Ranges = ((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF))
_SOUTH_EAST += ((0x1A20, 0x1AAF), (0xA9E0, 0xA9FF), (0xAA60, 0xAADF))

_MARKS_END = 0x1F000  # what is beyond chooses between glyphs, and is not seen
_RARE, _END = 0x10000, 0x110000  # characters from here on make patterns slow

# Soft hyphen, joiners, marks of direction, choices between glyphs.
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u200c-\u200f\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
_IS_RARE = re.compile("[\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Patterns:
    """What to look for in a folded text.

    Attributes:
        word: a letter or digit with all that follow, and their marks.
        dense: a letter of a script without spaces between words.
        run: within a word, what is dense, or what is not.
        mark: a vowel of Hindi or Thai, say, which is no letter to Python.
        cluster: a character with its marks.
        han: a character of Chinese.
    """

    word: re.Pattern[str]
    dense: re.Pattern[str]
    run: re.Pattern[str]
    mark: re.Pattern[str]
    cluster: re.Pattern[str]
    han: re.Pattern[str]


def patterns(text: str) -> Patterns:
    """The patterns for a text; most do without the rare characters, and are faster."""
    return _patterns(_END if _IS_RARE.search(text) else _RARE)


@cache
def _patterns(end: int) -> Patterns:
    """For texts of characters up to `end`."""
    letters = [code for code in _codes(_SOUTH_EAST) if _category(code) == "L"]
    dense = _set([*_codes(_HAN + _KANA + _BOPOMOFO + _HANGUL), *letters], end)
    marks = _set((code for code in range(0x300, _MARKS_END) if _category(code) == "M"), end)
    return Patterns(
        word=re.compile(rf"\w[\w{marks}]*"),
        dense=re.compile(f"[{dense}]"),
        run=re.compile(f"[{dense}][{dense}{marks}]*|[^{dense}]+"),
        mark=re.compile(f"[{marks}]"),
        cluster=re.compile(f".[{marks}]*", re.DOTALL),
        han=re.compile(f"[{_set(_codes(_HAN), end)}]"),
    )


def _codes(ranges: _Ranges) -> Iterable[int]:
    return (code for first, last in ranges for code in range(first, last + 1))


def _category(code: int) -> str:
    return unicodedata.category(chr(code))[0]


def _set(codes: Iterable[int], end: int) -> str:
    """Characters before `end` as the inside of a set in a pattern."""
    ranges: list[list[int]] = []
    for code in sorted(code for code in codes if code < end):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in ranges)
