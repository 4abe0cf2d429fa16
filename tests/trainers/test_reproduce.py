"""`mlir-harness reproduce` and `train --alpha-sweep`, as people run them."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from command import Desk
from lareqa_files import LANGUAGES, write_lareqa
from safetensors.numpy import load_file, save_file
from tiny_transformers import write_xlmr

QUICK = ("--set", "training.max_steps=8", "--set", "validation.every=4", "--cache-dir", "cache")
SMALL = ("--set", "model.vocabulary=3000", "--set", "model.dimension=16", *QUICK)
CPU = ("--device", "cpu")


@pytest.fixture
def desk(tmp_path):
    return Desk.at(tmp_path, ("de", "en", "hi", "th"))


def reproduce(desk, *more):
    return desk.do("reproduce", "--recipe", "tiny", *SMALL, *CPU, *more)


@pytest.mark.slow
def test_the_sample_gives_verdicts_and_says_that_it_proves_nothing(desk):
    done = reproduce(desk, "--seeds", "1", "--tasks", "xquad-r,mtop")
    assert done.code == 0, done.err
    assert "tiny on xquad-r · test · 1 seed, these checkpoints only · SAMPLE DATA" in done.out
    assert "No published figures beside: sample data." in done.out
    assert "no query has relevant documents in two languages" in done.out  # mtop
    assert "The paper's own figures" in done.out
    again = reproduce(desk, "--seeds", "1", "--tasks", "xquad-r,mtop")
    assert again.out == done.out
    assert " steps" not in again.err  # nothing was trained


@pytest.mark.slow
def test_held_out_articles_are_a_task_of_their_own(desk):
    split = ("--split-articles", "1", "--data-dir", "data", "--format", "json")
    write_lareqa(desk.root / "data", LANGUAGES)
    batch = ("--set", "training.batch_size=2", "--set", "validation.share=0.5")
    again = ("--seeds", "1", "--tasks", "xquad-r", *split, *batch)
    done = reproduce(desk, *again)
    assert done.code == 0, done.err
    (task,) = done.json()["tasks"]
    assert task["task"] == "xquad-r-1-articles"
    assert not task["sample"]
    assert task["published_beside"] == []
    assert task["seeds"] == [0]
    means = {each["name"]: each for each in task["samplers"]}
    assert list(means) == ["mono", "cross", "hybrid"]
    differences = {each["id"]: each["difference"] for each in task["claims"]}
    (mono,), (cross,) = (means[name]["monolingual"] for name in ("mono", "cross"))
    assert differences["mono-own-ground"] == pytest.approx(mono - cross)
    (mono,), (cross,) = (means[name]["rank_distance"] for name in ("mono", "cross"))
    assert differences["cross-bias"] == pytest.approx(mono - cross)
    verdicts = {each["id"]: each["verdict"] for each in task["claims"]}
    assert verdicts["multilingual-best"] != "not testable here"
    assert verdicts["unseen"] == "not testable here"
    folder = desk.root / "reproduction" / "xquad-r-1-articles" / "xquad-r"
    held_out = json.loads((folder / "en.json").read_text())
    (article,) = [each["title"] for each in held_out["data"]]
    recipe = (desk.root / "reproduction/checkpoints/tiny-mono-s0/recipe.toml").read_text()
    trained_on = {f"Article {number}" for number in range(3)} - {article}
    assert all(title in recipe for title in trained_on)
    assert article not in recipe
    other = reproduce(desk, *again, "--set", "training.scale=30")
    assert other.code == 2
    assert "was trained by another recipe, or on other data" in other.err


@pytest.mark.slow
def test_a_training_that_fails_leaves_the_others_going(desk):
    """From weights that are no numbers, none can succeed: each is tried and said to fail."""
    file = write_xlmr(desk.root / "base") / "model.safetensors"
    held = load_file(file)
    name = next(each for each in held if each.endswith("word_embeddings.weight"))
    save_file({**held, name: np.full_like(held[name], np.nan)}, file, metadata={"format": "pt"})
    more = ("--data", "sample", "--weights", "base", "--seeds", "1", "--tasks", "xquad-r")
    batch = ("--set", "training.batch_size=8", "--set", "data.against=[]")
    done = desk.do("reproduce", "--recipe", "xlmr", *more, *batch, *QUICK, *CPU)
    assert done.code == 4, done.err
    for sampler in ("mono", "cross", "hybrid"):
        assert f"xlmr-{sampler}-s0 × training: the loss is nan" in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_an_alpha_sweep_is_a_table_and_a_chart(desk):
    done = desk.do("train", "tiny-hybrid", "--alpha-sweep", "0,0.5,1", *SMALL, *CPU)
    assert done.code == 0, done.err
    rows = [line.split() for line in done.out.splitlines()]
    assert [row[0] for row in rows if row and row[0] in {"0", "0.5", "1"}] == ["0", "0.5", "1"]
    (chart,) = desk.files("checkpoints", "*.svg")
    words = [each.text for each in ElementTree.parse(chart).iter() if each.tag.endswith("text")]
    assert "tiny on xquad-r (SAMPLE DATA)" in words
    assert {"monolingual", "cross-lingual", "multilingual", "0.5"} <= set(words)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reproduce", "--recipe", "tini"), "there is no recipe 'tini-mono'"),
        (("reproduce", "--recipe", "tiny-mono"), "Name them together: --recipe tiny."),
        (
            ("reproduce", "--recipe", "tiny", "--set", "training.seed=3"),
            "training.seed: it is set for each training",
        ),
        (("reproduce", "--recipe", "tiny", "--tasks", ","), "no task was named"),
        (("reproduce", "--recipe", "tiny", "--split-articles", "1"), "Name their folder"),
        (("reproduce", "--recipe", "tiny", "--split", "mtop"), "it is not TASK=SPLIT"),
        (
            ("reproduce", "--recipe", "tiny", "--split-articles", "3", "--data-dir", "data"),
            "3 articles cannot be held out",
        ),
        (
            ("reproduce", "--recipe", "tiny", "--data-dir", "nowhere"),
            "--data-dir: there is no folder",
        ),
        (("train", "tiny-mono", "--alpha-sweep", "0,2"), "alpha is 2"),
        (("train", "tiny-mono", "--alpha-sweep", "0,x"), "alpha is x"),
        (("train", "tiny-mono", "--alpha-sweep", ","), "names no alpha"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_trained(desk, arguments, said):
    done = desk.do(*arguments)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert " steps" not in done.err


@pytest.mark.slow
def test_an_unknown_task_is_named_before_anything_is_trained(desk):
    done = reproduce(desk, "--tasks", "xquad")
    assert done.code == 2
    assert "Did you mean xquad-r" in done.err
    assert " steps" not in done.err
