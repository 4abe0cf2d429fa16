"""TREC's files, written so that trec_eval and its kin see what the harness sees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import numpy as np

from mlir_harness.text import utf8
from mlir_harness.types import FloatArray

# What str.split() takes for white space, controls, the sign of an encoding, and a mark that
# some readers drop from the head of a file.
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f-\x9f%\ufeff]")
_BREAKS = re.compile(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SIGN = np.uint32(1 << 31)
_SUBNORMAL = np.int64((1 << 23) - 1)  # bits of the largest subnormal float32


def name(id_: str) -> str:
    """`id_` as one word: white space, control characters and % are percent-encoded.

    `urllib.parse.unquote` gives the id back. The empty id becomes "%", which stands for no other.
    """
    return _UNFIT.sub(lambda found: quote(found[0], safe=""), utf8(id_)) or "%"


def topics(queries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Lines of id, tab, text; a space stands for tabs and line breaks in the text."""
    for query, text in queries:
        yield f"{name(query)}\t{_BREAKS.sub(' ', utf8(text))}\n"


def qrels(judged: Iterable[tuple[str, Sequence[tuple[str, int]]]]) -> Iterator[str]:
    """Lines of query, 0, document and grade."""
    for query, documents in judged:
        asked = name(query)
        for document, grade in documents:
            yield f"{asked} 0 {name(document)} {grade}\n"


def run(
    queries: Sequence[str], documents: Sequence[Sequence[str]], scores: FloatArray, tag: str
) -> Iterator[str]:
    """Lines of query, Q0, document, rank, score and tag.

    Args:
        queries: n ids.
        documents: n lists of k names, best first.
        scores: (n, k) float32.
        tag: names the run; one word.
    """
    for query, listed, values in zip(queries, documents, falling(scores).tolist(), strict=True):
        asked = name(query)
        for rank, (document, score) in enumerate(zip(listed, values, strict=True), 1):
            # Nine digits are read back as the same float32, by way of float64 or not.
            yield f"{asked} Q0 {name(document)} {rank} {score:.9g} {tag}\n"


def falling(scores: FloatArray) -> FloatArray:
    """Scores that fall strictly along each row, so that no tool reorders ties: (n, k) float32.

    Each is the score itself, or, where that is not below its predecessor, the next float32 below
    the predecessor: the largest strictly falling sequence that is nowhere above the scores.
    Subnormal numbers are passed over, which some programs take for zero.

    Args:
        scores: (n, k) float32 of ranked documents, finite.
    """
    bits = np.ascontiguousarray(scores, np.float32).view(np.uint32)
    size = np.maximum((bits & ~_SIGN).astype(np.int64) - _SUBNORMAL, 0)
    places = np.where(bits & _SIGN, -size, size)  # the place of each in the order of all float32
    steps = np.arange(scores.shape[1])
    places = np.minimum.accumulate(places + steps, axis=1) - steps
    size = np.abs(places)
    found = np.where(size, size + _SUBNORMAL, 0).astype(np.uint32)
    return (found | np.where(places < 0, _SIGN, np.uint32(0))).view(np.float32)
