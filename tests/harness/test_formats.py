"""JSON, CSV and Markdown: exact, and safe whatever the names are."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from cells import contaminated, failed, hostile, scored
from command import check_golden
from plugins_for_tests import HOSTILE

from mlir_harness import formats
from mlir_harness.plan import PlannedCell

CELLS = [scored("hashing", 0.5), scored("labse", 0.625), failed("broken"), hostile()]


def test_json() -> None:
    text = formats.as_json(CELLS)
    check_golden("cells.json", f"{text}\n")
    assert json.loads(text)["cells"][3]["encoder"] == HOSTILE


def test_json_has_the_documented_keys_and_no_nan() -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    held = json.loads(formats.as_json(CELLS), parse_constant=refuse)
    assert list(held) == ["schema", "cells"]
    for cell in held["cells"]:
        assert list(cell) == [
            *("encoder", "task", "split", "data", "status", "reason", "hint"),
            *("fingerprints", "summary", "deviations", "settings", "folder", "search", "precision"),
            "exposure",
        ]
        for setting in cell["settings"]:
            assert list(setting) == [
                *("id", "kind", "variant", "query_language", "document_languages"),
                *("queries", "unanswerable", "common", "documents", "tie_rate", "measures"),
                "languages",
            ]
    ok, _, broken, sample = held["cells"]
    assert (ok["data"], sample["data"]) == ("real", "sample")
    assert (broken["status"], broken["summary"], broken["settings"]) == ("error", {}, [])
    assert ok["reason"] is None
    assert ok["settings"][5]["measures"]["PEER@20"] is None


def test_csv() -> None:
    text = formats.as_csv(CELLS)
    check_golden("cells.csv", text)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 6 + 6 + 1 + 1
    assert not any(value.startswith(("=", "+", "@")) for row in rows for value in row.values())
    assert float(rows[0]["AP"]) == 0.5
    assert rows[0]["rank_distance"] == ""


def test_what_was_trained_on_is_in_every_format() -> None:
    cell = contaminated(scored("labse", 0.625))
    (held,) = json.loads(formats.as_json([cell]))["cells"]
    assert held["exposure"]["queries"]["listed"] == {"en": {"q1": "text"}}
    first, *_, last = csv.DictReader(io.StringIO(formats.as_csv([cell])))
    named = ("exposure", "contaminated_queries", "contaminated_documents", "unseen")
    assert [first[name] for name in named] == ["contaminated", "6", "0", ""]
    assert last["unseen"] == "hi"
    text = formats.as_markdown([cell])
    assert "| labse ‡ |" in text
    assert (
        "- ‡ contaminated: labse was trained on 6 of 2,380 queries, 0 of 2,400 documents." in text
    )


def test_markdown() -> None:
    text = formats.as_markdown(CELLS)
    check_golden("cells.md", text)
    assert all(line.count("|") - line.count("\\|") in {0, 9, 8} for line in text.splitlines())


def test_nothing() -> None:
    assert json.loads(formats.as_json([])) == {"schema": 1, "cells": []}
    assert formats.as_csv([]).strip() == ""
    assert formats.as_markdown([]) == ""


def test_a_plan_as_json() -> None:
    planned = [PlannedCell("hashing", "xquad-r", 132, 26104, 0, None, 53_460_992, 4.2)]
    held = json.loads(formats.plan_as_json(planned, [failed("broken")]))
    assert held["plan"] == [
        {
            "encoder": "hashing",
            "task": "xquad-r",
            "settings": 132,
            "texts": 26104,
            "cached": 0,
            "tokens": None,
            "bytes": 53_460_992,
            "seconds": 4.2,
            "fetches": "",
        }
    ]
    assert list(held["failed"][0]) == ["encoder", "task", "status", "reason", "hint"]
