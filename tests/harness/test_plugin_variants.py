"""A third-party package, installed whole and in variants that are wrong in one way each."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import Desk

_PACKAGE = Path(__file__).resolve().parents[1] / "plugin_package"

# Distribution -> its encoders. MODULE stands for the package's module: each has one of its own.
VARIANTS = {
    "acme-good": 'vowels = "MODULE.encoders:vowels"',
    "acme-unborn": 'unborn = "MODULE.unborn:create"',
    "acme-greeting": 'greeting = "MODULE.faulty:greeting"',
    "acme-double": 'hashing = "MODULE.encoders:vowels"',
    "acme-slash": '"acme/vowels" = "MODULE.encoders:vowels"',
    "acme-newline": 'two_lines = "MODULE.encoders:vowels"',
    "acme-gone": 'gone = "MODULE.encoders:consonants"',
    "acme-unsorted": 'unsorted = "MODULE.faulty:unsorted"',
    "acme-crashing": 'crashing = "MODULE.faulty:crashing"',
    "acme-sleeping": 'sleeping = "MODULE.faulty:sleeping"',
    "acme-meddling": 'meddling = "MODULE.faulty:meddling"',
}


def _write(folder: Path, name: str) -> Path:
    """The source of a variant: everything but its name and its entry points is the package's."""
    source = shutil.copytree(_PACKAGE, folder / name)
    module = name.replace("-", "_")
    (source / "acme_retrieval").rename(source / module)
    for file in (source / module).glob("*.py"):
        file.write_text(file.read_text().replace("acme_retrieval", module))
    configuration = (source / "pyproject.toml").read_text()
    head, _, rest = configuration.partition("[project.entry-points")
    tail = rest[rest.index("[tool.setuptools]") :]
    points = f'[project.entry-points."mlir_harness.encoders"]\n{VARIANTS[name]}\n\n'
    text = (head + points + tail).replace("MODULE", module).replace("acme_retrieval", module)
    (source / "pyproject.toml").write_text(text.replace("acme-retrieval", name))
    return source


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, installed by pip."""
    folder = tmp_path_factory.mktemp("variants")
    sources = [str(_write(folder, name)) for name in VARIANTS]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    target = ["--no-build-isolation", "--target", str(folder / "site")]
    subprocess.run([*command, *target, *sources], check=True)
    # pip refuses such a name; other installers write what they are given.
    (points,) = (folder / "site").glob("acme_newline-*/entry_points.txt")
    points.write_text(points.read_text().replace("two_lines", "two\nlines"))
    return folder / "site"


@pytest.fixture
def desk(site: Path, tmp_path: Path) -> Desk:
    return Desk.at(tmp_path, ("de", "en"), PYTHONPATH=str(site))


@pytest.mark.slow
def test_list_shows_what_can_be_named_and_says_what_cannot(desk: Desk) -> None:
    done = desk.do("list", "encoders")
    assert done.code == 0
    for name in ("vowels", "unborn", "greeting", "gone"):
        assert f"\n{name} " in done.out
    twice = [line.split()[1] for line in done.out.splitlines() if line.startswith("hashing ")]
    assert twice == ["acme-double", "mlir-harness"]
    assert "passed over: 'acme/vowels' of acme-slash 2.3: a name holds letters" in done.err
    assert "passed over: of acme-newline 2.3: its entry points cannot be read" in done.err
    assert "Reinstall or uninstall acme-newline." in done.err
    assert "acme/vowels" not in done.out


@pytest.mark.slow
def test_run_goes_on_with_those_that_work(desk: Desk) -> None:
    names = ("vowels", "unborn", "greeting", "gone", "acme-double/hashing", "mlir-harness/hashing")
    done = desk.run(*names, more=["--format", "json"])
    assert done.code == 3
    assert "Traceback" not in done.err
    cells = done.cells()
    working = {name for name, cell in cells.items() if cell["status"] == "ok"}
    assert working == {"vowels", "acme-double/hashing", "mlir-harness/hashing"}
    reasons = {name: cell["reason"] for name, cell in cells.items() if cell["reason"]}
    assert "No module named 'acme_engine'" in reasons["unborn"]
    assert "made a str, not an encoder" in reasons["greeting"]
    assert "has no attribute 'consonants'" in reasons["gone"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hashing", "Write one of: acme-double/hashing, mlir-harness/hashing."),
        ("acme/vowels", "the encoder 'acme/vowels' of acme-slash 2.3 cannot be used: a name holds"),
        ("two_lines", "no encoder is called 'two_lines'"),
    ],
)
def test_run_says_why_a_name_cannot_be_used(desk: Desk, name: str, said: str) -> None:
    done = desk.run(name)
    assert done.code == 2
    assert said in done.err


@pytest.mark.slow
def test_doctor_examines_each_alone_and_says_what_is_wrong(desk: Desk) -> None:
    done = desk.do("doctor", "all", "--json", "--timeout", "20", "--cache-dir", "cache")
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err + done.out
    report = done.json()
    found = {each["name"]: each for each in report["plugins"] if each["kind"] == "encoder"}
    states = {name: each["state"] for name, each in found.items()}
    assert (
        states.items()
        >= {
            "vowels": "ready",
            "acme-double/hashing": "ready",
            "mlir-harness/hashing": "ready",
            "unsorted": "fails checks",
            "meddling": "fails checks",
            "unborn": "broken",
            "greeting": "broken",
            "gone": "broken",
            "crashing": "broken",
            "sleeping": "broken",
            "st:…": "scheme",
        }.items()
    )
    failed = {
        name: {check["name"] for check in each["checks"] if check["result"] == "failed"}
        for name, each in found.items()
    }
    assert failed["vowels"] == failed["mlir-harness/hashing"] == set()
    assert "order" in failed["unsorted"]
    assert failed["meddling"] == {"state"}
    assert "No module named 'acme_engine'" in found["unborn"]["message"]
    assert "made a str, not an encoder" in found["greeting"]["message"]
    assert "has no attribute 'consonants'" in found["gone"]["message"]
    assert "ended by SIGABRT while the check `vectors`" in found["crashing"]["message"]
    assert found["sleeping"]["message"] == (
        "nothing happened for 20 seconds while the check `empty-text` was carried out"
    )
    passed_over = {each["from"] for each in report["passed_over"]}
    assert passed_over == {"acme-slash 2.3", "acme-newline 2.3"}
    assert "check failed: unsorted, order" in done.err
    assert "Texts that were sorted by length must be put back" in done.err


@pytest.mark.slow
def test_doctor_is_content_with_what_is_sound(desk: Desk) -> None:
    done = desk.do("doctor", "vowels", "xquad-r", COLUMNS="100")
    assert done.code == 0, done.err
    assert "note: vowels, vectors: returns an array of float64, converted to float32" in done.err
    assert " ".join(done.out.split()).count("ready") == 2
