"""Records of training texts: what is found in them, what is not, and what is no record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlir_harness.contamination import NAME, Recorder, TextRecord, check, load, unseen
from mlir_harness.contamination.folding import fold, fold_text
from mlir_harness.contamination.record import RUN, TEXT, UNFOUND
from mlir_harness.errors import RecordError, StoreError
from mlir_harness.types import (
    Collection,
    Provenance,
    Retrieval,
    Role,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)

# Letters and marks that compose, change places, become several or nothing; and a lone surrogate.
TRICKY = (
    "aAeé\u0300\u0301\u0327\u0329\u0323\u093c\u0928\u0929\u095c\u094d\u0915\u1100\u1161\u11a8"
    "\uac00\uac01\u200d,. \nｱﾞﾟßﬁİำ่😀\U0002f800াে\u0344\u0345\u1ff3Σς\u0f73\u0f71\ud800½…"
)
unhurried = settings(deadline=None)  # the first example waits for the table
WILD = st.text(st.sampled_from(TRICKY), max_size=8) | st.text(max_size=8)


def record_of(folder: Path, *texts: str, language: str = "en", held: int = 1 << 20) -> TextRecord:
    recorder = Recorder(held)
    recorder.add(texts, language)
    recorder.save(folder)
    return load(folder)


def found(folder: Path, trained: str, evaluated: str) -> int:
    return int(record_of(folder, trained).find([evaluated])[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("record")


@unhurried
@given(st.lists(WILD, max_size=6))
def test_tables_fold_as_the_definition_does(texts: list[str]) -> None:
    folded = fold(texts)
    parts = zip(folded.starts[:-1].tolist(), folded.starts[1:].tolist(), strict=True)
    shown = [folded.codes[a:b].tobytes().decode("utf-32-le", "surrogatepass") for a, b in parts]
    assert sorted(folded.rows.tolist()) == list(range(len(texts)))
    assert shown == [fold_text(texts[row]) for row in folded.rows.tolist()]


@pytest.mark.parametrize(
    ("trained", "evaluated"),
    [
        ("What is it?", "  what IS\u00a0it "),
        ("Ｗｈａｔ？", "what"),
        ("Straße", "STRASSE"),
        ("ffi", "ﬃ"),
        ("e\u0301tude", "Étude!"),
        ("क़लम", "क\u093cलम"),
        ("น้ำ", "น\u0e49\u0e4d\u0e32"),
    ],
)
def test_form_case_space_and_punctuation_do_not_matter(
    folder: Path, trained: str, evaluated: str
) -> None:
    assert found(folder, trained, evaluated) == TEXT


@pytest.mark.parametrize(
    ("trained", "evaluated"),
    [("yes", "no"), ("कल", "काल"), ("3.5 km", "3.6 km"), ("?!", "..."), ("", "")],
)
def test_other_texts_and_empty_ones_are_not_found(
    folder: Path, trained: str, evaluated: str
) -> None:
    assert found(folder, trained, evaluated) == UNFOUND


LETTERS = st.sampled_from("abcdeèé ,.天地玄黄កខគค์")


@unhurried
@given(
    run=st.text(LETTERS, min_size=60, max_size=160),
    around=st.tuples(*[st.text(st.sampled_from("uvwxyz"), max_size=90)] * 4),
)
def test_a_common_run_of_sixty_characters_is_always_found(
    folder: Path, run: str, around: tuple[str, str, str, str]
) -> None:
    assume(len(fold_text(run)) >= 60)
    before, after, left, right = around
    assert found(folder, f"{before}{run}{after}", f"{left}{run.upper()}{right}") in {RUN, TEXT}


def longest_common(one: str, other: str) -> int:
    best, row = 0, [0] * (len(other) + 1)
    for x in one:
        row = [0, *(row[i] + 1 if x == y else 0 for i, y in enumerate(other))]
        best = max(best, *row)
    return best


@unhurried
@given(
    shared=st.integers(0, 75),
    seed=st.integers(0, 2**32 - 1),
    around=st.tuples(*[st.integers(0, 60)] * 4),
)
def test_what_is_found_has_fifty_characters_in_common(
    folder: Path, shared: int, seed: int, around: tuple[int, int, int, int]
) -> None:
    rng = np.random.default_rng(seed)

    def letters(count: int) -> str:
        return "".join(rng.choice(list("abcdefghij"), count))

    run = letters(shared)
    trained, evaluated = (
        f"{letters(before)}{run}{letters(after)}" for before, after in (around[:2], around[2:])
    )
    common = longest_common(trained, evaluated)
    how = found(folder, trained, evaluated)
    assert how == UNFOUND or common >= 50 or (trained == evaluated and how == TEXT)
    assert how != UNFOUND or common < 60


def test_a_text_inside_another_is_found_in_both_directions(folder: Path) -> None:
    inner = (
        "the harbour was frozen from november until the ice broke in april or in may of that year"
    )
    outer = f"In the north, {inner.upper()}; then ships came. Nobody counted them."
    assert found(folder, inner, outer) == RUN
    assert found(folder, outer, inner) == RUN


def test_a_short_text_is_found_only_as_a_whole(folder: Path) -> None:
    short = "a" * 20 + "b" * 39
    assert found(folder, short, short) == TEXT
    assert found(folder, short, f"{short}cc") == UNFOUND
    assert found(folder, f"{short}cc", short) == UNFOUND


def test_texts_longer_than_a_batch_and_at_its_ends(folder: Path) -> None:
    rng = np.random.default_rng(1)
    long = "".join(rng.choice(list("abcdefghij"), 400_000))
    record = record_of(folder, "x", long, "y")
    other = "".join(rng.choice(list("klmnop"), 100))
    texts = [
        other,
        long[333_000:333_060],
        f"{other}{long[-60:]}",
        f"{long[:60]}{other}",
        other,
        "y",
    ]
    assert record.find(texts).tolist() == [UNFOUND, RUN, RUN, RUN, UNFOUND, TEXT]


@unhurried
@given(texts=st.lists(st.text(st.sampled_from("abc"), max_size=200), max_size=30))
def test_a_record_is_the_same_however_it_was_made(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("same")
    record_of(folder / "one", *texts)
    recorder = Recorder(held=7)  # and much on disk
    for text in reversed(texts):
        recorder.add([text], "en")
    if texts:
        assert recorder.save(folder / "two").read_bytes() == (folder / "one" / NAME).read_bytes()


def test_a_record_is_a_safetensors_file_with_its_languages(tmp_path: Path) -> None:
    from safetensors import safe_open

    recorder = Recorder()
    recorder.add(["one", "two", "two"], "en")
    recorder.add(["x" * 100], "hi")
    with safe_open(recorder.save(tmp_path), framework="numpy") as file:
        assert json.loads(file.metadata()["languages"]) == {"en": 3, "hi": 1}
        assert {name: len(file.get_tensor(name)) for name in file.keys()} == {  # noqa: SIM118
            "texts": 3,
            "grams": 1,  # of one letter, all are alike
        }


@unhurried
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_any_changed_byte_is_noticed(folder: Path, place: float, change: int) -> None:
    whole = record_of(folder, "one", "two", "z" * 70 + "y" * 40)
    content = bytearray((folder / NAME).read_bytes())
    content[int(place * len(content))] ^= change
    (folder / NAME).write_bytes(content)
    try:
        read = load(folder)
    except RecordError:
        return
    # White space of the header: nothing that matters.
    assert (read.digest, dict(read.languages)) == (whole.digest, dict(whole.languages))
    assert np.array_equal(read.texts, whole.texts)
    assert np.array_equal(read.grams, whole.grams)


@pytest.mark.parametrize("content", [b"", b"x", b"\x08" + bytes(7) + b"[[[[[[[[", bytes(64)])
def test_what_is_no_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(RecordError, match="is damaged"):
        load(tmp_path)


def test_a_record_cut_short_is_refused(tmp_path: Path) -> None:
    record_of(tmp_path, *map(str, range(50)))
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content[:-8])
    with pytest.raises(RecordError, match="not as long as it says"):
        load(tmp_path)


def test_hashes_out_of_order_are_refused(tmp_path: Path) -> None:
    record_of(tmp_path, *map(str, range(50)))
    content = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(content[:-16] + content[-8:] + content[-16:-8])
    with pytest.raises(RecordError, match="not sorted"):
        load(tmp_path)


def test_another_schema_and_no_record_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read: it is no file"):
        load(tmp_path)
    record_of(tmp_path, "one")
    content = (tmp_path / NAME).read_bytes().replace(b'"schema":"1"', b'"schema":"9"')
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(RecordError, match="schema 9; this version reads 1"):
        load(tmp_path)


def test_a_record_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot write the record of training texts"):
        Recorder().save(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def retrieval(
    queries: Mapping[str, Mapping[str, str]],
    documents: Mapping[str, Mapping[str, str]],
    asked: str,
) -> Retrieval:
    """Query i is answered by document i, in every pair of languages; only `asked` is evaluated."""
    held = [
        {x: Collection(x, tuple(each), tuple(each.values())) for x, each in texts.items()}
        for texts in (queries, documents)
    ]
    judgements = {
        (x, y): SparseJudgements.from_triples(
            len(queries[x]), [(i, i, 1) for i in range(min(len(queries[x]), len(documents[y])))]
        )
        for x in queries
        for y in documents
    }
    pool = tuple(Slice(language) for language in documents)
    setting = Setting(f"{asked}→all", SettingKind.MULTILINGUAL, asked, pool)
    return Retrieval(held[0], held[1], judgements, (setting,), {}, Provenance("test"))


DATA = retrieval(
    {"en": {"1": "first", "2": "second"}, "hi": {"1": "पहला", "2": "दूसरा"}},
    {"en": {"a": "red", "b": "blue"}, "hi": {"b": "लाल", "a": "नीला"}},
    asked="hi",
)


def test_a_hit_in_one_language_taints_its_translations_in_the_others(folder: Path) -> None:
    record = record_of(folder, "second", "RED")
    seen = check(record, DATA, translated=(Role.QUERY,), parallel=True)
    assert seen.queries.listed == {"hi": {"2": "parallel"}}  # English queries are not evaluated
    assert (seen.queries.found, seen.queries.of) == ({"hi": 1}, {"hi": 2})
    # "लाल" answers the same query as "red", whatever their ids.
    assert seen.documents.listed == {"en": {"a": "text"}, "hi": {"b": "parallel"}}
    assert seen.contaminated


def test_ids_that_mean_nothing_taint_nothing(folder: Path) -> None:
    seen = check(record_of(folder, "second", "RED"), DATA)
    assert seen.queries.listed == {}
    assert seen.documents.listed == {"en": {"a": "text"}}


def test_documents_whose_ids_are_shared_are_tainted_by_id(folder: Path) -> None:
    seen = check(record_of(folder, "RED"), DATA, translated=(Role.DOCUMENT,))
    assert seen.documents.listed == {"en": {"a": "text"}, "hi": {"a": "parallel"}}


def test_unseen_are_the_evaluated_languages_without_a_training_text(folder: Path) -> None:
    assert check(record_of(folder, "x", language="en-GB"), DATA).unseen == ("hi",)
    assert check(record_of(folder, "x", language="hi"), DATA).unseen == ("en",)


def test_what_was_not_trained_on_is_clean(folder: Path) -> None:
    seen = check(record_of(folder, "third"), DATA, translated=tuple(Role), parallel=True)
    assert not seen.contaminated
    assert seen.documents.as_dict() == {
        "found": 0,
        "of": 4,
        "languages": {"en": {"found": 0, "of": 2}, "hi": {"found": 0, "of": 2}},
        "listed": {},
    }


def test_a_script_or_a_region_is_no_other_language() -> None:
    assert unseen(["zh", "pt-BR", "sw"], ["zh-Hant", "pt_PT", "en"]) == ["sw"]
