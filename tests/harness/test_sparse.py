"""Sparse vectors are ranked as the same vectors would be with all their zeros written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_cases import (
    Case,
    assert_ranks_are_exact,
    assert_same_answers,
    assert_top_lists_are_exact,
    case,
    uneven,
)
from scipy.sparse import coo_array, csr_array, csr_matrix

from mlir_harness import shelf, sparse
from mlir_harness.cache import Cache, Damaged, Shard
from mlir_harness.embed import Tally, fill
from mlir_harness.errors import EncoderError
from mlir_harness.order import Sorter
from mlir_harness.protocols import EncoderInfo, Vectors
from mlir_harness.rank import Answer, Corpus, rank
from mlir_harness.request import Silent
from mlir_harness.sparse import Sparse
from mlir_harness.types import Array, Collection, FloatArray, IntArray, Role
from mlir_harness.vectors import Dense, as_vectors, difference

SHARES = st.sampled_from([0.0, 0.1, 0.4, 1.0])  # of entries that are not zero


def hashed(matrix: FloatArray) -> Sparse:
    """The rows of a matrix, with columns as far apart as hashes are."""
    names = np.sort(np.random.default_rng(5).integers(2**62, size=matrix.shape[1]))
    made = Sparse.from_scipy(csr_array(matrix))
    return Sparse(made.indptr, names[made.columns], made.values)


@dataclass(frozen=True)
class SparseShards:
    """The same vectors in blocks of the given sizes, without their zeros."""

    matrix: FloatArray
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.matrix)

    def blocks(self) -> Iterator[tuple[int, Sparse]]:
        start = 0
        for size in self.sizes:
            yield start, hashed(self.matrix)[start : start + size]
            start += size

    def take(self, rows: IntArray) -> Sparse:
        return hashed(self.matrix)[rows]


def thinned(this: Case, seed: int, share: float) -> Case:
    """A case with only a share of its vectors' entries; the same are missing wherever it can."""
    rng = np.random.default_rng(seed)

    def thin(matrix: Array) -> FloatArray:
        kept: FloatArray = np.where(rng.random(matrix.shape) < share, matrix, np.float32(0))
        return kept

    asked = [
        replace(each, queries=Dense(thin(each.queries.matrix)))  # type: ignore[attr-defined]
        for each in this.questions
    ]
    return replace(this, matrix=thin(this.matrix), questions=tuple(asked))


def without_zeros(this: Case, shards: int = 1) -> tuple[Case, Corpus]:
    asked = [
        replace(each, queries=hashed(each.queries.matrix))  # type: ignore[attr-defined]
        for each in this.questions
    ]
    sizes = tuple(uneven(3, len(this.matrix), shards)) if shards > 1 else (len(this.matrix),)
    corpus = replace(this.corpus(), vectors=SparseShards(this.matrix, sizes))
    return replace(this, questions=tuple(asked)), corpus


# Deterministic: two of many random near ties may lie closer than float64 tells apart.
@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["normal", "integers", "equal", "zero"]),
    share=SHARES,
    documents=st.integers(1, 70),
    query_block=st.sampled_from([1, 97, None]),
    document_block=st.sampled_from([7, 10_000]),
    shards=st.integers(1, 4),
)
def test_ranks_are_those_of_a_full_sort_of_dense_vectors(
    *,
    seed: int,
    kind: str,
    share: float,
    documents: int,
    query_block: int | None,
    document_block: int,
    shards: int,
) -> None:
    this = thinned(case(seed, kind, documents=documents), seed, share)
    stripped, corpus = without_zeros(this, shards)
    answers = rank(
        stripped.questions,
        corpus,
        k=this.k,
        query_block=query_block,
        document_block=document_block,
        workers=1,
    )
    assert_ranks_are_exact(this, answers)
    assert_top_lists_are_exact(this, answers)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["normal", "integers", "equal", "zero"]),
    share=SHARES,
    documents=st.integers(1, 70),
)
def test_sorted_pools_of_sparse_vectors_give_the_same_ranks(
    seed: int, kind: str, share: float, documents: int
) -> None:
    this = thinned(case(seed, kind, documents=documents), seed, share)
    asked = [replace(each, counted=np.ones_like(each.counted)) for each in this.questions]
    this = replace(this, questions=tuple(asked))
    stripped, corpus = without_zeros(this)
    sorter = Sorter.of(corpus)
    answers: list[Answer] = [
        sorter.block(each.queries).answer(each, this.k) for each in stripped.questions
    ]
    assert_ranks_are_exact(this, answers)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_many_documents_without_a_shared_column_tie(share: float) -> None:
    this = thinned(case(7, "integers", documents=1500, queries=40, dimension=60), 7, share)
    stripped, corpus = without_zeros(this, 3)
    answers = rank(stripped.questions, corpus, k=this.k, workers=2)
    assert_ranks_are_exact(this, answers)
    dense = rank(this.questions, this.corpus(), k=this.k, workers=2)
    assert_same_answers(answers, dense)


