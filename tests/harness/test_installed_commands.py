"""Commands of other packages: listed by their source, imported when called, never in the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from command import Desk

MODULE = '''"""Says hello."""
raise_on_import = {broken}
import click, sys
print("acme is imported", file=sys.stderr)

@click.command()
@click.argument("name")
def hello(name):
    """Say hello to somebody.

    And more.
    """
    click.echo(f"hello {{name}}")

@click.group()
def many():
    """Several commands."""

@many.command()
def one():
    """The first."""
    click.echo("one")

number = 3
'''


def install(
    root: Path, commands: Mapping[str, str], name: str = "acme", *, broken: bool = False
) -> None:
    """A distribution on the path, as pip leaves it."""
    package = root / name
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(f"import sys; print('{name} top', file=sys.stderr)\n")
    body = MODULE.format(broken="1 / 0" if broken else "0")
    (package / "cli.py").write_text(body)
    info = root / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "".join(f"{key} = {value}\n" for key, value in commands.items())
    (info / "entry_points.txt").write_text(f"[mlir_harness.commands]\n{points}")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, {"PYTHONPATH": str(tmp_path / "site")})


def test_help_shows_a_command_without_importing_its_module(desk: Desk) -> None:
    install(desk.root / "site", {"hello": "acme.cli:hello", "number": "acme.cli:number"})
    done = desk.do("--help")
    assert done.code == 0
    assert re.search("hello +Say hello to somebody[.]", done.out)
    assert re.search("number +Says hello[.]", done.out)  # of its module
    assert "acme" not in done.err


def test_a_command_and_a_group_of_commands_run(desk: Desk) -> None:
    install(desk.root / "site", {"hello": "acme.cli:hello", "many": "acme.cli:many"})
    assert desk.do("hello", "Ada").out == "hello Ada\n"
    assert "Say hello to somebody." in desk.do("hello", "--help").out
    assert desk.do("many", "one").out == "one\n"
    done = desk.do("hello")
    assert done.code == 2
    assert "Missing argument 'NAME'" in done.err


def test_a_broken_command_harms_itself_alone(desk: Desk) -> None:
    install(
        desk.root / "site",
        {"hello": "acme.cli:hello", "gone": "nowhere.cli:run", "number": "acme.cli:number"},
        broken=True,
    )
    done = desk.do("--help")
    assert done.code == 0
    assert "hello" in done.out
    assert "gone" in done.out
    for command, said in (
        ("hello", "command hello (acme 1.0) cannot be loaded: ZeroDivisionError"),
        ("gone", "ModuleNotFoundError"),
    ):
        done = desk.do(command, "x")
        assert done.code == 3
        assert said in done.err
        assert "MLIR_HARNESS_DISABLE_PLUGINS" in done.err
        assert "Traceback" not in done.err
    assert "ZeroDivisionError" in desk.do("hello", "x", "--debug").err
    assert "Traceback" in desk.do("hello", "x", "--debug").err
    assert desk.do("list", "tasks").code == 0


def test_what_is_no_command_is_said_to_be_none(desk: Desk) -> None:
    install(desk.root / "site", {"number": "acme.cli:number"})
    done = desk.do("number")
    assert done.code == 3
    assert "acme.cli:number is not callable" in " ".join(done.err.split()) or "is a int" in done.err


def test_names_that_are_taken(desk: Desk) -> None:
    names = {"run": "acme.cli:hello", "convert": "acme.cli:hello", "twice": "acme.cli:hello"}
    install(desk.root / "site", names)
    install(desk.root / "site", {"twice": "other.cli:hello"}, "other")
    assert "Evaluate encoders" in desk.do("run", "--help").out
    assert "from pickles" in desk.do("convert", "--help").out
    done = desk.do("twice", "x")
    assert done.code == 2
    assert "two or more distributions offer the command twice: acme, other" in done.err
    assert desk.do("twice", "x", MLIR_HARNESS_DISABLE_PLUGINS="other/twice").out == "hello x\n"
    done = desk.do("twice", "x", MLIR_HARNESS_DISABLE_PLUGINS="third-party")
    assert "No such command 'twice'" in done.err


def test_a_name_that_nobody_could_type_is_passed_over(desk: Desk) -> None:
    install(desk.root / "site", {"\x1b[31mred": "acme.cli:hello", "-x": "acme.cli:hello"})
    done = desk.do("--help")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "Say hello" not in done.out
