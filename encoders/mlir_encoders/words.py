"""Texts become words, in any script: folded, cut up, stemmed where a language has a stemmer.

Words are what spaces and punctuation leave of a text, marks and joiners within them. Where
neighbouring words are not told apart by spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese), or
where they carry endings as long as themselves (Korean), pairs of neighbouring characters stand in
for words, as in Lucene's CJKAnalyzer; a Han character also stands for itself.
"""

from __future__ import annotations

import importlib
import itertools
import operator
import unicodedata
from collections.abc import Callable, Sequence

from mlir_encoders.scripts import UNSEEN, Patterns, patterns

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


def fold(text: str, language: str = "") -> str:
    """`text` without distinctions that do not matter: NFKC, case folded, nothing unseen in it.

    Args:
        text: any.
        language: BCP-47; Turkish and Azerbaijani keep I and İ apart.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", UNSEEN.sub("", text))
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
    """The words, or what stands in for words, of a folded text; digits are as they were."""
    folded = folded.replace("_", " ")  # a letter to regular expressions
    look = patterns(folded)
    found = look.word.findall(folded)
    if not look.dense.search(folded):
        return found
    pieces: list[str] = []
    for word in found:
        if not look.dense.search(word):
            pieces.append(word)
            continue
        for run in look.run.findall(word):
            if look.dense.match(run):
                pieces += _pairs(run, look)
            else:
                pieces.append(run)
    return pieces


def clean(piece: str) -> str:
    """A word with its digits those of ASCII."""
    return piece if piece.isascii() else "".join(map(_digit, piece))


def _pairs(run: str, look: Patterns) -> list[str]:
    """Neighbouring characters of a stretch without spaces, marks with their letters."""
    characters: Sequence[str] = look.cluster.findall(run) if look.mark.search(run) else run
    if len(characters) == 1:
        return [run]
    pairs = list(map(operator.add, characters, itertools.islice(characters, 1, None)))
    return pairs + look.han.findall(run)


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
