"""What an index finds, costs and saves, as people and programs see it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

from cells import failed, hostile, scored, searched
from command import check_golden
from drawing import drawn
from plugins_for_tests import HOSTILE
from rich.console import Group

from mlir_harness import failures, formats, output
from mlir_harness.errors import Exit
from mlir_harness.indexing import search_table

EXACT = scored("hashing", 0.5)
WRONG = searched(EXACT, 1.0, reason=f"PQ48: {HOSTILE}", hint="Choose another.", summary={})
CELLS = [
    searched(scored("hashing", 0.5), 1.0),
    searched(scored("st:models/all-MiniLM-L6-v2", 0.75), 0.9, stored=True),
    searched(replace(scored("labse", 0.625), task="mlqa-r"), 0.9999),
    EXACT,
    WRONG,
    failed("broken"),
]


def test_table() -> None:
    check_golden("search-100.txt", drawn(search_table.summary(CELLS)))


def test_hostile_strings_stay_text() -> None:
    cell = searched(hostile(), 0.5, search=HOSTILE, engine=HOSTILE, measure=HOSTILE)
    shown = drawn(search_table.summary([cell]))
    assert "[red]a[/b]" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\x1b" not in formats.as_markdown([cell])


def test_one_kind_of_setting_and_one_index() -> None:
    whole = CELLS[0].search
    assert whole is not None
    one = searched(
        EXACT,
        0.5,
        summary={"monolingual": whole.summary["monolingual"]},
        cost={**whole.cost, "indexes": 1, "threads": 1},
    )
    shown = drawn(search_table.summary([one]))
    assert "Cr." not in shown
    assert "merged" not in shown
    assert "one thread for both searches" in shown


def test_what_to_ask_of_ivf_is_said() -> None:
    def shown(name: str) -> str:
        return drawn(search_table.summary([searched(EXACT, 0.5, search=name)]), 160)

    assert "--search faiss:IVF32,Flat@nprobe=8 takes more" in shown("faiss:IVF32,Flat")
    asked = "faiss:IVF32_HNSW32,SQ8@quantizer_efSearch=9"
    assert f"--search {asked},nprobe=8 takes more" in shown(asked)
    for name in ("faiss:IVF32,Flat@nprobe=1", "faiss:HNSW32"):
        assert "takes more" not in shown(name)


def test_failures_are_told_apart_from_scores() -> None:
    shown = drawn(Group(failures.failures([WRONG]), search_table.failures([WRONG])), 200)
    assert "search failed: hashing × xquad-r × faiss:IVF1024,PQ48@nprobe=16: PQ48: " in shown
    assert "not stored" not in shown
    assert "\x1b" not in shown
    assert output.exit_code(1, [WRONG]) == Exit.SOME_FAILED
    assert output.exit_code(1, CELLS[:2]) == Exit.OK
    assert drawn(search_table.summary([WRONG, EXACT])).strip() == ""


def test_json() -> None:
    first, _, _, exact, wrong, broken = json.loads(formats.as_json(CELLS))["cells"]
    assert exact["search"] is broken["search"] is None
    assert list(first["search"]) == [
        *("search", "engine", "reason", "hint", "measure", "summary", "settings", "cost", "notes"),
    ]
    assert first["search"]["settings"]["en→hi"] == {"recall": 1, "found": 0.375, "exact": 0.375}
    assert first["search"]["summary"]["multilingual"]["exact"] == 0.4375
    assert (wrong["search"]["summary"], wrong["search"]["hint"]) == ({}, "Choose another.")


def test_csv() -> None:
    rows = list(csv.DictReader(io.StringIO(formats.as_csv(CELLS))))
    assert rows[0]["search"] == "faiss:IVF1024,PQ48@nprobe=16"
    assert rows[0]["search_measure"] == "AP@100"
    assert float(rows[6]["search_found"]) == 0.9 * float(rows[6]["search_exact"])
    assert rows[18]["search"] == ""  # the exact search alone
    assert "PQ48" in rows[24]["search_reason"]
    assert "search" not in formats.as_csv([EXACT])


def test_markdown() -> None:
    check_golden("search.md", formats.as_markdown(CELLS))
