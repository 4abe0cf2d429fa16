"""Tables by language, for `--details`: pairs of languages, measures, language bias."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlir_harness import exposures
from mlir_harness.results import CellResult, SettingRow
from mlir_harness.scoring import COMMON
from mlir_harness.tables import SHORT, grid
from mlir_harness.text import plain

_Shown = tuple[str, Callable[[Sequence[SettingRow]], str]]  # heading, and what stands below it


def details(cells: Sequence[CellResult]) -> RenderableType:
    """Per task and encoder, tables with a row per query language: pairs, measures, bias."""
    parts: list[RenderableType] = []
    for cell in cells:
        if cell.status != "ok":
            continue
        whole = tuple(setting for setting in cell.settings if not setting.variant)
        cell = replace(cell, settings=whole or cell.settings)  # noqa: PLW2901
        name = f"{plain(cell.task)} · {plain(cell.split)} · {plain(cell.encoder)}"
        for title, shown, mean in (
            (f"{cell.main_measure} by language of the documents", _pairs(cell), False),
            ("by kind of setting", _measures(cell), True),
            ("nearest neighbours' class, and queries that all can answer", _classes(cell), True),
            ("language bias in the multilingual settings", _bias(cell), True),
            ("share of the own language in the multilingual settings", _own(cell), True),
        ):
            if shown:
                heading = Text.assemble((name, "bold"), f" · {title}")
                parts += [heading, _by_language(cell, shown, mean=mean), Text()]
    return Group(*parts[:-1])


def _pairs(cell: CellResult) -> list[_Shown]:
    """The main measure against the documents of each language, and of all."""
    if not any(setting.kind == "cross-lingual" for setting in cell.settings):
        return []  # there are no pairs but of a language with itself
    alone = [s.document_languages[0] for s in cell.settings if len(s.document_languages) == 1]
    shown: list[_Shown] = [
        (_heading(cell, language), _mean(_against(language), cell.main_measure))
        for language in dict.fromkeys(alone)
    ]
    if any(setting.kind == "multilingual" for setting in cell.settings):
        shown.append(("all", _mean(_of("multilingual"), cell.main_measure)))
    return shown if len(shown) > 1 else []


def _heading(cell: CellResult, language: str) -> str:
    """A language above a column; the word for one that was never trained on stands below."""
    return f"{language}\nunseen" if language in exposures.unseen(cell) else language


def _measures(cell: CellResult) -> list[_Shown]:
    names = [str(name) for name in cell.details.get("measures", ())][:3]
    kinds = [kind for kind in SHORT if any(s.kind == kind for s in cell.settings)]
    return [(f"{SHORT[kind]}\n{name}", _mean(_of(kind), name)) for kind in kinds for name in names]


def _classes(cell: CellResult) -> list[_Shown]:
    """Nearest-neighbour accuracy, and the main measure on the common queries."""
    known = {name for setting in cell.settings for name in setting.measures}
    names = [name for name in ("kNN@1", "kNN@5") if name in known]
    common = f"{cell.main_measure}{COMMON}"
    kinds = [kind for kind in SHORT if any(s.kind == kind for s in cell.settings)]
    shown = [(f"{SHORT[kind]}\n{name}", _mean(_of(kind), name)) for kind in kinds for name in names]
    if common in known:
        shown += [(f"{SHORT[kind]}\ncommon", _mean(_of(kind), common)) for kind in kinds]
    return shown


def _bias(cell: CellResult) -> list[_Shown]:
    chosen = _of("multilingual")
    if not any("rank_distance" in setting.measures for setting in cell.settings):
        return []
    shown = [
        ("rank\ndistance", _mean(chosen, "rank_distance", ",.0f")),
        ("its\nmedian", _mean(chosen, "rank_distance_median", ",.0f")),
        ("share\nof pool", _mean(chosen, "rank_distance_share")),
        ("own language\nfirst", _mean(chosen, "language_preference")),
        ("by\nchance", _mean(chosen, "language_preference_chance")),
    ]
    if any(setting.measures.get("PEER@20_informative") for setting in cell.settings):
        shown.append(("\nPEER@20", _mean(chosen, "PEER@20")))
    return shown


def _own(cell: CellResult) -> list[_Shown]:
    """How much of the first ten places, the pool and the relevant is in the query's language."""

    def share(name: str) -> Callable[[Sequence[SettingRow]], str]:
        def show(settings: Sequence[SettingRow]) -> str:
            held = [s.languages.get(name, {}).get(s.query_language) for s in settings]
            values = [value for value in held if value is not None and not math.isnan(value)]
            return f"{sum(values) / len(values):.3f}" if values else "–"

        return show

    if not any(s.query_language in s.languages.get("pool", {}) for s in cell.settings):
        return []
    return [
        ("first\nten", share("top")),
        ("the\npool", share("pool")),
        ("the\nrelevant", share("relevant")),
    ]


def _by_language(cell: CellResult, shown: Sequence[_Shown], *, mean: bool) -> Table:
    drawn = grid("queries", [heading for heading, _ in shown])
    languages = list(dict.fromkeys(setting.query_language for setting in cell.settings))
    for language in languages:
        members = [s for s in cell.settings if s.query_language == language]
        drawn.add_row(
            Text(exposures.language(cell, language)), *(Text(show(members)) for _, show in shown)
        )
    if mean and len(languages) > 1:
        drawn.add_section()
        drawn.add_row(Text("mean"), *(Text(show(cell.settings)) for _, show in shown))
    return drawn


def _against(language: str) -> Callable[[SettingRow], bool]:
    return lambda setting: tuple(setting.document_languages) == (language,)


def _of(kind: str) -> Callable[[SettingRow], bool]:
    return lambda setting: setting.kind == kind


def _mean(
    chosen: Callable[[SettingRow], bool], measure: str, form: str = ".3f"
) -> Callable[[Sequence[SettingRow]], str]:
    def show(settings: Sequence[SettingRow]) -> str:
        held = [s.measures.get(measure, math.nan) for s in settings if chosen(s)]
        values = [value for value in held if not math.isnan(value)]
        return format(sum(values) / len(values), form) if values else "–"

    return show
