"""Low-resource subsets: enough of every label, and the same everywhere."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlir_tasks.spis import subset

labelled = st.lists(st.sets(st.sampled_from("ABCDEFG"), max_size=4), min_size=1, max_size=60)


@given(labels=labelled, k=st.integers(1, 6), seed=st.integers(0, 9))
def test_every_label_has_k_or_all_there_are(labels: list[set[str]], k: int, seed: int) -> None:
    ids = [str(row) for row in range(len(labels))]
    rows = subset(ids, ids, labels, k, seed)
    available = Counter(label for own in labels for label in own)
    held = Counter(label for row in rows for label in labels[row])
    assert all(held[label] >= min(k, count) for label, count in available.items())
    assert (np.diff(rows) > 0).all()


@given(labels=labelled, k=st.integers(1, 6), seed=st.integers(0, 9))
def test_nothing_is_kept_that_no_label_needed(labels: list[set[str]], k: int, seed: int) -> None:
    """In the order of visiting, some label of each had fewer than k so far."""
    ids = [str(row) for row in range(len(labels))]
    rows = set(subset(ids, ids, labels, k, seed).tolist())
    visited = sorted(
        range(len(ids)), key=lambda row: sha256(f"{seed}:{row}:{row}".encode()).hexdigest()
    )
    held: Counter[str] = Counter()
    for row in visited:
        needed = any(held[label] < k for label in labels[row])
        assert (row in rows) == needed
        if needed:
            held.update(labels[row])


@given(labels=labelled, seed=st.integers(0, 9))
def test_larger_k_keeps_what_smaller_k_kept(labels: list[set[str]], seed: int) -> None:
    ids = [str(row) for row in range(len(labels))]
    small, large = (set(subset(ids, ids, labels, k, seed).tolist()) for k in (1, 3))
    assert small <= large


def test_the_same_subset_on_every_machine_and_python() -> None:
    """The digest was made once; ids and texts with any character are hashed as UTF-8."""
    ids = [f"{row:04}" for row in range(500)]
    texts = [f"ปลุกฉันตอน {row} โมง · जगाओ é {row * 7919 % 101}" for row in range(500)]
    labels = [{f"IN:{row % 11}", f"SL:{row % 7}", f"SL:{row % 13}"} for row in range(500)]
    kept = [
        ids[row] for k in (1, 5) for seed in range(5) for row in subset(ids, texts, labels, k, seed)
    ]
    assert sha256(",".join(kept).encode()).hexdigest() == (
        "5ce8233612d8bca6cedf7f3ffedee0db54426c53a99985f08356879de35628a2"
    )


def test_a_repeated_label_counts_once() -> None:
    rows = subset(["a", "b"], ["x", "y"], [["L", "L"], ["L"]], 2, 0)
    assert rows.tolist() == [0, 1]
