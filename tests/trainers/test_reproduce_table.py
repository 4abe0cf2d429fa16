"""What a reproduction prints: tables of a fixed width, JSON and Markdown, foreign text harmless."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from xml.etree import ElementTree

from command import check_golden
from rich.console import Console

from mlir_trainers.reproduce import chart, formats, published, shown, table
from mlir_trainers.reproduce.claims import CLAIMS, Difference, judged, separate
from mlir_trainers.reproduce.outcome import Failure, Means, Outcome, TaskOutcome

_FOUND = {
    "multilingual-best": Difference("cross", -0.0021, -0.0093, 0.0048),
    "mono-own-ground": Difference("cross", 0.0310, 0.0122, 0.0498),
    "cross-own-ground": Difference("mono", 0.0262, 0.0151, 0.0377),
    "hybrid-monolingual": Difference("mono", -0.0251, -0.0403, -0.0118),
    "hybrid-cross-lingual": Difference("cross", -0.0080, -0.0161, -0.0002),
    "hybrid-bias": Difference("mono", 1054.2, 820.9, 1301.6),
    "cross-bias": Difference("mono", -3.1, -20.4, -0.2),
}


def outcome(**changes):
    findings = [
        judged(claim, _FOUND.get(claim.id), "no language of the task is unseen in training")
        for claim in CLAIMS
    ]
    whole = TaskOutcome(
        "xquad-r",
        "test",
        "AP",
        sample=False,
        seeds=(0, 1, 2, 3, 4),
        findings=(*findings, separate([{"verdict": "zero-shot"}])),
        means=tuple(
            Means(
                name,
                {"monolingual": (at, at + 0.02), "cross-lingual": (0.1,), "multilingual": (0.2,)},
                (2848.0, 2801.5),
            )
            for name, at in (("mono", 0.31), ("cross", 0.28), ("hybrid", 0.3), ("xlmr", 0.1))
        ),
        beside=tuple(each for each in published.everything() if each.task == "xquad-r"),
    )
    failures = (Failure("tiny-mono-s4", "mtop", "out of memory", "Use a smaller batch."),)
    return Outcome("tiny", ("lareqa:data",), False, (replace(whole, **changes),), failures)


def drawn(found, width=80):
    stream = io.StringIO()
    console = Console(file=stream, width=width, markup=False, emoji=False, highlight=False)
    console.print(table.render(found))
    console.print(table.failed(found.failures))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def test_tables_of_80_columns():
    text = drawn(outcome())
    assert max(map(len, text.splitlines())) <= 80
    check_golden("reproduce.txt", text)


def test_few_seeds_and_sample_data_are_said_above_the_verdicts():
    text = drawn(outcome(seeds=(0, 1), sample=True, beside=(), apart="sample data"), 160)
    assert "2 seeds, these checkpoints only · SAMPLE DATA" in text
    assert "seeds are not" in text
    assert "No published figures beside: sample data." in text


def test_nothing_in_a_name_is_markup():
    found = outcome(task="[bold]x[/y]\x1b[31m", apart="[/] <b>|", beside=())
    assert "[bold]x[/y]�[31m" in drawn(found, 200)
    marked = formats.as_markdown(found)
    assert "\\[bold\\]x" in marked
    assert "\\<b\\>\\|" in marked
    assert "\x1b" not in marked


def test_json_holds_every_number_and_no_nan():
    held = json.loads(formats.as_json(outcome(means=(Means("mono", {}, (math.nan,)),))))
    (task,) = held["tasks"]
    assert task["claims"][0] == {
        "id": "multilingual-best",
        "claim": "Hybrid best or tied, multilingual",
        "must_hold": "hybrid − best(X-X, X-Y) > −0.01, Mul. AP",
        "verdict": "supported",
        "reason": None,
        "difference": -0.0021,
        "lower": -0.0093,
        "upper": 0.0048,
        "rival": "cross",
    }
    assert task["samplers"][0]["rank_distance"] == [None]
    assert held["failures"][0]["encoder"] == "tiny-mono-s4"
    assert len(held["published"]["figures"]) == 6
    assert held["published"]["figures"][0]["claims"][0]["lower"] is None


def test_markdown_has_as_many_cells_in_each_row_of_a_table():
    blocks = formats.as_markdown(outcome()).split("\n\n")
    tables = [block.splitlines() for block in blocks if block.startswith("|")]
    assert len(tables) == 3
    for lines in tables:
        assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_means_have_deviations_only_over_seeds():
    assert shown.mean((0.5,), 3) == "0.500"
    assert shown.mean((0.4, 0.6), 3) == "0.500 ±0.141"
    assert shown.mean((), 3) == "–"


SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_is_well_formed_whatever_its_texts():
    text = chart.svg('<script>&"', [chart.Panel("a<b", {"x&y": [(0, 0.1), (1, 0.2)]}, "α")])
    root = ElementTree.fromstring(text)
    words = [each.text for each in root.iter(f"{SVG}text")]
    assert {'<script>&"', "a<b", "x&y", "α"} <= set(words)


def test_points_of_a_chart_lie_within_it_and_higher_is_higher():
    lines = {"up": [(0, 0.001), (0.5, 0.02), (1, 0.3)], "flat": [(0, 0.1), (0.5, 0.1), (1, 0.1)]}
    root = ElementTree.fromstring(chart.svg("t", [chart.Panel("p", lines)]))
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(f"{SVG}circle")]
    assert len(circles) == 6
    assert all(0 < x < 400 and 0 < y < 300 for x, y in circles)
    assert circles[0][1] > circles[1][1] > circles[2][1]
    assert len({y for _, y in circles[3:]}) == 1


def test_a_chart_of_one_point_can_be_drawn():
    ElementTree.fromstring(chart.svg("t", [chart.Panel("p", {"a": [(0.5, 3.0)]})]))
