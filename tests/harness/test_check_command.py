"""`check` and `baseline` as a user runs them: harm is caught, and nothing else is."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from command import Desk, Done

SAMPLE = ["--tasks", "xquad-r", "--data", "sample", "--languages", "de,en,hi,th"]
PLACES = ["--output", "out", "--cache-dir", "cache"]
PLUGINS = "py:harmed_plugins"


def create(desk: Desk, *encoders: str, more: list[str] | None = None) -> Done:
    named = ["--encoders", ",".join(encoders)]
    return desk.do("baseline", "create", "b.parquet", *named, *SAMPLE, *PLACES, *(more or []))


def check(desk: Desk, *more: str, **env: str) -> Done:
    return desk.do("check", "--baseline", "b.parquet", *PLACES, *more, **env)


def found(done: Done) -> dict[str, Any]:
    """The rows of --format json, by kind (and language) and measure, of one cell."""
    return {
        " ".join(filter(None, (row["kind"], row["language"], row["measure"]))): row
        for row in done.json()["rows"]
    }


def verdicts(done: Done) -> dict[str, str]:
    return {name: row["verdict"] for name, row in found(done).items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with a baseline of the sound encoder, which tests do not change."""
    desk = Desk(tmp_path_factory.mktemp("made"))
    done = create(desk, f"subject={PLUGINS}:sound")
    assert done.code == 0, done.err
    return desk


@pytest.fixture
def desk(made: Desk, tmp_path: Path) -> Desk:
    """A copy of it."""
    shutil.copytree(made.root, tmp_path / "desk")
    return Desk(tmp_path / "desk")


def test_the_same_passes_from_another_folder_with_another_budget_and_threads(desk: Desk) -> None:
    done = check(desk, "--format", "json")
    assert done.code == 0, done.err
    assert Counter(verdicts(done).values()) == {"same": 3}
    shutil.rmtree(desk.root / "out")
    other = ["--cache-dir", "elsewhere", "--token-budget", "64", "--format", "json"]
    changed = check(desk, *other, OMP_NUM_THREADS="1")
    assert changed.code == 0, changed.err
    assert Counter(verdicts(changed).values()) == {"same": 3}


def test_half_the_dimensions_are_missed(desk: Desk) -> None:
    done = check(desk, "--encoders", f"subject={PLUGINS}:halved", "--format", "json")
    assert done.code == 1, done.err
    rows = found(done)
    assert rows["monolingual AP"]["verdict"] == "regressed"
    assert rows["multilingual AP"]["verdict"] == "regressed"
    for row in rows.values():
        if row["verdict"] == "regressed":
            assert row["upper"] < 0
            assert row["change"] < -row["delta"]
    told = done.json()["encoders"]
    assert len(told) == 1
    assert any("revision" in change for change in told[0]["changes"])


@pytest.mark.slow
def test_one_shuffled_language_is_told_from_the_others(desk: Desk) -> None:
    done = check(
        desk, "--encoders", f"subject={PLUGINS}:shuffled", "--per", "language", "--format", "json"
    )
    rows = found(done)
    assert rows["monolingual hi AP"]["verdict"] == "regressed"
    assert {rows[f"monolingual {each} AP"]["verdict"] for each in ("de", "en", "th")} == {"same"}