MATRICES = st.integers(0, 10_000).map(np.random.default_rng)


def random_matrix(rng: np.random.Generator, rows: int, columns: int) -> FloatArray:
    values = rng.normal(size=(rows, columns)) * 10.0 ** rng.integers(-3, 4, (rows, columns))
    return np.where(rng.random((rows, columns)) < rng.random(), values, 0).astype(np.float32)


@given(MATRICES, st.integers(1, 20), st.integers(1, 20), st.integers(1, 90))
def test_scores_lie_within_the_error_they_admit(
    rng: np.random.Generator, queries: int, documents: int, columns: int
) -> None:
    one, other = (random_matrix(rng, rows, columns) for rows in (queries, documents))
    q, d = hashed(one), hashed(other)
    exact = one.astype(np.float64) @ other.T.astype(np.float64)
    scale = np.outer(q.norms, d.norms)
    assert (np.abs(q.score_exact(d) - exact) <= q.rounding * scale).all()
    error = q.score_error(d)[:, None]
    assert (np.abs(q.score(d) - q.score_exact(d)) <= error).all()
    assert (np.abs(exact) <= 2**18 * error).all()  # what a scale of cells can hold


@pytest.mark.parametrize("faster", [0, 10**9])
@given(MATRICES)
def test_a_pair_has_one_score_however_it_is_come_by(faster: int, rng: np.random.Generator) -> None:
    q, d = (hashed(random_matrix(rng, rows, 30)) for rows in (12, 17))
    rows, places = rng.integers(12, size=50), rng.integers(17, size=50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "_FASTER", faster)
        patch.setattr(sparse, "_ENTRIES_AT_ONCE", 40)
        exact = q.score_exact(d)
        pairs = q.score_pairs(rows, d, places)
        np.testing.assert_array_equal(pairs, exact[rows, places])
        np.testing.assert_array_equal(q[3:9].score_exact(d[places]), exact[3:9][:, places])


@given(MATRICES, st.lists(st.integers(0, 6), max_size=12), st.slices(7))
def test_rows_are_picked_like_those_of_a_matrix(
    rng: np.random.Generator, rows: list[int], part: slice
) -> None:
    matrix = random_matrix(rng, 7, 5)
    held = hashed(matrix)
    for chosen in (np.array(rows, np.int64), part):
        picked = held[chosen]
        assert difference(picked, hashed(matrix[chosen])) == 0
        np.testing.assert_allclose(
            picked.norms, np.linalg.norm(matrix[chosen].astype(np.float64), axis=1)
        )
    np.testing.assert_allclose(held.normalised().norms, held.norms > 0, rtol=1e-6)


@pytest.mark.parametrize("kind", [csr_array, csr_matrix, coo_array])
def test_what_scipy_has_is_taken_with_repeated_entries_summed(kind: Any) -> None:
    place = [0, 2, 0, 2, 2], [2**61, 7, 5, 3, 7]
    given = kind((np.array([1.0, 2, 3, 4, 5]), place), shape=(3, 2**62))
    taken = as_vectors(given, 3)
    assert isinstance(taken, Sparse)
    assert taken.indptr.tolist() == [0, 2, 2, 4]
    assert taken.columns.tolist() == [5, 2**61, 3, 7]
    assert taken.values.tolist() == [3, 1, 4, 7]


