"""Writes small files in MTOP's layout."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

LANGUAGES = ("en", "de", "fr", "es", "hi", "th")


def line(
    name: str, text: str, form: str, language: str = "hi", *, intent: str = "", domain: str = "x"
) -> str:
    """One line without its end; the intent is that of the form unless given."""
    intent = intent or form.split(maxsplit=1)[0].removeprefix("[")
    tokens = json.dumps({"tokens": text.split()}, ensure_ascii=False)
    return "\t".join([name, intent, "", text, domain, f"{language}_XX", form, tokens])


def write_lines(file: Path, lines: Sequence[str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes("".join(f"{each}\n" for each in lines).encode())
    return file


def write_mtop(folder: Path, *, size: int = 12) -> Path:
    """Files of all six languages: train, eval and test, parallel by id, with two intents.

    Utterance i is about weather if i is even, else an alarm; every third has a slot. Each split
    has texts of its own, but for the first of eval and test, which repeat one of train.
    """
    for language in LANGUAGES:
        for split, first in (("train", 0), ("eval", 100), ("test", 200)):
            lines = []
            for i in range(size):
                number = first + i
                intent = "IN:GET_WEATHER" if i % 2 == 0 else "IN:CREATE_ALARM"
                slot = " [SL:DATE_TIME today ]" if i % 3 == 0 else ""
                text = f"{language} {'weather' if i % 2 == 0 else 'alarm'} {number} today"
                if i == 0 and split != "train":
                    text = f"{language.upper()} Weather  0 today"
                lines.append(line(f"{number:04}", text, f"[{intent}{slot} ]", language))
            write_lines(folder / language / f"{split}.txt", lines)
    return folder
