"""new writes a package that works as it is, or nothing."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from command import Desk, Done

from mlir_harness import scaffold
from mlir_harness.registry import EVALUATED, Kind

_REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, {"HF_HUB_OFFLINE": "1"})


def assert_refused(done: Done, *said: str) -> None:
    assert done.code == 2
    assert done.out == ""
    told = " ".join(done.err.split())
    for part in said:
        assert part in told
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../demo", "a plugin cannot be called '../demo'"),
        ("/demo", "cannot be called"),
        ("a/b", "cannot be called"),
        ("two\nlines", "cannot be called 'two lines'"),
        ("de\x1b[31mmo", "cannot be called"),
        (".demo", "cannot be called"),
        ("3demo", "cannot be called"),
        ("demo-", "cannot be called"),
        ("démo", "cannot be called"),
        ("", "cannot be called"),
        ("d" * 51, "cannot be called"),
        ("class", "'class' is a word of the Python language"),
        ("none", "'none' is a word of the Python language"),
        ("all", "'all' means something else on the command line"),
        ("hashing", "has an encoder called 'hashing' already"),
        ("Hashing", "has an encoder called 'Hashing' already"),
        ("st", "has an encoder called 'st' already"),
        ("json", "there is a Python module called 'json' already"),
        ("mlir-harness", "there is a Python module called 'mlir_harness' already"),
        ("numpy", "there is a Python module called 'numpy' already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_what_can(name: str, said: str) -> None:
    with pytest.raises(scaffold.UsageError, match=re.escape(said)) as raised:
        scaffold.check_name(Kind.ENCODER, name)
    assert raised.value.hint


def test_a_refused_name_leaves_nothing(desk: Desk) -> None:
    assert_refused(desk.do("new", "encoder", "../demo"), "letters, digits, - and _", "my-encoder")
    assert_refused(desk.do("new", "task", "xquad-r"), "already", "xquad-r-task")
    assert list(desk.root.iterdir()) == []
    assert desk.do("new", "thing", "demo").code == 2
    assert desk.do("new", "encoder", "--", "-demo").code == 2


def test_what_is_there_is_never_overwritten(desk: Desk) -> None:
    (desk.root / "demo").mkdir()
    (desk.root / "demo" / "mine").write_text("kept")
    (desk.root / "link").symlink_to(desk.root / "nowhere")
    (desk.root / "file").write_text("kept")
    for name in ("demo", "link", "file"):
        done = desk.do("new", "encoder", name)
        assert_refused(done, f"there is {name} already; nothing was changed", "--directory")
    assert (desk.root / "demo" / "mine").read_text() == "kept"
    assert {path.name for path in desk.root.rglob("*")} == {"demo", "mine", "link", "file"}


def test_a_failure_on_the_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    write = Path.write_text

    def fail_later(path: Path, *given: str, **named: str) -> int:
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        return write(path, *given, **named)

    monkeypatch.setattr(Path, "write_text", fail_later)
    with pytest.raises(scaffold.files.StoreError, match="No space left on device") as raised:
        scaffold.write(Kind.TASK, "demo", tmp_path)
    assert "--directory" in raised.value.hint
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / ".tmp-demo" / "src").mkdir(parents=True)
    folder = scaffold.write(Kind.ENCODER, "demo", tmp_path / "new" / "place")
    assert folder.stat().st_mode == folder.parent.stat().st_mode
    assert scaffold.write(Kind.ENCODER, "demo", tmp_path) == tmp_path / "demo"
    assert {path.name for path in tmp_path.iterdir()} == {"demo", "new", ".tmp-demo"}


def test_a_folder_that_cannot_be_written_to(desk: Desk) -> None:
    (desk.root / "file").write_text("")
    done = desk.do("new", "encoder", "demo", "--directory", "file")
    assert done.code == 3
    assert "cannot write the package to file/demo: Not a directory" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVALUATED)
@pytest.mark.parametrize("name", ["x", "My-own_2", "long-" * 9 + "name"])
def test_the_package_keeps_style_and_types(kind: Kind, name: str, tmp_path: Path) -> None:
    folder = scaffold.write(kind, name, tmp_path)
    module = name.replace("-", "_").lower()
    assert (folder / "src" / module / "py.typed").is_file()
    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy", "--follow-imports=silent", "src", "tests"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "MYPYPATH": f"{_REPOSITORY / 'harness'}:{folder / 'src'}"},
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _environment(folder: Path) -> dict[str, str]:
    """A new virtual environment that sees what is installed here, and variables to work in it."""
    venv.create(folder, symlinks=True)  # pip and setuptools are those that are installed here
    inner = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    outer = sysconfig.get_path("purelib")
    (inner / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    for name, module in (("mlir-harness", "mlir_harness.cli"), ("pip", "pip._internal.cli.main")):
        script = folder / "bin" / name
        script.write_text(
            f"#!{folder}/bin/python\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)
    return {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        # Nothing is fetched: what setuptools needs to build with is installed already.
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_NO_DEPS": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVALUATED)
def test_the_commands_that_are_printed_work_as_printed(desk: Desk, kind: Kind) -> None:
    done = desk.do("new", kind.value, "demo")
    assert done.code == 0, done.err
    commands = [line.strip() for line in done.out.splitlines() if line.startswith("  ")]
    assert commands[:2] == ["pip install ./demo", "mlir-harness doctor demo"]
    assert commands[3] == "python -m pytest ./demo"
    ran = (
        "--encoders demo --tasks xquad-r"
        if kind is Kind.ENCODER
        else "--encoders hashing --tasks demo"
    )
    assert commands[2] == f"mlir-harness run {ran} --data sample"
    environment = desk.environment(**_environment(desk.root / "venv"))
    printed = []
    for command in commands:
        line = subprocess.run(
            shlex.split(command),
            cwd=desk.root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert line.returncode == 0, line.stdout + line.stderr
        printed.append(line.stdout)
    assert re.search(r"demo +demo 0.1.0 +ready +(\d+) of \1 ", printed[1])
    assert "demo · test · SAMPLE" in printed[2] or "\ndemo " in printed[2]
    assert re.search(r"[0-9]+ passed, [0-9]+ skipped", printed[3])
    again = subprocess.run(
        [str(desk.root / "venv" / "bin" / "mlir-harness"), "new", kind.value, "demo"],
        cwd=desk.root / "venv",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 2
    assert (
        f"demo 0.1.0 has {'an encoder' if kind is Kind.ENCODER else 'a task'} called 'demo'"
        in again.stderr
    )
