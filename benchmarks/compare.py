"""How long tests and intervals take at the size of XQuAD-R: 13,090 queries × 132 settings.

Run: python benchmarks/compare.py
"""

from __future__ import annotations

import itertools
import time

import numpy as np

from mlir_harness.comparing import significance
from mlir_harness.comparing.sums import Sums

LANGUAGES, PARAGRAPHS, QUESTIONS = 11, 240, 1190


def main() -> None:
    """Print the seconds of both families, and of all intervals."""
    generator = np.random.default_rng(0)
    kinds = ["mono"] * 11 + ["cross"] * 110 + ["multi"] * 11
    paragraphs = np.sort(generator.integers(PARAGRAPHS, size=QUESTIONS))
    clusters = np.tile(paragraphs, len(kinds))
    settings = np.repeat(np.arange(len(kinds)), QUESTIONS)
    common = generator.normal(0, 0.05, PARAGRAPHS)[clusters]
    changes = common + generator.normal(0.002, 0.2, len(clusters))

    def chosen(kind: str) -> np.ndarray:
        return np.array([each == kind for each in kinds])

    language = np.arange(len(kinds)) % LANGUAGES
    names = ("mono", "cross", "multi")
    groups = [chosen(kind) for kind in names]
    groups += [
        chosen(kind) & (language == each)
        for kind, each in itertools.product(names, range(LANGUAGES))
    ]
    groups += [np.arange(len(kinds)) == each for each in range(len(kinds))]

    started = time.perf_counter()
    found = Sums.of(changes[None], settings, clusters)
    parts = [Sums(found.sums[:, mask], found.counts[mask]) for mask in groups]
    contributions = np.concatenate([part.contributions()[0] for part in parts])
    summed = time.perf_counter()
    significance.intervals(found, groups, draws=10_000)
    drawn = time.perf_counter()
    draws = significance.enough(len(groups))
    for patterns in (10_000, draws):
        begun = time.perf_counter()
        significance.two_sided(contributions, patterns)
        print(f"{len(groups)} tests of {patterns:,} patterns: {time.perf_counter() - begun:.2f} s")
    print(f"{len(groups)} intervals of 10,000 samples: {drawn - summed:.2f} s")
    print(f"{len(changes):,} values summed: {summed - started:.2f} s")
    print(f"all, with {draws:,} patterns: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
