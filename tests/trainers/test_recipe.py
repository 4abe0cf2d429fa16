"""Recipes say everything that decides a training, and refuse what they do not know."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.errors import UsageError
from mlir_trainers import recipe_files, toml

PAPER = json.loads(
    '{"learning_rate": 3e-5, "weight_decay": 0.01, "batch_size": 100, "prefixes": '
    '{"query": "Query:", "passage": "Passage:"}}'
)


def test_bundled_recipes_are_each_model_with_each_way_to_mix_batches() -> None:
    assert recipe_files.bundled() == [
        f"{model}-{batches}"
        for model in ("labse", "mdeberta", "tiny", "xlmr")
        for batches in ("mono", "cross", "hybrid")
    ]
    for name in recipe_files.bundled():
        assert recipe_files.load(name).name == name
    alphas = [
        recipe_files.load(f"xlmr-{each}").training.alpha for each in ("mono", "cross", "hybrid")
    ]
    assert alphas == [1.0, 0.0, 0.5]


@pytest.mark.parametrize("model", ["xlmr", "labse", "mdeberta"])
def test_published_models_are_trained_with_the_settings_of_the_paper(model: str) -> None:
    """arXiv 2408.10536, section 4."""
    found = recipe_files.load(f"{model}-hybrid")
    assert found.model.base == model
    assert found.training.learning_rate == PAPER["learning_rate"]
    assert found.training.weight_decay == PAPER["weight_decay"]
    assert found.training.batch_size == PAPER["batch_size"]
    assert found.prompts.query.strip() == PAPER["prefixes"]["query"]
    assert found.prompts.passage.strip() == PAPER["prefixes"]["passage"]


def test_changes_are_applied_in_their_order() -> None:
    found = recipe_files.load(
        "tiny-mono",
        [
            "training.learning_rate=1e-4",
            "training.batches=0.25",
            "training.batch_size=8",
            "training.batch_size=9",
            "data.languages=de,en",
            "training.report_to=['wandb']",
        ],
    )
    assert found.training.learning_rate == 1e-4
    assert found.training.alpha == 0.25
    assert found.training.batch_size == 9
    assert found.data.languages == ("de", "en")
    assert found.training.report_to == ("wandb",)


def test_a_file_is_called_after_itself_and_survives_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[data]\ntrain = ["jsonl:a b.jsonl", {format = "tsv", path = "c"}]\n', "utf-8")
    found = recipe_files.load(str(path))
    assert found.name == "mine"
    path.write_text(toml.dumps(found.as_dict()), "utf-8")
    assert recipe_files.load(str(path)).as_dict() == found.as_dict()


def test_paths_in_a_file_are_relative_to_it_and_others_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    path = tmp_path / "recipes" / "mine.toml"
    path.write_text(
        '[data]\ntrain = ["sample", "jsonl:../a.jsonl", {format = "tsv", path = "b", name = "c"}]\n'
        '[validation]\ndata = ["squad:/elsewhere"]\n'
    )
    monkeypatch.chdir(tmp_path)
    found = recipe_files.load("recipes/mine.toml")
    table = {"format": "tsv", "path": f"{tmp_path}/recipes/b", "name": "c"}
    assert found.data.train == ("sample", f"jsonl:{tmp_path}/a.jsonl", table)
    assert found.validation.data == ("squad:/elsewhere",)
    changed = recipe_files.given(
        "recipes/mine.toml", ["validation.data=squad:here"], ["tsv:rows.tsv"], []
    )
    assert changed.data.train == (f"tsv:{tmp_path}/rows.tsv",)
    assert changed.validation.data == (f"squad:{tmp_path}/here",)


VALUES = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_written_as_toml_is_read_as_it_was(content: dict[str, object]) -> None:
    assert tomllib.loads(toml.dumps(content)) == content


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        (["training.lerning_rate=1"], "there is no key training.lerning_rate", "learning_rate"),
        (["trainin.seed=1"], "there is no key trainin", "training"),
        (["training.batches=1.5"], "alpha is 1.5", "from 0 to 1"),
        (["training.batches=most"], "alpha is most", "mono"),
        (["training.batch_size=1"], "training.batch_size is 1", "from 2"),
        (["training.batch_size=many"], "'many', not of type int", ""),
        (["training.seed=true"], "True, not of type int", ""),
        (["training.precision=fp8"], "'fp8'", "fp32, bf16"),
        (["training=1"], "training is not a table", "training.seed"),
        (["training.seed"], "it is not KEY=VALUE", "training.learning_rate=1e-4"),
        (["training.schedule=step"], "'step'", "linear, cosine"),
        (["model.base=transformer", "model.heads=5"], "96, not a multiple of model.heads, 5", ""),
        (["data.languages=[1]"], "data.languages holds 1, which is no string", "["),
        (["data.train=[7]"], "data.train holds 7, which is no string", "["),
        (["name=../up"], "cannot be the name", "letters"),
    ],
)
def test_what_is_wrong_is_named(changes: list[str], said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe_files.load("tiny-hybrid", changes)
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_an_unknown_recipe_has_a_neighbour(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        recipe_files.load("xlmr-hybird")
    assert "Did you mean xlmr-hybrid?" in caught.value.hint
    for name, said in ((str(tmp_path / "no.toml"), "cannot read"), ("x.toml", "cannot read")):
        with pytest.raises(UsageError, match=said):
            recipe_files.load(name)
    broken = tmp_path / "broken.toml"
    broken.write_text("[training\n")
    with pytest.raises(UsageError, match="not TOML"):
        recipe_files.load(str(broken))
