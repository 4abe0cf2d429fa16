"""Low-resource subsets: samples per intent and slot (SPIS, Chen et al. 2020, arXiv:2010.03546)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from hashlib import sha256

import numpy as np

from mlir_harness.types import IntArray


def subset(
    ids: Sequence[str], texts: Sequence[str], labels: Sequence[Collection[str]], k: int, seed: int
) -> IntArray:
    """Rows of a subset in which every label has min(k, available) utterances or more.

    Utterances are visited in the order of SHA-256("seed:id:text"), which is the same on every
    machine, and kept while one of their labels still has fewer than k.

    Args:
        ids, texts: of the utterances.
        labels: the intents and slots of each; repeated ones count once.
        k: samples per label, 1 or more.
        seed: another one gives another order.

    Returns:
        (m,) int64 rows, ascending.
    """
    keys = [
        sha256(f"{seed}:{name}:{text}".encode()).digest()
        for name, text in zip(ids, texts, strict=True)
    ]
    held: Counter[str] = Counter()
    kept = []
    for row in sorted(range(len(keys)), key=keys.__getitem__):
        own = set(labels[row])
        if any(held[label] < k for label in own):
            kept.append(row)
            held.update(own)
    return np.sort(np.array(kept, np.int64))
