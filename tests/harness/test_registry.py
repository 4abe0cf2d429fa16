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
    listed = " ".join(desk.do("list", "encoders").out.split())
    assert "vowels acme-retrieval 2.3 acme_retrieval.encoders:vowels" in listed
    assert "alphabet:… acme-retrieval 2.3 acme_retrieval.encoders:alphabet" in listed
    assert "capitals" in desk.do("list", "tasks").out
    (desk.root / "data").rename(desk.root / "xquad-r")  # with several tasks, each has a folder
    (desk.root / "data" / "capitals").mkdir(parents=True)
    (desk.root / "xquad-r").rename(desk.root / "data" / "xquad-r")
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
    assert cells["ok"]["status"] == cells["hashing"]["status"] == "ok"
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
    assert "same" not in cells
    for name in ("hashing", "first-make/same", "second-make/same"):
        assert cells[name]["status"] == "ok"


@pytest.mark.slow
def test_plugins_are_switched_off_by_name_or_altogether(desk: Desk) -> None:
    install(desk.root / "site", "more", encoders("one = m:make", "two = m:make"), m=GOOD)

    def listed(disabled: str) -> set[str]:
        done = desk.do("list", "encoders", "--json", MLIR_HARNESS_DISABLE_PLUGINS=disabled)
        names = {entry["name"] for entry in json.loads(done.out)}
        return names & {"one", "two", "hashing", "st:…"}

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
    assert done.code == 0
    assert done.err.startswith("passed over: of scrambled 1.0: its entry points cannot be read")
    assert done.err.count("\n") == 2
    assert "fine" in done.out
    assert desk.do("list", "tasks").err == ""
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


_SIZED = "from plugins_for_tests import sized\ndef make(): return sized({size!r}, revision='')\n"
_EVALUATIONS = """
import os
from pathlib import Path
from mlir_harness import evaluate
def show(name="py:mine:make"):
    where = {"languages": "de,en", "data_dir": "data", "cache_dir": "cache"}
    (cell,) = evaluate(name, "xquad-r", **where).cells
    print(cell.fingerprints.get("encoder") or f"{cell.reason}; {cell.hint}")
"""


def evaluations(desk: Desk, program: str) -> list[str]:
    """What a process that calls show() prints: the encoder's fingerprint, or why there is none."""
    process = desk.start(program=("-c", _EVALUATIONS + program))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.splitlines()


def test_code_edited_after_its_import_is_refused_not_mistaken_for_the_new(desk: Desk) -> None:
    (desk.root / "mine.py").write_text(_SIZED.format(size="5"))
    edit = f"Path('mine.py').write_text({_SIZED.format(size='6')!r})"
    first, again, refused = evaluations(desk, f"show()\nshow()\n{edit}\nshow()")
    assert first == again
    assert "mine.py was edited since it was imported; Restart Python, or the " in refused
    (restarted,) = evaluations(desk, "show()")
    assert restarted not in (first, refused)


def test_an_edit_behind_a_second_module_is_noticed_too(desk: Desk) -> None:
    (desk.root / "helper.py").write_text(_SIZED.format(size="5"))
    for name in ("mine", "other"):
        (desk.root / f"{name}.py").write_text("from helper import make\n")
    edit = f"Path('helper.py').write_text({_SIZED.format(size='6')!r})"
    _, refused = evaluations(desk, f"show()\n{edit}\nshow('py:other:make')")
    assert "helper.py was edited since it was imported" in refused


def test_a_module_that_failed_can_be_mended_and_tried_again(desk: Desk) -> None:
    (desk.root / "mine.py").write_text("1 / 0\n")
    edit = f"Path('mine.py').write_text({_SIZED.format(size='6')!r})"
    failed, mended = evaluations(desk, f"show()\n{edit}\nshow()")
    assert "ZeroDivisionError" in failed
    assert (mended,) == tuple(evaluations(desk, "show()"))


@pytest.mark.parametrize("file", ["", "__file__ = '<stdin>'\n"])
def test_code_without_a_file_is_never_taken_for_other_code(desk: Desk, file: str) -> None:
    program = file + _SIZED.format(size="5") + "show('py:__main__:make')\n"
    seen = evaluations(desk, program + program) + evaluations(desk, program)
    assert len(set(seen)) == 3
    assert not any(";" in fingerprint for fingerprint in seen)


@pytest.mark.parametrize(
    "line",
    [
        "from .helper import make",
        "from . import helper; make = helper.make",
        "from ..deep.helper import make",
        "from nest.deep.helper import make",
        "import nest.deep.helper as helper; make = helper.make",
    ],
)
def test_imports_within_folders_without_init_are_followed(desk: Desk, line: str) -> None:
    folder = desk.root / "nest" / "deep"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(line + "\n")
    (folder / "helper.py").write_text(_SIZED.format(size="5"))
    first = evaluations(desk, "show('py:nest.deep.mine:make')")
    (folder / "unrelated.py").write_text("")
    assert evaluations(desk, "show('py:nest.deep.mine:make')") == first
    (folder / "helper.py").write_text(_SIZED.format(size="5") + "# edited\n")
    edited = evaluations(desk, "show('py:nest.deep.mine:make')")
    assert edited != first
    assert ";" not in first[0] + edited[0]
