"""Results as the metadata of a model card, `model-index`, put into a card that may exist."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mlir_harness import tables
from mlir_harness.errors import DataError
from mlir_harness.exporting import names
from mlir_harness.results import CellResult
from mlir_harness.text import described, plain

_KEY = "model-index"
_MARK = "\ufeff"
_HEAD = re.compile(r"\A(\s*---[ \t]*\r?\n)(.*?)(^---[ \t]*(?:\r?\n|\Z))", re.DOTALL | re.MULTILINE)
_DIGITS = 5
_HINT = "Mend it, or write a card of its own with -o FILE."


def results(cells: Sequence[CellResult]) -> list[dict[str, Any]]:
    """The results of a model-index: one per task and kind of settings, with every measure shown.

    Args:
        cells: of one encoder; those without scores are passed over.
    """
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index

    found = [
        EvalResult(
            task_type="Retrieval",
            dataset_type=names.task(cell),
            dataset_name=_described(cell, column.kind),
            dataset_config=column.kind,
            dataset_split=plain(cell.split),
            dataset_revision=cell.fingerprints["data"],
            metric_type=names.measure(column.measure),
            metric_name=plain(column.measure),
            metric_value=round(column.value(cell), _DIGITS),
        )
        for cell in cells
        if cell.status == "ok"
        for column in tables.columns([cell])
        if not math.isnan(column.value(cell))
    ]
    (entry,) = eval_results_to_model_index("", found)
    listed: list[dict[str, Any]] = entry["results"]
    return listed


def merged(card: str, model: str, found: Sequence[Mapping[str, Any]]) -> str:
    """The card with `found` in its metadata; everything else stays as it is written.

    Results of the same task, kind and split are replaced, others are kept.

    Args:
        card: "" for none yet.
        model: the name of the entry, if there is none to add to.
        found: see `results`.

    Raises:
        DataError: the card's metadata cannot be read.
    """
    bare = card.removeprefix(_MARK)
    mark = card[: len(card) - len(bare)]
    newline = "\r\n" if "\r\n" in bare else "\n"
    match = _HEAD.match(bare)
    if match is None:
        block = _dump({_KEY: _added(None, model, found)}, newline)
        rest = f"{newline}{bare}" if bare else ""
        return f"{mark}---{newline}{block}---{newline}{rest}"
    held = _read(match[2])
    index = _added(held.get(_KEY), model, found)
    block = _replaced(match[2], index, newline)
    whole = {**held, _KEY: index}
    if not _is(block, whole):  # written in some way that cannot be cut into
        block = _dump(whole, newline)
    return f"{mark}{match[1]}{block}{match[3]}{bare[match.end() :]}"


def _described(cell: CellResult, kind: str) -> str:
    count = sum(row.kind == kind and not row.variant for row in cell.settings)
    sample = ", SAMPLE DATA" if cell.sample else ""
    noun = "setting" if count == 1 else "settings"
    return f"{plain(cell.task)} ({kind}, mean over {count} {noun}{sample})"


def _read(block: str) -> dict[str, Any]:
    import yaml

    try:
        held = yaml.safe_load(block)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no such day, say
        raise DataError(f"the card's metadata is no YAML: {described(error)}", _HINT) from error
    if held is not None and not isinstance(held, dict):
        raise DataError("the card's metadata is no mapping of names to values", _HINT)
    return dict(held or {})


def _added(index: Any, model: str, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The model-index with `found`: in the entry of that name, the only one, or a new one."""
    entries = index or []
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise DataError(f"{_KEY} of the card is no list of entries", _HINT)
    named = [each for each in entries if each.get("name") == model]
    entry = (named or entries if len(entries) == 1 else named) or [{"name": model}]
    kept = entry[0].get("results") or []
    if not isinstance(kept, list):
        raise DataError(f"{_KEY} of the card has results that are no list", _HINT)
    ours = {_identity(each) for each in found}
    results = [each for each in kept if _identity(each) not in ours]
    new = {**entry[0], "results": [*results, *map(dict, found)]}
    if entry[0] not in entries:
        return [*entries, new]
    return [new if each is entry[0] else each for each in entries]


def _identity(result: Any) -> tuple[str, ...] | None:
    """What a result is of: task, data set, configuration and split."""
    if not isinstance(result, Mapping):
        return None
    task, data = result.get("task"), result.get("dataset")
    if not isinstance(task, Mapping) or not isinstance(data, Mapping):
        return None
    return (str(task.get("type")), *(str(data.get(key)) for key in ("type", "config", "split")))


def _replaced(block: str, index: list[dict[str, Any]], newline: str) -> str:
    """The text of the metadata, with another model-index in its place or at the end."""
    import yaml

    node = yaml.compose(block, Loader=yaml.SafeLoader)
    written = _dump({_KEY: index}, newline)
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == _KEY:
            start, end = key.start_mark.index, value.end_mark.index
            lines = block[start:end].splitlines(keepends=True)
            while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
                lines.pop()  # a comment on what comes next
            after = block[start + len("".join(lines)) :]
            return f"{block[:start]}{written}{after.removeprefix(newline)}"
    return f"{block}{written}"


def _is(block: str, held: Mapping[str, Any]) -> bool:
    import yaml

    try:
        return bool(yaml.safe_load(block) == held)
    except (yaml.YAMLError, ValueError):
        return False


def _dump(held: Mapping[str, Any], newline: str) -> str:
    import yaml

    text: str = yaml.safe_dump(dict(held), sort_keys=False, allow_unicode=True)
    return text.replace("\n", newline)
