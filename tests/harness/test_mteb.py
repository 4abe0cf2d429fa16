"""Result files that mteb loads, whose means are those of our tables."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from cells import failed, hostile, scored

from mlir_harness.errors import UsageError
from mlir_harness.exporting import mteb, names
from mlir_harness.results import CellResult

LANGUAGE = re.compile(r"[a-z]{3}-[A-Z][a-z]{3}")
# With mteb in the environment: what it loads, as JSON.
LOAD = """
import json, sys
from pathlib import Path
from mteb.cache import ResultCache
from mteb.models.model_meta import ModelMeta

loaded = ResultCache(sys.argv[1]).load_results()
models = {}
for model in loaded.model_results:
    models[f"{model.model_name} {model.model_revision}"] = {
        each.task_name: [each.get_score(), each.get_score(languages=["hin"])]
        for each in model.task_results
    }
for path in Path(sys.argv[1]).rglob("model_meta.json"):
    ModelMeta.model_validate_json_resolved(path.read_text())
print(json.dumps(models))
"""


def cell(encoder: str, base: float = 0.5, **details: Any) -> CellResult:
    held = scored(encoder, base)
    known = {
        "encoder": {
            "licence": "Apache-2.0",
            "languages": ["en", "hi", "tlh"],
            "max_tokens": 512,
            "similarity": "cosine",
        },
        "texts": {"unique": 10, "dimension": 384},
        "work": {"encode_seconds": 1.5, "rank_seconds": 0.25},
    }
    return replace(held, details={**held.details, **known, **details})


def files(root: Path) -> dict[str, Any]:
    """Every file but the index, by its path."""
    return {
        path.relative_to(root).as_posix(): json.loads(path.read_text("utf-8"))
        for path in sorted(root.rglob("*.json"))
        if path.name != "index.json"
    }


def test_the_layout(tmp_path: Path) -> None:
    mteb.write(tmp_path, [cell("hashing"), cell("st:org/model"), failed("broken")])
    home = f"results/mlir-harness__hashing/{'e' * 32}"
    found = [path for path in files(tmp_path) if path.startswith("results/mlir-harness__hashing/")]
    assert found == [
        f"{home}/model_meta.json",
        f"{home}/xquad-r-cross-lingual.json",
        f"{home}/xquad-r-monolingual.json",
        f"{home}/xquad-r-multilingual.json",
    ]
    assert len(files(tmp_path)) == 8


def test_the_schema(tmp_path: Path) -> None:
    held = cell("hashing")
    mteb.write(tmp_path, [held])
    for path, result in files(tmp_path).items():
        if path.endswith("model_meta.json"):
            continue
        assert set(result) == {
            *("dataset_revision", "task_name", "mteb_version", "scores", "evaluation_time"),
            "kg_co2_emissions",
        }
        assert result["task_name"] == Path(path).stem
        assert result["dataset_revision"] == held.fingerprints["data"]
        assert result["evaluation_time"] == 1.75
        (entries,) = result["scores"].values()
        assert list(result["scores"]) == ["test"]
        for entry in entries:
            assert isinstance(entry["hf_subset"], str)
            assert 0 <= entry["main_score"] <= 1
            assert entry["main_score"] == entry["map"]
            assert all(LANGUAGE.fullmatch(tag) for tag in entry["languages"])
        kind = result["task_name"].removeprefix("xquad-r-")
        mean = fmean(entry["main_score"] for entry in entries)
        assert mean == pytest.approx(held.summary[kind]["AP"])


def test_seeds_of_a_variant_are_in_one_file() -> None:
    held = cell("hashing")
    rows = [replace(held.settings[0], id=f"s{n}", variant=f"spis-1/seed-{n}") for n in (0, 1)]
    held = replace(held, settings=(*held.settings, *rows))
    results = {each["task_name"]: each for each in mteb.task_results(held)}
    (entries,) = results["xquad-r-monolingual-spis-1"]["scores"].values()
    assert [entry["hf_subset"] for entry in entries] == ["s0", "s1"]


def test_a_setting_without_queries_has_no_main_score_and_no_entry() -> None:
    held = cell("hashing")
    first, *others = held.settings
    held = replace(held, settings=(replace(first, measures={"AP": float("nan")}), *others))
    (mono,) = (each for each in mteb.task_results(held) if "mono" in each["task_name"])
    assert [entry["hf_subset"] for entry in mono["scores"]["test"]] == ["hi→hi"]


def test_what_is_known_of_the_encoder(tmp_path: Path) -> None:
    mteb.write(tmp_path, [cell("hashing")])
    (meta,) = (held for path, held in files(tmp_path).items() if path.endswith("model_meta.json"))
    known = {key: value for key, value in meta.items() if value}
    assert known == {
        "name": "mlir-harness/hashing",
        "revision": "e" * 32,
        "languages": ["eng-Latn", "hin-Deva"],  # mteb knows no Klingon
        "max_tokens": 512,
        "embed_dim": 384,
        "license": "apache-2.0",
        "similarity_fn_name": "cosine",
        "model_type": ["dense"],
        "modalities": ["text"],
    }


def test_models_have_names_of_their_own(tmp_path: Path) -> None:
    named = ["st:a/b", "a__b", "A__B", "st:c/d@main", "e__f", "st:/root/g", "../h", "i j", "i-j"]
    mteb.write(tmp_path, [cell(name) for name in named])
    folders = {path.split("/")[1] for path in files(tmp_path)}
    assert len({folder.lower() for folder in folders}) == len(named)
    assert {"c__d", "e__f"} <= folders
    assert all(re.fullmatch(r"[\w.-]+__[\w.-]+", folder) for folder in folders)


def test_names_from_outside_do_not_reach_the_file_system(tmp_path: Path) -> None:
    root = tmp_path / "a" / "b" / "files"
    odd = replace(hostile(), fingerprints={"data": "../..", "protocol": "", "encoder": "../../x"})
    mteb.write(root, [odd, replace(cell("plain"), task="model_meta")])
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert all(path.parts[:3] == ("a", "b", "files") for path in written)
    assert sum(path.name == "model_meta.json" for path in written) == 2


def test_measures_and_languages_have_their_names() -> None:
    assert [names.measure(each) for each in ("AP", "nDCG@10", "R@1", "RR@10", "AP_common")] == [
        *("map", "ndcg_at_10", "recall_at_1", "mrr_at_10", "map_common")
    ]
    assert [names.measure(each) for each in ("rank_distance", "PEER@20_informative")] == [
        *("rank_distance", "PEER_at_20_informative")
    ]
    assert [names.language(each) for each in ("sw", "zh", "tlh")] == ["swa-Latn", "zho-Hans", "tlh"]


def test_an_export_takes_the_place_of_an_earlier_one_alone(tmp_path: Path) -> None:
    mteb.write(tmp_path, [cell("hashing"), cell("bm25")])
    mteb.write(tmp_path, [cell("hashing")])
    assert not (tmp_path / "results" / "mlir-harness__bm25").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").write_text("x")
    with pytest.raises(UsageError, match="holds no earlier export"):
        mteb.write(other, [cell("hashing")])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mteb") is None, reason="pip install mteb")
def test_mteb_loads_them_with_the_means_of_our_tables(tmp_path: Path) -> None:
    held = cell("org__model", 0.625)
    mteb.write(tmp_path, [held, cell("bm25", texts={"unique": 10, "dimension": None})])
    command = [sys.executable, "-c", LOAD, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert set(loaded) == {f"org/model {'e' * 32}", f"mlir-harness/bm25 {'e' * 32}"}
    found = loaded[f"org/model {'e' * 32}"]
    for kind, means in held.summary.items():
        assert found[f"xquad-r-{kind}"][0] == pytest.approx(means["AP"])
    hindi = fmean(row.measures["AP"] for row in held.settings if row.id == "hi→hi")
    assert found["xquad-r-monolingual"][1] == pytest.approx(hindi)
