"""How often `check` cries wolf, and how often it sees a drop, on resampled real differences.

Per-query differences of real encoders are centred, so that there is no drop, or lowered by two
points; paragraphs are drawn with replacement, and every family is judged as `check` judges it.

Run: python benchmarks/regression.py --data-dir FOLDER [--families 1000] [--settings 20]
FOLDER holds XQuAD-R's files.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from mlir_harness import evaluate
from mlir_harness.comparing.queries import lined_up, read
from mlir_harness.comparing.sums import Sums, numbered
from mlir_harness.regression.cells import Key
from mlir_harness.regression.gates import Gate
from mlir_harness.regression.pairs import Pair
from mlir_harness.regression.verdicts import Row, Terms, Verdict, judge
from mlir_harness.results import CellResult

ENCODERS = ("hashing", "tiny-mono", "tiny-cross", "tiny-hybrid")
PAIRS = (("tiny-mono", "tiny-hybrid"), ("tiny-cross", "tiny-hybrid"), ("hashing", "tiny-cross"))
MEASURE = "AP"
DROP = 0.02
DELTAS = (0.005, 0.0)  # drops that are let pass: the default, and none
ENOUGH = 0.005  # the standard error up to which a drop must be seen


@dataclass(frozen=True)
class Centred:
    """Differences of one pair in one kind of settings, without what they are on average."""

    name: str
    sums: Sums

    def drawn(self, clusters: np.ndarray, drop: float) -> Sums:
        """The same of other clusters, each as often as it was drawn, lowered by a drop."""
        counts = self.sums.counts[:, clusters]
        return Sums(self.sums.sums[:, :, clusters] - drop * counts, counts)


def main() -> None:
    """Print shares of false and of true alarms."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data-dir", type=Path, required=True)
    options.add_argument("--families", type=int, default=1000)
    options.add_argument("--settings", type=int, default=20, help="families per single setting")
    given = options.parse_args()
    held = _differences(given.data_dir)
    paragraphs = held[0].sums.counts.shape[1]
    generator = np.random.default_rng(0)

    false = {delta: [0, 0] for delta in DELTAS}
    for _ in range(given.families):
        clusters = generator.integers(paragraphs, size=paragraphs)
        rows = _judged([each.drawn(clusters, 0.0) for each in held])
        for delta, counted in false.items():
            alarms = sum(_alarm(row, delta) for row in rows)
            counted[0] += alarms > 0
            counted[1] += alarms
    for delta, (families, alarms) in false.items():
        bound = stats.beta.ppf(0.95, families + 1, given.families - families)
        print(
            f"no drop, δ {delta}: {families} of {given.families:,} families of {len(held)} with "
            f"any false alarm ({alarms} in all), upper bound {bound:.4f}"
        )

    seen = np.zeros(len(held))
    means = []
    for _ in range(given.families):
        clusters = generator.integers(paragraphs, size=paragraphs)
        drawn = [each.drawn(clusters, DROP) for each in held]
        seen += [_alarm(row, DELTAS[0]) for row in _judged(drawn)]
        means.append([float(each.means()[0]) for each in drawn])
    errors = np.std(means, axis=0, ddof=1)
    for each, share, error in zip(held, seen / given.families, errors, strict=True):
        wanted = "" if error <= ENOUGH else " (standard error above half a point)"
        print(
            f"drop of {DROP}: {each.name}: seen in {share:.3f}, standard error {error:.4f}{wanted}"
        )
    _power(held, given.settings, generator)


def _power(held: Sequence[Centred], families: int, generator: np.random.Generator) -> None:
    """The share seen in each single setting, alone in its family."""
    for each in held:
        shares = []
        for setting in range(len(each.sums.counts)):
            alone = Sums(each.sums.sums[:, [setting]], each.sums.counts[[setting]])
            one = replace(each, sums=alone)
            size = alone.counts.shape[1]
            drawn = (one.drawn(generator.integers(size, size=size), DROP) for _ in range(families))
            found = [_alarm(*_judged([each]), DELTAS[0]) for each in drawn]
            shares.append(np.mean(found))
        low, middle, high = np.quantile(shares, (0, 0.5, 1))
        print(
            f"drop of {DROP} in one setting: {each.name}: seen in {low:.2f} to {high:.2f} of "
            f"{families}, median of {len(shares)} settings {middle:.2f}"
        )


def _judged(family: Sequence[Sums]) -> list[Row]:
    """The rows that `check` makes of a family; its verdicts let no drop pass."""
    terms = []
    for sums in family:
        contributions, shares = sums.contributions()
        pair = Pair(
            key=Key("e", "t", "s", "real"),
            group="",
            language="",
            gate=Gate(MEASURE, 0.0),
            old=0.0,
            contributions=contributions[0],
            shares=shares,
        )
        terms.append(Terms(pair))
    return judge(terms)


def _alarm(row: Row, delta: float) -> bool:
    """Whether the verdict is "regressed" where drops up to delta are let pass."""
    return row.verdict is Verdict.REGRESSED and row.pair.change < -delta


def _differences(folder: Path) -> list[Centred]:
    with tempfile.TemporaryDirectory() as place:
        report = evaluate(
            ENCODERS, "xquad-r", data_dir=folder, output=Path(place), cache_dir=Path(place, "cache")
        )
        cells = {cell.encoder: cell for cell in report.cells}
        return [each for pair in PAIRS for each in _by_kind(*(cells[name] for name in pair))]


def _by_kind(before: CellResult, after: CellResult) -> list[Centred]:
    old = read(before)
    new = lined_up(old, read(after), (before.encoder, after.encoder))
    change = new.values[MEASURE] - old.values[MEASURE]
    kinds = {row.id: row.kind for row in before.settings}
    kind = np.array([kinds[name] for name in old.setting.names])[old.setting.codes]
    clusters = numbered(old.cluster.codes)
    found = []
    for name in dict.fromkeys(kind.tolist()):
        own = kind == name
        sums = Sums.of(change[own][None], numbered(old.setting.codes[own]), clusters[own])
        means = sums.sums.sum(axis=2) / sums.counts.sum(axis=1)
        centred = Sums(sums.sums - means[:, :, None] * sums.counts, sums.counts)
        found.append(Centred(f"{before.encoder} → {after.encoder}, {name}", centred))
    return found


if __name__ == "__main__":
    main()
