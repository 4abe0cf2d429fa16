"""The source code of plugins as part of their identity: edited code never gets old vectors."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import xxhash

from mlir_harness.registry import Plugin

_INSTALLED = {"site-packages", "dist-packages"}


def revision(plugin: Plugin, stated: str) -> str:
    """What identifies the code of a plugin that was imported.

    Args:
        plugin: which one.
        stated: its own word, "" for none. A module given as py: is edited between runs, and
            people forget to change a constant: its source counts whatever it says.
    """
    given = not plugin.distribution
    if stated and not given:
        return stated
    stated = stated or f"{plugin.distribution} {plugin.version}".strip()
    if given or _editable(plugin.distribution):
        return f"{stated} source {_source_hash(plugin)}".strip()
    return stated


def _editable(distribution: str) -> bool:
    try:
        text = importlib.metadata.distribution(distribution).read_text("direct_url.json")
        return bool(text and json.loads(text).get("dir_info", {}).get("editable"))
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        return False


def _source_hash(plugin: Plugin) -> str:
    module = sys.modules.get(plugin.value.partition(":")[0].strip())
    file = getattr(module, "__file__", None)
    if not file:
        return "unknown"
    state = xxhash.xxh3_128()
    for source in sorted(sources(Path(file))):
        state.update(f"{source.name}:{source.stat().st_size}:".encode("utf-8", "surrogateescape"))
        state.update(source.read_bytes())
    return state.hexdigest()


def sources(file: Path) -> set[Path]:
    """The file of a module, its package's, and those of the modules beside it that they import.

    What is installed is followed no further: its version is in the environment's record.
    """
    root = file.parent
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
        if package.is_dir():
            todo += package.rglob("*.py")
        if _INSTALLED.isdisjoint(root.parts):
            for name in _imported(source):
                beside = (root / f"{name}.py", root / name / "__init__.py")
                todo += [path for path in beside if path.is_file()]
    return found


def _imported(source: Path) -> Iterator[str]:
    """Top-level names of the modules that a file imports."""
    try:
        tree = ast.parse(source.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return  # compiled, say
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
