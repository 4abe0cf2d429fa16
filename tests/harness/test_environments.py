"""Environments of encoders: built once by the real uv, whole or not at all, and found again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from web_server import Page, serving
from wheels import write_wheel

from mlir_harness.errors import Unavailable
from mlir_harness.isolation import environments, installer
from mlir_harness.protocols import Environment
from mlir_harness.request import Silent

PYTHON = f"3.{sys.version_info.minor}"
WORDS = Environment(("words==1.0",), PYTHON)

BUILD = """
import sys
from pathlib import Path
from mlir_harness.isolation import environments
from mlir_harness.protocols import Environment
from mlir_harness.request import Silent

class Told(Silent):
    def note(self, message):
        print(message, flush=True)

print(environments.build(Environment(("words==1.0",), sys.argv[1]), Path(sys.argv[2]), Told()))
"""


class Notes(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, message: str) -> None:
        self.told.append(message)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only source of packages; numpy, which is always asked for, is a small one here."""
    folder = tmp_path / "wheels"
    write_wheel(folder, "words")
    write_wheel(folder, "numpy")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    settings(tmp_path / "config/uv/uv.toml", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return folder


def settings(file: Path, source: str) -> str:
    """A person's settings for uv that name `source` and no index."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'no-index = true\nfind-links = ["{source}"]\n')
    return str(file)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(environment: Environment, cache: Path) -> tuple[Path, list[str]]:
    notes = Notes()
    return environments.build(environment, cache, notes), notes.told


def process(cache: Path, **env: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, PYTHON, str(cache)],
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A session in the background ignores Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def kept(cache: Path) -> list[str]:
    """What lies where environments are kept, and in them; but for locks."""
    found = (cache / "environments").rglob("*")
    names = [path.name for path in found if len(path.relative_to(cache).parts) < 4]
    return sorted(name for name in names if not name.endswith(".lock"))


def test_an_environment_holds_what_was_asked_for_and_is_found_again(
    wheels: Path, cache: Path
) -> None:
    assert environments.find(WORDS, cache) is None
    python, told = build(WORDS, cache)
    asked = "import words, sys; print(words.version, sys.version_info[:2])"
    said = subprocess.check_output([python, "-c", asked], text=True)
    assert said.split() == ["1.0", *f"({sys.version_info[0]}, {sys.version_info[1]})".split()]
    assert any("words==1.0" in note and PYTHON in note for note in told)
    assert any("built in" in note for note in told)
    assert environments.find(WORDS, cache) == python


def test_what_is_built_needs_neither_uv_nor_packages_again(
    wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, _ = build(WORDS, cache)
    for wheel in wheels.iterdir():
        wheel.unlink()
    monkeypatch.setattr(installer, "find", lambda: pytest.fail("uv was looked for"))
    assert build(WORDS, cache) == (python, [])


def test_the_same_packages_are_one_environment_and_others_another(
    wheels: Path, cache: Path
) -> None:
    write_wheel(wheels, "words", "2.0")
    write_wheel(wheels, "more")
    both = Environment(("words==1.0", "more"), PYTHON)
    python, _ = build(both, cache)
    assert environments.find(Environment(("more", "words==1.0"), PYTHON), cache) == python
    assert environments.find(Environment(("more", "words==2.0"), PYTHON), cache) is None
    assert environments.find(Environment(("more", "words==1.0"), "3.99"), cache) is None


def test_the_record_says_what_was_installed(wheels: Path, cache: Path) -> None:
    python, _ = build(WORDS, cache)
    folder = python.parents[2]
    record = json.loads((folder / "finished.json").read_text())
    assert record["packages"] == ["numpy==1.0", "words==1.0"]
    assert record["bytes"] > 0
    assert '"words==1.0"' in (folder / "environment.py").read_text()


def test_settings_of_a_project_and_of_the_callers_python_do_not_reach_it(
    wheels: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    for project in (tmp_path, tmp_path / "project"):  # above the cache, and where we are
        (project / "uv.toml").write_text("this is no setting")
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "project"))
    monkeypatch.setenv("UV_SYSTEM_PYTHON", "1")
    monkeypatch.setenv("UV_PYTHON", "3.99")
    python, _ = build(WORDS, cache)
    assert python.is_relative_to(cache)


def test_what_cannot_be_built_leaves_nothing_and_can_be_mended(wheels: Path, cache: Path) -> None:
    more = Environment(("words==1.0", "more>=7"), PYTHON)
    with pytest.raises(Unavailable) as refused:
        build(more, cache)
    assert "cannot be built: " in refused.value.message
    assert "more>=7" in refused.value.message
    assert "\n" not in refused.value.message
    assert kept(cache) == []
    # Else who waits for it and who comes later would build in one folder at once.
    assert len(list((cache / "environments").glob("*.lock"))) == 1
    write_wheel(wheels, "more", "7.1")
    build(more, cache)
    assert environments.find(more, cache)
    assert not list((cache / "environments").glob("*.lock"))


def test_packages_that_exclude_each_other_are_named(wheels: Path, cache: Path) -> None:
    write_wheel(wheels, "old", requires=["words<1"])
    with pytest.raises(Unavailable, match=r"old depend on words<1 .* unsatisfiable"):
        build(Environment(("words==1.0", "old"), PYTHON), cache)


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("--index-url=http://localhost", "must be preceded by a package name"),
        ('words"\nother', "environment.py|parse error|words"),
        ("words @ file:///nowhere/words-1.0-py3-none-any.whl", "file:///nowhere"),
    ],
)
def test_a_requirement_that_is_none_is_refused(
    wheels: Path, cache: Path, requirement: str, said: str
) -> None:
    with pytest.raises(Unavailable, match=said) as refused:
        build(Environment((requirement,), PYTHON), cache)
    assert "^" not in refused.value.message
    assert kept(cache) == []


@pytest.mark.parametrize("requirement", ["", " \n"])
def test_an_empty_requirement_is_refused_at_once(
    wheels: Path, cache: Path, requirement: str
) -> None:
    with pytest.raises(Unavailable, match="among the requirements of") as refused:
        build(Environment(("words", requirement), PYTHON), cache)
    assert "package==1.0" in refused.value.hint
    assert not cache.exists()


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("3.10", "needs 3.11 or later"),
        ("2.7", "not the version of a Python"),
        ("pypy", "not the version of a Python"),
        ("3.11; rm", "not the version of a Python"),
    ],
)
def test_a_python_that_will_not_do_is_refused_at_once(
    wheels: Path, cache: Path, python: str, said: str
) -> None:
    with pytest.raises(Unavailable, match=said):
        build(Environment(("words",), python), cache)
    assert not cache.exists()


def test_a_python_that_is_nowhere_is_named(wheels: Path, cache: Path) -> None:
    with pytest.raises(Unavailable, match=r"No interpreter found for Python 3\.99") as refused:
        build(Environment(("words",), "3.99"), cache)
    assert "uv python install" in refused.value.hint


def test_two_processes_build_it_once(wheels: Path, cache: Path) -> None:
    both = [process(cache), process(cache)]
    said = [each.communicate(timeout=60)[0] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert sum("built in" in each for each in said) == 1
    assert said[0].splitlines()[-1] == said[1].splitlines()[-1]


@pytest.mark.parametrize("stopped", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_was_stopped_is_not_taken_for_a_finished_one(
    wheels: Path, cache: Path, stopped: signal.Signals
) -> None:
    words = (wheels / "words-1.0-py3-none-any.whl").read_bytes()
    numpy = (wheels / "numpy-1.0-py3-none-any.whl").read_bytes()
    link = '<a href="/{0}">{0}</a>'
    pages = {"/words-1.0-py3-none-any.whl": Page(words, silent=300)}
    pages["/numpy-1.0-py3-none-any.whl"] = Page(numpy)
    pages["/"] = Page("".join(link.format(path[1:]) for path in pages).encode())
    pages["/"].headers["Content-Type"] = "text/html"
    with serving(pages) as server:
        slow = settings(cache.parent / "slow/uv/uv.toml", server.url)
        configuration = str(Path(slow).parents[1])
        started = process(cache, XDG_CONFIG_HOME=configuration, NO_PROXY="127.0.0.1")
        deadline = time.monotonic() + 30
        while not any("words" in path for path, _ in server.asked):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        started.send_signal(stopped)
        started.communicate()
    assert environments.find(WORDS, cache) is None
    if stopped == signal.SIGINT:
        assert kept(cache) == []
    python, _ = build(WORDS, cache)
    assert environments.find(WORDS, cache) == python
    assert sum(name.startswith("venv-") for name in kept(cache)) == 1


def test_an_environment_whose_python_was_removed_is_built_again(wheels: Path, cache: Path) -> None:
    python, _ = build(WORDS, cache)
    python.unlink()
    python.symlink_to(cache / "gone")
    assert environments.find(WORDS, cache) is None
    again, told = build(WORDS, cache)
    assert again.exists()
    assert told


def test_a_record_that_is_damaged_or_leads_elsewhere_is_not_believed(
    wheels: Path, cache: Path
) -> None:
    python, _ = build(WORDS, cache)
    record = python.parents[2] / "finished.json"
    for held in ('{"venv": "../../../bin"}', '{"venv":', "[]", "{}"):
        record.write_text(held)
        assert environments.find(WORDS, cache) is None
    assert environments.find(WORDS, cache / "nowhere") is None


def test_a_silent_server_is_given_up(
    wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with serving({"/simple/words/": Page(silent=300), "/simple/numpy/": Page(silent=300)}) as mute:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{mute.url}/simple")
        start = time.monotonic()
        with pytest.raises(Unavailable, match="Failed to fetch") as refused:
            build(WORDS, cache)
    assert time.monotonic() - start < 20
    assert "UV_DEFAULT_INDEX" in refused.value.hint


def test_a_uv_that_installs_nothing_is_too_old(wheels: Path, tmp_path: Path) -> None:
    uv, venv = installer.find(), tmp_path / "empty"
    subprocess.run([uv, "venv", "-q", "--no-project", venv], check=True)
    with pytest.raises(Unavailable, match="too old"):
        installer.packages(uv, venv)


REASONS = {
    """\
  × No solution found when resolving dependencies:
  ╰─▶ Because only words<2 is available and you require words>=2, we can
      conclude that your requirements are unsatisfiable.

      hint: Pre-releases are available
""": "No solution found when resolving dependencies: Because only words<2 is available and you "
    "require words>=2, we can conclude that your requirements are unsatisfiable.",
    """\
warning: Failed to inspect Python interpreter at `python3.10`
  cause: Querying Python failed

         [stderr]
         pyenv: python3.10: command not found

Using Python 3.11.7 environment at: venv
error: Request failed after 3 retries in 8.6s
  cause: Failed to fetch: http://localhost:9/simple/numpy/
  cause: error sending request for url (http://localhost:9/simple/numpy/)
  cause: Connection refused (os error 111)
""": "Request failed after 3 retries in 8.6s: Failed to fetch: http://localhost:9/simple/numpy/: "
    "Connection refused (os error 111)",
    """\
error: Failed to build `old==1`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)

         [stdout]
         running build

         [stderr]
         Traceback (most recent call last):
         ModuleNotFoundError: No module named 'numpy'

         hint: This usually indicates a problem with the package.
""": "Failed to build `old==1`: The build backend returned an error: "
    "ModuleNotFoundError: No module named 'numpy'",
    "Resolved 3 packages\nthread 'main' panicked\n": "uv ended with status 2: "
    "thread 'main' panicked",
    "": "uv ended with status 2",
}


@pytest.mark.parametrize(("printed", "reason"), REASONS.items(), ids=range(len(REASONS)))
def test_a_reason_is_what_went_wrong_without_the_drawing(printed: str, reason: str) -> None:
    assert installer.explained(printed.splitlines(), 2, {})[0] == reason


def test_advice_fits_the_reason() -> None:
    refused = ["error: Failed to fetch: `https://pypi.org/simple/words/`"]
    assert "network" in installer.explained(refused, 2, {})[1]
    assert "unset" in installer.explained(refused, 2, {"UV_OFFLINE": "1"})[1]
    full = ["error: failed to write: No space left on device (os error 28)"]
    assert "Free some space" in installer.explained(full, 2, {})[1]
    assert installer.explained([], -9, {})[0] == "uv was ended by signal 9"
