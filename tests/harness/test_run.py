"""What a second run answers from the store, and what makes it compute again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import plugins_for_tests
import pytest
from command import PLUGINS, Desk
from lareqa_files import write_lareqa
from plugins_for_tests import Small, Spelling

from mlir_harness import evaluate, registry
from mlir_harness.errors import UsageError
from mlir_harness.plan import plan
from mlir_harness.prepare import prepare
from mlir_harness.protocols import Context, TaskInfo
from mlir_harness.request import Request, Silent

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


SMALL = f"{PLUGINS}:small"


def plugin(monkeypatch: pytest.MonkeyPatch, make: Any) -> str:
    """The name of a plugin that `make` makes."""
    monkeypatch.setattr(plugins_for_tests, "made_here", make, raising=False)
    return f"{PLUGINS}:made_here"


def _complain(**options: Any) -> Spelling:
    raise UsageError(f"no such thing in {sorted(options)}", "Mend it.")


def test_a_complaint_of_a_plugin_that_was_given_nothing_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = plugin(monkeypatch, _complain)
    report = evaluate([name, "hashing"], SMALL, cache_dir=tmp_path)
    assert [cell.status for cell in report.cells] == ["unavailable", "ok"]
    assert report.cells[0].reason == f"encoder {name}: no such thing in []"
    assert report.cells[0].hint == "Mend it."
    with pytest.raises(UsageError, match="no such thing in"):
        evaluate(name, SMALL, cache_dir=tmp_path, options={name: {"a": "1"}})
    # A task may complain while it loads, too.
    name = plugin(monkeypatch, lambda: Small(lambda retrieval: _complain()))
    report = evaluate("hashing", [name, SMALL], cache_dir=tmp_path)
    assert [cell.status for cell in report.cells] == ["unavailable", "ok"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"measures": ()}, "names no measures"),
        ({"measures": "AP"}, "names no measures"),
        ({"measures": ("AP", "MAP")}, "unknown measure 'MAP'"),
        ({"splits": ()}, "names no splits"),
    ],
)
def test_a_task_that_misdescribes_itself_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    class Misdescribed(Small):
        @property
        def info(self) -> TaskInfo:
            return replace(super().info, **changes)

    name = plugin(monkeypatch, Misdescribed)
    report = evaluate("hashing", [name, SMALL], cache_dir=tmp_path)
    assert [cell.status for cell in report.cells] == ["unavailable", "ok"]
    assert said in str(report.cells[0].reason)
    assert name in str(report.cells[0].reason)


def test_what_a_task_loads_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = plugin(monkeypatch, lambda: Small(names=("a", "b", "a")))
    report = evaluate("hashing", [name, SMALL], cache_dir=tmp_path)
    assert [cell.status for cell in report.cells] == ["error", "ok"]
    assert "query collection en: duplicate id 'a'" in str(report.cells[0].reason)


def test_a_task_that_nothing_answers_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = plugin(monkeypatch, lambda: Small(lambda r: replace(r, judgements={})))
    (cell,) = evaluate("hashing", name, cache_dir=tmp_path).cells
    assert cell.status == "error"
    assert "no query has a relevant document in any setting" in str(cell.reason)


def test_a_counter_that_exits_ends_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Exiting(Spelling):
        def tokens(self, texts: Sequence[str], context: Context) -> Any:
            del texts, context
            sys.exit(3)

    name = plugin(monkeypatch, Exiting)
    request = Request([name, "hashing"], [SMALL], cache_dir=tmp_path)
    cells = plan(prepare(request, Silent()))
    assert [cell.tokens for cell in cells] == [None, None]


def test_options_reach_an_encoder_by_each_of_its_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []

    def variants(variant: str = "", **options: str) -> Spelling:
        seen.append({"variant": variant, **options})
        return Spelling()

    value = "plugins_for_tests:made_here"
    plugin(monkeypatch, variants)
    own = registry.Plugin(registry.Kind.ENCODER, "own", value, "", "")
    task = registry.resolve(registry.Kind.TASK, SMALL).plugin
    held = {registry.Kind.ENCODER: (own,), registry.Kind.TASK: (task,)}
    monkeypatch.setattr(registry, "plugins", held.__getitem__)
    options = {
        "own": {"a": "name", "b": "name", "c": "name"},
        "own:big": {"b": "spec", "c": "spec"},
        "m": {"c": "label"},
    }
    request = Request(["m=own:big"], [SMALL], cache_dir=tmp_path, options=options)
    prepare(request, Silent())
    assert seen == [{"variant": "big", "a": "name", "b": "spec", "c": "label"}]


def test_folders_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    request = Request(
        ["e"], ["t"], data_dir="~/d", output=Path("~/o"), cache_dir=Path("~/c")
    ).checked()
    assert request.data_dir == "/home/me/d"
    assert (request.output, request.cache_dir) == (Path("/home/me/o"), Path("/home/me/c"))
    unknown = Request(["e"], ["t"], data_dir="~nobody-of-this-name/d").checked()
    assert unknown.data_dir == str(Path.cwd() / "~nobody-of-this-name" / "d")


def test_stored_scores_name_the_folder_of_this_run(tmp_path: Path) -> None:
    write_lareqa(tmp_path / "first", ("de",))

    def provenance(folder: str) -> tuple[bool, str]:
        (cell,) = evaluate(
            "hashing",
            "xquad-r",
            languages=["de"],
            data_dir=tmp_path / folder,
            cache_dir=tmp_path / "c",
            output=tmp_path / "o",
        ).cells
        return cell.stored, cell.details["provenance"]["source"]

    assert provenance("first") == (False, str(tmp_path / "first"))
    (tmp_path / "first").rename(tmp_path / "second")
    assert provenance("second") == (True, str(tmp_path / "second"))


def test_failures_leave_the_scores_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*, fails: bool) -> None:
        def change(matrix: Any, context: Context) -> Any:
            del context
            return None if fails else matrix

        name = plugin(monkeypatch, lambda: Spelling(change))
        # Other vectors each time: only the results are shared.
        cache = tmp_path / f"cache-{fails}"
        evaluate(name, SMALL, cache_dir=cache, output=tmp_path / "o", fresh=True)

    for fails in (False, True, True):
        answer(fails=fails)
    (current,) = (tmp_path / "o").rglob("current")
    (manifest,) = (tmp_path / "o").rglob("manifest.json")
    (error,) = (tmp_path / "o").rglob("last-error.json")
    assert current.read_text().strip() == manifest.parent.name
    assert error.parent == current.parent
    assert "not numbers" in json.loads(error.read_text())["reason"]
