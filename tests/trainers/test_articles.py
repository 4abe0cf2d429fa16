"""Articles of LAReQA files are split by a seed, and data is made of either part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lareqa_files import paragraph, write_file, write_lareqa

from mlir_harness.errors import DataError, HarnessError, UsageError
from mlir_harness.protocols import TaskOptions
from mlir_tasks.lareqa import xquad_r
from mlir_trainers.parallel.articles import articles, split, write
from mlir_trainers.parallel.sources import from_table, parse


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_lareqa(tmp_path / "data", ("de", "en", "zh"))


def ids(path: Path, form: str = "lareqa", **selection: Any) -> set[str]:
    options = {"articles": selection} if selection else {}
    table = {"format": form, "path": str(path), "options": options}
    return {row.id for row in from_table(table).rows()}


def test_a_split_parts_the_articles_and_their_questions(data: Path) -> None:
    titles = articles(data)
    assert titles == ["Article 0", "Article 1", "Article 2"]
    train, test = split(data, held_out=1, seed=3)
    assert len(test) == 1
    assert sorted(train + test) == titles
    for form in ("lareqa", "squad"):
        trained, tested = ids(data, form, exclude=test), ids(data, form, only=test)
        assert not trained & tested
        assert trained | tested == ids(data)
        assert len(tested) == 4


def test_a_seed_decides_the_split(data: Path) -> None:
    assert split(data, 1, 3) == split(data, 1, 3)
    assert len({tuple(split(data, 1, seed)[1]) for seed in range(20)}) == 3


def test_files_with_some_articles_are_a_task_of_their_own(data: Path, tmp_path: Path) -> None:
    _, test = split(data, 1)
    folder = write(data, test, tmp_path / "test")
    assert ids(folder) == ids(data, only=test)
    assert {row.id: row.passages for row in parse(f"lareqa:{folder}").rows()} == {
        row.id: row.passages for row in parse(f"lareqa:{data}").rows() if row.id in ids(folder)
    }
    options = TaskOptions(data="real", data_dir=str(folder), languages=("de", "en"))
    retrieval = xquad_r().load(options)
    assert set(retrieval.queries["de"].ids) == ids(folder)


def test_articles_go_together_by_their_position(data: Path) -> None:
    content = json.loads((data / "zh.json").read_text())
    for article in content["data"]:
        article["title"] = f"中文 {article['title']}"
    (data / "zh.json").write_text(json.dumps(content))
    assert ids(data, only=["Article 1"]) == {"q2-river", "q2-year", "q3-river", "q3-year"}


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ({"only": ["Article 9"]}, "has no article 'Article 9'"),
        ({"only": ["Article 1"], "exclude": []}, "either only or exclude"),
        ({"without": []}, "either only or exclude"),
        ({"only": "Article 1"}, "articles.only must be a list of titles"),
        ({"exclude": [1]}, "articles.exclude must be a list of titles"),
    ],
)
def test_a_selection_is_checked(data: Path, selection: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        ids(data, **selection)
    assert raised.value.hint


def test_files_of_other_articles_and_titles_met_twice_are_refused(data: Path) -> None:
    with pytest.raises(UsageError, match="3 articles cannot be held out"):
        split(data, 3)
    write_file(data, "el", [[paragraph(["Ένα."], [("q", "?", 0)])]])
    with pytest.raises(DataError, match=r"el.json has 1 articles, en.json has 3"):
        split(data, 1)
    content = json.loads((data / "en.json").read_text())
    content["data"] = [content["data"][0]] * 2
    (data / "solo").mkdir()
    (data / "solo" / "en.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="two articles have the title 'Article 0'"):
        split(data / "solo", 1)


def test_files_are_not_written_over_those_they_come_from(data: Path) -> None:
    before = (data / "en.json").read_bytes()
    with pytest.raises(HarnessError, match="would replace"):
        write(data, ["Article 1"], data)
    assert (data / "en.json").read_bytes() == before
