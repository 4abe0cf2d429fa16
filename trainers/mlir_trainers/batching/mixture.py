"""How batches mix languages: with what probability one is monolingual."""

from __future__ import annotations

import math

from mlir_harness.errors import UsageError

# The names of arXiv 2408.10536: X-X-mono, X-Y, and the hybrid of the two.
NAMED = {"mono": 1.0, "cross": 0.0, "hybrid": 0.5}


def alpha(value: str | float) -> float:
    """The probability that a batch is monolingual, from a name or a number.

    Raises:
        UsageError: it is neither, or not within 0 and 1.
    """
    try:
        number = NAMED.get(str(value)) if isinstance(value, str) else float(value)
        number = float(value) if number is None else number
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise UsageError(
            f"alpha is {value}: it is the share of batches in one language",
            f"Give a number from 0 to 1, or {', '.join(NAMED)}.",
        )
    return number
