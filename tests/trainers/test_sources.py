"""Sources are named on one line or in a table; what is wrong in them is said before reading."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mlir_harness.errors import DataError, UsageError
from mlir_trainers.parallel.languages import tag, tag_in
from mlir_trainers.parallel.sources import FORMATS, distinct, from_table, parse


@pytest.mark.parametrize("form", FORMATS)
def test_a_line_names_format_and_path(form: str) -> None:
    source = parse(f"{form}:some/set.jsonl.gz")
    assert (source.format, source.path, source.name) == (form, Path("some/set.jsonl.gz"), "set")


def test_a_path_may_have_colons() -> None:
    assert parse("squad:C:/data").path == Path("C:/data")


def test_a_table_is_relative_to_its_recipe() -> None:
    table = {
        "format": "jsonl",
        "path": "set",
        "name": "own",
        "languages": ["deu", "zh_CN"],
        "columns": {"id": "key"},
    }
    source = from_table(table, Path("/recipes"))
    assert (source.path, source.name) == (Path("/recipes/set"), "own")
    assert source.options == {"languages": ("de", "zh"), "columns": {"id": "key"}}
    assert from_table(table | {"path": "/abs"}, Path("/recipes")).path == Path("/abs")


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ("data", "'data' is not FORMAT:PATH", "lareqa, squad"),
        ("squad:", "is not FORMAT:PATH", "squad"),
        ("squat:x", "no format 'squat'", "Did you mean squad"),
        ({"path": "x"}, "format of a data set is missing", "format"),
        ({"format": "jsonl", "path": 3}, "path of a data set is a number", "path"),
        ({"format": "jsonl", "path": "x", "pfad": 1}, "a data set has no 'pfad'", "path"),
        (
            {"format": "squad", "path": "x", "columns": {}},
            "format squad has no 'columns'",
            "articles",
        ),
        ({"format": "tsv", "path": "x", "options": {"form": "y"}}, "no 'form'", "columns"),
        ({"format": "tsv", "path": "x", "options": []}, "options of tsv is a list", "key"),
        ({"format": "tsv", "path": "x", "languages": "de"}, "no list of languages", '"de"'),
        ({"format": "tsv", "path": "x", "languages": ["klingon"]}, "'klingon' is no", "BCP-47"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(given: Any, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        parse(given) if isinstance(given, str) else from_table(given)
    assert hint in raised.value.hint


def test_the_tables_of_the_documentation_are_sources() -> None:
    text = (Path(__file__).parents[2] / "docs" / "parallel-data.md").read_text("utf-8")
    tables = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    formats = [from_table(tomllib.loads(table)).format for table in tables]
    assert formats == ["tsv", "lareqa", "mmarco"]
    assert all(f"| `{form}` |" in text for form in FORMATS)


def test_names_become_distinct() -> None:
    sources = [parse(f"tsv:{each}/x") for each in "abc"] + [parse("tsv:x-2")]
    assert [each.name for each in distinct(sources)] == ["x", "x-2", "x-3", "x-2-2"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("de", "de"),
        ("DEU", "de"),
        ("german", "de"),
        ("cmn", "zh"),
        ("zh_cn", "zh"),
        ("zho-CN", "zh"),
        ("zh-tw", "zh-TW"),
        ("zh_hant_tw", "zh-Hant-TW"),
        ("kab", "kab"),
        ("iw", "he"),
    ],
)
def test_names_of_languages_become_tags(name: str, expected: str) -> None:
    assert tag(name) == expected
    assert tag(tag(name)) == expected


@pytest.mark.parametrize("name", ["", "klingon", "d", "de/../x", "d\u202ee", "de en", "12"])
def test_what_is_no_language_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="is no language"):
        tag(name)


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("de", "de"),
        ("zho-CN", "zh"),
        ("mkqa-zh_cn", "zh"),
        ("train-v1.1-de", "de"),
        ("dev-de", "de"),
        ("set.en.de", "de"),
        ("tatoeba.kab", "kab"),
    ],
)
def test_a_file_name_ends_with_its_language(stem: str, expected: str) -> None:
    assert tag_in(stem) == expected
