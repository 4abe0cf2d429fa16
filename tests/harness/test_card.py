"""Results go into a model card, and nothing else in it changes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from cells import hostile, scored
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.errors import DataError
from mlir_harness.exporting import card

RESULTS = card.results([scored("labse", 0.625)])
OTHERS = """model-index:
- name: mine
  results:
  - task: {type: Retrieval}
    dataset: {type: other, config: monolingual, split: test}
    metrics: [{type: map, value: 0.25}]
  - task: {type: Retrieval}
    dataset: {type: xquad-r, config: monolingual, split: test}
    metrics: [{type: map, value: 0.125}]
# what follows is about licences
license: mit
"""
words = st.text(st.characters(max_codepoint=0xFFFF, categories=("L", "N", "P", "Zs")), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)


def head(text: str) -> Any:
    """The metadata of a card, as YAML reads it."""
    return yaml.safe_load(text.removeprefix("\ufeff").split("---\n")[1])


def test_a_new_card_is_what_the_hub_reads() -> None:
    text = card.merged("", "labse", RESULTS)
    results = ModelCard(text).data.eval_results
    assert results is not None
    found = {(each.dataset_config, each.metric_type): each for each in results}
    assert set(found) == {
        *(("monolingual", name) for name in ("map", "recall_at_1")),
        *(("cross-lingual", name) for name in ("map", "recall_at_1")),
        *(("multilingual", name) for name in ("map", "recall_at_10", "rank_distance")),
    }
    one = found["monolingual", "map"]
    assert (one.task_type, one.dataset_type, one.dataset_split) == ("Retrieval", "xquad-r", "test")
    assert one.dataset_name == "xquad-r (monolingual, mean over 2 settings)"
    assert (one.metric_name, one.metric_value) == ("AP", 0.625)


def test_results_of_the_sample_are_those_of_another_data_set() -> None:
    (result, *_) = card.results([scored("labse", 0.625, sample=True)])
    assert result["dataset"]["type"] == "xquad-r-sample"
    assert "SAMPLE DATA" in result["dataset"]["name"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_was_written_stays_as_it_was_written(newline: str, mark: str) -> None:
    before = "# a comment\ntags:   [a,  b]   # odd spaces\nlanguage:\n- sw\n"
    body = "\n# Title\n\n---\nmodel-index: no metadata\n"
    old = f"{mark}---\n{before}{OTHERS}---\n{body}".replace("\n", newline)
    new = card.merged(old, "labse", RESULTS)
    assert new.count(newline) == new.count("\n")
    new = new.replace("\r\n", "\n")
    assert new.startswith(f"{mark}---\n{before}model-index:\n")
    assert new.endswith(f"# what follows is about licences\nlicense: mit\n---\n{body}")


def test_results_of_others_are_kept_and_ours_replaced() -> None:
    (entry,) = head(card.merged(f"---\n{OTHERS}---\n", "labse", RESULTS))["model-index"]
    assert entry["name"] == "mine"  # the only model of the card is the one that is meant
    old, *ours = entry["results"]
    assert old["dataset"]["type"] == "other"
    assert ours == RESULTS


def test_of_several_models_the_one_of_the_name_gets_them() -> None:
    index = [{"name": "a", "results": []}, {"name": "labse", "results": [], "extra": 1}]
    old = f"---\n{yaml.safe_dump({'model-index': index})}---\n"
    first, second = head(card.merged(old, "labse", RESULTS))["model-index"]
    assert first == index[0]
    assert second == {"name": "labse", "results": RESULTS, "extra": 1}
    assert len(head(card.merged(old, "new", RESULTS))["model-index"]) == 3


@given(st.dictionaries(words, values, max_size=5), words, st.booleans(), st.none() | st.booleans())
def test_any_metadata_is_kept_and_twice_is_once(
    held: dict[str, Any], body: str, full: bool, flow: bool | None
) -> None:
    held.pop("model-index", None)
    old = {**held, "model-index": [{"name": "m", "results": []}]} if full else held
    block = yaml.safe_dump(old, sort_keys=False, allow_unicode=True, default_flow_style=flow)
    new = card.merged(f"---\n{block}---\n{body}", "m", RESULTS)
    read = yaml.safe_load(new[4 : new.index("\n---\n", 3) + 1])
    assert read == {**held, "model-index": [{"name": "m", "results": RESULTS}]}
    assert new.endswith(f"---\n{body}")
    assert card.merged(new, "m", RESULTS) == new


@pytest.mark.parametrize("old", ["", "# Title\n\ntext\n", "---\n---\n# Title\n", "no newline"])
def test_a_card_without_metadata_gets_some(old: str) -> None:
    new = card.merged(old, "m", RESULTS)
    assert head(new) == {"model-index": [{"name": "m", "results": RESULTS}]}
    assert new.endswith(old.removeprefix("---\n---\n"))
    assert new.count("---\n") == 2


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("a: [1", "is no YAML"),
        ("a: 2026-13-45", "is no YAML"),
        ("just words", "no mapping"),
        ("model-index: words", "no list of entries"),
        ("model-index: [1, 2]", "no list of entries"),
        ("model-index: [{name: m, results: {}}, 1]", "no list of entries"),
        ("model-index: [{name: m, results: words}]", "results that are no list"),
        ("a: !!python/object:os.system x", "is no YAML"),
    ],
)
def test_metadata_that_cannot_be_read_is_explained(block: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        card.merged(f"---\n{block}\n---\n", "m", RESULTS)
    assert "-o" in caught.value.hint


def test_names_from_outside_stay_text() -> None:
    cell = hostile()
    new = card.merged("---\nlicense: mit\n---\n", cell.encoder, card.results([cell]))
    held = head(new)
    assert held["license"] == "mit"
    assert held["model-index"][0]["name"] == cell.encoder
