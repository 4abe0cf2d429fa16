"""As many tokens a batch as memory holds: found from the first batch, halved when memory runs out.

Knows nothing of devices: what is free, and what running out looks like, `Memory` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mlir_encoders.batching import longest_first, taken
from mlir_harness.errors import EncoderError
from mlir_harness.types import IntArray

_Result = TypeVar("_Result")

# Of the memory that is free. Allocators cannot use every gap, and others may need some meanwhile.
_SHARE = 0.7


class Memory(Protocol):
    """Memory of the device that a model computes on."""

    def watch(self) -> None:
        """Begin to measure a batch."""
        ...

    def used(self) -> tuple[int, int] | None:
        """Bytes the batch took at its peak, and bytes free after it; None if nobody can tell."""
        ...

    def ran_out(self, error: BaseException) -> bool:
        """Whether `error` says that there was not enough of it."""
        ...

    def release(self) -> None:
        """Give back what is kept for later use."""
        ...


@dataclass
class Budget:
    """Padded tokens that a batch may hold, as far as is known.

    Attributes:
        tokens: for the next batch.
        most: never more; what was asked for, what is worth it, or what once was too much, halved.
        trial: for a batch that is measured, longest text first, to learn how many fit; None to
            take `most` unmeasured.
        longest: tokens of the longest text that was measured. Attention makes a token of a
            longer text dearer.
        call: what one more batch costs, in tokens; padding may cost as much.
    """

    tokens: int
    most: int
    trial: int | None = None
    longest: int = 0
    call: float = math.inf

    @classmethod
    def fixed(cls, tokens: int, call: float = math.inf) -> Budget:
        """So many, or fewer once memory has run out."""
        return cls(tokens, tokens, call=call)

    @classmethod
    def found(cls, most: int, trial: int, call: float = math.inf) -> Budget:
        """As many as fit, at most `most`; a first batch of `trial` tokens tells."""
        return cls(min(trial, most), most, min(trial, most), call=call)

    def starts(self, longest: int) -> bool:
        """Prepare for texts of at most `longest` tokens; whether their first batch is measured."""
        if self.trial is None or longest <= self.longest:
            return False
        self.tokens = min(self.tokens, self.trial)
        return True

    def measured(self, padded: int, longest: int, used: int, free: int) -> None:
        """A batch of `padded` tokens took `used` bytes, and `free` bytes are left for the next."""
        self.longest = longest
        self.tokens = fitting(padded, used, free, self.most)

    def halve(self, padded: int) -> None:
        """A batch of `padded` tokens was too much."""
        self.tokens = self.most = max(1, padded // 2)
        self.trial = None


def fitting(padded: int, used: int, free: int, most: int) -> int:
    """How many tokens fit, where `padded` took `used` bytes and `free` are left.

    At least as many as have just fitted, at most `most`.
    """
    if used <= 0:
        return most
    return min(most, max(padded, int(_SHARE * free / used * padded)))


def within(
    lengths: IntArray,
    budget: Budget,
    work: Callable[[IntArray], _Result],
    memory: Memory,
    note: Callable[[str], None],
) -> Iterator[tuple[IntArray, _Result]]:
    """Do the work on all texts, longest first, in batches that fit into memory.

    A batch that does not fit is tried again in halves, and those after it are no larger.

    Args:
        lengths: (n,) tokens per text, after truncation.
        budget: changed by what is learnt.
        work: done on the rows of one batch.
        memory: of the device that does it.
        note: told when memory has run out and how it goes on.

    Yields:
        Rows, int64, and what `work` made of them; together the rows are those of
        `batching.batches`, whatever the budget: longest first, ties in their order.

    Raises:
        EncoderError: a single text does not fit.
    """
    order = longest_first(lengths)
    measuring = len(order) > 0 and budget.starts(int(lengths[order[0]]))
    start = 0
    while start < len(order):
        rows = taken(order, start, lengths, budget.tokens, budget.call)
        longest = max(1, int(lengths[rows[0]]))
        padded = longest * len(rows)
        if measuring:
            memory.watch()
        failed = False
        try:
            result = work(rows)
        except Exception as error:
            if not memory.ran_out(error):
                raise
            if len(rows) == 1:
                raise _too_long(longest) from error
            failed = True
        if failed:  # outside of `except`, where the traceback keeps all tensors of the batch alive
            memory.release()
            budget.halve(padded)
            note(f"memory ran out with {padded:,} tokens a batch: going on with {budget.tokens:,}")
            measuring = False
            continue
        if measuring and (figures := memory.used()) is not None:
            budget.measured(padded, longest, *figures)
        measuring = False
        start += len(rows)
        yield rows, result


def _too_long(tokens: int) -> EncoderError:
    return EncoderError(
        f"a single text of {tokens:,} tokens does not fit into memory",
        "Truncate earlier (option max_tokens), choose a smaller model, or --device cpu on a GPU.",
    )
