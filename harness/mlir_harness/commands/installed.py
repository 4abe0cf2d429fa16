"""Commands that other packages bring, listed without importing them."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import click

from mlir_harness import text

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Program(click.Group):
    """A group whose own commands are joined by those of the group `mlir_harness.commands`.

    One that cannot be imported says so when it is called; the others are not touched by it.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_installed()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        return own if own is not None else _installed().get(cmd_name)


class _Later(click.Command):
    """Stands for a command that is not imported yet."""

    def __init__(self, plugins: list[Any]) -> None:
        super().__init__(plugins[0].name, short_help=_summary(plugins[0].value))
        self._plugins = plugins

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        return self._load().make_context(info_name, args, *rest, **more)

    def _load(self) -> click.Command:
        from mlir_harness import registry
        from mlir_harness.errors import Unavailable, UsageError

        plugin, *others = self._plugins
        if others:
            raise UsageError(
                f"two or more distributions offer the command {text.plain(plugin.name)}: "
                f"{text.plain(', '.join(each.distribution for each in self._plugins))}",
                "Uninstall all but one, or switch them off with "
                "MLIR_HARNESS_DISABLE_PLUGINS=DISTRIBUTION/NAME.",
            )
        command = registry.factory(plugin)
        if not isinstance(command, click.Command):
            raise Unavailable(
                f"{text.plain(plugin.value)} is a {text.plain(type(command).__name__)}, "
                "not a command of click",
                f"Mend or uninstall {text.plain(plugin.distribution)}.",
            )
        return command


def _installed() -> dict[str, click.Command]:
    """What other packages offer, by name; the harness's own plugins come before any."""
    from mlir_harness import registry

    found: dict[str, list[registry.Plugin]] = {}
    for plugin in registry.plugins(registry.Kind.COMMAND):
        if not _NAME.fullmatch(plugin.name):
            continue  # nobody could type it, and help would show it raw
        found.setdefault(plugin.name, []).append(plugin)
    for name, plugins in found.items():
        own = [plugin for plugin in plugins if plugin.distribution == registry.OWN]
        found[name] = own or plugins
    return {name: _Later(plugins) for name, plugins in found.items()}


def _summary(value: str) -> str:
    """The first line of a command's documentation, read from the source of its module."""
    module, _, attribute = value.partition(":")
    file = _source(module.strip())
    try:
        tree = ast.parse(file.read_bytes()) if file else None
    except (OSError, SyntaxError, ValueError, RecursionError):
        tree = None
    if tree is None:
        return ""
    functions = (
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == attribute.strip()
    )
    documented = next(functions, tree)
    return text.plain((ast.get_docstring(documented) or "").partition("\n")[0])


def _source(module: str) -> Path | None:
    """The file of a module; packages above it are not imported either."""
    top, *rest = module.split(".")
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    if not rest:
        return Path(found.origin) if found.origin else None
    for folder in found.submodule_search_locations or ():
        path = Path(folder, *rest)
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None
