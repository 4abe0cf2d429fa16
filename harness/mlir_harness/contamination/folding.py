"""Texts without what does not matter when they are compared: form, case, space, punctuation.

A folded text is casefold(NFKC(text)) without its characters of the categories Z, P, Cc and Cf.
Almost all of a text is folded by a table; the texts where code points act on each other (marks
that compose, or stand in another order than the canonical one) go to `unicodedata`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mlir_harness.types import BoolArray, IntArray

CodeArray = NDArray[np.uint32]

_TABLE = 0x20000  # code points that the table knows; the few beyond it are folded one by one
_DROPPED, _SPECIAL = 0, 1  # U+0000 and U+0001 are control characters: free as signs
_CHARACTERS, _TEXTS = 1 << 17, 1 << 13  # of a batch: what its arrays take fits a cache
_HANGUL = (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3))  # letters


@dataclass(frozen=True, slots=True)
class Folded:
    """Texts of a batch, folded, end to end.

    Attributes:
        rows: (n,) int64 number of each text in the batch; those that took another way come last.
        starts: (n + 1,) int64 where each begins in `codes`, and the end.
        codes: code points of them all.
    """

    rows: IntArray
    starts: IntArray
    codes: CodeArray

    @property
    def lengths(self) -> IntArray:
        return np.diff(self.starts)


@dataclass(frozen=True, slots=True)
class _Table:
    """What becomes of each code point.

    Attributes:
        one: (_TABLE + 1,) uint32 the code point in its place, _DROPPED or _SPECIAL.
        many: code point -> the several in its place; a special one that is not here needs
            `unicodedata`.
        order: (_TABLE + 1,) uint8 canonical combining class, of the last of several.
        joins: (_TABLE + 1,) bool it may compose with one before it ...
        inert: (_TABLE + 1,) bool ... but not with this one, if nothing stands between.
        active: (_TABLE + 1,) bool has an order, or joins.
        ignored: (_TABLE + 1,) bool leaves nothing of itself.
    """

    one: CodeArray
    many: Mapping[int, CodeArray]
    order: NDArray[np.uint8]
    joins: BoolArray
    inert: BoolArray
    active: BoolArray
    ignored: BoolArray


def fold(texts: Sequence[str]) -> Folded:
    """Fold a batch; texts may be of any length, lone surrogates count as characters."""
    joined = "".join(texts)
    starts = _starts(np.fromiter(map(len, texts), np.int64, len(texts)))
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4")
    table = _table()
    known = np.minimum(codes, _TABLE).view(np.int32)  # take() is slow with what it must convert
    folded = table.one.take(known)
    if joined.isascii():  # nothing special among them
        return _packed(folded, starts)
    special = np.flatnonzero(folded == _SPECIAL)
    many = np.isin(codes[special], list(table.many))
    slow = _owners(np.concatenate([_acting(known, table), special[~many]]), starts)
    for row in slow.tolist():
        folded[starts[row] : starts[row + 1]] = _DROPPED
    special = special[many & (folded[special] == _SPECIAL)]
    if len(special):
        folded, starts = _expanded(folded, special, codes[special], starts, table)
    quick = _packed(folded, starts)
    return (
        _joined(quick, slow, [_normal(texts[row]) for row in slow.tolist()]) if len(slow) else quick
    )


def fold_text(text: str) -> str:
    """One text, folded as the definition says."""
    return "".join(each for each in _normal(text) if not _ignored(each))


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists that are folded at once: some hundred thousand characters each."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == _TEXTS or characters >= _CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _ignored(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "ZP" or category in ("Cc", "Cf")


def _packed(folded: CodeArray, starts: IntArray) -> Folded:
    """The folded codes of a batch without those that are dropped; `starts` is of all of them."""
    kept = np.flatnonzero(folded != _DROPPED)
    return Folded(np.arange(len(starts) - 1), np.searchsorted(kept, starts), folded.take(kept))


def _joined(quick: Folded, slow: IntArray, others: Sequence[str]) -> Folded:
    """A batch with the texts of the rows `slow`, normal by now, at its end.

    In `quick` they are empty.
    """
    codes = np.frombuffer("".join(others).encode("utf-32-le", "surrogatepass"), "<u4")
    ignored = _table().ignored.take(np.minimum(codes, _TABLE).view(np.int32))
    for place in np.flatnonzero(codes >= _TABLE).tolist():
        ignored[place] = _ignored(chr(codes[place]))
    starts = _starts(np.fromiter(map(len, others), np.int64, len(others)))
    tail = _packed(np.where(ignored, _DROPPED, codes), starts)
    kept = np.delete(quick.rows, slow)
    return Folded(
        np.concatenate([kept, slow]),
        _starts(np.concatenate([quick.lengths[kept], tail.lengths])),
        np.concatenate([quick.codes, tail.codes]),
    )


def _starts(lengths: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _owners(places: IntArray, starts: IntArray) -> IntArray:
    """Which texts hold one of `places`, ascending."""
    return np.unique(np.searchsorted(starts, places, side="right") - 1)


def _acting(codes: NDArray[np.int32], table: _Table) -> IntArray:
    """Places of characters that may compose with what stands before them, or change places."""
    places = np.flatnonzero(table.active.take(codes))
    before, here = codes[places - 1], codes[places]  # before the first, the last: no harm
    order = table.order[here]
    acting = (order > 0) & (order < table.order[before])
    acting |= table.joins[here] & ~table.inert[before]
    return places[acting]


def _expanded(
    folded: CodeArray, places: IntArray, codes: CodeArray, starts: IntArray, table: _Table
) -> tuple[CodeArray, IntArray]:
    """Folded codes with several in place of each of `places`, and where texts begin then."""
    counts = np.ones(len(folded), np.int64)
    kinds = np.unique(codes).tolist()
    for code in kinds:
        counts[places[codes == code]] = len(table.many[code])
    wide = np.repeat(folded, counts)
    first = _starts(counts)
    for code in kinds:
        for shift, value in enumerate(table.many[code]):
            wide[first[places[codes == code]] + shift] = value
    return wide, first[starts]


@cache
def _table() -> _Table:
    pairs = [_composed(chr(code)) for code in range(_TABLE)]
    firsts = {first for first, _ in filter(None, pairs)} | {chr(each) for each in _HANGUL}
    seconds = {second for _, second in filter(None, pairs)} | {chr(each) for each in _HANGUL}
    one = np.full(_TABLE + 1, _SPECIAL, np.uint32)
    order = np.zeros(_TABLE + 1, np.uint8)
    joins, inert, ignored = (np.zeros(_TABLE + 1, np.bool_) for _ in range(3))
    many: dict[int, CodeArray] = {}
    for code in range(_TABLE):
        character = chr(code)
        normal = unicodedata.normalize("NFKC", character)
        own = normal == character
        ignored[code] = _ignored(character)
        order[code] = unicodedata.combining(normal[-1])
        joins[code] = own and character in seconds
        apart = unicodedata.normalize("NFKD", character) == character
        inert[code] = apart and character not in firsts and not order[code]
        if not own and (normal[0] in seconds or unicodedata.combining(normal[0])):
            continue
        folded = [ord(each) for each in normal.casefold() if not _ignored(each)]
        if len(folded) > 1:
            many[code] = np.array(folded, np.uint32)
        else:
            one[code] = folded[0] if folded else _DROPPED
    return _Table(one, many, order, joins, inert, joins | (order > 0), ignored)


def _composed(character: str) -> tuple[str, str] | None:
    """The two that a character is canonically composed of, if it is."""
    parts = unicodedata.decomposition(character).split()
    if len(parts) != 2 or parts[0].startswith("<"):
        return None
    first, second = (chr(int(part, 16)) for part in parts)
    # Some are never composed again: NFC leaves them apart.
    return (first, second) if unicodedata.normalize("NFC", character) == character else None
