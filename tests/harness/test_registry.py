"""Plugins are found by metadata, imported when used, and break nothing but themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import PLUGINS, Desk

_PACKAGE = Path(__file__).resolve().parents[1] / "plugin_package"


def install(folder: Path, name: str, points: str, version: str = "1.0", **modules: str) -> None:
    """What an installer leaves behind: modules, and metadata with entry points."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text(points)
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)


def encoders(*lines: str) -> str:
    return "[mlir_harness.encoders]\n" + "\n".join(lines) + "\n"


GOOD = "from plugins_for_tests import spelling as make\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path, ("de", "en"), PYTHONPATH=str(tmp_path / "site"))


@pytest.mark.slow
def test_an_installed_package_brings_encoders_a_scheme_and_a_task(desk: Desk) -> None:
    source = shutil.copytree(_PACKAGE, desk.root / "source")  # building writes beside it
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    target = ["--no-build-isolation", "--target", str(desk.root / "site"), str(source)]
    subprocess.run([*command, *target], check=True, env=desk.environment(PIP_NO_INPUT="1"))
    listed = desk.do("list", "encoders")
    assert "vowels      acme-retrieval 2.3  acme_retrieval.encoders:vowels" in listed.out
    assert "alphabet:…  acme-retrieval 2.3  acme_retrieval.encoders:alphabet" in listed.out
    assert "capitals" in desk.do("list", "tasks").out
    names = ("vowels", "umlauts=vowels", "alphabet:aeiou", "acme-retrieval/vowels")
    more = ["--tasks", "capitals", "--format", "json", "--option", "umlauts.extra=äöü"]
    done = desk.run(*names, more=more)
    assert done.code == 0, done.err
    cells = {(cell["encoder"], cell["task"]): cell for cell in done.json()["cells"]}
    capitals = {name: cell for (name, task), cell in cells.items() if task == "capitals"}
    assert capitals["vowels"]["settings"] == capitals["alphabet:aeiou"]["settings"]
    assert capitals["vowels"]["fingerprints"] == capitals["acme-retrieval/vowels"]["fingerprints"]
    assert capitals["umlauts"]["fingerprints"] != capitals["vowels"]["fingerprints"]
    manifest = json.loads((Path(capitals["vowels"]["folder"]) / "manifest.json").read_text())
    assert manifest["details"]["encoder"]["revision"] == "acme-retrieval 2.3"
    assert cells["vowels", "xquad-r"]["status"] == "ok"


def test_listing_imports_no_plugin(desk: Desk) -> None:
    points = (
        encoders("bomb = bomb:make", "quiet = quiet:make") + "[mlir_harness.tasks]\nx = bomb:x\n"
    )
    install(desk.root / "site", "bombs", points, bomb="raise SystemExit('boom')")
    for what in ("encoders", "tasks"):
        done = desk.do("list", what)
        assert (done.code, done.err) == (0, "")
    listed = json.loads(desk.do("list", "encoders", "--json").out)
    assert {"bomb", "quiet", "hashing", "st:…"} <= {entry["name"] for entry in listed}


@pytest.mark.slow
def test_broken_plugins_are_explained_and_all_goes_on(desk: Desk) -> None:
    lines = ("ok = good:make", "exits = bomb:make", "gone = gone:make", "odd = good:PI")
    lines += ("deep = good:make.no.such", "raising = raising:make")
    modules = {
        "good": GOOD + "PI = 3\n",
        "bomb": "raise SystemExit('boom')",
        "raising": "def make(): raise RuntimeError('a[/b] \\x1b[31m')",
    }
    install(desk.root / "site", "mixed-bag", encoders(*lines), **modules)
    done = desk.run("all", more=["--format", "json"])
    assert done.code == 0, done.err  # not asked for by name
    cells = done.cells()
    assert {name for name, cell in cells.items() if cell["status"] == "ok"} == {"ok", "hashing"}
    reasons = {name: cell["reason"] for name, cell in cells.items() if cell["reason"]}
    source = "(mixed-bag 1.0) cannot be loaded"
    assert reasons["exits"] == f"encoder exits {source}: SystemExit: boom"
    assert reasons["gone"] == f"encoder gone {source}: ModuleNotFoundError: No module named 'gone'"
    assert reasons["raising"] == f"encoder raising {source}: RuntimeError: a[/b] �[31m"
    assert "is not callable: good:PI is a int" in reasons["odd"]
    assert "AttributeError" in reasons["deep"]
    assert "MLIR_HARNESS_DISABLE_PLUGINS=exits" in cells["exits"]["hint"]
    assert desk.run("ok", "exits").code == 3
    assert desk.run("exits").code == 4


