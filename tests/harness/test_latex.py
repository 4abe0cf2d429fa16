"""LaTeX tables: as papers print them, and whole whatever the names are."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

from cells import contaminated, failed, hostile, scored
from command import check_golden
from hypothesis import given
from hypothesis import strategies as st

from mlir_harness.comparing.compare import Difference
from mlir_harness.comparing.groups import Group
from mlir_harness.comparing.marks import Marks
from mlir_harness.exporting.latex import as_latex, escape
from mlir_harness.results import CellResult
from mlir_harness.text import plain

CELLS = [scored("hashing", 0.5), contaminated(scored("labse", 0.625)), failed("broken"), hostile()]

# What LaTeX makes of a piece of text. Anything else that is special has no business there.
READ = {
    "\\textbackslash{}": "\\",
    "\\textasciicircum{}": "^",
    "\\textasciitilde{}": "~",
    "\\textless{}": "<",
    "\\textgreater{}": ">",
    "\\textbar{}": "|",
    **{f"\\{each}": each for each in "{}$&#_%"},
    **{f"{{{each}}}": each for each in "[]*`"},
    "{}": "",
}
TOKEN = re.compile("|".join([*map(re.escape, READ), r"[^\\{}$&#_%^~\[\]<>|`*]"]))


def read(text: str) -> str:
    """The text that LaTeX prints for `text`, which fails if it would do anything else."""
    tokens = list(TOKEN.finditer(text))
    assert "".join(token[0] for token in tokens) == text
    printed = "".join(READ.get(token[0], token[0]) for token in tokens)
    assert not re.search("--|''|,,", text), "a ligature"
    return printed


def varied(encoder: str, base: float) -> CellResult:
    """A cell with two seeds of a small variant."""
    cell = scored(encoder, base)
    groups = {"monolingual/spis-1": {"AP": base / 2, "kNN@1": base}}
    deviations = {"monolingual/spis-1": {"AP": 0.0123, "kNN@1": 0.25}}
    return replace(cell, summary={**cell.summary, **groups}, deviations=deviations)


def _ahead(kind: str, measure: str) -> tuple[tuple[str, str, str, str, str], Difference]:
    """labse is better than hashing."""
    low = measure == "rank_distance"
    change = -1.0 if low else 1.0
    values = (1, 1, 0.0, change, change, change, change, 1.0, 0.01, 0.01, 1, 0)
    found = Difference(("hashing", "labse"), Group(kind), *values, low)
    return ("xquad-r", "test", "labse", kind, measure), found


MARKS = Marks(
    "hashing",
    dict(
        [
            *(_ahead(kind, "AP") for kind in ("monolingual", "cross-lingual", "multilingual")),
            _ahead("multilingual", "rank_distance"),
        ]
    ),
    {("xquad-r", "test"): "▲: better than hashing; †: p < 0.05."},
)


def test_tables() -> None:
    check_golden("cells.tex", as_latex(CELLS, MARKS))


def test_every_row_has_the_columns_that_the_heading_groups() -> None:
    text = as_latex([*CELLS, varied("hashing", 0.5)], MARKS)
    tabulars = re.findall(r"\\begin\{tabular\}\{l(r+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    assert len(tabulars) == 4
    for columns, body in tabulars:
        groups = [int(count) for count in re.findall(r"\\multicolumn\{(\d+)\}", body)]
        assert sum(groups) == len(columns)
        rules = [(int(a), int(b)) for a, b in re.findall(r"\\cmidrule\(lr\)\{(\d+)-(\d+)\}", body)]
        assert rules[0][0] == 2
        assert [b - a + 1 for a, b in rules] == groups
        assert all(b + 1 == a for (_, b), (a, _) in itertools.pairwise(rules))
        for row in body.split("\\midrule")[1].split("\\bottomrule")[0].strip().splitlines():
            assert row.endswith(" \\\\")
            assert len(re.findall(r"(?<!\\)&", row)) == len(columns)


def test_variants_show_the_deviation_of_seeds() -> None:
    text = as_latex([varied("hashing", 0.5), varied("labse", 0.75)])
    assert "\\caption{xquad-r (test), monolingual, AP by variant." in text
    assert "\\textbf{0.375}\\,{\\scriptsize $\\pm$0.012}" in text
    assert "$\\pm$: standard deviation over seeds." in text
    labels = re.findall(r"\\label\{(.*?)\}", text)
    assert len(labels) == len(set(labels)) == 3
    assert all(re.fullmatch("tab:[a-z0-9.:-]+", label) for label in labels)


def test_the_caption_says_what_the_reader_must_know() -> None:
    captions = re.findall(r"\\caption\{(.*)\}\n", as_latex(CELLS, MARKS))
    real, sample = captions
    assert "Best in bold, second underlined." in real
    assert "contaminated: labse was trained on 6 of 2,380 queries" in real
    assert "$\\blacktriangle$: better than hashing" in real
    assert "\\textbf{Sample data, not comparable with published figures.}" in sample
    assert "Sample" not in real


def test_what_the_harness_says_itself_needs_no_font_of_its_own() -> None:
    """Caption and table: pdfLaTeX knows Latin letters; comments it does not read."""
    told = {("xquad-r", "test"): "▲ better, ▼ worse than hashing; † p ≤ 0.05; × → · ± ✓ – … ≥."}
    text = as_latex(CELLS[:2], replace(MARKS, notes=told))
    set_ = [line for line in text.splitlines() if not line.startswith("%")]
    assert any("\\leq" in line for line in set_)
    assert max("".join(set_)) < "\u0180"


def test_common_is_explained_where_it_is_shown() -> None:
    cell = scored("hashing", 0.5)
    rows = tuple(replace(row, common=36) for row in cell.settings)
    summary = {**cell.summary, "monolingual": {"AP": 0.5, "AP_common": 0.625}}
    (caption,) = re.findall(
        r"\\caption\{(.*)\}\n", as_latex([replace(cell, settings=rows, summary=summary)])
    )
    assert "common: AP on the queries all settings can answer: en 36, hi 36." in caption


def test_the_file_does_not_change_when_scores_come_from_the_store() -> None:
    stored = [replace(cell, stored=True) for cell in CELLS]
    assert as_latex(stored) == as_latex(CELLS)


def test_without_scores_there_is_no_table() -> None:
    assert as_latex([]) == ""
    assert as_latex([failed("broken")]) == ""


@given(st.text(st.characters(max_codepoint=0x17F), max_size=60))
def test_any_text_is_printed_as_it_is(text: str) -> None:
    special = {"±", "×", "·", "\ufffd"}
    shown = "".join(each for each in plain(text) if each not in special)
    assert read(escape(shown)) == shown


@given(st.text(max_size=60))
def test_no_text_ends_a_line_a_cell_or_a_group(text: str) -> None:
    row = escape(text)
    assert "\n" not in row
    assert "\\\\" not in row
    assert not re.search(r"(?<!\\)[&%#]", row)
    bare = re.sub(r"\\[{}]", "", row)
    assert bare.count("{") == bare.count("}")
    assert re.sub(r"\\\$", "", row).count("$") % 2 == 0
