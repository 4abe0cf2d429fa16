"""Recipes: everything that decides a training, checked before anything is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

from mlir_harness.errors import UsageError
from mlir_trainers.batching import mixture


@dataclass(frozen=True)
class Model:
    """What is trained.

    Attributes:
        base: an encoder whose weights training begins with ("xlmr"), or from nothing: "static"
            (a mean of token embeddings) or "transformer" (a very small one).
        max_tokens: longer texts are cut.
        vocabulary, dimension: of a model from nothing; its tokenizer is trained on the data.
        layers, heads: of a transformer from nothing.
    """

    base: str = "static"
    max_tokens: int = 256
    vocabulary: int = 8000
    dimension: int = 96
    layers: int = 2
    heads: int = 4


@dataclass(frozen=True)
class Data:
    """What is learnt from.

    Attributes:
        train: sources, as FORMAT:PATH or as tables; see `sources.from_table`.
        languages: BCP-47 tags to keep; () for all.
        against: tasks whose data must not be among the training texts.
    """

    train: tuple[Any, ...] = ()
    languages: tuple[str, ...] = ()
    against: tuple[str, ...] = ("xquad-r", "mlqa-r", "mtop", "mtop-parallel", "miracl")


@dataclass(frozen=True)
class Training:
    """How it is learnt.

    Attributes:
        batches: "mono", "cross", "hybrid", or alpha: the share of monolingual batches.
        batch_size: pairs a batch, and a process.
        epochs: passes over as many rows as there are.
        max_steps: stops there, whatever `epochs` says; 0 for no such end.
        learning_rate, weight_decay: of AdamW.
        schedule: of the learning rate, as transformers calls it.
        warmup: share of the steps in which the learning rate rises.
        scale: of the cosine similarities in the loss (one over the temperature).
        mini_batch: pairs computed at once; their gradients are cached, so that batches may be
            larger than memory. 0 for all at once.
        precision: "fp32" or "bf16".
        gradient_checkpointing: compute activations twice, to hold fewer.
        workers: processes that read texts ahead.
        seed: of weights, batches and dropout.
        report_to: "tensorboard", "wandb", or both.
    """

    batches: str | float = "hybrid"
    batch_size: int = 100
    epochs: float = 1
    max_steps: int = 0
    learning_rate: float = 3e-5
    weight_decay: float = 0.01
    schedule: str = "linear"
    warmup: float = 0.0
    scale: float = 20.0
    mini_batch: int = 0
    precision: str = "fp32"
    gradient_checkpointing: bool = False
    workers: int = 0
    seed: int = 0
    report_to: tuple[str, ...] = ()

    @property
    def alpha(self) -> float:
        """Share of monolingual batches."""
        return mixture.alpha(self.batches)


@dataclass(frozen=True)
class Validation:
    """What the checkpoint is chosen by: its loss on batches that are the same for all samplers.

    Attributes:
        data: sources; () to carve a share out of the training data.
        share: of the training data's sources, carved out if there is no `data`.
        alpha: of the validation batches, unless the data is good for one kind only: rows in one
            language each, or parallel sentences.
        batches: at most so many.
        every: steps between validations.
        patience: validations without a lower loss after which training stops; 0 for never.
    """

    data: tuple[Any, ...] = ()
    share: float = 0.1
    alpha: float = 0.5
    batches: int = 50
    every: int = 500
    patience: int = 0


@dataclass(frozen=True)
class Prompts:
    """What is put before texts, in training and for good."""

    query: str = "Query: "
    passage: str = "Passage: "


@dataclass(frozen=True)
class Recipe:
    """One training.

    Attributes:
        name: of the encoder that comes out, and of its folder.
        description: a line for people.
    """

    name: str
    description: str = ""
    model: Model = field(default_factory=Model)
    data: Data = field(default_factory=Data)
    training: Training = field(default_factory=Training)
    validation: Validation = field(default_factory=Validation)
    prompts: Prompts = field(default_factory=Prompts)

    def as_dict(self) -> dict[str, Any]:
        """As a recipe file would hold it."""
        return dataclasses.asdict(self)


_LIMITS = {  # key -> lowest, highest
    "model.max_tokens": (8, 100_000),
    "model.vocabulary": (300, 1_000_000),
    "model.dimension": (8, 8192),
    "model.layers": (1, 100),
    "model.heads": (1, 128),
    "training.batch_size": (2, 1_000_000),
    "training.epochs": (0, 10_000),
    "training.max_steps": (0, 10**9),
    "training.learning_rate": (0, 100),
    "training.weight_decay": (0, 1),
    "training.warmup": (0, 1),
    "training.scale": (1e-3, 1000),
    "training.mini_batch": (0, 1_000_000),
    "training.workers": (0, 64),
    "training.seed": (0, 2**32 - 1),
    "validation.share": (0, 0.9),
    "validation.alpha": (0, 1),
    "validation.batches": (1, 1_000_000),
    "validation.every": (1, 10**9),
    "validation.patience": (0, 1_000_000),
}
_CHOICES = {
    "training.precision": ("fp32", "bf16"),
    "training.schedule": (  # those of transformers that need no arguments of their own
        "linear",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "constant",
        "constant_with_warmup",
        "inverse_sqrt",
    ),
}


def checked(content: Mapping[str, Any], origin: str) -> Recipe:
    """The recipe that nested mappings describe.

    Raises:
        UsageError: a key is unknown, or a value is of the wrong kind or out of range.
    """
    recipe: Recipe = _made(Recipe, content, "", origin)
    if not recipe.name or not recipe.name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(
            f"{origin}: {recipe.name!r} cannot be the name of an encoder",
            "Use letters, digits, - and _.",
        )
    mixture.alpha(recipe.training.batches)
    model = recipe.model
    if model.base == "transformer" and model.dimension % model.heads:
        raise UsageError(
            f"{origin}: model.dimension is {model.dimension}, not a multiple of model.heads, "
            f"{model.heads}",
            "Change one of them.",
        )
    return recipe


def _made(kind: Any, content: Any, prefix: str, origin: str) -> Any:
    """A dataclass from a mapping, its values held against their types and limits."""
    if not isinstance(content, Mapping):
        raise UsageError(f"{origin}: {prefix.rstrip('.')} is not a table", keys())
    known = {each.name: each for each in fields(kind)}
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in content.items():
        key = f"{prefix}{name}"
        if name not in known:
            close = get_close_matches(key, _every(), 1)
            raise UsageError(
                f"{origin}: there is no key {key}",
                f"Did you mean {close[0]}?" if close else keys(prefix),
            )
        if dataclasses.is_dataclass(types[name]):
            values[name] = _made(types[name], value, f"{key}.", origin)
        else:
            values[name] = _value(types[name], value, key, origin)
    return kind(**values)


def _value(kind: Any, value: Any, key: str, origin: str) -> Any:
    allowed = get_args(kind) or (kind,)
    if tuple in (kind, getattr(kind, "__origin__", None)):
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise UsageError(f"{origin}: {key} is {value!r}, not a list", f'{key} = ["…", "…"]')
        for each in items:
            if not isinstance(each, str | Mapping if Any in allowed else str):
                raise UsageError(
                    f"{origin}: {key} holds {each!r}, which is no string", f'{key} = ["…", "…"]'
                )
        return tuple(items)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        names = " or ".join(each.__name__ for each in allowed)
        raise UsageError(f"{origin}: {key} is {value!r}, not of type {names}", "Mend the value.")
    low, high = _LIMITS.get(key, (None, None))
    if low is not None and high is not None and not low <= value <= high:
        raise UsageError(f"{origin}: {key} is {value}", f"It goes from {low} to {high}.")
    if value not in _CHOICES.get(key, (value,)):
        raise UsageError(f"{origin}: {key} is {value!r}", f"One of {', '.join(_CHOICES[key])}.")
    return value


def _every() -> list[str]:
    """All keys, dotted."""
    types = get_type_hints(Recipe)
    return [
        key
        for name, kind in types.items()
        for key in (
            [f"{name}.{each.name}" for each in fields(kind)]
            if dataclasses.is_dataclass(kind)
            else [name]
        )
    ]


def keys(prefix: str = "") -> str:
    """The keys that begin with a prefix, or all, for the hint of an error."""
    found = [key for key in _every() if key.startswith(prefix)]
    return f"Keys: {', '.join(found or _every())}."
