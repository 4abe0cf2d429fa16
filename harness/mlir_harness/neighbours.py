"""Nearest-neighbour accuracy: does a vote of the first documents name the query's own class?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlir_harness.settings import Best, Numbering
from mlir_harness.types import DoubleArray, FloatArray, IntArray, Retrieval, Role

CUTOFFS = (1, 5)
VERSION = "1"


def measure(k: int) -> str:
    """The name of the accuracy of k neighbours."""
    return f"kNN@{k}"


def accuracy(own: IntArray, neighbours: IntArray, scores: FloatArray, k: int) -> DoubleArray:
    """1 where the k nearest documents vote for a query's class, else 0: (n,) float64.

    The class with most votes wins; of those with equally many, the one with the highest sum
    of scores; of those with equal sums, the one of the nearest document.

    Args:
        own: (n,) int64 classes of the queries.
        neighbours: (n, m) int64 classes of the first documents, best first; -1 for none.
        scores: (n, m) of these documents.
        k: how many of them vote.
    """
    voters, weights = neighbours[:, :k], np.asarray(scores[:, :k], np.float64)
    present = voters >= 0
    alike = (voters[:, :, None] == voters[:, None, :]) & present[:, None, :]
    votes = alike.sum(axis=2) * present
    sums = np.where(alike, np.where(present, weights, 0.0)[:, None, :], 0.0).sum(axis=2)
    leading = votes == votes.max(axis=1, initial=0, keepdims=True)
    best = np.where(leading & present, sums, -np.inf)
    winner = np.argmax(best, axis=1)  # the first, which is the nearest, of equals
    chosen = np.take_along_axis(voters, winner[:, None], 1)[:, 0]
    right: DoubleArray = (chosen == own).astype(np.float64)
    return right


@dataclass(frozen=True, slots=True)
class Labels:
    """Class labels as numbers: of each language's queries, and of all documents.

    Attributes:
        queries: language -> (n,) int64.
        documents: (documents,) int64 by document number.
    """

    queries: Mapping[str, IntArray]
    documents: IntArray

    @classmethod
    def of(cls, retrieval: Retrieval, numbering: Numbering) -> Labels:
        """The labels that a task gives."""
        codes: dict[str, int] = {}

        def coded(labels: Sequence[str]) -> IntArray:
            return np.array([codes.setdefault(label, len(codes)) for label in labels], np.int64)

        documents = retrieval.labels[Role.DOCUMENT]
        return cls(
            {x: coded(labels) for x, labels in retrieval.labels[Role.QUERY].items()},
            np.concatenate([coded(documents[x]) for x in numbering.languages]),
        )

    def accuracies(self, language: str, rows: IntArray, best: Best) -> dict[str, DoubleArray]:
        """Measure -> (n,) float64, for the queries in `rows`, whose top lists are `best`."""
        shown = best.documents[:, : max(CUTOFFS)]
        theirs = np.where(shown >= 0, self.documents[shown], -1)
        own = self.queries[language][rows]
        return {measure(k): accuracy(own, theirs, best.scores, k) for k in CUTOFFS}
