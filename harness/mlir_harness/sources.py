"""The source code of plugins as part of their identity: edited code never gets old vectors."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import sys
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlir_harness.errors import Unavailable
from mlir_harness.text import plain

if TYPE_CHECKING:
    from mlir_harness.registry import Plugin

_INSTALLED = {"site-packages", "dist-packages"}

# What this process runs, whatever the files say by now: the hash of every module that was
# loaded, with the files it was made from, and the content of every such file.
_loaded: dict[str, tuple[str, set[Path]]] = {}
_contents: dict[Path, bytes] = {}


def revision(plugin: Plugin, stated: str, source: str | None = None) -> str:
    """What identifies the code of a plugin that was imported.

    Args:
        plugin: which one.
        stated: its own word, "" for none. A module given as py: is edited between runs, and
            people forget to change a constant: its source counts whatever it says.
        source: see `loaded`, of the process that imported it; None for this one.
    """
    if stated and plugin.distribution:
        return stated
    stated = stated or f"{plugin.distribution} {plugin.version}".strip()
    if not _changes(plugin):
        return stated
    source = loaded(plugin) if source is None else source
    # It cannot be known whether a notebook's cells changed: nothing old is ever served.
    return f"{stated} source {source or f'unknown {uuid.uuid4()}'}".strip()


def loaded(plugin: Plugin) -> str:
    """The hash of the source of a plugin that was imported.

    "" where it cannot be read, or is installed for good and its version says it all.
    """
    return _loaded[_module(plugin)][0] if _changes(plugin) else ""


def remember(plugin: Plugin) -> None:
    """Note the source of a plugin right after its import: that is the code which will run.

    Raises:
        Unavailable: the source is no longer what was imported.
    """
    if not _changes(plugin):
        return
    name = _module(plugin)
    contents = _read(name)
    files = _loaded[name][1] if name in _loaded else set(contents)
    edited = sorted(files ^ set(contents)) + [
        file for file, content in contents.items() if _contents.get(file, content) != content
    ]
    if edited:
        raise Unavailable(
            f"{plain(str(edited[0]))} was edited since it was imported",
            "Restart Python, or the notebook's kernel, to use the new code.",
        )
    _contents.update(contents)
    _loaded[name] = _hash(contents), files


def _changes(plugin: Plugin) -> bool:
    return not plugin.distribution or _editable(plugin.distribution)


def _module(plugin: Plugin) -> str:
    return plugin.value.partition(":")[0].strip()


def _editable(distribution: str) -> bool:
    try:
        text = importlib.metadata.distribution(distribution).read_text("direct_url.json")
        return bool(text and json.loads(text).get("dir_info", {}).get("editable"))
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return False


def _read(name: str) -> dict[Path, bytes]:
    """The digests of the sources of an imported module; empty if they cannot be read."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if not file:
        return {}
    # __main__ has another name if it was started with -m.
    name = getattr(getattr(module, "__spec__", None), "name", name)
    try:
        return {
            source: hashlib.blake2b(source.read_bytes(), digest_size=16).digest()
            for source in sorted(sources(Path(file), name))
        }
    except OSError:
        return {}  # "<stdin>", say, or inside a zip file


def _hash(contents: dict[Path, bytes]) -> str:
    if not contents:
        return ""
    state = hashlib.blake2b(digest_size=16)
    for source, content in contents.items():
        state.update(f"{source.name}:".encode("utf-8", "surrogateescape"))
        state.update(content)
    return state.hexdigest()


def sources(file: Path, name: str) -> set[Path]:
    """The file of a module, its package's, and those of the modules beside it that they import.

    What is installed is followed no further: its version is in the environment's record.

    Args:
        file: of the module.
        name: of the module, with dots: how far above the file imports begin.
    """
    levels = name.count(".") + (file.name == "__init__.py")
    root = file.parents[min(levels, len(file.parents) - 1)]
    while (root / "__init__.py").exists():
        root = root.parent
    found: set[Path] = set()
    todo = [file]
    while todo:
        source = todo.pop()
        if source in found:
            continue
        found.add(source)
        package = root / source.relative_to(root).parts[0]
        if (package / "__init__.py").is_file():
            todo += (path for path in package.rglob("*.py") if path.is_file())
        if _INSTALLED.isdisjoint(root.parts):
            todo += _imported(source, root)
    return found


def _imported(source: Path, root: Path) -> Iterator[Path]:
    """Files below `root` that a file imports."""
    for level, name in _imports(source.read_bytes()):
        folder = Path(*source.parts[:-level]) if level else root
        if folder.is_relative_to(root):
            yield from _files(folder, name)


@lru_cache(maxsize=1024)  # plugins of one package follow the same files, one after another
def _imports(content: bytes) -> frozenset[tuple[int, str]]:
    """What a source imports: how many folders up to look (0: from the root), and dotted names."""
    found: set[tuple[int, str]] = set()
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()  # compiled, say
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # Each name may be a module.
            names = (f"{node.module or ''}.{alias.name}".strip(".") for alias in node.names)
            found |= {(node.level, name) for name in names}
    return frozenset(found)


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Files that an import of the dotted `name` reads, looked for in `folder`."""
    for part in name.split("."):
        for path in (folder / f"{part}.py", folder / part / "__init__.py"):
            if path.is_file():
                yield path
        folder /= part
