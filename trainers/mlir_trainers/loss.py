"""The loss: InfoNCE over cosine similarity with in-batch negatives, from queries to passages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor, nn

from mlir_trainers.recipe import Training

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class NotFinite(Exception):
    """The loss is NaN or infinite: training cannot go on.

    Attributes:
        learning: it is the loss of a batch that was learnt from, not of the validation set.
    """

    def __init__(self, message: str, *, learning: bool) -> None:
        super().__init__(message)
        self.learning = learning


class WatchedLoss(nn.Module):
    """A loss of sentence-transformers that raises `NotFinite` before a step spoils the weights."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        value: Tensor = self.loss(features, labels)
        if not value.isfinite():
            learning = torch.is_grad_enabled()
            what = "the loss" if learning else "the validation loss"
            raise NotFinite(f"{what} is {value.item()}", learning=learning)
        return value

    def get_config_dict(self) -> dict[str, Any]:
        described: Any = self.loss.get_config_dict
        return dict(described())


def made(model: SentenceTransformer, chosen: Training) -> WatchedLoss:
    """The loss of a recipe; with `mini_batch`, gradients are cached (Gao et al. 2021)."""
    if chosen.mini_batch:
        return WatchedLoss(
            CachedMultipleNegativesRankingLoss(
                model, scale=chosen.scale, mini_batch_size=chosen.mini_batch
            )
        )
    return WatchedLoss(MultipleNegativesRankingLoss(model, scale=chosen.scale))
