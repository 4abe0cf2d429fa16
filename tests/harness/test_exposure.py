"""A run says what an encoder was trained on of the data that it is evaluated on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command import Desk
from tiny_models import write_static_model

from mlir_harness.contamination import NAME, Recorder

LENGTHS = "py:lengths:Lengths"
ENCODER = """
import numpy as np
from pathlib import Path
from mlir_harness.protocols import EncoderInfo

class Lengths:
    info = EncoderInfo("1", training=str(Path("model").absolute()))

    def encode(self, texts, context):
        return np.array([[len(text), 1.0 + i] for i, text in enumerate(texts)])

class Odd(Lengths):
    info = EncoderInfo("1", training="../../no/such\\x1b[31m")
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "lengths.py").write_text(ENCODER)
    return Desk.at(tmp_path)


def questions(desk: Desk, language: str) -> dict[str, str]:
    articles = json.loads((desk.root / "data" / f"{language}.json").read_text())["data"]
    paragraphs = [each for article in articles for each in article["paragraphs"]]
    return {asked["id"]: asked["question"] for each in paragraphs for asked in each["qas"]}


def record(desk: Desk, texts: Mapping[str, list[str]]) -> None:
    recorder = Recorder()
    for language, each in texts.items():
        recorder.add(each, language)
    recorder.save(desk.root / "model")


def exposure(desk: Desk, *more: str) -> Any:
    done = desk.run(LENGTHS, more=["--format", "json", *more])
    assert done.code == 0, done.err
    return done.cells()[LENGTHS]["exposure"]


def test_what_was_trained_on_is_counted_listed_and_shown(desk: Desk) -> None:
    asked = questions(desk, "de")
    (first, text), (second, other) = list(asked.items())[:2]
    record(desk, {"de": [text.upper(), f"{other}!!"], "en": ["Nothing of the kind."]})
    held = exposure(desk)
    count = len(asked)
    assert (held["verdict"], held["unseen"]) == ("contaminated", ["hi"])
    assert held["queries"]["languages"] == {
        language: {"found": 2, "of": count} for language in ("de", "en", "hi")
    }
    assert held["queries"]["listed"] == {
        "de": {first: "text", second: "text"},
        "en": {first: "parallel", second: "parallel"},
        "hi": {first: "parallel", second: "parallel"},
    }
    assert held["documents"]["found"] == 0
    shown = desk.run(f"mine={LENGTHS}", "hashing", more=["--details"]).out
    assert "mine ‡" in shown
    of, documents = held["queries"]["of"], held["documents"]["of"]
    told = f"‡ contaminated: mine was trained on 6 of {of} queries, 0 of {documents} documents."
    assert told in " ".join(shown.split())
    assert "zero-shot ✓: hashing (trained on nothing)" in shown
    assert "hi (unseen)" in shown
    (manifest,) = desk.files("out", "manifest.json")[:1]
    assert json.loads(manifest.read_text())["details"]["exposure"]["verdict"]


def test_a_second_run_is_told_what_the_first_found(desk: Desk) -> None:
    record(desk, {"de": list(questions(desk, "de").values())})
    first = exposure(desk)
    (file,) = desk.files("cache", "exposure/*.json")
    known = json.loads(file.read_text())
    assert known == first
    file.write_text(json.dumps({**known, "verdict": "remembered"}))
    assert exposure(desk)["verdict"] == "remembered"
    file.write_text("no longer JSON")
    assert exposure(desk) == first


def test_stored_scores_are_marked_anew_when_the_record_changes(desk: Desk) -> None:
    assert exposure(desk)["verdict"] == "unknown"
    record(desk, {"hi": ["कुछ और"]})
    clean = exposure(desk)
    assert (clean["verdict"], clean["unseen"]) == ("zero-shot", ["de", "en"])
    record(desk, {"hi": list(questions(desk, "hi").values())})
    assert exposure(desk)["verdict"] == "contaminated"
    assert len(desk.files("out", "manifest.json")) == 1  # a record changes no vector
    (desk.root / "model" / NAME).unlink()
    assert exposure(desk)["verdict"] == "unknown"


@pytest.mark.slow
def test_a_trained_checkpoint_says_where_its_record_is(desk: Desk) -> None:
    write_static_model(desk.root / "model")
    command = ("st:model", "--format", "json")
    before = desk.run(command[0], more=command[1:]).cells()["st:model"]
    record(desk, {"de": list(questions(desk, "de").values())[:1]})
    after = desk.run(command[0], more=command[1:]).cells()["st:model"]
    assert before["exposure"]["verdict"] == "unknown"
    assert after["exposure"]["queries"]["found"] == len(desk.languages)
    assert after["fingerprints"] == before["fingerprints"]
    assert after["folder"] == before["folder"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"broken", "is damaged: it has no header of a record"),
        (None, "is damaged: its checksum does not match"),
    ],
    ids=["garbage", "changed"],
)
def test_a_damaged_record_costs_no_scores(desk: Desk, content: bytes | None, said: str) -> None:
    record(desk, {"en": ["one", "two"]})
    file = desk.root / "model" / NAME
    whole = file.read_bytes()
    file.write_bytes(content or whole.replace(b'\\"en\\": 2', b'\\"en\\": 3'))
    done = desk.run(LENGTHS, more=["--format", "json"])
    assert done.code == 0
    assert "Traceback" not in done.err
    assert said in " ".join(done.err.split())
    cell = done.cells()[LENGTHS]
    assert cell["summary"]["monolingual"]["AP"] > 0
    assert cell["exposure"]["verdict"] == "unknown"
    assert said in cell["exposure"]["reason"]


def test_an_isolated_encoder_is_marked_alike(desk: Desk) -> None:
    record(desk, {"de": list(questions(desk, "de").values())[:1]})
    assert exposure(desk) == exposure(desk, "--isolate", "--fresh")


def test_a_plugin_that_names_no_folder_is_unknown(desk: Desk) -> None:
    done = desk.run("py:lengths:Odd", more=["--format", "json"])
    assert done.code == 0
    assert "\x1b" not in done.err + done.out
    assert done.cells()["py:lengths:Odd"]["exposure"]["verdict"] == "unknown"
