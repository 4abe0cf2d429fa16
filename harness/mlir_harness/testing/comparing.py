"""How far vectors of the same texts lie apart, whatever kind of vectors they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlir_harness.errors import EncoderError
from mlir_harness.protocols import EncoderInfo, Vectors
from mlir_harness.testing.texts import Text
from mlir_harness.text import plain
from mlir_harness.types import DoubleArray

ALIKE = 1e-3  # largest distance between unit vectors of equal texts: batches, low precision


def width(vectors: Vectors) -> int | None:
    """The dimension of dense vectors; None of others."""
    matrix = vectors.tensors().get("matrix")
    return None if matrix is None else int(matrix.shape[1])


def apart(found: Vectors, wanted: Vectors, info: EncoderInfo) -> DoubleArray:
    """Distance of row i of both: (n,) float64, in units of the longer; of unit vectors if cosine.

    Raises:
        EncoderError: they have different dimensions.
    """
    if width(found) != width(wanted):
        raise EncoderError(
            f"returns vectors of {width(wanted)} dimensions here and of {width(found)} there",
            "All vectors of an encoder have one dimension, queries and documents alike.",
        )
    rows = np.arange(len(found), dtype=np.int64)
    inner = found.score_pairs(rows, wanted, rows)
    left, right = found.norms, wanted.norms
    if info.similarity == "cosine":
        both = left * right
        cosine = np.divide(inner, both, out=np.zeros_like(inner), where=both > 0)
        squares = 2 - 2 * cosine
        squares[both == 0] = 1.0
    else:
        longest = np.maximum(left, right)
        longest = np.where(longest > 0, longest, 1.0)
        squares = (left**2 + right**2 - 2 * inner) / longest**2
    squares[(left == 0) & (right == 0)] = 0.0
    distances: DoubleArray = np.sqrt(np.maximum(squares, 0.0))
    return distances


def demand_alike(
    found: Vectors,
    wanted: Vectors,
    info: EncoderInfo,
    texts: Sequence[Text],
    *,
    tolerance: float,
    wrong: str,
    hint: str,
) -> None:
    """Raise EncoderError if row i of both is not the same vector, naming the text that is worst.

    Args:
        found, wanted: one row per text.
        info: says how vectors are compared.
        texts: what they are the vectors of.
        tolerance: the largest distance that counts as the same.
        wrong, hint: what it means if they differ, and how to mend it.
    """
    distances = apart(found, wanted, info)
    if not len(distances) or float(distances.max()) <= tolerance:
        return
    worst = int(distances.argmax())
    raise EncoderError(
        f"{wrong}: for {shown(texts[worst])} the vectors lie {distances[worst]:.1e} apart, "
        f"{tolerance:.0e} is allowed",
        hint,
    )


def shown(text: Text) -> str:
    """A text for a message: what it is, and how it begins."""
    return f"{text.name} ({plain(text.text, 40)!r})" if text.text.strip() else text.name
