"""Results as mteb reads them: FOLDER/results/<model>/<revision>/<task>-<kind>.json.

mteb averages over all that is in a file, so a file holds what our tables average over: the settings
of one kind, in one variant.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlir_harness import averages
from mlir_harness.exporting import names
from mlir_harness.exporting.export_folder import opened
from mlir_harness.results import CellResult, SettingRow, finite
from mlir_harness.text import folder_names, slug, utf8

_OWNED = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)  # organisation/model
_OURS = "mlir-harness"  # the organisation of models that name none
# Of the licences that mteb takes, those that encoders here have; it refuses others.
_LICENCES = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0")


def write(root: Path, cells: Sequence[CellResult], *, force: bool = False) -> None:
    """Write a file per group of settings of each cell that has scores, and one per encoder.

    Args:
        root: the folder; the export takes the place of an earlier one.
        cells: those without scores are passed over.
        force: see `export_folder.check`.

    Raises:
        UsageError: see `export_folder.check`.
        StoreError: a file cannot be written.
    """
    scored = [cell for cell in cells if cell.status == "ok"]
    models = _models(scored)
    written: dict[str, dict[str, Any]] = {}
    for cell in scored:
        model = models[cell.encoder]
        home = f"results/{model.replace('/', '__')}/{_revision(cell)}"
        written[f"{home}/model_meta.json"] = model_meta(cell, model)
        for result in task_results(cell):
            written[f"{home}/{result['task_name']}.json"] = result
    with opened(root, "mteb", list(written), force=force) as folder:
        for name, content in written.items():
            text = json.dumps(finite(content), indent=2, ensure_ascii=False, allow_nan=False)
            folder.write(name, [f"{utf8(text)}\n"])
        folder.finish({"models": {cell.encoder: models[cell.encoder] for cell in scored}})


def task_results(cell: CellResult) -> list[dict[str, Any]]:
    """One cell as TaskResults: an entry per setting, with means from 0 to 1 as mteb has them."""
    work = cell.details.get("work", {})
    seconds = [work.get("encode_seconds"), work.get("rank_seconds")]
    known = [value for value in seconds if isinstance(value, int | float)]
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in cell.settings:
        entry = _entry(row, cell.main_measure)
        if entry is not None:
            groups.setdefault(averages.group(row.kind, row.variant), []).append(entry)
    places = folder_names(groups)
    return [
        {
            "dataset_revision": cell.fingerprints["data"],
            "task_name": f"{names.task(cell)}-{places[group]}",
            "mteb_version": None,  # it is not mteb's protocol
            "scores": {cell.split: entries},
            "evaluation_time": sum(known) if known else None,  # of the whole cell
            "kg_co2_emissions": None,
        }
        for group, entries in groups.items()
    ]


def _entry(row: SettingRow, main: str) -> dict[str, Any] | None:
    """None where no query could be answered, for then there is no main score."""
    main_score = row.measures.get(main, math.nan)
    if math.isnan(main_score):
        return None
    scores = {names.measure(name): value for name, value in row.measures.items()}
    tags = dict.fromkeys((row.query_language, *row.document_languages))
    return scores | {
        "main_score": main_score,
        "hf_subset": row.id,
        "languages": [names.language(tag) for tag in tags],
    }


def model_meta(cell: CellResult, model: str) -> dict[str, Any]:
    """What is known of the cell's encoder, as a ModelMeta of the name `model`."""
    info: Mapping[str, Any] = cell.details.get("encoder", {})
    licence = str(info.get("licence") or "").lower()
    tags = [str(tag) for tag in info.get("languages") or ()]
    dimension = cell.details.get("texts", {}).get("dimension")
    tokens = info.get("max_tokens")
    return {
        "loader": None,
        "name": model,
        "revision": _revision(cell),
        "release_date": None,
        "languages": [names.language(tag) for tag in tags if names.known(tag)] or None,
        "n_parameters": None,
        "memory_usage_mb": None,
        "max_tokens": tokens,
        "embed_dim": dimension,
        "license": licence if licence in _LICENCES else None,
        "open_weights": None,
        "public_training_code": None,
        "public_training_data": None,
        "framework": [],
        "similarity_fn_name": info.get("similarity"),
        "use_instructions": None,
        "training_datasets": None,
        "model_type": ["dense" if dimension else "sparse"],
        "modalities": ["text"],
    }


def _revision(cell: CellResult) -> str:
    """The fingerprint: other prompts, precision or options are another revision."""
    return next(iter(folder_names([cell.fingerprints["encoder"]]).values()))


def _models(cells: Sequence[CellResult]) -> dict[str, str]:
    """A name of the form organisation/model for each encoder, different for different ones."""
    found = {}
    for encoder in dict.fromkeys(cell.encoder for cell in cells):
        bare = encoder.removeprefix("st:").partition("@")[0]
        if "/" not in bare:
            bare = bare.replace("__", "/", 1)  # a label has no slash; mteb writes it so in folders
        if not _OWNED.fullmatch(bare):
            bare = f"{_OURS}/{next(iter(folder_names([encoder]).values()))}"
        found[encoder] = bare
    counts = Counter(name.lower() for name in found.values())
    return {
        encoder: name if counts[name.lower()] == 1 else f"{_OURS}/{slug(encoder)}"
        for encoder, name in found.items()
    }