def test_of_an_exact_encoder_one_dimension_is_enough(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert create(desk, f"subject={PLUGINS}:exact").code == 0
    done = check(desk, "--encoders", f"subject={PLUGINS}:last", "--format", "json")
    assert done.code == 1, done.err
    rows = found(done)
    fallen = {name for name, row in rows.items() if row["change"] < 0}
    assert fallen
    assert {name for name, row in rows.items() if row["verdict"] == "regressed"} == fallen
    assert any(-row["delta"] < row["change"] < 0 for row in rows.values()), "none within δ"
    assert {row["exact"] for row in rows.values()} == {True}


@pytest.mark.slow
def test_a_dropped_prompt_is_caught_in_a_real_model(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert create(desk, "tiny-mono").code == 0
    done = check(desk, "--option", "tiny-mono.query_prompt=", "--format", "json")
    assert done.code == 1, done.err
    assert verdicts(done)["monolingual AP"] == "regressed"
    assert done.json()["encoders"][0]["changes"] == ["option query_prompt 'Query: '→''"]
    done = check(desk, "--token-budget", "64", "--cache-dir", "other", "--format", "json")
    assert done.code == 0
    assert set(verdicts(done).values()) == {"same"}


@pytest.mark.slow
def test_a_pinned_encoder_is_incomparable_if_it_is_another(desk: Desk) -> None:
    same = check(desk, "--pin-encoder")
    assert same.code == 0, same.err
    done = check(desk, "--pin-encoder", "--encoders", f"subject={PLUGINS}:halved")
    assert done.code == 5
    assert "INCOMPARABLE: 3 incomparable" in done.out
    assert "encoder: revision" in " ".join(done.out.split())


@pytest.mark.slow
def test_another_document_is_incomparable_and_so_is_another_measure(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ("de", "en"))
    files = ["--data-dir", "data", "--languages", "de,en"]
    named = ["--encoders", "hashing", "--tasks", "xquad-r"]
    assert desk.do("baseline", "create", "b.parquet", *named, *files, *PLACES).code == 0
    assert check(desk, "--data-dir", "data").code == 0
    file = desk.root / "data" / "de.json"
    kept = file.read_text()
    file.write_text(kept.replace("Besucher", "Zuschauer"))
    assert file.read_text() != kept
    done = check(desk, "--data-dir", "data", "--format", "json")
    assert done.code == 5, done.out
    rows = found(done)
    assert rows["monolingual AP"]["reasons"] == ["documents de differ"]
    file.write_text(kept)
    program = (
        "-c",
        "from mlir_harness import measures; measures.VERSION['AP'] = '2'\n"
        "from mlir_harness.cli import main; main()",
    )
    arguments = ["check", "--baseline", "b.parquet", "--data-dir", "data", *PLACES]
    process = desk.start(*arguments, "--format", "json", program=program)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 5, err
    assert {tuple(row["reasons"]) for row in json.loads(out)["rows"]} == {("measure AP 1→2",)}


@pytest.mark.slow
def test_fewer_languages_are_missing_and_more_are_new(desk: Desk) -> None:
    done = check(desk, "--languages", "de,en,hi")
    assert done.code == 1
    assert "language th is gone" in " ".join(done.out.split())
    done = check(
        desk, "--languages", "de,en,hi,th,ar", "--settings", "mono,cross", "--format", "json"
    )
    rows = verdicts(done)
    assert rows == {
        "multilingual AP": "missing",
        "monolingual AP": "same",
        "cross-lingual AP": "same",
    }
    assert done.json()["new"] == [
        "language ar has no baseline, in subject × xquad-r (test, sample data)"
    ]


@pytest.mark.slow
def test_an_encoder_that_cannot_run_is_missing_with_its_reason(desk: Desk) -> None:
    done = check(desk, "--encoders", f"subject={PLUGINS}:gone")
    assert done.code == 1
    assert "it failed: its weights [red]are[/red] gone" in " ".join(done.out.split())
    assert "Put them back." in done.err
    also = f"subject={PLUGINS}:sound,other={PLUGINS}:gone"
    done = check(desk, "--encoders", also, "--format", "json")
    assert done.code == 3
    assert set(verdicts(done).values()) == {"same"}


@pytest.mark.slow
def test_stored_results_are_read_and_nothing_is_evaluated(desk: Desk) -> None:
    done = desk.do("check", "--baseline", "b.parquet", "--results", "out", "--format", "json")
    assert done.code == 0, done.err
    assert set(verdicts(done).values()) == {"same"}
    # The newest ones count, though older ones would pass.
    run = ["run", "--encoders", f"subject={PLUGINS}:halved", *SAMPLE, *PLACES]
    assert desk.do(*run).code == 0
    done = desk.do("check", "--baseline", "b.parquet", "--results", "out")
    assert done.code == 1


@pytest.mark.slow
def test_reports_are_written_beside_the_table(desk: Desk) -> None:
    (desk.root / "summary.md").write_text("# Before\n")
    encoders = ["--encoders", f"subject={PLUGINS}:halved"]
    done = check(
        desk,
        *encoders,
        "--junit",
        "made/junit.xml",
        GITHUB_ACTIONS="true",
        GITHUB_STEP_SUMMARY=str(desk.root / "summary.md"),
    )
    assert done.code == 1
    assert "FAILED:" in done.out
    assert "::error title=regressed::subject × xquad-r (test, sample data)" in done.err
    assert "::" not in done.out
    summary = (desk.root / "summary.md").read_text()
    assert summary.startswith("# Before\n### FAILED: ")
    suite = Xml.parse(desk.root / "made" / "junit.xml").getroot()[0]
    assert suite.attrib["tests"] == "3"
    assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"]) > 0
    (desk.root / "file").write_text("")
    unwritten = check(desk, *encoders, "--junit", "file/junit.xml", GITHUB_ACTIONS="")
    assert unwritten.code == 1
    assert "cannot write the report" in unwritten.err
    assert check(desk, "--junit", "file/junit.xml").code == 3


@pytest.mark.slow
def test_a_baseline_is_not_overwritten_but_updated_with_a_reason(desk: Desk) -> None:
    before = (desk.root / "b.parquet").read_bytes()
    done = create(desk, "hashing")
    assert done.code == 2
    assert "b.parquet is there already" in done.err
    assert 'baseline update b.parquet --reason "…"' in done.err
    update = ["baseline", "update", "b.parquet", *PLACES]
    for more in ([], ["--reason", " "]):
        assert desk.do(*update, *more).code == 2
    failing = ["--encoders", f"subject={PLUGINS}:gone", "--reason", "because"]
    done = desk.do(*update, *failing)
    assert done.code == 4
    assert "Nothing was written." in done.err
    assert (desk.root / "b.parquet").read_bytes() == before

    harmed = ["--encoders", f"subject={PLUGINS}:halved", "--measures", "AP,rank_distance"]
    done = desk.do(*update, *harmed, "--reason", "half is enough", "--delta", "AP=0.02")
    assert done.code == 0, done.err
    assert "regressed" in done.out
    shown = desk.do("baseline", "show", "b.parquet", "--format", "json").json()
    assert shown["measures"] == {"AP": 0.02, "rank_distance": 0.005}
    assert [entry["reason"] for entry in shown["history"]] == ["created", "half is enough"]
    assert "regressed" in shown["history"][1]["changes"][0]
    assert shown["request"]["encoders"] == [f"subject={PLUGINS}:halved"]
    assert check(desk).code == 0
    table = desk.do("baseline", "show", "b.parquet")
    assert "half is enough" in table.out
    assert not desk.leftovers()


BAD_BASELINES: list[tuple[list[str], int, str]] = [
    (["--measures", "Fame"], 2, "unknown measure 'Fame'"),
    (["--measures", "R@7"], 2, "no result has the measure R@7"),
    (["--delta", "R@1=0.1"], 2, "which the baseline would not hold"),
    (["--encoders", "st:/srv/model"], 2, "names a folder of this machine"),
    (["--tasks", ""], 2, "no tasks are named"),
    (["--results", "empty"], 4, "no scores are stored in empty"),
    (["--results", "damaged"], 3, "cannot be read"),
]

BAD: list[tuple[list[str], int, str]] = [
    (["--measures", "Fame"], 2, "unknown measure 'Fame'"),
    (["--measures", "R@1"], 2, "the baseline does not hold the measure R@1"),
    (["--delta", "AP"], 2, "'AP' is not MEASURE=VALUE"),
    (["--delta", "AP=nan"], 2, "'AP=nan' is not MEASURE=VALUE"),
    (["--delta", "AP=2"], 2, "'AP=2' is not MEASURE=VALUE"),
    (["--delta", "R@1=0.1"], 2, "does not hold the measure R@1"),
    (["--results", "nowhere"], 2, "there is no folder nowhere"),
    (["--results", "empty"], 4, "no scores are stored in empty"),
    (["--results", "out", "--encoders", "hashing"], 2, "--results and --encoders exclude"),
    (["--results", "others"], 5, "no cell in common: the baseline has subject × xquad-r"),
    (["--results", "twins"], 2, "two cells are of subject × xquad-r"),
    (["--results", "damaged"], 3, "cannot be read"),
    (["--baseline", "none.parquet"], 2, "there is no baseline none.parquet"),
    (["--baseline", "cut.parquet"], 2, "cannot read cut.parquet as Parquet"),
]


@pytest.fixture(scope="module")
def shelf(made: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Everything that is bad, in one place."""
    root = tmp_path_factory.mktemp("shelf") / "desk"
    shutil.copytree(made.root, root)
    desk = Desk(root)
    (root / "empty").mkdir()
    run = ["run", "--encoders", "hashing", *SAMPLE, "--output", "others", "--cache-dir", "cache"]
    assert desk.do(*run).code == 0
    shutil.copytree(root / "out", root / "twins")
    (home,) = (root / "twins").glob("*/*")
    shutil.copytree(home, home.with_name("twin"))
    shutil.copytree(root / "out", root / "damaged")
    for path in (root / "damaged").rglob("queries.parquet"):
        path.write_bytes(b"cut")
    (root / "cut.parquet").write_bytes((root / "b.parquet").read_bytes()[:-100])
    return desk


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "code", "said"), BAD_BASELINES, ids=[" ".join(bad[0]) for bad in BAD_BASELINES]
)
def test_no_bad_baseline_is_made(shelf: Desk, flags: list[str], code: int, said: str) -> None:
    usual = [] if "--results" in flags else ["--encoders", "hashing", *SAMPLE, *PLACES]
    if flags[0] in ("--encoders", "--tasks"):
        place = usual.index(flags[0])
        usual[place : place + 2] = []
    done = shelf.do("baseline", "create", "bad.parquet", *usual, *flags)
    assert done.code == code, done.err
    assert said in " ".join(done.err.split())
    assert not (shelf.root / "bad.parquet").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "code", "said"), BAD, ids=[" ".join(bad[0]) for bad in BAD])
def test_what_is_wrong_is_told(shelf: Desk, flags: list[str], code: int, said: str) -> None:
    done = check(shelf, *flags)
    assert done.code == code, done.err
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert done.out == ""


def test_other_queries_are_named(desk: Desk) -> None:
    """Results whose task lost a question are missing it, by its name."""
    import pyarrow.parquet as pq

    (path,) = desk.files("out", "queries.parquet")
    table = pq.read_table(path)
    name = table.column("query")[5].as_py()
    pq.write_table(
        table.slice(0, 5).__class__.from_batches(
            [*table.slice(0, 5).to_batches(), *table.slice(6).to_batches()]
        ),
        path,
    )
    done = desk.do("check", "--baseline", "b.parquet", "--results", "out", "--format", "json")
    assert done.code == 1
    setting = table.column("setting")[5].as_py()
    assert any(
        f"query {name} of {setting} is gone" in row["reasons"] for row in found(done).values()
    )


def test_a_report_replaces_a_file_as_a_whole_and_no_device(desk: Desk) -> None:
    report = desk.root / "report.xml"
    report.write_text("of an earlier check, and longer than any" * 1000)
    (desk.root / "link.xml").symlink_to(report)
    assert check(desk, "--junit", "link.xml").code == 0
    assert Xml.parse(report).getroot().tag == "testsuites"
    assert (desk.root / "link.xml").is_symlink()
    assert check(desk, "--junit", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()
