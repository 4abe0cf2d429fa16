"""Writes small data sets in LAReQA's layout, for tests that need one on disk.

Six paragraphs about bridges in three articles, in any of XQuAD-R's languages: per language 12
questions and 15 sentences, three of them equal. Paragraph and question ids are parallel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")

_PLACES = (
    ("Verona", "Adige", "1354"),
    ("Mostar", "Neretva", "1566"),
    ("Porto", "Douro", "1886"),
    ("Riga", "Daugava", "1981"),
    ("Basel", "Rhein", "1905"),
    ("Toledo", "Tajo", "1259"),
)


class _Wording(NamedTuple):
    river: str
    bridge: str
    visitors: str
    which_river: str
    which_year: str


_WORDINGS = {
    "ar": _Wording(
        "تقع {town} على نهر {river}.",
        "بُني جسر {town} سنة {year}.",
        "يأتي كثير من الزوار كل عام.",
        "على أي نهر تقع {town}؟",
        "متى بُني جسر {town}؟",
    ),
    "de": _Wording(
        "{town} liegt am Fluss {river}.",
        "Die Brücke von {town} wurde {year} gebaut.",
        "Jedes Jahr kommen viele Besucher.",
        "An welchem Fluss liegt {town}?",
        "Wann wurde die Brücke von {town} gebaut?",
    ),
    "el": _Wording(
        "Η πόλη {town} βρίσκεται στον ποταμό {river}.",
        "Η γέφυρα στην πόλη {town} χτίστηκε το {year}.",
        "Κάθε χρόνο έρχονται πολλοί επισκέπτες.",
        "Σε ποιον ποταμό βρίσκεται η πόλη {town};",
        "Πότε χτίστηκε η γέφυρα στην πόλη {town};",
    ),
    "en": _Wording(
        "{town} lies on the river {river}.",
        "The bridge of {town} was built in {year}.",
        "Every year many visitors come.",
        "On which river does {town} lie?",
        "When was the bridge of {town} built?",
    ),
    "es": _Wording(
        "{town} está a orillas del río {river}.",
        "El puente de {town} se construyó en {year}.",
        "Cada año llegan muchos visitantes.",
        "¿A orillas de qué río está {town}?",
        "¿Cuándo se construyó el puente de {town}?",
    ),
    "hi": _Wording(
        "{town} शहर {river} नदी के किनारे बसा है।",
        "{town} का पुल {year} में बना था।",
        "हर साल बहुत से पर्यटक आते हैं।",
        "{town} शहर किस नदी के किनारे बसा है?",
        "{town} का पुल कब बना था?",
    ),
    "ru": _Wording(
        "Город {town} стоит на реке {river}.",
        "Мост в городе {town} построен в {year} году.",
        "Каждый год приезжает много туристов.",
        "На какой реке стоит город {town}?",
        "Когда построен мост в городе {town}?",
    ),
    "th": _Wording(
        "เมือง {town} ตั้งอยู่ริมแม่น้ำ {river}",
        "สะพานของเมือง {town} สร้างขึ้นในปี {year}",
        "ทุกปีมีนักท่องเที่ยวมามากมาย",
        "เมือง {town} ตั้งอยู่ริมแม่น้ำอะไร",
        "สะพานของเมือง {town} สร้างขึ้นเมื่อใด",
    ),
    "tr": _Wording(
        "{town} şehri {river} nehrinin kıyısındadır.",
        "{town} köprüsü {year} yılında yapıldı.",
        "Her yıl çok sayıda ziyaretçi gelir.",
        "{town} şehri hangi nehrin kıyısındadır?",
        "{town} köprüsü ne zaman yapıldı?",
    ),
    "vi": _Wording(
        "{town} nằm bên sông {river}.",
        "Cây cầu ở {town} được xây năm {year}.",
        "Mỗi năm có rất nhiều du khách đến.",
        "{town} nằm bên sông nào?",
        "Cây cầu ở {town} được xây khi nào?",
    ),
    "zh": _Wording(
        "{town}位于{river}河畔。",
        "{town}的大桥建于{year}年。",
        "每年都有许多游客来访。",
        "{town}位于哪条河畔？",
        "{town}的大桥建于哪一年？",
    ),
}


def write_lareqa(
    folder: Path, languages: Sequence[str] = ("de", "en", "hi"), *, parallel: bool = True
) -> Path:
    """Write `{language}.json` for each language; the same arguments give the same bytes.

    Args:
        folder: made if it is not there.
        languages: any of `LANGUAGES`.
        parallel: False leaves every third question out of each language but English, others
            in each, as in MLQA-R; the sentences stay.

    Returns:
        `folder`.
    """
    for language in languages:
        paragraphs = [
            _bridge(language, number, _skipped(language, parallel))
            for number in range(len(_PLACES))
        ]
        write_file(folder, language, [paragraphs[0:2], paragraphs[2:4], paragraphs[4:6]])
    return folder


def write_file(folder: Path, language: str, articles: Iterable[list[dict[str, Any]]]) -> Path:
    """Write one file of articles, each a list of paragraphs, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    data = [
        {"title": f"Article {number}", "paragraphs": paragraphs}
        for number, paragraphs in enumerate(articles)
    ]
    file = folder / f"{language}.json"
    file.write_text(json.dumps({"version": "1.1", "data": data}), encoding="utf-8")
    return file


def paragraph(
    sentences: Sequence[str], questions: Iterable[tuple[str, str, int]], gap: str = " "
) -> dict[str, Any]:
    """A paragraph of `sentences` joined by `gap`; questions are (id, text, answer offset)."""
    breaks: list[list[int]] = []
    context = gap.join(sentences)
    start = 0
    for sentence in sentences:
        breaks.append([start, start + len(sentence)])
        start += len(sentence) + len(gap)
    return {
        "context": context,
        "sentences": list(sentences),
        "sentence_breaks": breaks,
        "qas": [_question(context, *question) for question in questions],
    }


def _question(context: str, name: str, text: str, offset: int) -> dict[str, Any]:
    answer = {"answer_start": offset, "text": context[offset : offset + 4]}
    return {"id": name, "question": text, "answers": [answer]}


def _bridge(language: str, number: int, skipped: int | None) -> dict[str, Any]:
    town, river, year = _PLACES[number]
    wording = _WORDINGS[language]
    facts = {"town": town, "river": river, "year": year}
    sentences = [wording.river.format(**facts), wording.bridge.format(**facts)]
    if number % 2 == 0:
        sentences.append(wording.visitors)
    gap = "" if language == "zh" else " "  # Chinese sentences follow each other without a gap
    context = gap.join(sentences)
    questions = [
        (f"q{number}-river", wording.which_river.format(town=town), context.index(river)),
        (f"q{number}-year", wording.which_year.format(town=town), context.index(year)),
    ]
    kept = [
        question
        for position, question in enumerate(questions)
        if skipped is None or (2 * number + position) % 3 != skipped
    ]
    return paragraph(sentences, kept, gap)


def _skipped(language: str, parallel: bool) -> int | None:
    """Which of every three questions a language lacks."""
    return None if parallel or language == "en" else LANGUAGES.index(language) % 3
