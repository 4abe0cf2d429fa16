"""A task of three questions in two languages."""

from __future__ import annotations

from mlir_harness.errors import UsageError
from mlir_harness.protocols import TaskInfo, TaskOptions
from mlir_harness.types import (
    Collection,
    Provenance,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)

_QUESTIONS = {
    "en": ("capital of France?", "capital of Italy?", "capital of Greece?"),
    "de": ("Hauptstadt von Frankreich?", "Hauptstadt von Italien?", "Hauptstadt Griechenlands?"),
}
_ANSWERS = {"en": ("Paris", "Rome", "Athens"), "de": ("Paris", "Rom", "Athen")}


class Capitals:
    """Find the capital."""

    info = TaskInfo(version="1", languages=("en", "de"), measures=("RR", "Success@1"))

    def load(self, options: TaskOptions) -> Retrieval:
        languages = options.languages or self.info.languages
        for each in languages:
            if each not in _QUESTIONS:
                raise UsageError(f"capitals has no language {each!r}", "It has: en, de.")
        if options.split not in ("", "test"):
            raise UsageError(f"capitals has no split {options.split!r}", "It has: test.")
        ids = ("fr", "it", "gr")
        right = SparseJudgements.from_triples(3, [(row, row, 1) for row in range(3)])
        return Retrieval(
            queries={each: Collection(each, ids, _QUESTIONS[each]) for each in languages},
            documents={each: Collection(each, ids, _ANSWERS[each]) for each in languages},
            judgements={(x, y): right for x in languages for y in languages},
            settings=tuple(
                Setting(
                    f"{x}→{y}",
                    SettingKind.MONOLINGUAL if x == y else SettingKind.CROSS_LINGUAL,
                    x,
                    (Slice(y),),
                )
                for x in languages
                for y in languages
            ),
            clusters=dict.fromkeys(languages, ids),
            provenance=Provenance(source="acme", licence="CC0-1.0"),
        )
