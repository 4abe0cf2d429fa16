"""A new plugin package: written from templates, whole or not at all."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import resources
from pathlib import Path
from string import Template

from mlir_harness import files, registry
from mlir_harness.errors import UsageError
from mlir_harness.registry import Kind
from mlir_harness.text import plain

_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9_-]{0,48}[A-Za-z0-9])?")
_RESERVED = {"all", "py"}
_HINT = "Name a folder you may write to with --directory."

# Template -> where it goes; a part in angle brackets is the name of the package's module.
_BOTH = {"both/pyproject.toml.txt": "pyproject.toml", "both/gitignore.txt": ".gitignore"}
_FILES = {
    Kind.ENCODER: {
        "encoder/README.md.txt": "README.md",
        "encoder/__init__.py.txt": "src/<module>/__init__.py",
        "encoder/encoder.py.txt": "src/<module>/encoder.py",
        "encoder/test_conformance.py.txt": "tests/test_conformance.py",
    },
    Kind.TASK: {
        "task/README.md.txt": "README.md",
        "task/__init__.py.txt": "src/<module>/__init__.py",
        "task/task.py.txt": "src/<module>/task.py",
        "task/sentences.tsv.txt": "src/<module>/sentences.tsv",
        "task/test_conformance.py.txt": "tests/test_conformance.py",
    },
}


def check_name(kind: Kind, name: str) -> None:
    """See that a package, a module and a plugin can have this name.

    Raises:
        UsageError: they cannot.
    """
    shown = plain(name, 60)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a plugin cannot be called {shown!r}",
            "Begin with a letter, go on with letters, digits, - and _ (at most 50), and end with "
            "a letter or digit: my-encoder.",
        )
    module = _module(name)
    other = f"Choose another name, such as {name}-{kind.value}."
    if keyword.iskeyword(module) or keyword.iskeyword(name.capitalize()):
        raise UsageError(f"{shown!r} is a word of the Python language", other)
    if name in _RESERVED:
        raise UsageError(f"{shown!r} means something else on the command line", other)
    for plugin in registry.plugins(kind):
        if plugin.name.lower() == name.lower():
            source = plain(f"{plugin.distribution} {plugin.version}")
            raise UsageError(f"{source} has {_a(kind)} called {shown!r} already", other)
    if module in sys.stdlib_module_names or _importable(module):
        raise UsageError(f"there is a Python module called {module!r} already", other)


def write(kind: Kind, name: str, directory: Path) -> Path:
    """Write the package into a folder of its name.

    Args:
        kind: what it has.
        name: of the package and the plugin; checked here.
        directory: where the folder comes.

    Returns:
        The folder.

    Raises:
        UsageError: the name cannot be used, or there is such a folder.
        StoreError: it cannot be written.
    """
    check_name(kind, name)
    target = directory / name
    if target.exists() or target.is_symlink():
        raise UsageError(
            f"there is {plain(str(target), 300)} already; nothing was changed",
            "Choose another name, or another folder with --directory.",
        )
    with files.writing("the package", target, _HINT):
        with suppress(FileExistsError):
            directory.mkdir(parents=True)
        # A name of its own each time: what a killed process left is in nobody's way.
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=directory) as private:
            unfinished = Path(private, name)
            for place, text in _contents(kind, name):
                file = unfinished / place
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, "utf-8", newline="\n")
            unfinished.rename(target)
    return target


def _contents(kind: Kind, name: str) -> Iterator[tuple[str, str]]:
    """The files of a package: place below its folder, and text."""
    module = _module(name)
    words = {
        "name": name,
        "module": module,
        "class_name": f"{''.join(map(str.title, re.split('[-_]', name)))}{kind.value.title()}",
        "kind": kind.value,
        "article": _a(kind).partition(" ")[0].title(),
    }
    folder = resources.files("mlir_harness") / "templates"
    for template, place in {**_BOTH, **_FILES[kind]}.items():
        text = folder.joinpath(*template.split("/")).read_text("utf-8")
        yield place.replace("<module>", module), Template(text).substitute(words)
    yield f"src/{module}/py.typed", ""


def _module(name: str) -> str:
    return name.replace("-", "_").lower()


def _importable(module: str) -> bool:
    """Whether a module is installed; a folder of that name that happens to be here is none."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return True  # it is there, and odd
    return spec is not None and spec.origin is not None


def _a(kind: Kind) -> str:
    return "an encoder" if kind is Kind.ENCODER else "a task"
