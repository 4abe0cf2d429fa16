"""What differs between two cells, part by part, so that it can be named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlir_harness.regression.cells import Cell, Kept
from mlir_harness.text import plain

_PINNED = ("plugin", "revision", "similarity", "language_aware", "max_tokens")  # in fingerprints
_SHORT = 20  # characters of a value, where two differ in them


def incomparable(old: Cell, new: Cell, settings: Sequence[Kept], measure: str) -> list[str]:
    """Parts of data and protocol that a mean is made of and that are not what they were.

    Settings and measures that are gone are no difference: they are told as missing elsewhere.
    Of what both have, a part that only one side knows is one.

    Args:
        old, new: two cells.
        settings: whose mean is compared.
        measure: of what.
    """
    found = []
    held = {setting.id for setting in new.settings}
    for name in _data_parts([each for each in settings if each.id in held], measure):
        before, now = (cell.parts["data"].get(name) for cell in (old, new))
        if before != now:
            found.append(f"{name} {_differ(name)}")
    for name in _protocol_parts(old, new, settings, measure):
        before, now = (cell.parts["protocol"].get(name, "none") for cell in (old, new))
        if before == now:
            continue
        made = name.startswith("setting ")
        found.append(f"{name} differs" if made else f"{name} {_change(before, now)}")
    return [plain(each) for each in found]


def _differ(name: str) -> str:
    return "differ" if name.partition(" ")[0].endswith("s") or " labels " in name else "differs"


def _data_parts(settings: Sequence[Kept], measure: str) -> list[str]:
    """Names of the parts of data that a mean depends on."""
    parts: dict[str, None] = {}
    for setting in settings:
        asked = setting.query_language
        own = [f"queries {asked}", f"clusters {asked}"]
        own += [f"documents {language}" for language in setting.document_languages]
        own += [f"judgements {asked}→{language}" for language in setting.document_languages]
        if measure.startswith("kNN"):
            own += [f"query labels {asked}"]
            own += [f"document labels {language}" for language in setting.document_languages]
        parts |= dict.fromkeys(own)
    return list(parts)


def _protocol_parts(old: Cell, new: Cell, settings: Sequence[Kept], measure: str) -> Iterator[str]:
    """Names of the parts of either protocol that a mean depends on."""
    before, now = old.parts["protocol"], new.parts["protocol"]
    both = before.keys() & now.keys()
    ids = {setting.id for setting in settings}
    for name in {**before, **now}:
        what, _, of = name.partition(" ")
        if what in ("setting", "measure"):
            if name in both and (of in ids if what == "setting" else of == measure):
                yield name
        elif name != "gain" or measure.startswith("nDCG"):
            yield name


def encoder_changes(old: Cell, new: Cell) -> list[str]:
    """How the encoder is not what it was: "revision a1b2→c3d4", "option prompt 'Query: '→''"."""
    found = [
        f"{name} {_change(before, now)}"
        for name in _PINNED
        if (before := old.info.get(name)) != (now := new.info.get(name))
    ]
    before, now = (_options(cell) for cell in (old, new))
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            found.append(f"option {name} {_option(before, name)}→{_option(now, name)}")
    if not found and old.fingerprints.get("encoder") != new.fingerprints.get("encoder"):
        found = ["its fingerprint differs"]
    if old.exact != new.exact:
        found.append(f"exact {_change(old.exact, new.exact)}")
    return [plain(each, 300) for each in found]


def same_encoder(old: Cell, new: Cell) -> bool:
    """Whether the encoder is what it was, but for the precision it computes in."""
    before, now = ({**_options(cell), "precision": ""} for cell in (old, new))
    same = all(old.info.get(name) == new.info.get(name) for name in _PINNED)
    return same and before == now


def pinned(old: Cell, new: Cell) -> bool:
    """Whether vectors are made by the very same encoder."""
    return old.fingerprints.get("encoder") == new.fingerprints.get("encoder")


def _options(cell: Cell) -> Mapping[str, Any]:
    options = cell.info.get("options")
    return options if isinstance(options, Mapping) else {}


def _option(options: Mapping[str, Any], name: str) -> str:
    return repr(plain(str(options[name]), 60)) if name in options else "none"


def _change(before: object, now: object) -> str:
    """What was and what is; the ends of long ones, where they begin alike."""
    one, other = str(before), str(now)
    if one[:_SHORT] != other[:_SHORT]:
        one, other = _cut(one), _cut(other)
    return f"{plain(one, 60)}→{plain(other, 60)}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT + 4 else f"{text[:_SHORT]}…"
