"""What a second run answers from the store, and what makes it compute again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import PLUGINS, Desk
from lareqa_files import write_lareqa

from mlir_harness import evaluate

SPELLING = f"{PLUGINS}:spelling"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path, ("de", "en"), TEST_CALLS=str(tmp_path / "calls"))


@pytest.mark.slow
def test_a_second_run_neither_encodes_nor_loads_torch(desk: Desk) -> None:
    program = (
        "import sys\n"
        "from mlir_harness.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('modules', *sys.modules, file=sys.stderr)\n"
    )
    outs = []
    for _ in range(2):
        command = desk.command(SPELLING, more=["--format", "json"])
        process = desk.start(*command, program=("-c", program))
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        outs.append(json.loads(out))
    calls = len(desk.calls())
    assert calls == 4  # queries and documents of two languages, in the first run
    modules = set(err.split())
    assert "mlir_harness.results" in modules
    assert not {"torch", "transformers", "sentence_transformers", "pandas"} & modules
    assert outs[0] == outs[1]


@pytest.mark.slow
def test_the_table_says_what_is_from_the_store(desk: Desk) -> None:
    first = desk.run("hashing", SPELLING)
    assert "From stored results" not in first.out
    second = desk.run("hashing", SPELLING)
    assert f"From stored results: hashing, {SPELLING}" in second.out
    third = desk.run("hashing", more=["--fresh"])
    assert "From stored results" not in third.out


def fingerprints(desk: Desk, encoder: str = SPELLING, *more: str) -> dict[str, str]:
    done = desk.run(encoder, more=["--format", "json", *more])
    assert done.code == 0, done.err
    (cell,) = done.cells().values()
    return dict(cell["fingerprints"])


@pytest.mark.slow
def test_what_changes_an_identity_and_what_does_not(desk: Desk) -> None:
    first = fingerprints(desk)
    encoded = len(desk.calls())

    def changed(now: dict[str, str]) -> set[str]:
        return {name for name in now if now[name] != first[name]}

    # Not part of any identity:
    assert changed(fingerprints(desk, SPELLING, "--depth", "20")) == set()
    assert changed(fingerprints(desk, f"other={SPELLING}")) == set()
    assert changed(fingerprints(desk, SPELLING, "--output", "elsewhere")) == set()
    (desk.root / "data").rename(desk.root / "moved")
    assert changed(fingerprints(desk, SPELLING, "--data-dir", "moved")) == set()
    assert len(desk.calls()) == encoded
    # Part of the protocol; the vectors are the same:
    (desk.root / "moved").rename(desk.root / "data")
    assert changed(fingerprints(desk, SPELLING, "--ties", "trec")) == {"protocol"}
    assert changed(fingerprints(desk, SPELLING, "--gain", "exponential")) == {"protocol"}
    assert changed(fingerprints(desk, SPELLING, "--settings", "mono")) == {"protocol"}
    assert changed(fingerprints(desk, SPELLING, "--languages", "de")) == {"protocol", "data"}
    assert len(desk.calls()) == encoded
    # One text changed: one collection is encoded anew.
    file = desk.root / "data" / "en.json"
    file.write_text(file.read_text().replace("Every year many visitors come", "Nobody comes"))
    assert changed(fingerprints(desk)) == {"data"}
    assert len(desk.calls()) == encoded + 1


@pytest.mark.slow
def test_devices_and_batches_are_no_part_of_an_encoder(desk: Desk) -> None:
    name = f"{PLUGINS}:tuned"
    first = fingerprints(desk, name)
    calls = len(desk.calls())
    again = fingerprints(desk, name, "--device", "cpu", "--token-budget", "64")
    assert again == first
    assert len(desk.calls()) == calls


@pytest.mark.slow
def test_options_and_revision_make_another_encoder(desk: Desk) -> None:
    name = f"{PLUGINS}:sized"
    seen = {fingerprints(desk, name)["encoder"]}
    for option in ("size=20", "kind=dot", "revision=2"):
        seen.add(fingerprints(desk, name, "--option", f"{name}.{option}")["encoder"])
    assert len(seen) == 4


@pytest.mark.slow
@pytest.mark.parametrize("place", ["mine.py", "helper.py", "parts/inner.py"])
def test_an_edited_plugin_never_gets_old_vectors(desk: Desk, place: str) -> None:
    """Its revision is a constant; modules beside it that it imports count too."""
    (desk.root / "parts").mkdir()
    files = {
        "mine.py": "import helper\nfrom plugins_for_tests import sized\n"
        "def make():\n    import parts.inner\n    return sized(revision='always 1')\n# 1\n",
        "helper.py": "# 1\n",
        "parts/__init__.py": "",
        "parts/inner.py": "# 1\n",
        "bystander.py": "# 1\n",
    }
    for name, source in files.items():
        (desk.root / name).write_text(source)
    first = fingerprints(desk, "py:mine:make")
    calls = len(desk.calls())
    (desk.root / "bystander.py").write_text("# 2\n")
    assert fingerprints(desk, "py:mine:make") == first
    assert len(desk.calls()) == calls
    (desk.root / place).write_text(files[place].replace("# 1", "# 2"))
    assert fingerprints(desk, "py:mine:make")["encoder"] != first["encoder"]
    assert len(desk.calls()) == 2 * calls


@pytest.mark.slow
def test_truncated_texts_are_counted_in_every_run(desk: Desk) -> None:
    name = f"{PLUGINS}:truncating"
    file = desk.root / "data" / "en.json"
    long = "x" * 100_000
    file.write_text(file.read_text().replace("When was the bridge of Porto built?", long))
    said = []
    for more in ([], [], ["--fresh"]):
        done = desk.run(name, more=more)
        assert done.code == 0, done.err
        said.append(next(line for line in done.out.splitlines() if "were truncated" in line))
    assert said[0] == said[1] == said[2]
    assert f"{name}: " in said[0]


@pytest.mark.slow
def test_a_dry_run_writes_nothing_and_counts_what_is_there(desk: Desk) -> None:
    more = ["--dry-run", "--format", "json"]
    before = desk.run("hashing", SPELLING, "st:nowhere", more=more)
    assert before.code == 3
    assert not (desk.root / "out").exists()
    assert not (desk.root / "cache").exists()
    plan = before.json()
    hashing, spelling = plan["plan"]
    assert (hashing["settings"], hashing["texts"], hashing["cached"]) == (6, 50, 0)
    assert hashing["bytes"] == 50 * 512 * 4
    assert spelling["bytes"] is None
    assert plan["failed"][0]["encoder"] == "st:nowhere"
    assert desk.run("hashing").code == 0
    after = desk.run("hashing", more=more).json()["plan"][0]
    assert (after["texts"], after["cached"], after["bytes"], after["seconds"]) == (50, 50, 0, 0)


def test_several_tasks_have_a_folder_each(tmp_path: Path) -> None:
    write_lareqa(tmp_path / "xquad-r", ("de", "en"))
    report = evaluate("hashing", ["xquad-r", "mlqa-r"], data_dir=tmp_path, cache_dir=tmp_path / "c")
    assert [cell.status for cell in report.cells] == ["error", "unavailable"]
    report = evaluate(
        "hashing",
        ["xquad-r", "mlqa-r"],
        languages=["de", "en"],
        data_dir=tmp_path,
        cache_dir=tmp_path / "c",
    )
    assert [cell.status for cell in report.cells] == ["ok", "unavailable"]
    assert "no folder mlqa-r" in str(report.cells[1].reason)
