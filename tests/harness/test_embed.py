"""Texts on a shelf: each encoded once, each found again in its place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins_for_tests import letters

from mlir_harness import files, shelf
from mlir_harness.cache import Cache
from mlir_harness.embed import Tally, fill
from mlir_harness.errors import EncoderError, StoreError
from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.request import Silent
from mlir_harness.shelf import Shelf, check_room, missing_bytes, shelve
from mlir_harness.types import Collection, FloatArray, Role
from mlir_harness.vectors import Dense

TEXT = st.text(st.characters(codec=None), max_size=3)  # short, so that some are equal
COLLECTIONS = st.dictionaries(st.sampled_from(["de", "en", "th"]), st.lists(TEXT, max_size=9))


class Recorder:
    """Vectors depend on text and, if it is aware of them, on language."""

    def __init__(self, *, aware: bool = False) -> None:
        self.info = EncoderInfo(revision="1", language_aware=aware, similarity="dot")
        self.calls: list[tuple[str, ...]] = []

    def encode(self, texts: Sequence[str], context: Context) -> FloatArray:
        self.calls.append(tuple(texts))
        assert len(context.languages) == len(texts)
        vectors = letters(texts)
        if self.info.language_aware:
            vectors[:, 0] += [sum(map(ord, language)) for language in context.languages]
        context.progress(len(texts), 2 * len(texts), sum(len(text) > 2 for text in texts))
        return vectors


def laid_out(held: dict[str, list[str]], encoder: Recorder, folder: Path) -> Shelf:
    collections = [
        Collection(language, [str(row) for row in range(len(texts))], texts)
        for language, texts in sorted(held.items())
    ]
    return shelve(collections, Role.QUERY, "find", encoder.info, Cache(folder, "e"))


def filled(shelf: Shelf, encoder: Recorder) -> Tally:
    tally = Tally()
    fill(shelf, Role.QUERY, "find", encoder, encoder.info, Silent(), tally)
    return tally


@settings(max_examples=60)
@given(COLLECTIONS, st.booleans(), st.integers(1, 4))
def test_every_text_gets_its_own_vector(held: dict[str, list[str]], aware: bool, size: int) -> None:
    encoder = Recorder(aware=aware)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "SHARD", size)
        laid = laid_out(held, encoder, Path(folder))
        tally = filled(laid, encoder)
        for language, texts in held.items():
            taken = laid.take(laid.rows[language]).matrix
            expected = Recorder(aware=aware).encode(
                texts, Context(Role.QUERY, [language] * len(texts))
            )
            np.testing.assert_array_equal(taken.reshape(expected.shape), expected)
        # Within a language each text is encoded once; shards are full but for the last, and
        # shards of the same texts are one.
        unique = [len(set(texts)) for texts in held.values()]
        assert len(laid) == tally.unique == sum(unique)
        assert len(laid.needs) == sum(-(-number // size) for number in unique)
        assert all(0 < len(call) <= size for call in encoder.calls)
        shards = {need.shard.path: len(need.rows) for need in laid.needs}
        assert sorted(map(len, encoder.calls)) == sorted(shards.values())
        assert tally.texts == sum(map(len, held.values()))
        # Blocks are the whole shelf in order.
        places = [(start, len(block)) for start, block in laid.blocks()]
        assert [start for start, _ in places] == np.cumsum([0, *(n for _, n in places)])[
            :-1
        ].tolist()
        # Again: nothing is encoded, and as much was truncated.
        again = filled(laid_out(held, encoder, Path(folder)), encoder)
        assert (again.encoded, again.tokens) == (0, 0)
        assert (again.unique, again.truncated) == (tally.unique, tally.truncated)


@given(COLLECTIONS, st.booleans())
def test_equal_texts_share_a_row_unless_languages_matter(
    held: dict[str, list[str]], aware: bool
) -> None:
    laid = laid_out(held, Recorder(aware=aware), Path("nowhere"))
    found = [
        (text, language, int(row))
        for language, texts in held.items()
        for text, row in zip(texts, laid.rows[language], strict=True)
    ]
    for text, language, row in found:
        for other_text, other_language, other_row in found:
            alike = text == other_text and (not aware or language == other_language)
            assert (row == other_row) == alike


@given(st.data())
def test_take_gives_rows_in_the_order_asked(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "SHARD", 3)
        encoder = Recorder()
        laid = laid_out({"en": [f"{n} {n * n}" for n in range(10)]}, encoder, Path(folder))
        filled(laid, encoder)
        rows = np.array(data.draw(st.lists(st.integers(0, 9), max_size=20)), np.int64)
        whole = np.concatenate([block.matrix for _, block in laid.blocks()])
        taken = laid.take(rows).matrix
        np.testing.assert_array_equal(taken.reshape(len(rows), whole.shape[1]), whole[rows])


def test_a_shelf_of_nothing(tmp_path: Path) -> None:
    encoder = Recorder()
    laid = laid_out({"en": []}, encoder, tmp_path)
    filled(laid, encoder)
    assert encoder.calls == []
    assert list(laid.blocks()) == []
    assert len(laid.take(laid.rows["en"])) == 0


def test_a_subset_of_languages_uses_the_same_shards(tmp_path: Path) -> None:
    encoder = Recorder()
    held = {"de": ["eins", "zwei"], "en": ["one", "two"]}
    filled(laid_out(held, encoder, tmp_path), encoder)
    before = len(encoder.calls)
    filled(laid_out({"en": held["en"]}, encoder, tmp_path), encoder)
    assert len(encoder.calls) == before


def test_cosine_vectors_are_stored_with_length_one(tmp_path: Path) -> None:
    encoder = Recorder()
    encoder.info = EncoderInfo(revision="1")
    laid = laid_out({"en": ["one", "three", ""]}, encoder, tmp_path)
    filled(laid, encoder)
    lengths = np.linalg.norm(laid.take(laid.rows["en"]).matrix, axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


def test_vectors_that_change_while_they_are_used_are_an_error(tmp_path: Path) -> None:
    encoder = Recorder()
    laid = laid_out({"en": ["one", "two"]}, encoder, tmp_path)
    filled(laid, encoder)
    laid.needs[0].shard.path.write_bytes(b"")
    with pytest.raises(StoreError, match="changed while they were in use") as caught:
        laid.take(laid.rows["en"])
    assert "Run the command again" in caught.value.hint


def test_dimensions_must_agree_from_shard_to_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SHARD", 2)
    encoder = Recorder()
    whole = encoder.encode

    def narrowing(texts: Sequence[str], context: Context) -> Any:
        return whole(texts, context)[:, : 24 - len(encoder.calls)]

    monkeypatch.setattr(encoder, "encode", narrowing)
    with pytest.raises(EncoderError, match="of 22 dimensions here and of 23 dimensions elsewhere"):
        filled(laid_out({"en": list("abcd")}, encoder, tmp_path), encoder)


def test_progress_never_passes_the_number_of_texts(tmp_path: Path) -> None:
    class Boasting(Recorder):
        def encode(self, texts: Sequence[str], context: Context) -> FloatArray:
            context.progress(-3, 0, 0)
            context.progress(1000, 0, 0)
            return super().encode(texts, context)

    class Counter(Silent):
        done = 0

        def texts(self, done: int, tokens: int) -> None:
            assert done >= 0
            self.done += done

    watcher = Counter()
    encoder = Boasting()
    laid = laid_out({"en": list("abcdef")}, encoder, tmp_path)
    for _ in range(2):  # encoded, then cached
        fill(laid, Role.QUERY, "find", encoder, encoder.info, watcher, Tally())
    assert watcher.done == 2 * 6


def test_room_on_the_disk_is_asked_for_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Recorder()
    laid = laid_out({"en": list("abcdef")}, encoder, tmp_path / "deep" / "cache")
    assert missing_bytes(laid, 100) == 6 * 100 * 4
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2500})())
    check_room(2300, tmp_path / "deep" / "cache")
    with pytest.raises(
        StoreError, match=r"no room for the vectors: it takes 2.5 kB more, and .* has 2.5 kB free"
    ) as caught:
        check_room(2400, tmp_path / "deep" / "cache")
    assert "--cache-dir" in caught.value.hint
    filled(laid, encoder)
    assert missing_bytes(laid, 100) == 0


def test_dense_vectors_of_an_encoder_are_taken_as_they_are(tmp_path: Path) -> None:
    class Ready(Recorder):
        def encode(self, texts: Sequence[str], context: Context) -> Any:
            return Dense(super().encode(texts, context))

    encoder = Ready()
    laid = laid_out({"en": ["one"]}, encoder, tmp_path)
    filled(laid, encoder)
    assert laid.take(laid.rows["en"]).matrix.shape == (1, 24)
