"""What people and machines see of a check; whatever comes from outside is text, never markup."""

from __future__ import annotations

import json
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from command import check_golden
from plugins_for_tests import HOSTILE
from regression_cells import QUERIES, baseline, cell
from rich.console import Console

from mlir_harness.regression import annotations, document, junit, markdown, table, wording
from mlir_harness.regression.baseline import Entry
from mlir_harness.regression.checking import Checked, Found, check

ROWS = 4 * QUERIES
BASE = np.random.default_rng(0).uniform(0.3, 0.7, ROWS)
MULTI = np.arange(ROWS) // QUERIES % 2 == 1
RANKS = np.where(MULTI, 12.0, np.nan)


def some() -> Checked:
    """One of everything: fallen, risen, noise, exact, missing, incomparable, new, failed."""
    noise = np.random.default_rng(1).normal(0, 0.03, ROWS)
    exact = {"exact": True}
    old = baseline(
        cell({"AP": BASE, "rank_distance": RANKS}),
        cell({"AP": BASE}, encoder="exact", info=exact),
        cell({"AP": BASE}, encoder="gone"),
        cell({"AP": BASE}, task="changed", data="real"),
        cell({"AP": BASE}, encoder=HOSTILE, task=HOSTILE),
    )
    new = [
        cell(
            {"AP": np.where(MULTI, BASE - 0.04, BASE + noise), "rank_distance": RANKS + 8},
            info={"revision": "2", "options": {"prompt": "Query: "}},
        ),
        cell({"AP": BASE + np.where(MULTI, 0.001, -1e-4)}, encoder="exact", info=exact),
        cell({"AP": BASE}, task="changed", data="real", changes={"documents hi": "2"}),
        cell({"AP": BASE + 0.1}, encoder=HOSTILE, task=HOSTILE, info={"revision": HOSTILE}),
        cell({"AP": BASE}, encoder="new"),
    ]
    failed = {("gone", "small"): f"no weights {HOSTILE}", ("new", HOSTILE): "no such task"}
    return check(old, Found(new, failed), old.gates)


def drawn(renderable: object, width: int) -> str:
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


FILE = f"tests/{HOSTILE[:20]}.parquet"


def test_the_table() -> None:
    check_golden("check-120.txt", drawn(table.checked(some(), FILE), 120))


def test_the_markdown() -> None:
    check_golden("check.md", markdown.checked(some(), FILE))


def test_the_junit_file() -> None:
    written = junit.checked(some(), FILE)
    check_golden("check-junit.xml", written.decode())
    (suite,) = Xml.fromstring(written)
    assert len(suite.findall("testcase")) == len(some().rows) == int(suite.attrib["tests"])


def test_no_character_makes_the_junit_file_unreadable() -> None:
    odd = "".join(map(chr, [*range(0x20), 0xD800, 0xFFFE, 0xFFFF, 0x1F4A9])) + "]]>&<\"'"
    held = baseline(cell({"AP": BASE}, encoder=odd))
    done = check(held, Found([], {(odd, "small"): odd}), held.gates)
    (suite,) = Xml.fromstring(junit.checked(done, odd))
    assert suite.attrib["failures"] == "2"


def test_the_annotations() -> None:
    check_golden(
        "check-annotations.txt", "".join(f"{line}\n" for line in annotations.checked(some()))
    )


def test_an_annotation_is_one_command_whatever_it_says() -> None:
    held = baseline(*(cell({"AP": BASE}, encoder=f"a%0A\n::error::{n}") for n in range(9)))
    done = check(held, Found([]), held.gates)
    lines = annotations.checked(done)
    assert len(lines) == 10  # GitHub shows no more
    assert "and 9 more; FAILED: 18 missing" in lines[-1]
    for line in lines[:-1]:
        assert line.startswith("::error title=missing::a%250A ::error::")
        assert "\n" not in line


def test_the_json() -> None:
    check_golden("check.json", json.dumps(document.checked(some(), FILE), indent=1) + "\n")


def test_what_a_baseline_holds() -> None:
    held = baseline(
        cell({"AP": BASE, "rank_distance": RANKS}),
        cell({"AP": BASE}, encoder=HOSTILE, info={"exact": True}),
        history=(
            Entry("2026-01-31", "created", "0.1.0"),
            Entry("2026-02-28", HOSTILE, "0.2.0", ("1 regressed, 3 same", f"new: {HOSTILE}")),
        ),
    )
    check_golden("baseline-120.txt", drawn(table.baseline(held, FILE), 120))
    check_golden("baseline.json", json.dumps(document.baseline(held, FILE), indent=1) + "\n")


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (-1e-6, "-0.0001"),
        (-1e-18, "0.00"),
        (0.0123, "+1.23"),
        (float("inf"), "–"),
    ],
)
def test_a_change_that_is_there_never_looks_like_none(change: float, shown: str) -> None:
    assert wording.points(change) == shown
