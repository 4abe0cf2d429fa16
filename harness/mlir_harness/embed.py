"""Every text encoded once: what is missing on a shelf is encoded, checked and stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mlir_harness.cache import Damaged, Shard
from mlir_harness.containment import contained
from mlir_harness.errors import EncoderError, HarnessError
from mlir_harness.protocols import Context, Encoder, EncoderInfo
from mlir_harness.shelf import Need, Shelf
from mlir_harness.text import described, plain
from mlir_harness.types import Role
from mlir_harness.vectors import Dense, Stored, as_vectors, layout

_LARGEST = 1e15  # of a vector's values: inner products still fit float32


class Watcher(Protocol):
    """Is told how encoding goes on."""

    def texts(self, done: int, tokens: int) -> None:
        """`done` more texts have vectors; `tokens` of them were read just now (0: cached)."""
        ...

    def note(self, message: str) -> None:
        """Something the user should know and need not act on."""
        ...


@dataclass
class Tally:
    """What the vectors of a cell are of, and what it took to get them.

    Attributes:
        texts, unique, truncated: of the cell, cached or not.
        zero: vectors of them that are all zero.
        layout: of all its vectors, see vectors.layout; "" before the first.
        dimension: of all its vectors; None where they are sparse, and before the first.
        encoded, characters, tokens: of the texts that had no cached vectors.
        notes: what went wrong on the way and was mended, and what encoders said.
    """

    texts: int = 0
    unique: int = 0
    truncated: int = 0
    zero: int = 0
    layout: str = ""
    dimension: int | None = None
    encoded: int = 0
    characters: int = 0
    tokens: int = 0
    notes: list[str] = field(default_factory=list)


def fill(
    shelf: Shelf,
    role: Role,
    instruction: str,
    encoder: Encoder,
    info: EncoderInfo,
    watcher: Watcher,
    tally: Tally,
) -> None:
    """Encode every shard of `shelf` that is not cached.

    Args:
        shelf: from `shelve`.
        role, instruction, info: as given to `shelve`.
        encoder: asked only if a shard is missing.
        watcher: told of progress.
        tally: added to.

    Raises:
        EncoderError: the encoder raised, or returned what its contract forbids.
        StoreError: vectors cannot be written.
    """
    tally.texts += sum(len(rows) for rows in shelf.rows.values())
    for need in shelf.needs:
        held = _cached(need.shard, watcher, tally)
        if held is None:
            with need.shard.lock():
                held = _cached(need.shard, watcher, tally)  # another process may have won
                if held is None:
                    held = _encode(need, role, instruction, encoder, info, watcher, tally)
                    _check_layout(held[0], tally)
                    need.shard.write(*held)
        vectors, truncated = held
        _check_layout(vectors, tally)
        tally.unique += len(need.rows)
        tally.truncated += truncated
        tally.zero += int((vectors.norms == 0).sum())


def _check_layout(vectors: Stored, tally: Tally) -> None:
    found = layout(vectors)
    if tally.layout not in {"", found}:
        raise EncoderError(
            f"returned vectors {found} here and {tally.layout} elsewhere",
            "All vectors of an encoder must have the same dimension, queries and documents alike.",
        )
    tally.layout = found
    tally.dimension = vectors.matrix.shape[1] if isinstance(vectors, Dense) else None


def _cached(shard: Shard, watcher: Watcher, tally: Tally) -> tuple[Stored, int] | None:
    try:
        held = shard.read()
    except FileNotFoundError:
        return None
    except Damaged as error:
        message = f"cached vectors {shard.path.name} are damaged ({error}): encoding them again"
        _note(message, watcher, tally)
        return None
    watcher.texts(shard.texts, 0)
    return held


def _note(message: str, watcher: Watcher, tally: Tally) -> None:
    """Tell the user, and keep with the result, once."""
    if message not in tally.notes:
        tally.notes.append(message)
        watcher.note(message)


def _encode(
    need: Need,
    role: Role,
    instruction: str,
    encoder: Encoder,
    info: EncoderInfo,
    watcher: Watcher,
    tally: Tally,
) -> tuple[Stored, int]:
    """Vectors of one shard, checked, and how many of its texts were truncated."""
    texts = need.texts()
    reported = truncated_texts = 0

    def progress(done: int, tokens: int, truncated: int) -> None:
        nonlocal reported, truncated_texts
        done = max(0, min(int(done), len(texts) - reported))
        reported += done
        truncated_texts = min(truncated_texts + max(0, int(truncated)), len(texts))
        tally.tokens += int(tokens)
        watcher.texts(done, int(tokens))

    def note(message: str) -> None:
        _note(plain(str(message), 400), watcher, tally)

    language = need.collection.language
    context = Context(role, [language] * len(texts), instruction, progress, note)
    try:
        with contained():
            vectors = as_vectors(encoder.encode(list(texts), context), len(texts))
    except (HarnessError, KeyboardInterrupt):
        raise
    except MemoryError as error:
        raise EncoderError(
            f"ran out of memory on {len(texts)} texts ({plain(language)})",
            "Lower --token-budget, if the encoder takes one, or choose a smaller model.",
        ) from error
    except BaseException as error:  # an encoder that calls sys.exit ends itself, not the run
        raise EncoderError(
            f"raised {described(error)} (on {len(texts)} {role.value} texts, {plain(language)})",
            "Run again with --debug for the traceback.",
        ) from error
    _check_values(vectors, need, texts, role, info)
    watcher.texts(len(texts) - reported, 0)
    tally.encoded += len(texts)
    tally.characters += sum(map(len, texts))
    return (vectors.normalised() if info.similarity == "cosine" else vectors), truncated_texts


def _check_values(
    vectors: Stored, need: Need, texts: Sequence[str], role: Role, info: EncoderInfo
) -> None:
    if isinstance(vectors, Dense):
        _check_dimension(vectors.matrix.shape[1], info, len(texts))
    bad = ~vectors.finite
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        name = need.collection.ids[int(need.rows[row])]
        raise EncoderError(
            f"returned NaN or infinite values for {int(bad.sum())} of {len(texts)} texts, first "
            f"for {role.value} {plain(name)} ({plain(need.collection.language)}): "
            f"{plain(texts[row], 60)!r}",
            _nan_advice(info),
        )
    if vectors.largest > _LARGEST:
        raise EncoderError(
            "returned values so large that inner products overflow",
            "Scale the vectors down, or set info.similarity to cosine.",
        )


def _nan_advice(info: EncoderInfo) -> str:
    """What to look at: less than fp32 is to blame only where vectors are computed in less."""
    if info.options.get("precision", "fp32") != "fp32":
        return "Half precision is a common cause: try --precision fp32."
    return "Common causes are damaged weights, and a mean over no tokens or a division by 0."


def _check_dimension(width: int, info: EncoderInfo, texts: int) -> None:
    if not width:
        raise EncoderError(
            "returned vectors of 0 dimensions",
            f"encode must return an array of shape ({texts}, dimension)",
        )
    if info.dimension and info.dimension != width:
        raise EncoderError(
            f"returned vectors of {width} dimensions; its info says {info.dimension}",
            "info.dimension must be the length of a vector, or None.",
        )
