"""The model card of what was trained: recipe, data, curves, and what is not known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mlir_trainers import toml
from mlir_trainers.parallel.data import ParallelData
from mlir_trainers.recipe import Recipe
from mlir_trainers.training import Outcome


def card(
    recipe: Recipe,
    train: ParallelData,
    validation: ParallelData,
    outcome: Outcome,
    drawn: Counter[str],
    exposed: Sequence[str],
) -> str:
    """Markdown with the metadata that the hub reads.

    Args:
        recipe: as it was trained.
        train, validation: data.
        outcome: what came out.
        drawn: kind of batches -> how many were drawn.
        exposed: tasks whose data is among the training texts, in words.
    """
    languages = "\n".join(f"- {each}" for each in train.languages)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(drawn.items()))
    held = "\n".join(
        f"| {_cell(each.name)} | {each.ids:,} | "
        f"{', '.join(f'{name} {held.rows:,}' for name, held in each.languages.items())} |"
        for each in train.datasets
    )
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags:
- sentence-transformers
- feature-extraction
- multilingual-retrieval
language:
{languages}
---

# {recipe.name}

{recipe.description or "Trained with mlir-harness."}

A dual encoder with shared weights, trained with InfoNCE over cosine similarity and in-batch
negatives (arXiv 2408.10536). A share of {recipe.training.alpha:g} of the batches is in one
language; in the others every pair is in two. {outcome.steps} steps; the weights are those of step
{outcome.best_step}, where the loss on the validation batches was lowest. Batches drawn:
{kinds or "none"}.

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{recipe.name}")
queries = model.encode_query(["…"])      # puts {recipe.prompts.query!r} before them
passages = model.encode_document(["…"])  # puts {recipe.prompts.passage!r} before them
```

## Training data

| data set | rows | with question and passage in |
|---|---|---|
{held}

Fingerprint of the training data: `{train.fingerprint}`; of the validation data:
`{validation.fingerprint}`. `training-texts.safetensors` holds a fingerprint of every training text,
by which mlir-harness tells whether evaluation data was seen. {_exposed(exposed)}

## Loss

{_curves(outcome.curve)}

## Recipe

```toml
{toml.dumps(recipe.as_dict())}```
"""


def _exposed(exposed: Sequence[str]) -> str:
    if not exposed:
        return "What the base weights saw in pre-training is not known."
    return "**Evaluation data was trained on: " + "; ".join(exposed) + ".**"


def _cell(name: str) -> str:
    return name.replace("|", "\\|").replace("\n", " ")


def _curves(curve: Sequence[Mapping[str, Any]]) -> str:
    """Validation losses as a table, with the training loss that was logged last before each."""
    rows, loss = [], None
    for entry in curve:
        loss = entry.get("loss", loss)
        if "eval_loss" in entry:
            shown = "" if loss is None else f"{loss:.4f}"
            rows.append(f"| {entry['step']} | {shown} | {entry['eval_loss']:.4f} |")
    return "\n".join(["| step | training | validation |", "|---|---|---|", *rows])
