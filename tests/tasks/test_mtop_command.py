"""MTOP and the bundled samples from the command line, in a real process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import Desk, Done
from mtop_samples import write_mtop

SMALL = ("--encoders", "hashing", "--cache-dir", "cache", "--output", "out")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    root = tmp_path_factory.mktemp("desk")
    write_mtop(root / "data" / "mtop")
    return Desk(root)


def run(desk: Desk, *more: str) -> Done:
    return desk.do("run", *SMALL, *more)


@pytest.fixture(scope="module")
def cell(desk: Desk) -> Any:
    done = run(desk, "--tasks", "mtop", "--data-dir", "data", "--format", "json")
    assert done.code == 0, done.err
    return done.cells()["hashing"]


def test_subsets_have_averages_and_deviations_of_their_own(cell: Any) -> None:
    assert cell["data"] == "real"
    groups = {
        f"{kind}/spis-{k}" for kind in ("monolingual", "multilingual") for k in (1, 5, 10, 25)
    }
    assert set(cell["summary"]) == {"monolingual", "cross-lingual", "multilingual", *groups}
    assert set(cell["deviations"]) == groups
    means = [
        setting["measures"]["nDCG@10"]
        for setting in cell["settings"]
        if setting["kind"] == "monolingual" and setting["variant"].startswith("spis-1/")
    ]
    assert len(means) == 10
    assert cell["summary"]["monolingual/spis-1"]["nDCG@10"] == pytest.approx(sum(means) / 10)


def test_every_setting_has_neighbours_and_no_language_bias(cell: Any) -> None:
    for setting in cell["settings"]:
        assert 0 <= setting["measures"]["kNN@5"] <= 1
        assert "rank_distance" not in setting["measures"]


def test_a_variant_gives_the_same_scores_alone(desk: Desk, cell: Any) -> None:
    done = run(desk, "--tasks", "mtop:spis-5", "--data-dir", "data", "--format", "json")
    alone = done.cells()["hashing"]
    assert set(alone["summary"]) == {"monolingual/spis-5", "multilingual/spis-5"}
    for group, means in alone["summary"].items():
        assert means["AP"] == pytest.approx(cell["summary"][group]["AP"])


def test_the_second_run_answers_from_the_store(desk: Desk, cell: Any) -> None:
    done = run(desk, "--tasks", "mtop", "--data-dir", "data")
    assert done.code == 0
    assert "From stored results: hashing" in done.out
    assert "by variant" in done.out
    assert "±" in done.out


def test_without_files_the_sample_serves_and_says_so(desk: Desk) -> None:
    done = run(desk, "--tasks", "mtop:full")
    assert done.code == 0
    assert "SAMPLE DATA" in done.err
    assert "mlir-harness fetch mtop" in done.err
    assert "SAMPLE DATA, not comparable" in done.out
    meant = run(desk, "--tasks", "mtop:full", "--data", "sample")
    assert "SAMPLE DATA" not in meant.err
    assert "SAMPLE DATA, not comparable" in meant.out


def test_real_never_falls_back(desk: Desk) -> None:
    done = run(desk, "--tasks", "mtop", "--data", "real")
    assert done.code == 4
    assert "mtop is not on this machine" in done.err
    assert "mlir-harness fetch mtop" in done.err
    assert not done.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--tasks", "mtop:spis-2"), "no variant 'spis-2'"),
        (("--tasks", "mtop", "--data", "sample", "--data-dir", "data"), "exclude each other"),
        (("--tasks", "mtop", "--split", "dev"), "no split 'dev'"),
        (("--tasks", "mtop", "--languages", "xx"), "language 'xx'"),
        (("--tasks", "mtop", "--option", "mtop.seed=3"), "takes no options"),
    ],
)
def test_what_cannot_be_asked(desk: Desk, more: tuple[str, ...], said: str) -> None:
    done = run(desk, *more)
    assert done.code == 2, done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_bad_file_is_named_with_its_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    folder = write_mtop(tmp_path / "data" / "mtop")
    file = folder / "th" / "train.txt"
    lines = file.read_text("utf-8").splitlines()
    lines[4] = lines[4].replace(" ]", "", 1)
    file.write_text("\n".join(lines), "utf-8")
    done = run(desk, "--tasks", "mtop", "--data-dir", "data")
    assert done.code == 4
    assert "train.txt, line 5, column" in done.err
    assert "unbalanced brackets" in done.err
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_every_sample_is_evaluated_in_seconds(desk: Desk) -> None:
    done = desk.do("run", *SMALL, "--tasks", "all", "--data", "sample", "--format", "json")
    assert done.code == 0, done.err
    cells = done.json()["cells"]
    assert {cell["task"] for cell in cells} == {
        *("mtop", "mtop-parallel", "xquad-r", "mlqa-r", "miracl", "miracl-judged"),
    }
    assert {cell["data"] for cell in cells} == {"sample"}


def test_an_index_is_tried_on_whole_pools_alone(desk: Desk) -> None:
    pytest.importorskip("faiss")
    done = run(desk, "--tasks", "mtop", "--data-dir", "data", "--search", "faiss:Flat")
    assert done.code == 0, done.err
    assert "Variants are left out" in done.out
    assert "spis-5" not in done.out.partition("faiss:Flat")[2]


def verified(desk: Desk, task: str, *more: str) -> dict[str, tuple[int, int]]:
    """Published and found sizes of files that are not as published."""
    done = desk.do("data", "verify", task, "--data-dir", "data", "--json", *more)
    assert done.code == 1, done.err
    return {each["what"]: (each["expected"], each["found"]) for each in done.json()["findings"]}


def test_verifying_counts_the_lines_of_the_split(tmp_path: Path) -> None:
    folder = write_mtop(tmp_path / "data" / "mtop")
    cut = folder / "th" / "eval.txt"
    cut.write_bytes(b"".join(cut.read_bytes().splitlines(keepends=True)[:5]))
    desk = Desk(tmp_path)
    found = verified(desk, "mtop")
    assert found["train utterances (en)"] == (15667, 12)
    assert found["test utterances (hi)"] == (2789, 12)  # one of them is a train utterance too
    assert len(found) == 8
    found = verified(desk, "mtop", "--split", "eval")
    assert found["eval utterances (th)"] == (1671, 5)
    found = verified(desk, "mtop-parallel", "--split", "eval", "--languages", "en,th")
    assert found == {"eval utterances (en)": (2235, 12), "eval utterances (th)": (1671, 5)}
    assert "test utterances (en)" in verified(desk, "mtop-parallel")


def test_verifying_asks_for_the_files_of_the_split_alone(tmp_path: Path) -> None:
    folder = write_mtop(tmp_path / "data" / "mtop")
    for file in folder.glob("*/test.txt"):
        file.unlink()
    desk = Desk(tmp_path)
    assert "eval utterances (hi)" in verified(desk, "mtop", "--split", "eval")
    assert "eval utterances (hi)" in verified(desk, "mtop-parallel", "--split", "eval")
    done = desk.do("data", "verify", "mtop", "--data-dir", "data")
    assert done.code == 4
    assert "lacks hi/test.txt, th/test.txt\n" in done.err
    assert desk.do("data", "verify", "mtop", "--split", "train").code == 2


@pytest.mark.data
def test_a_real_file_is_as_published_until_it_is_cut(tmp_path: Path, real_data: Path) -> None:
    for language in ("en", "de"):
        file = tmp_path / "data" / "mtop" / language / "eval.txt"
        file.parent.mkdir(parents=True)
        file.write_bytes((real_data / "mtop" / language / "eval.txt").read_bytes())
    what = ("mtop-parallel", "--split", "eval", "--languages", "en,de")
    assert verified(Desk(tmp_path), *what)["eval utterances (en)"] == (2235, 2235)
    english = tmp_path / "data" / "mtop" / "en" / "eval.txt"
    english.write_bytes(b"".join(english.read_bytes().splitlines(keepends=True)[:2000]))
    assert verified(Desk(tmp_path), *what)["eval utterances (en)"] == (2235, 2000)


def test_the_split_that_is_there_is_named(tmp_path: Path) -> None:
    folder = write_mtop(tmp_path / "data" / "mtop")
    for file in folder.glob("*/test.txt"):
        file.unlink()
    done = run(Desk(tmp_path), "--tasks", "mtop", "--data-dir", "data")
    assert done.code == 4
    assert "--split eval is there" in done.err
