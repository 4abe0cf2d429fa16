"""Averages over settings: kinds and variants apart, seeds averaged and compared."""

from __future__ import annotations

import math
import statistics

import pytest

from mlir_harness.averages import deviations, macro
from mlir_harness.types import Setting, SettingKind, Slice

MONO, MULTI = SettingKind.MONOLINGUAL, SettingKind.MULTILINGUAL


def setting(kind: SettingKind, language: str, variant: str = "") -> Setting:
    return Setting(f"{kind}{language}{variant}", kind, language, (Slice(language),), variant)


SETTINGS = [
    setting(MONO, "hi"),
    setting(MONO, "th"),
    *(setting(MONO, x, f"spis-5/seed-{n}") for x in ("hi", "th") for n in range(3)),
    setting(MULTI, "hi", "spis-5/seed-0"),
]
MEANS = [{"AP": value} for value in (0.9, 0.7, 0.1, 0.2, 0.3, 0.3, 0.4, 0.8, 0.5)]


def test_variants_are_averages_of_their_own() -> None:
    found = macro(SETTINGS, MEANS)
    assert list(found) == ["monolingual", "monolingual/spis-5", "multilingual/spis-5"]
    assert found["monolingual"]["AP"] == pytest.approx(0.8)
    assert found["monolingual/spis-5"]["AP"] == pytest.approx(2.1 / 6)


def test_deviations_are_of_the_seeds_averages_over_languages() -> None:
    found = deviations(SETTINGS, MEANS)
    assert list(found) == ["monolingual/spis-5"]  # one seed has no deviation
    assert found["monolingual/spis-5"]["AP"] == pytest.approx(statistics.stdev([0.2, 0.3, 0.55]))


def test_what_is_not_defined_is_passed_over() -> None:
    found = macro(SETTINGS[:2], [{"AP": math.nan, "R@1": math.nan}, {"AP": 0.5}])
    assert found["monolingual"]["AP"] == 0.5
    assert math.isnan(found["monolingual"]["R@1"])
