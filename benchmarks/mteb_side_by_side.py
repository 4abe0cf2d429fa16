"""The same task, texts and model through mteb's own `evaluate` and through ours, end to end.

    python benchmarks/mteb_side_by_side.py MODEL_FOLDER FOLDER_WITH_XQUAD_R --languages en,es,de

Needs mteb. Both sides start with the model on disk (ours with the texts too), use fp32 on the CPU,
and evaluate every ordered pair of languages (nine settings for three languages). Ours
starts from an empty cache. mteb ranks the best 1,000 sentences, ours the whole pool.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import mteb
from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from sentence_transformers import SentenceTransformer

from mlir_harness import evaluate, registry
from mlir_harness.protocols import TaskOptions
from mlir_harness.types import Retrieval

VERSIONS = ("mlir-harness", "mteb", "sentence-transformers", "torch", "numpy")


def load(data: Path, languages: tuple[str, ...]) -> Retrieval:
    choice = registry.resolve(registry.Kind.TASK, "xquad-r")
    task = registry.create(choice, {}, {})
    found: Retrieval = task.load(TaskOptions(languages=languages, data_dir=str(data)))
    return found


def as_mteb(retrieval: Retrieval) -> AbsTaskRetrieval:
    """The monolingual and cross-lingual settings as subsets of an mteb task."""
    pairs = [s for s in retrieval.settings if len(s.pool) == 1]
    names = {s.id: f"{s.query_language}-{s.document_languages[0]}" for s in pairs}

    class Sentences(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="XQuADRSentences",
            description="XQuAD-R, sentences",
            dataset={"path": "local", "revision": "local"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs={name: ["eng-Latn"] for name in names.values()},
            main_score="map_at_1000",
        )

        def load_data(self, *_: Any, **__: Any) -> None:
            self.dataset = {names[s.id]: {"test": split(retrieval, s)} for s in pairs}
            self.data_loaded = True

    task = Sentences()
    task.k_values = (1, 3, 5, 10, 20, 100, 1000)
    return task


def split(retrieval: Retrieval, setting: Any) -> dict[str, Any]:
    queries = retrieval.queries[setting.query_language]
    documents = retrieval.documents[setting.document_languages[0]]
    relevant = retrieval.judgements[queries.language, documents.language].rows(
        slice(0, len(queries))
    )
    qrels = {
        query: {
            documents.ids[row]: 1
            for row in relevant.documents[relevant.indptr[i] : relevant.indptr[i + 1]].tolist()
        }
        for i, query in enumerate(queries.ids)
    }
    return {
        "queries": Dataset.from_dict({"id": list(queries.ids), "text": list(queries.texts)}),
        "corpus": Dataset.from_dict(
            {
                "id": list(documents.ids),
                "text": list(documents.texts),
                "title": [""] * len(documents),
            }
        ),
        "relevant_docs": qrels,
        "top_ranked": None,
    }


def theirs(model: Path, retrieval: Retrieval, batch_size: int) -> tuple[float, dict[str, float]]:
    task = as_mteb(retrieval)
    start = time.perf_counter()
    loaded = SentenceTransformer(str(model), device="cpu", local_files_only=True)
    result = mteb.evaluate(
        loaded,
        task,
        cache=None,
        encode_kwargs={"batch_size": batch_size},
        show_progress_bar=False,
    )
    seconds = time.perf_counter() - start
    scores = result.task_results[0].scores["test"]
    return seconds, {each["hf_subset"]: each["map_at_1000"] for each in scores}


def ours(model: Path, data: Path, languages: tuple[str, ...]) -> tuple[float, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        report = evaluate(
            f"st:{model}",
            "xquad-r",
            languages=languages,
            settings=["mono", "cross"],
            data_dir=data,
            device="cpu",
            cache_dir=Path(folder) / "cache",
            output=Path(folder) / "results",
        )
        seconds = time.perf_counter() - start
    (cell,) = report.cells
    if cell.status != "ok":
        raise SystemExit(f"{cell.reason}\n{cell.hint}")
    return seconds, {s.id.replace("→", "-"): s.measures["AP"] for s in cell.settings}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--languages", default="en,es,de")
    parser.add_argument("--batch-size", type=int, default=32, help="mteb's")
    given = parser.parse_args()
    languages = tuple(given.languages.split(","))
    print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS))
    my_seconds, mine = ours(given.model, given.data, languages)
    their_seconds, other = theirs(given.model, load(given.data, languages), given.batch_size)
    print(f"{'setting':<8} {'ours, AP':>10} {'map_at_1000':>12} {'difference':>11}")
    for name, score in mine.items():
        print(f"{name:<8} {score:10.4f} {other[name]:12.4f} {abs(score - other[name]):11.5f}")
    print(
        f"{len(languages)} languages, {len(mine)} settings: mteb {their_seconds:.1f} s, "
        f"ours {my_seconds:.1f} s: {their_seconds / my_seconds:.2f} times faster"
    )


if __name__ == "__main__":
    main()
