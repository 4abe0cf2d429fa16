"""Decoupled logical forms of task-oriented utterances (TOPv2, MTOP): parsing and templates.

`[IN:SEND_MESSAGE [SL:RECIPIENT [IN:GET_CONTACT [SL:TYPE_RELATION sister ] ] ] ]`: tokens stand
apart by white space; intents hold slots, slots hold words or intents. Aghajanyan et al. 2020,
"Conversational Semantic Parsing", arXiv:2009.13655.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_OPENING = ("[IN:", "[SL:")
_DEEPEST = 50  # far beyond any annotation; walks over a form are recursive


class FormError(ValueError):
    """A form that cannot be read; `column` counts its characters from 0."""

    def __init__(self, problem: str, column: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.column = column


@dataclass(frozen=True, slots=True)
class Form:
    """An intent or a slot, without its words.

    Attributes:
        label: "IN:…" or "SL:…".
        children: in the order of the text.
    """

    label: str
    children: tuple[Form, ...] = ()

    def labels(self) -> Iterator[str]:
        """Its label and those below it, each as often as it stands there."""
        yield self.label
        for child in self.children:
            yield from child.labels()

    def template(self) -> str:
        """The tree of labels with children sorted, since word order differs between languages."""
        if not self.children:
            return self.label
        below = sorted(child.template() for child in self.children)
        return f"{self.label}({','.join(below)})"


def parse(text: str) -> Form:
    """The tree of one form.

    Raises:
        FormError: brackets do not match, an intent or slot stands where it cannot, or is more
            than 50 deep.
    """
    open_forms: list[tuple[str, int, list[Form]]] = []  # label, column, children so far
    whole: Form | None = None
    for token, column in _tokens(text):
        if whole is not None:
            raise FormError(f"{token!r} after the end of the form", column)
        if token.startswith(_OPENING):
            _check_opening(token, column, open_forms[-1][0] if open_forms else "")
            if len(open_forms) == _DEEPEST:
                raise FormError(f"{token!r} is nested deeper than {_DEEPEST}", column)
            open_forms.append((token[1:], column, []))
        elif token == "]":  # noqa: S105  no password
            if not open_forms:
                raise FormError("unbalanced brackets: ']' closes nothing", column)
            label, _, children = open_forms.pop()
            form = Form(label, tuple(children))
            if open_forms:
                open_forms[-1][2].append(form)
            else:
                whole = form
        elif "[" in token or "]" in token:
            raise FormError(f"{token!r} is neither a word nor a bracket of its own", column)
        elif not open_forms:
            raise FormError(f"{token!r} stands outside the form", column)
    if open_forms:
        label, column, _ = open_forms[-1]
        raise FormError(f"unbalanced brackets: '[{label}' is not closed", column)
    if whole is None:
        raise FormError("is empty", 0)
    return whole


def _check_opening(token: str, column: int, around: str) -> None:
    if "[" in token[1:] or "]" in token or len(token) == len(_OPENING[0]):
        raise FormError(f"{token!r} is no label", column)
    if not around and not token.startswith("[IN:"):
        raise FormError(f"{token!r}: a form begins with an intent", column)
    if around and around[:3] == token[1:4]:
        kind = "an intent" if around.startswith("IN:") else "a slot"
        raise FormError(f"{token!r} stands in {around}: {kind} cannot hold another", column)


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Tokens with the columns they start in."""
    column = 0
    for token in text.split():
        column = text.index(token, column)
        yield token, column
        column += len(token)
