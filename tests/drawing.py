"""What people see: renderables as text, at the width of a terminal."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType


def drawn(what: RenderableType, width: int = 100) -> str:
    """Without colours, and without spaces at the ends of lines."""
    text = io.StringIO()
    Console(file=text, width=width, markup=False, emoji=False, highlight=False).print(what)
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def styled(what: RenderableType) -> str:
    """With the codes of colours and styles."""
    text = io.StringIO()
    Console(file=text, width=100, force_terminal=True, color_system="standard").print(what)
    return text.getvalue()
