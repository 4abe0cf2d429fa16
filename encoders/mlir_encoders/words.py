"""Texts become words, in any script: folded, cut up, stemmed where a language has a stemmer.

Words are what spaces and punctuation leave of a text, marks and joiners within them. Where
neighbouring words are not told apart by spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese), or
where they carry endings as long as themselves (Korean), pairs of neighbouring characters stand in
for words, as in Lucene's CJKAnalyzer; a Han character also stands for itself.
"""

from __future__ import annotations

import importlib
import itertools
import re
import unicodedata
from collections.abc import Callable
from functools import cache

# By BCP-47: the algorithms of https://snowballstem.org, in the names of its Python package.
_STEMMERS = {
    **{"ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german"},
    **{"el": "greek", "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian"},
    **{"eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish"},
    **{"hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian"},
    **{"lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian"},
    **{"no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian"},
    **{"sr": "serbian", "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish"},
    **{"yi": "yiddish"},
}
_DOTLESS = frozenset({"tr", "az"})  # where the small I has no dot

_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\U0001b000-\U0001b16f"
_HANGUL = "\uac00-\ud7a3"
_BOPOMOFO = "\u3105-\u312f\u31a0-\u31bf"
# Thai and Lao, Burmese, Khmer, Tai Le and New Tai Lue, Tai Tham, Burmese again, Tai Viet.
_BLOCKS = (
    *((0xE00, 0xEFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF)),
    *((0xA9E0, 0xA9FF), (0xAA60, 0xAADF)),
)
# Without a meaning of their own: soft hyphen, joiners, marks of direction, choices of a glyph.
_IGNORED = "\u00ad\u034f\u061c\u200c-\u200f\u2060\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef"


def fold(text: str, language: str = "") -> str:
    """`text` without distinctions that do not matter: NFKC, case folded.

    Args:
        text: any.
        language: BCP-47; Turkish and Azerbaijani keep I and İ apart.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if primary(language) in _DOTLESS:
        text = text.replace("I", "ı").replace("İ", "i")
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text.casefold())


def primary(language: str) -> str:
    """The language of a BCP-47 tag, script and region left out."""
    return language.partition("-")[0].lower()


def words(text: str, language: str = "") -> list[str]:
    """All that is counted of a text, in its order, not stemmed."""
    return [clean(piece) for piece in cut(fold(text, language))]


def cut(folded: str) -> list[str]:
    """The words, or what stands in for words, of a folded text; `clean` makes spellings one."""
    spaced, mixed, dense = _patterns()
    folded = folded.replace("_", " ")  # a letter to regular expressions
    if not dense.search(folded):
        return spaced.findall(folded)
    pieces: list[str] = []
    for run in mixed.findall(folded):
        if dense.match(run):
            pieces += _pairs(_ignored().sub("", run))
        else:
            pieces.append(run)
    return pieces


def clean(piece: str) -> str:
    """A word without what is not seen, its digits those of ASCII."""
    if piece.isascii():
        return piece
    return "".join(map(_digit, _ignored().sub("", piece)))


def _pairs(run: str) -> list[str]:
    """Neighbouring characters of a stretch without spaces, marks with their letters."""
    characters = _cluster().findall(run)
    if len(characters) == 1:
        return characters
    pairs = list(map("".join, itertools.pairwise(characters)))
    return pairs + [each for each in characters if _han().match(each)]


def stemmer(language: str) -> Callable[[str], str] | None:
    """Cuts the endings off folded words of a language; None where there is no stemmer for it.

    Not for several threads at once.
    """
    name = _STEMMERS.get(primary(language))
    if name is None:
        return None
    # The classes themselves: the package's own way takes PyStemmer, of any version, where it is.
    module = importlib.import_module(f"snowballstemmer.{name}_stemmer")
    made = getattr(module, f"{name.title()}Stemmer")()

    def stem(word: str) -> str:
        return made.stemWord(word) or word

    return stem


def _digit(character: str) -> str:
    """A digit of any script as one of ASCII, anything else as it is."""
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Words where all are spaced; words, or stretches without spaces; a letter of the latter."""
    letters = "".join(
        chr(code)
        for first, last in _BLOCKS
        for code in range(first, last + 1)
        if unicodedata.category(chr(code)).startswith("L")
    )
    inner = _marks() + _IGNORED
    dense = _HAN + _KANA + _HANGUL + _BOPOMOFO + letters
    return (
        re.compile(rf"\w[\w{inner}]*"),
        re.compile(rf"[{dense}][{dense}{inner}]*|(?![{dense}])\w(?:(?![{dense}])[\w{inner}])*"),
        re.compile(f"[{dense}]"),
    )


@cache
def _marks() -> str:
    """All marks, such as vowels of Hindi and Thai, which are no letters to Python."""
    codes = range(0x300, 0x1F000)  # none beyond, but those ignored
    return "".join(
        re.escape(chr(code)) for code in codes if unicodedata.category(chr(code))[0] == "M"
    )


@cache
def _cluster() -> re.Pattern[str]:
    return re.compile(f".[{_marks()}]*", re.DOTALL)


@cache
def _ignored() -> re.Pattern[str]:
    return re.compile(f"[{_IGNORED}]")


@cache
def _han() -> re.Pattern[str]:
    return re.compile(f"[{_HAN}]")
