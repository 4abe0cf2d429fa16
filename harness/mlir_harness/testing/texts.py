"""What encoders are tried on: ordinary sentences, and texts that have broken encoders before."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """A text, its language, and what to call it in a message."""

    name: str
    language: str
    text: str


# Several scripts, with and without spaces between words; all of different lengths.
ORDINARY = (
    Text("an English question", "en", "Where is the nearest train station?"),
    Text("a German question", "de", "Wo ist der nächste Bahnhof?"),
    Text("a Hindi question", "hi", "निकटतम रेलवे स्टेशन कहाँ है?"),
    Text("a Thai question", "th", "สถานีรถไฟที่ใกล้ที่สุดอยู่ที่ไหน"),
    Text("a Chinese question", "zh", "最近的火车站在哪里？"),
    Text("an English statement", "en", "The kettle boils at 100 °C."),
    Text("a single letter", "en", "a"),
    Text("a paragraph", "en", "The bridge across the river was closed for repairs. " * 20),
)

# Check -> the texts it tries, and what an author is told who cannot handle them.
HARD = {
    "empty-text": (
        (Text("an empty text", "en", ""), Text("a text of spaces", "en", " \n\t ")),
        "Give it any vector of finite numbers, such as zeros.",
    ),
    "long-text": (
        (
            Text("a text of 20,000 letters without a space", "en", "x" * 20_000),
            Text("a text of 200,000 letters", "en", "Down by the river. " * 10_526),
        ),
        "An encoder truncates what is longer than it can read (EncoderInfo.max_tokens).",
    ),
    "mixed-scripts": (
        (Text("a text in five scripts", "en", "Berlin 東京 मुंबई กรุงเทพ القاهرة Ωmega"),),
        "Do not choose a tokenizer, or an alphabet, by the language alone.",
    ),
    "right-to-left": (
        (
            Text("an Arabic question", "ar", "أين أقرب محطة قطار؟"),
            Text("a Hebrew text with Latin words", "he", "הרכבת מ-\u202aBerlin\u202c מאחרת"),
        ),
        "Marks of direction are characters like any other.",
    ),
    "emoji": (
        (
            Text("a text with emoji", "en", "Tea 🫖 for the family 👨‍👩‍👧‍👦 in 🇮🇳 👍🏽"),
            Text("a text of emoji alone", "en", "🫖🫖"),
        ),
        "They lie beyond U+FFFF, and some are several characters.",
    ),
    "lone-surrogate": (
        (Text("a text with half a surrogate pair", "en", "half \ud83e a pair"),),
        "Python strings may hold them, UTF-8 may not: replace U+D800 to U+DFFF first "
        "(text.encode('utf-8', 'replace')).",
    ),
    "control-characters": (
        (
            Text("a text with NUL and escape sequences", "en", "tab\tnul\x00bell\a\x1b[31mred"),
            Text("a text with line separators", "en", "one\r\ntwo\u2028three\x85four\ufeff"),
        ),
        "Do not take line ends, or NUL, for the end of a text.",
    ),
}
