"""Names of tasks, measures and languages as mteb and model cards write them."""

from __future__ import annotations

import re

from mlir_harness.results import CellResult
from mlir_harness.text import folder_names

_OURS = {
    "AP": "map",
    "nDCG": "ndcg",
    "R": "recall",
    "RR": "mrr",
    "Success": "hit_rate",
    "kNN": "knn",
}
# ISO 639-3 and 15924, as mteb's MIRACL and XQuAD tasks have them.
_LANGUAGES = {
    "af": "afr-Latn",
    "am": "amh-Ethi",
    "ar": "ara-Arab",
    "az": "aze-Latn",
    "bg": "bul-Cyrl",
    "bn": "ben-Beng",
    "ca": "cat-Latn",
    "cs": "ces-Latn",
    "da": "dan-Latn",
    "de": "deu-Latn",
    "el": "ell-Grek",
    "en": "eng-Latn",
    "es": "spa-Latn",
    "et": "est-Latn",
    "eu": "eus-Latn",
    "fa": "fas-Arab",
    "fi": "fin-Latn",
    "fr": "fra-Latn",
    "gu": "guj-Gujr",
    "ha": "hau-Latn",
    "he": "heb-Hebr",
    "hi": "hin-Deva",
    "hr": "hrv-Latn",
    "hu": "hun-Latn",
    "id": "ind-Latn",
    "ig": "ibo-Latn",
    "it": "ita-Latn",
    "ja": "jpn-Jpan",
    "ka": "kat-Geor",
    "kk": "kaz-Cyrl",
    "kn": "kan-Knda",
    "ko": "kor-Kore",
    "lt": "lit-Latn",
    "lv": "lav-Latn",
    "ml": "mal-Mlym",
    "mr": "mar-Deva",
    "my": "mya-Mymr",
    "ne": "nep-Deva",
    "nl": "nld-Latn",
    "no": "nor-Latn",
    "pa": "pan-Guru",
    "pl": "pol-Latn",
    "pt": "por-Latn",
    "ro": "ron-Latn",
    "ru": "rus-Cyrl",
    "sk": "slk-Latn",
    "sl": "slv-Latn",
    "so": "som-Latn",
    "sq": "sqi-Latn",
    "sr": "srp-Cyrl",
    "sv": "swe-Latn",
    "sw": "swa-Latn",
    "ta": "tam-Taml",
    "te": "tel-Telu",
    "th": "tha-Thai",
    "tl": "tgl-Latn",
    "tr": "tur-Latn",
    "uk": "ukr-Cyrl",
    "ur": "urd-Arab",
    "uz": "uzb-Latn",
    "vi": "vie-Latn",
    "yo": "yor-Latn",
    "zh": "zho-Hans",
    "zu": "zul-Latn",
}


def task(cell: CellResult) -> str:
    """The task's own name, fit for a file; of the sample, it says so."""
    (name,) = folder_names([cell.task], taken=["model_meta"]).values()
    return f"{name}-sample" if cell.sample else name


def measure(name: str) -> str:
    """ "nDCG@10" as "ndcg_at_10"; what has no name there keeps its own: "rank_distance"."""
    base = re.match(r"[^@_]*", name)[0]  # type: ignore[index]  # it always matches
    return f"{_OURS.get(base, base)}{name[len(base) :]}".replace("@", "_at_")


def language(tag: str) -> str:
    """A BCP-47 tag as "deu-Latn"; one that is not known stays as it is."""
    return _LANGUAGES.get(tag, tag)


def known(tag: str) -> bool:
    """Whether `language` knows the tag."""
    return tag in _LANGUAGES