GOOD = Sparse(np.array([0, 2, 2, 3]), np.array([3, 9, 1]), np.ones(3, np.float32))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"indptr": np.array([0, 2, 1, 3])}, "indptr must rise"),
        ({"indptr": np.array([1, 2, 2, 3])}, "indptr must rise"),
        ({"indptr": np.array([0, 2, 2, 4])}, "3 columns and 3 values for 4 entries"),
        ({"columns": np.array([9, 3, 1])}, "columns must rise"),
        ({"columns": np.array([3, 3, 1])}, "columns must rise"),
        ({"columns": np.array([-3, 3, 1])}, "columns must rise"),
        ({"columns": np.array([3, 9, 1], np.int32)}, "columns are int32"),
        ({"values": np.ones(3)}, "values are float64"),
    ],
)
def test_arrays_that_are_no_sparse_rows_are_refused(changes: dict[str, Array], said: str) -> None:
    assert as_vectors(GOOD, 3) is not None
    with pytest.raises(EncoderError, match=said):
        as_vectors(replace(GOOD, **changes), 3)


def test_a_wrong_number_of_rows_is_refused() -> None:
    for value in (GOOD, csr_array(np.eye(3))):
        with pytest.raises(EncoderError, match="3 vectors for 4 texts"):
            as_vectors(value, 4)
    with pytest.raises(EncoderError, match="no rows of numbers"):
        as_vectors(csr_array(np.eye(3)).astype(np.complex128), 3)


def test_a_shard_holds_what_was_written(tmp_path: Path) -> None:
    held = Shard(tmp_path / "ab" / "abcd.safetensors", 3)
    with held.lock():
        held.write(GOOD, 1)
    taken, truncated = held.read()
    assert (difference(taken, GOOD), truncated) == (0, 1)
    with pytest.raises(Damaged, match="3 vectors for 4 texts"):
        Shard(held.path, 4).read()


class Lengths:
    """Each text has its characters as columns; one text has a value that `spoil` gives."""

    info = EncoderInfo(revision="1", similarity="dot")

    def __init__(self, spoil: float = 1.0, kind: Any = csr_array) -> None:
        self._spoil, self._kind = spoil, kind

    def encode(self, texts: list[str], context: Any) -> Any:
        rows = [row for row, text in enumerate(texts) for _ in text]
        columns = [ord(character) for text in texts for character in text]
        values = [self._spoil if character == "!" else 1.0 for text in texts for character in text]
        return self._kind(csr_array((values, (rows, columns)), shape=(len(texts), 1 << 21)))


def filled(folder: Path, texts: list[str], encoder: Lengths) -> tuple[shelf.Shelf, Tally]:
    collection = Collection("en", [str(row) for row in range(len(texts))], texts)
    laid = shelf.shelve([collection], Role.QUERY, "", encoder.info, Cache(folder, "e"))
    tally = Tally()
    fill(laid, Role.QUERY, "", encoder, encoder.info, Silent(), tally)
    return laid, tally


@given(st.lists(st.text("abc", max_size=4), unique=True, min_size=1, max_size=9), st.data())
def test_shelves_give_rows_in_the_order_asked(texts: list[str], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=12))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "SHARD", 3)
        laid, tally = filled(Path(folder), texts, Lengths())
        assert tally.dimension is None
        taken = laid.take(np.array(rows, np.int64))
        assert isinstance(taken, Sparse)  # also if nothing is asked for
        wanted = as_vectors(Lengths().encode([texts[row] for row in rows], None), len(rows))
        assert difference(taken, wanted) == 0


@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "NaN or infinite values for 1 of 3"), (1e20, "so large")]
)
def test_values_that_no_score_can_be_made_of_are_refused(
    tmp_path: Path, value: float, said: str
) -> None:
    with pytest.raises(EncoderError, match=said):
        filled(tmp_path, ["a", "b!", "c"], Lengths(value))


def test_all_vectors_of_an_encoder_are_of_one_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SHARD", 2)
    kinds = [lambda held: held.toarray()[:, :200], csr_array]
    with pytest.raises(EncoderError, match="that are sparse here and of 200 dimensions elsewhere"):
        filled(
            tmp_path, ["a", "b", "c"], Lengths(kind=lambda held: kinds[len(held.indptr) == 2](held))
        )


def test_they_keep_the_protocol() -> None:
    assert isinstance(GOOD, Vectors)
    assert GOOD.finite.all()
    assert GOOD.largest == 1
