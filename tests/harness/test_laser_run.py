"""LASER whole: its environment built by uv, the real laserembeddings, the run, the same vectors."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Desk, Done
from tiny_laser import write_laser

from mlir_encoders.laser import CODES, VOCABULARY, WEIGHTS, laser, rules
from mlir_harness.isolation import environments
from mlir_harness.prepare import Prepared, prepare
from mlir_harness.protocols import Context
from mlir_harness.request import Request, Silent
from mlir_harness.types import Role

pytestmark = pytest.mark.slow
LANGUAGES = "de,el,en,hi,th,zh"
UV = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")}

# What a user of the library would write; no part of the harness is in it.
DIRECTLY = """
import json, sys
import numpy
from laserembeddings import Laser

texts, languages = json.load(open(sys.argv[1]))
numpy.save(sys.argv[2], Laser(*sys.argv[3:]).embed_sentences(texts, languages))
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One folder for all tests here: the environment in its cache is built once."""
    root = tmp_path_factory.mktemp("laser")
    write_laser(root / "weights")
    return Desk(root, UV)


@pytest.fixture(scope="module")
def first(desk: Desk) -> Done:
    """The first run there is, which builds the environment."""
    return run(desk)


def run(desk: Desk, *more: str, weights: str = "weights", timeout: float = 1800) -> Done:
    places = ("--cache-dir", "cache", "--output", "out", "--format", "json")
    asked = ("--encoders", "laser", "--tasks", "xquad-r", "--data", "sample")
    what = (*asked, "--languages", LANGUAGES, "--weights", f"laser={weights}")
    process = desk.start("run", *what, *places, *more)
    out, err = process.communicate(timeout=timeout)
    return Done(process.returncode, out, err)


def interpreter(desk: Desk) -> Path:
    found = environments.find(laser.environment, desk.root / "cache")
    assert found
    return found


def directly(desk: Desk, texts: list[str], languages: list[str]) -> Any:
    """The library's own vectors, in the same environment: (n, dimension)."""
    asked, answer = desk.root / "asked.json", desk.root / "answer.npy"
    asked.write_text(json.dumps([texts, languages]))
    files = [str(desk.root / "weights" / name) for name in (CODES, VOCABULARY, WEIGHTS)]
    call = [interpreter(desk), "-I", "-c", DIRECTLY, asked, answer, *files]
    subprocess.run(call, check=True, capture_output=True)
    return np.load(answer)


def prepared(desk: Desk) -> Prepared:
    asked = Request(
        ["laser"],
        ["xquad-r"],
        languages=LANGUAGES.split(","),
        data="sample",
        cache_dir=desk.root / "cache",
        weights={"laser": str(desk.root / "weights")},
    )
    return prepare(asked, Silent())


def test_it_runs_and_its_vectors_are_the_librarys(desk: Desk, first: Done) -> None:
    assert first.code == 0, first.err
    assert "building the environment of laserembeddings[zh,ja]==1.1.2" in first.err
    assert first.cells()["laser"]["status"] == "ok"
    ready = prepared(desk)
    shelves = ready.shelves(ready.encoders[0], ready.tasks[0])  # type: ignore[arg-type]
    needs = [need for role in Role for need in shelves[role].needs]
    stored = np.concatenate([need.shard.read()[0].matrix for need in needs])
    texts = [text for need in needs for text in need.texts()]
    spoken = [rules(need.collection.language) for need in needs for _ in need.texts()]
    expected = directly(desk, texts, spoken)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert len(stored) > 500
    assert set(spoken) == set(LANGUAGES.split(","))
    assert np.abs(stored - expected).max() < 1e-5


def test_a_second_run_builds_nothing_and_encodes_nothing(desk: Desk, first: Done) -> None:
    shards = {path: path.stat().st_mtime_ns for path in desk.files("cache/vectors")}
    for more in ([], ["--fresh"]):
        again = run(desk, *more)
        assert again.code == 0, again.err
        assert "environment" not in again.err
        assert again.json()["cells"][0]["summary"] == first.json()["cells"][0]["summary"]
    assert {path: path.stat().st_mtime_ns for path in desk.files("cache/vectors")} == shards


def test_texts_of_all_kinds_in_one_call(desk: Desk, first: Done) -> None:
    texts = [
        "",
        "   ",
        "\n",
        "a\nb",
        "今日は\n天気",
        "今天天气很好。",
        "🙂",
        "\ud800 x",
        "x" * 3000,
    ]
    texts += ["Ο καιρός", "النص", "وقت", "The weather is nice.", "the weather is nice."]
    tags = [
        "en",
        "de",
        "ja",
        "en",
        "ja",
        "zh-Hans",
        "xx",
        "",
        "en",
        "el",
        "ar",
        "ur",
        "en-GB",
        "de",
    ]
    encoder = prepared(desk).encoders[0].encoder  # type: ignore[union-attr]
    told = []

    def progress(done: int, tokens: int, truncated: int) -> None:
        told.append(done)

    vectors = encoder.encode(texts, Context(Role.QUERY, tags, progress=progress)).matrix
    again = np.vstack(
        [
            encoder.encode([t], Context(Role.QUERY, [g])).matrix
            for t, g in zip(texts, tags, strict=True)
        ]
    )
    none = encoder.encode([], Context(Role.QUERY, [])).matrix
    encoder.close()
    assert vectors.dtype == np.float32
    assert sum(told) == len(texts)
    assert none.shape == (0, vectors.shape[1])
    assert np.abs(vectors - again).max() < 1e-5
    clean = [text.replace("\ud800", "\ufffd") for text in texts]
    expected = directly(desk, clean, [rules(tag) for tag in tags])
    assert np.abs(vectors - expected).max() < 1e-5


def test_the_same_text_differs_by_language(desk: Desk, first: Done) -> None:
    expected = directly(desk, ["今天天气很好"] * 2, ["zh", "en"])
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    assert prepared(desk).encoders[0].info.language_aware  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (WEIGHTS, b"no pickle", "are no LASER model"),
        (CODES, b"one two three four\n", "are no LASER model"),
        (VOCABULARY, b"nothing\n", "are no LASER model"),
    ],
)
def test_files_that_are_no_model_are_named(
    desk: Desk, first: Done, name: str, content: bytes, said: str
) -> None:
    folder = desk.root / f"bad-{name}"
    write_laser(folder)
    (folder / name).write_bytes(content)
    done = run(desk, weights=folder.name)
    assert done.code == 4
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert done.cells()["laser"]["status"] == "error"


def test_all_takes_it_only_where_its_environment_is(desk: Desk, first: Done) -> None:
    asked = ("--encoders", "all", "--tasks", "xquad-r", "--data", "sample", "--languages", "de,en")
    rest = ("--weights", "laser=weights", "--format", "json")
    here = desk.do("run", *asked, *rest, "--cache-dir", "cache", "--output", "out")
    assert here.cells()["laser"]["status"] == "ok", here.err
    elsewhere = desk.do("run", *asked, *rest, "--cache-dir", "other", "--output", "elsewhere")
    assert elsewhere.code == 0
    cell = elsewhere.cells()["laser"]
    assert cell["status"] == "unavailable"
    assert "environment of laser is not built" in cell["reason"]
    assert cell["hint"] == "mlir-harness fetch laser"
    assert not (desk.root / "other" / "environments").exists()