@pytest.mark.slow
def test_a_name_in_two_distributions_must_be_told_apart(desk: Desk) -> None:
    install(desk.root / "site", "first-make", encoders("same = one:make"), one=GOOD)
    install(desk.root / "site", "second-make", encoders("same = two:make"), two=GOOD)
    done = desk.run("same")
    assert done.code == 2
    assert "2 distributions offer a encoder" not in done.err
    assert "two or more distributions offer the encoder same" in done.err
    assert "Write one of: first-make/same, second-make/same." in done.err
    done = desk.run("second-make/same", more=["--format", "json"])
    assert done.code == 0
    (cell,) = done.cells().values()
    assert cell["encoder"] == "second-make/same"
    switched_off = {"MLIR_HARNESS_DISABLE_PLUGINS": "first-make/same"}
    assert desk.run("same", **switched_off).code == 0
    cells = desk.run("all", more=["--format", "json"]).cells()
    assert set(cells) == {"hashing", "first-make/same", "second-make/same"}


@pytest.mark.slow
def test_plugins_are_switched_off_by_name_or_altogether(desk: Desk) -> None:
    install(desk.root / "site", "more", encoders("one = m:make", "two = m:make"), m=GOOD)

    def listed(disabled: str) -> set[str]:
        done = desk.do("list", "encoders", "--json", MLIR_HARNESS_DISABLE_PLUGINS=disabled)
        return {entry["name"] for entry in json.loads(done.out)}

    assert listed("") == {"one", "two", "hashing", "st:…"}
    assert listed(" one , st") == {"two", "hashing"}
    assert listed("third-party") == {"hashing", "st:…"}
    assert listed("third-party,hashing") == {"st:…"}
    done = desk.run("one", MLIR_HARNESS_DISABLE_PLUGINS="one")
    assert done.code == 2
    assert "no encoder is called 'one'" in done.err


def test_broken_metadata_of_a_stranger_is_passed_over(desk: Desk) -> None:
    site = desk.root / "site"
    install(site, "scrambled", "[mlir_harness.encoders]\nno equals sign here\n")
    install(site, "good", encoders("fine = m:make"), m=GOOD)
    (site / "headless-1.0.dist-info").mkdir()
    (site / "headless-1.0.dist-info" / "entry_points.txt").write_text(encoders("anon = m:make"))
    (site / "bytes-1.0.dist-info").mkdir()
    (site / "bytes-1.0.dist-info" / "entry_points.txt").write_bytes(b"[\xff\xfe")
    done = desk.do("list", "encoders")
    assert (done.code, done.err) == (0, "")
    assert "fine" in done.out
    assert desk.run("fine").code == 0


def test_of_two_copies_of_a_distribution_the_first_on_the_path_counts(desk: Desk) -> None:
    for folder, version in (("site", "2.0"), ("old", "1.0")):
        install(desk.root / folder, "twice", encoders("t = m:make"), version, m=GOOD)
    path = f"{desk.root / 'site'}:{desk.root / 'old'}"
    listed = json.loads(desk.do("list", "encoders", "--json", PYTHONPATH=path).out)
    assert [each["version"] for each in listed if each["name"] == "t"] == ["2.0"]


def test_a_module_of_this_folder_needs_no_installation(desk: Desk) -> None:
    (desk.root / "mine.py").write_text(
        "from plugins_for_tests import sized\nclass Own:\n  make = sized\n"
    )
    done = desk.run("py:mine:Own.make", "short=py:mine:sized", more=["--option", "short.size=3"])
    assert done.code == 0, done.err
    assert "py:mine:Own.make" in done.out
    done = desk.run("py:mine:absent")
    assert done.code == 4
    assert "Mend mine:absent; modules are looked for in this folder and on PYTHONPATH" in done.err


@pytest.mark.parametrize("name", ["../x:make", ".mine:make", "mi\udcffne:make", "no\x1b[1m:make"])
def test_names_that_are_no_modules_are_only_names(desk: Desk, name: str) -> None:
    done = desk.run(f"py:{name}")
    assert done.code == 4
    assert "cannot be loaded" in done.err
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err


def test_options_of_a_label_win_over_those_of_its_plugin(desk: Desk) -> None:
    name = f"{PLUGINS}:sized"
    more = ["--option", f"{name}.size=5", "--option", "b.size=6", "--format", "json"]
    done = desk.run(f"a={name}", f"b={name}", more=more)
    assert done.code == 0, done.err
    sizes = {}
    for label, cell in done.cells().items():
        manifest = json.loads((Path(cell["folder"]) / "manifest.json").read_text())
        sizes[label] = manifest["details"]["encoder"]["options"]["size"]
    assert sizes == {"a": "5", "b": "6"}
