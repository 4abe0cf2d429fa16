"""Published figures: those shipped are those printed, and stand beside results of their like."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_cells import cell, source, table

from mlir_harness import references
from mlir_harness.references import Figure, Match, match
from mlir_tasks.lareqa import mlqa_r, xquad_r
from mlir_tasks.miracl_files import SIZES

LANGUAGES = table("xquad-r").languages
FIGURES = [
    (each, held, figure)
    for each in references.sources()
    for held in each.tables
    for figure in held.figures
]


def of(held: Any, name: str = "hybrid-batch") -> Match:
    found = match(held, source(name))
    assert found is not None
    return found


def reasons(found: Match) -> set[str]:
    return {each.reason for each in found.refusals}


# What is held.


def test_every_figure_is_of_a_known_system_and_of_languages_whose_sizes_are_known() -> None:
    assert len(FIGURES) > 100
    for each, held, figure in FIGURES:
        assert figure.system in each.systems
        assert set(figure.languages) <= set(held.languages)
        assert set(held.queries) in ({*held.languages}, set())
        assert figure.mean is not None or figure.languages


def test_printed_means_are_those_of_the_figures_by_language() -> None:
    checked = 0
    for _, _, figure in FIGURES:
        if figure.mean is not None and figure.languages:
            within = 0.06 if figure.measure == "rank_distance" else 0.00011
            mean = math.fsum(figure.languages.values()) / len(figure.languages)
            assert figure.mean == pytest.approx(mean, abs=within)
            checked += 1
    assert checked == 6 * 4 * 2 + 6 * 2


def test_sizes_are_those_that_the_tasks_know() -> None:
    for made in (xquad_r(), mlqa_r()):
        counts = made.release.counts  # type: ignore[attr-defined]
        for name in ("hybrid-batch", "lareqa"):
            held = table(made.release.name, name)  # type: ignore[attr-defined]
            assert {x: (held.queries[x], held.documents[x]) for x in held.languages} == counts
    for name, split in (("hybrid-batch", "dev"), ("pyserini", "dev"), ("pyserini", "train")):
        held = table("miracl", name, split)
        for x in held.languages:
            assert (held.documents[x], held.queries.get(x, SIZES[x][1])) == SIZES[x]


@pytest.mark.data
def test_the_papers_figures_are_those_of_its_tables(real_data: Path) -> None:
    printed = json.loads(_file(real_data, "published.json"))
    about = source("hybrid-batch")
    assert about.source == printed["source"]
    assert list(about.trained_languages) == printed["training"]["languages"]
    batches = {"mono": "X-X-mono", "cross": "X-Y", "hybrid": "hybrid"}
    expected, found = [], []
    for key, system in about.systems.items():
        model, batch = system.title, batches[system.sampler]
        assert system.name == f"{model} {batch}"
        for task in ("xquad-r", "mlqa-r"):
            for x, kinds in printed["mAP"][task][model].items():
                expected += [(key, task, k, "AP", x, held[batch]) for k, held in kinds.items()]
            for k, held in printed["headline_mAP"][task][model].items():
                expected.append((key, task, k, "AP", "headline", held[batch]))
            for k, held in printed["mean_recall"][task][model].items():
                measure = "R@10" if k == "multilingual" else "R@1"
                expected.append((key, task, k, measure, "mean", held[batch]))
            for x, held in printed["rank_distance"][task][model].items():
                expected.append((key, task, "multilingual", "rank_distance", x, held[batch]))
        for x, measures in printed["miracl_dev"][model].items():
            expected += [
                (key, "miracl", "monolingual", m, x, held[batch]) for m, held in measures.items()
            ]
    for held in about.tables:
        for figure in held.figures:
            found += [(figure.system, held.task, *each) for each in _numbers(figure)]
    assert sorted(found) == sorted(expected)


@pytest.mark.data
def test_lareqas_figures_and_all_sizes_are_those_printed(real_data: Path) -> None:
    printed = json.loads(_file(real_data, "published.json"))
    for task, counts in printed["dataset_counts"].items():
        held = table(task, "lareqa")
        assert dict(held.documents) == counts["candidates"]
        asked = counts["queries"]
        each = asked if isinstance(asked, dict) else dict.fromkeys(held.languages, asked)
        assert dict(held.queries) == each
        names = source("lareqa").systems
        assert {
            names[f.system].name.removeprefix("mBERT "): f.mean for f in held.figures
        } == printed["lareqa_mAP"][task]
        assert {(f.kind, f.measure) for f in held.figures} == {("multilingual", "AP")}


@pytest.mark.data
def test_figures_on_miracl_are_those_of_pyserini(real_data: Path) -> None:
    yaml = pytest.importorskip("yaml")
    expected = [
        (*each["name"].rsplit(".", 1), part["split"], measure, value)
        for each in yaml.safe_load(_file(real_data, "miracl.yaml"))["conditions"]
        for part in each["splits"]
        for measure, value in part["scores"][0].items()
    ]
    found = [
        (figure.system, x, held.split, measure, value)
        for held in source("pyserini").tables
        for figure in held.figures
        for _, measure, x, value in _numbers(figure)
    ]
    assert sorted(found) == sorted(expected)


def _file(real_data: Path, name: str) -> str:
    file = real_data / "refs" / name
    if not file.is_file():
        pytest.skip(f"no {name} among the real data")
    return file.read_text("utf-8")


def _numbers(figure: Figure) -> list[tuple[str, str, str, float]]:
    printed = {"mean": figure.mean, "headline": figure.headline, **figure.languages}
    return [(figure.kind, figure.measure, x, v) for x, v in printed.items() if v is not None]


# Beside which cells figures stand.


def test_all_figures_stand_as_printed_beside_the_whole_task() -> None:
    found = of(cell())
    assert found.whole
    hybrid = found.values["xlmr-hybrid"]
    assert hybrid["multilingual", "AP"].value == 0.5927
    assert hybrid["multilingual", "rank_distance"].value == 286.6
    assert len(hybrid) == 3 + 3 + 1
    assert of(cell(), "lareqa").whole


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sample": True}, "sample data"),
        ({"split": "dev", "settings": cell().settings}, "split test published, dev here"),
        ({"settings": ()}, "its figures are of monolingual, cross-lingual, multilingual settings"),
    ],
)
def test_nothing_stands_beside_another_protocol(changes: dict[str, Any], reason: str) -> None:
    found = of(replace(cell(), **changes))
    assert not found.values
    assert reasons(found) == {reason}


@pytest.mark.parametrize("name", ["ours", "xquad-r-small", "XQuAD-R", "mtop"])
def test_a_task_of_another_name_has_no_figures(name: str) -> None:
    assert match(replace(cell(), task=name), source("hybrid-batch")) is None


def test_another_gain_is_another_measure() -> None:
    other = cell("miracl", details={"scoring": {"gain": "exponential"}})
    found = of(other, "pyserini")
    linear = "linear gain published, exponential here"
    assert {e.reason for e in found.refusals if e.figure and e.figure.measure == "nDCG@10"} == {
        linear
    }
    assert {m for own in found.values.values() for _, m in own} == {"R@100"}


@given(st.sets(st.sampled_from(LANGUAGES), min_size=1, max_size=len(LANGUAGES) - 1))
def test_of_fewer_languages_only_settings_within_one_language_are_the_same(kept: set[str]) -> None:
    languages = [x for x in LANGUAGES if x in kept]
    found = of(cell(languages=languages))
    assert not found.whole
    for system, values in found.values.items():
        assert set(values) == {("monolingual", "AP")}
        by_language = _figure(system, "monolingual", "AP").languages
        shown = values["monolingual", "AP"]
        assert shown.languages == tuple(languages)
        assert shown.value == pytest.approx(sum(by_language[x] for x in kept) / len(kept))
    assert len(found.values) == 6
    assert reasons(found) == {f"languages {', '.join(languages)} only, 11 published"}
    assert not of(cell(languages=languages), "lareqa").values


@given(st.sampled_from(cell().settings), st.sampled_from(["queries", "documents"]), st.booleans())
def test_a_query_or_a_candidate_more_or_less_is_another_protocol(
    setting: Any, what: str, more: bool
) -> None:
    count = getattr(setting, what) + (1 if more else -1)
    whole = cell()
    changed = replace(setting, **{what: count})
    rows = tuple(changed if each == setting else each for each in whole.settings)
    found = of(replace(whole, settings=rows))
    kinds = {kind for own in found.values.values() for kind, _ in own}
    assert kinds == {"monolingual", "cross-lingual", "multilingual"} - {setting.kind}
    (reason,) = reasons(found)
    assert reason.startswith("other candidates: " if what == "documents" else "other queries: ")
    assert f"{count:,} here" in reason


def test_a_reason_names_counts_and_the_place() -> None:
    rows = tuple(
        replace(each, documents=840) if each.id == "th→th" else each for each in cell().settings
    )
    assert reasons(of(cell(settings=rows))) == {"other candidates: 852 published, 840 here (th)"}


def test_queries_without_an_answer_count_as_asked() -> None:
    rows = tuple(replace(each, queries=1000, unanswerable=190) for each in cell().settings)
    assert of(cell(settings=rows)).whole


def test_other_pairs_or_pools_of_the_same_languages_are_other_settings() -> None:
    rows = cell().settings[:-1]
    assert reasons(of(cell(settings=rows))) == {"other settings than published"}
    first = next(each for each in rows if each.kind == "cross-lingual")
    without = tuple(each for each in cell().settings if each != first)
    assert reasons(of(cell(settings=without))) == {"other settings than published"}


def test_variants_are_no_settings_of_the_task() -> None:
    varied = tuple(replace(each, variant="spis-1/seed-0") for each in cell().settings)
    assert not of(cell(settings=varied)).values


def test_each_system_stands_beside_the_languages_it_has_figures_of() -> None:
    every = of(cell("miracl"), "pyserini")
    assert len(every.values) == 5
    assert reasons(every) == {"no published figures of de, yo"}
    assert {each.figure.system for each in every.refusals if each.figure} == {
        "mdpr-tied-pft-msmarco-ft-miracl"
    }
    few = of(cell("miracl", ["sw", "te"]), "pyserini")
    assert len(few.values) == 6
    shown = few.values["bm25"]["monolingual", "nDCG@10"]
    held = _figure("bm25", "monolingual", "nDCG@10", "miracl", "pyserini").languages
    assert (shown.value, shown.languages) == ((held["sw"] + held["te"]) / 2, ("sw", "te"))


def test_the_papers_mean_over_15_languages_of_miracl_is_not_set_beside_18() -> None:
    assert reasons(of(cell("miracl"))) == {"no published figures of en, de, yo"}
    assert of(cell("miracl", table("miracl").languages)).whole


def test_the_other_split_of_miracl_has_figures_of_its_own() -> None:
    train = of(cell("miracl", split="train"), "pyserini")
    dev = of(cell("miracl", table("miracl", "pyserini", "train").languages), "pyserini")
    assert len(train.values) == 5
    assert train.values["bm25"] != dev.values["bm25"]
    assert reasons(of(cell("miracl", split="train"))) == {"split dev published, train here"}


def _figure(
    system: str, kind: str, measure: str, task: str = "xquad-r", name: str = "hybrid-batch"
) -> Figure:
    (found,) = (
        each
        for each in table(task, name).figures
        if (each.system, each.kind, each.measure) == (system, kind, measure)
    )
    return found
