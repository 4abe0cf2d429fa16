"""The messages between the harness and a worker: bytes on a pipe, counted, checked, bounded.

A message is a header of fixed length, a head of JSON, and a body of arrays one after the other:

    header   magic 4s, version u16, kind u16, length of head u32, length of body u64
    head     {"fields": {...}, "arrays": [[name, dtype, shape], ...]}
    body     the bytes of the arrays, each padded to a multiple of 8

Lengths are checked before anything is allocated, and all else before it is used: whatever comes
out of a process that runs foreign code may be garbage.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from mlir_harness.types import Array, IntArray

VERSION = 1
HEAD_LIMIT = 1 << 22  # bytes
BODY_LIMIT = 1 << 33  # bytes; a shard of vectors of 65,536 dimensions is 1 << 30
_ARRAYS = 16
_AXES = 4
_MAGIC = b"MLIR"
_HEADER = struct.Struct("<4sHHIQ")
_DTYPES = frozenset({"<f4", "<f8", "<i4", "<i8", "<u4", "|u1"})


class Garbled(Exception):
    """What came is no message of this version."""


@contextmanager
def reading() -> Iterator[None]:
    """Take a message's fields and arrays for what they should be; Garbled where they are not."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Garbled(f"a message that cannot be read ({type(error).__name__})") from error


class Kind(IntEnum):
    """What a message is; the first ones go to the worker, those from READY on come from it."""

    MAKE = 1
    ENCODE = 2
    TOKENS = 3
    FIT = 4
    LENT = 5
    CLOSE = 6
    READY = 32
    MADE = 33
    VECTORS = 34
    COUNTED = 35
    FITTED = 36
    CLOSED = 37
    FAILED = 38
    PROGRESS = 39
    ALIVE = 40
    BORROW = 41


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: what it is.
        fields: anything JSON can hold.
        arrays: by name.
    """

    kind: Kind
    fields: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)


def buffers(message: Message) -> list[memoryview]:
    """What to write for a message, in this order; arrays are not copied.

    Raises:
        Garbled: it is larger than a reader would accept.
    """
    arrays = {name: _portable(array) for name, array in message.arrays.items()}
    described = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    head = json.dumps({"fields": dict(message.fields), "arrays": described}).encode("ascii")
    body: list[memoryview] = []
    for array in arrays.values():
        body.append(array.reshape(-1).view(np.uint8).data)
        body.append(memoryview(bytes(-array.nbytes % 8)))
    length = sum(map(len, body))
    _check_lengths(len(head), length)
    header = _HEADER.pack(_MAGIC, VERSION, message.kind, len(head), length)
    return [each for each in (memoryview(header), memoryview(head), *body) if len(each)]


def _portable(array: Array) -> Array:
    """Contiguous and little-endian."""
    array = np.ascontiguousarray(array)
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _check_lengths(head: int, body: int) -> None:
    if head > HEAD_LIMIT or body > BODY_LIMIT:
        raise Garbled(
            f"a message of {head} and {body} bytes, where {HEAD_LIMIT} and {BODY_LIMIT} are the "
            "limits"
        )


def parser() -> Generator[memoryview, None, Message]:
    """Takes a message apart as it comes: fill each buffer that is yielded, then go on.

    Returns:
        The message; its arrays own their memory and may be written to.

    Raises:
        Garbled: it is none.
    """
    header = bytearray(_HEADER.size)
    yield memoryview(header)
    magic, version, kind, head_length, body_length = _HEADER.unpack(header)
    if magic != _MAGIC:
        raise Garbled(f"a message that begins with {bytes(magic)!r}")
    if version != VERSION:
        raise Garbled(f"a message of version {version}, not {VERSION}")
    _check_lengths(head_length, body_length)
    head = bytearray(head_length)
    if head_length:
        yield memoryview(head)
    known, fields, described = _head(kind, head)
    sizes = [math.prod(shape) * dtype.itemsize for _, dtype, shape in described]
    if sum(size + -size % 8 for size in sizes) != body_length:
        raise Garbled(f"a body of {body_length} bytes for arrays of {sum(sizes)}")
    body = np.empty(body_length, np.uint8)
    if body_length:
        yield body.data
    arrays: dict[str, Array] = {}
    start = 0
    for (name, dtype, shape), size in zip(described, sizes, strict=True):
        arrays[name] = body[start : start + size].view(dtype).reshape(shape)
        start += size + -size % 8
    return Message(known, fields, arrays)


def _head(
    kind: int, head: bytearray
) -> tuple[Kind, dict[str, Any], list[tuple[str, np.dtype[Any], tuple[int, ...]]]]:
    try:
        held = json.loads(head)
        fields, listed = held["fields"], held["arrays"]
        described = [(str(name), str(dtype), tuple(shape)) for name, dtype, shape in listed]
        known = Kind(kind)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Garbled(f"a message with an unreadable head ({type(error).__name__})") from error
    if not isinstance(fields, dict) or len(described) > _ARRAYS:
        raise Garbled("a message with a malformed head")
    for name, dtype, shape in described:
        sound = all(type(axis) is int and 0 <= axis <= BODY_LIMIT for axis in shape)
        if dtype not in _DTYPES or len(shape) > _AXES or not sound:
            raise Garbled(f"a message with an array {name!r} of {dtype} {shape}")
    return known, fields, [(name, np.dtype(dtype), shape) for name, dtype, shape in described]


def packed(texts: Sequence[str]) -> dict[str, Array]:
    """Texts as arrays: all their UTF-8 in one, and where each ends; lone surrogates survive.

    Returns:
        "utf8": (bytes,) uint8; "ends": (n,) int64, counted in code points.
    """
    joined = "".join(texts).encode("utf-8", "surrogatepass")
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    return {"utf8": np.frombuffer(joined, np.uint8), "ends": np.cumsum(lengths)}


def unpacked(arrays: Mapping[str, Array]) -> list[str]:
    """The texts that `packed` made arrays of.

    Raises:
        Garbled: these are no such arrays.
    """
    try:
        joined = arrays["utf8"].tobytes().decode("utf-8", "surrogatepass")
        ends = arrays["ends"].tolist()
        texts = [joined[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    except (KeyError, UnicodeError, TypeError) as error:
        raise Garbled(f"texts that cannot be read ({type(error).__name__})") from error
    if sum(map(len, texts)) != len(joined):
        raise Garbled("texts that do not add up")
    return texts


def coded(names: Sequence[str]) -> tuple[list[str], IntArray]:
    """Names, most of them alike, as the distinct ones and a number for each: (n,) int64."""
    distinct = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return list(distinct), np.fromiter((distinct[name] for name in names), np.int64, len(names))
