"""Messages arrive as they were sent, whatever they hold; what is no message is refused."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mlir_harness.isolation import wire
from mlir_harness.isolation.wire import Garbled, Kind, Message

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too


def read(data: bytes) -> Message:
    """The message in `data`, parsed as a pipe would deliver it."""
    parsing = wire.parser()
    try:
        while True:
            target = next(parsing)
            target[:] = data[: len(target)]
            data = data[len(target) :]
    except StopIteration as done:
        message: Message = done.value
        return message


def written(message: Message) -> bytes:
    return b"".join(wire.buffers(message))


NUMBERS = st.sampled_from(["<f4", "<f8", "<i4", "<i8", ">f4", "<u4", "u1"]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=3, min_side=0, max_side=5))
)


@given(
    st.sampled_from(Kind),
    st.dictionaries(ANY_TEXT, ANY_TEXT | st.integers() | st.booleans() | st.none(), max_size=4),
    st.dictionaries(ANY_TEXT, NUMBERS, max_size=4),
)
def test_a_message_arrives_as_it_was_sent(kind, fields, held) -> None:
    message = read(written(Message(kind, fields, held)))
    assert (message.kind, message.fields) == (kind, fields)
    assert list(message.arrays) == list(held)
    for name, array in held.items():
        assert message.arrays[name].shape == array.shape
        assert (
            message.arrays[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()
        )
        assert message.arrays[name].flags.aligned


@given(st.lists(ANY_TEXT))
def test_texts_arrive_as_they_were_sent(texts: list[str]) -> None:
    assert (
        wire.unpacked(read(written(Message(Kind.ENCODE, {}, wire.packed(texts)))).arrays) == texts
    )


def test_two_halves_of_a_surrogate_pair_stay_apart() -> None:
    assert wire.unpacked(wire.packed(["\ud83e", "\uded6"])) == ["\ud83e", "\uded6"]


@given(st.lists(st.sampled_from(["de", "hi", "th"])))
def test_languages_arrive_as_they_were_sent(languages: list[str]) -> None:
    names, codes = wire.coded(languages)
    assert [names[code] for code in codes] == languages


@given(st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises((Garbled, ValueError)):  # ValueError: it ended too early
        read(data)


def header(
    *, magic: bytes = b"MLIR", version: int = 1, kind: int = 2, head: int, body: int
) -> bytes:
    return struct.pack("<4sHHIQ", magic, version, kind, head, body)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (header(magic=b"Load", head=0, body=0), "begins with b'Load'"),
        (header(version=2, head=0, body=0), "version 2, not 1"),
        (header(head=2**32 - 1, body=0), "4294967295 and 0 bytes"),
        (header(head=0, body=2**63), "9223372036854775808 bytes"),
        (header(head=0, body=0), "unreadable head"),
    ],
)
def test_absurd_headers_are_refused_before_anything_is_allocated(data: bytes, said: str) -> None:
    with pytest.raises(Garbled, match=said):
        read(data)


@pytest.mark.parametrize(
    "described",
    [
        ["m", "<f4", [-1]],
        ["m", "<f4", [2**62, 2**62]],
        ["m", "<f4", [1.5]],
        ["m", "<f4", [True]],
        ["m", "<f4", [1] * 5],
        ["m", "O", [1]],
        ["m", "<f4", [3]],  # the body is one of two numbers
        ["m"],
        7,
    ],
)
def test_arrays_that_are_not_what_the_body_holds_are_refused(described: object) -> None:
    head = json.dumps({"fields": {}, "arrays": [described]}).encode()
    with pytest.raises(Garbled):
        read(header(head=len(head), body=8) + head + bytes(8))


def test_what_no_reader_would_take_is_not_sent() -> None:
    with pytest.raises(Garbled, match="are the limits"):
        written(Message(Kind.MADE, {"description": "x" * wire.HEAD_LIMIT}))
