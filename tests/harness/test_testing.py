"""The conformance suite passes what keeps the contracts, and names what breaks them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from plugins_for_tests import Small

from mlir_encoders import hashing
from mlir_harness.errors import EncoderError, HarnessError, UsageError
from mlir_harness.protocols import Context, EncoderInfo, TaskOptions
from mlir_harness.testing import (
    ENCODER_CHECKS,
    TASK_CHECKS,
    check_encoder,
    check_task,
    conduct,
    loadable_of,
    outcomes,
    specimen_of,
)
from mlir_harness.types import Collection, Provenance, Retrieval, Setting, SettingKind
from mlir_tasks import lareqa

Encode = Callable[[Sequence[str], Context], Any]


def vectors(texts: Sequence[str], seed: int = 0) -> np.ndarray:
    """Some vectors that tell texts apart."""
    seeds = [[seed, *text.encode("utf-8", "surrogatepass")[:50], len(text)] for text in texts]
    rows = [np.random.default_rng(each).normal(size=8) for each in seeds]
    return np.array(rows).reshape(len(texts), 8)


class Made:
    """An encoder from a function of texts and context."""

    def __init__(self, encode: Encode, **info: Any) -> None:
        self.info = EncoderInfo(**{"revision": "1", **info})
        self._encode = encode

    def encode(self, texts: Sequence[str], context: Context) -> Any:
        return self._encode(texts, context)


def test_good_encoders_pass() -> None:
    check_encoder(Made(lambda texts, _: vectors(texts)))
    found = {each.check: each.result for each in check_encoder(hashing.create)}
    assert found["second-instance"] == found["another-process"] == "passed"
    assert found["tokens"] == "skipped"


def test_every_check_has_a_name_of_its_own_and_says_what_it_promises() -> None:
    for checks in (ENCODER_CHECKS, TASK_CHECKS):
        names = [check.name for check in checks]
        assert len(set(names)) == len(names)
        assert all(check.promise[0].isupper() or check.promise[0] == "`" for check in checks[2:])


@pytest.mark.parametrize(
    "answer",
    [
        lambda made: made,
        lambda made: made.astype(np.float64).tolist() or made,
        np.asfortranarray,
    ],
)
def test_answers_that_can_be_converted_pass(answer: Callable[[Any], Any]) -> None:
    found = check_encoder(Made(lambda texts, _: answer(vectors(texts))))
    (first,) = [each for each in found if each.check == "vectors"]
    assert "converted to float32" in first.notes[0]


@pytest.mark.slow
def test_a_torch_tensor_passes_with_a_note() -> None:
    import torch

    found = check_encoder(Made(lambda texts, _: torch.from_numpy(vectors(texts))))
    (first,) = [each for each in found if each.check == "vectors"]
    assert first.notes == ("returns a torch tensor of float64, converted to float32",)


_HELD: dict[str, np.ndarray] = {}


def _one_buffer(texts: Sequence[str], _: Context) -> np.ndarray:
    """Every call writes into the memory that the last one returned."""
    buffer = _HELD.setdefault("buffer", np.zeros((100, 8), np.float32))
    buffer[: len(texts)] = vectors(texts)
    return buffer[: len(texts)]


def _refuse(*words: str) -> Encode:
    """Breaks on texts that hold any of some words."""

    def encode(texts: Sequence[str], _: Context) -> np.ndarray:
        if any(word in text for text in texts for word in words):
            raise ValueError("no such letter")
        return vectors(texts)

    return encode


def _padded(texts: Sequence[str], _: Context) -> np.ndarray:
    longest = max(map(len, texts), default=0)
    return vectors(texts) + (longest > 10_000)


def _sorted_in_place(texts: Sequence[str], _: Context) -> np.ndarray:
    made = vectors(texts)
    texts.sort()  # type: ignore[attr-defined]
    return made


def _forgets_duplicates(texts: Sequence[str], _: Context) -> np.ndarray:
    return vectors([*dict.fromkeys(texts), *["more"] * (len(texts) - len(set(texts)))])


def _in_languages(texts: Sequence[str], context: Context) -> np.ndarray:
    pairs = zip(context.languages, texts, strict=True)
    return vectors([language + text for language, text in pairs])


def _rounded_by_the_batch(texts: Sequence[str], _: Context) -> np.ndarray:
    made = vectors(texts).astype(np.float32)
    return np.nextafter(made, np.float32(2)) if len(texts) > 1 else made


def _over_reporting(texts: Sequence[str], context: Context) -> np.ndarray:
    context.progress(len(texts) + 1, 5, 0)
    return vectors(texts)


BROKEN: list[tuple[Encode, dict[str, Any], str, str]] = [
    (lambda t, _: vectors(sorted(t)), {}, "order", "order of the texts"),
    (lambda t, _: vectors(t)[::-1], {}, "order", "order of the texts"),
    (lambda t, _: vectors(t) + len(t), {}, "alone", "depends on the other texts"),
    (lambda t, _: np.random.default_rng().normal(size=(len(t), 8)), {}, "again", "differs"),
    (lambda t, _: vectors(t)[:-1], {}, "vectors", "shape"),
    (lambda t, _: vectors([*t, "a"]), {}, "vectors", "shape"),
    (lambda t, _: vectors(t) * np.nan, {}, "vectors", "NaN"),
    (lambda t, _: np.zeros((len(t), 0)), {}, "vectors", "0 dimensions"),
    (lambda t, _: vectors(t), {"dimension": 9}, "vectors", "`info.dimension` is 9"),
    (lambda t, _: np.ones((len(t), 3)), {}, "tells-apart", "all texts get the same vector"),
    (
        lambda t, c: vectors(t)[:, : 7 + (c.role == "query")],
        {},
        "roles",
        "of 7 dimensions here and of 8",
    ),
    (lambda t, _: vectors(t or ["x"]), {}, "empty-list", "shape"),
    (_forgets_duplicates, {}, "duplicates", "equal texts get different vectors"),
    (_in_languages, {}, "languages", "another language changes vectors"),
    (_one_buffer, {}, "again", "overwrites the vectors of an earlier one"),
    (_padded, {}, "long-text", "changes the vectors of its neighbours"),
    (_sorted_in_place, {}, "vectors", "changed the list of texts"),
    (_refuse("กรุง"), {}, "mixed-scripts", "a text in five scripts"),
    (_refuse("\u202a"), {}, "right-to-left", "a Hebrew text with Latin words"),
    (_refuse("🫖🫖"), {}, "emoji", "a text of emoji alone"),
    (_refuse("\ud83e"), {}, "lone-surrogate", "half a surrogate pair"),
    (_refuse("\x00"), {}, "control-characters", "a text with NUL"),
    (lambda t, _: vectors([x.encode().decode() for x in t]), {}, "lone-surrogate", "Unicode"),
    (lambda t, _: vectors([x.split()[0] for x in t]), {}, "empty-text", "IndexError"),
    (_rounded_by_the_batch, {"exact": True}, "exact", "its last bits"),
    (_over_reporting, {}, "progress", "progress counts 9 texts of 8"),
    (lambda t, _: vectors(t), {"languages": "en"}, "info", "not a tuple of language tags"),
    (lambda t, _: vectors(t), {"similarity": "euclidean"}, "info", "'cosine' or 'dot'|euclidean"),
    (lambda t, _: vectors(t), {"options": {"pool": "<f at 0x7f1a>"}}, "info", "every start"),
    (lambda t, _: vectors(t), {"revision": 3}, "info", "info.revision is a int"),
]


@pytest.mark.parametrize(
    ("encode", "info", "check", "message"), BROKEN, ids=[f"{b[2]}-{b[3][:20]}" for b in BROKEN]
)
def test_broken_encoders_are_named(
    encode: Encode, info: dict[str, Any], check: str, message: str
) -> None:
    found = outcomes(ENCODER_CHECKS, specimen_of(Made(encode, **info)))
    failed = {each.check: each for each in found if each.result == "failed"}
    assert check in failed
    told = f"{failed[check].message} {failed[check].hint}"
    assert any(part in told for part in message.split("|")), told
    assert failed[check].hint
    with pytest.raises(HarnessError):
        check_encoder(Made(encode, **info))


MEDDLING: dict[str, tuple[Callable[[], Any], str]] = {
    "folder": (lambda: os.chdir("/"), "the working folder: /"),
    "random": (lambda: random.seed(7), "the random state of `random`"),
    "numpy": (lambda: np.random.seed(7), "the random state of numpy"),
    "environment": (lambda: os.environ.update(MEDDLED="yes"), "the environment: MEDDLED"),
    "mask": (lambda: os.umask(0o077), "the file mode mask"),
    "errors": (lambda: np.seterr(all="ignore"), "numpy's handling of errors"),
}


@pytest.mark.parametrize("how", MEDDLING)
def test_what_an_encoder_changes_in_the_process_is_named(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    meddle, said = MEDDLING[how]
    monkeypatch.delenv("MEDDLED", raising=False)

    def encode(texts: Sequence[str], _: Context) -> np.ndarray:
        os.environ.pop("MEDDLED", None)
        os.umask(0o022)
        np.seterr(all="warn")
        if calls:
            meddle()
        calls.append(len(texts))
        return vectors(texts)

    calls: list[int] = []
    mask, errors, folder = os.umask(0o022), np.geterr(), Path.cwd()
    try:
        # The first call is that of the check before: what it changed stays changed.
        checks = [check for check in ENCODER_CHECKS if check.name == "state"]
        (found,) = outcomes(checks, specimen_of(Made(encode)))
    finally:
        os.umask(mask)
        np.seterr(**errors)  # type: ignore[arg-type]
        os.chdir(folder)
    assert found.result == "failed"
    assert said in found.message


def test_the_process_is_as_before_after_a_meddling_encoder_was_checked() -> None:
    def encode(texts: Sequence[str], _: Context) -> np.ndarray:
        random.seed(7)
        return vectors(texts)

    folder, state = Path.cwd(), random.getstate()
    checks = [check for check in ENCODER_CHECKS if check.name == "state"]
    random.seed(3)
    before = random.getstate()
    specimen = specimen_of(Made(encode))
    specimen.reference(role="query")  # type: ignore[arg-type]
    random.seed(3)
    list(outcomes(checks, specimen))
    assert (Path.cwd(), random.getstate()) == (folder, before)
    random.setstate(state)


class Parent:
    """Has a process of its own, which it starts when it first encodes."""

    info = EncoderInfo(revision="1")
    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def encode(self, texts: Sequence[str], _: Context) -> np.ndarray:
        if self._child is None:
            self._child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
            self.started.append(self._child)
        return vectors(texts)


class Closing(Parent):
    def close(self) -> None:
        if self._child is not None:
            self._child.communicate(b"\n")
            self._child = None


@pytest.mark.skipif(sys.platform != "linux", reason="children are known on Linux alone")
@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_a_child_that_is_left_running_is_named(
    given: bool, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conduct, "_SECONDS_TO_END", 0.2)
    names = {"children"} if alone else {"vectors", "children"}
    checks = [check for check in ENCODER_CHECKS if check.name in names]
    try:
        passed = outcomes(checks, specimen_of(Closing() if given else Closing))
        assert {each.result for each in passed} == {"passed"}
        found = list(outcomes(checks, specimen_of(Parent() if given else Parent)))[-1]
        assert found.result == "failed"
        assert "a process that it started still runs after close" in found.message
        assert "input()" in found.message
    finally:
        for child in Parent.started:
            if child.returncode is None:
                child.communicate(b"\n")
        Parent.started.clear()


_CALLS = [0]


def counting(step: int = 0, size: int = 8) -> Made:
    """Two instances differ; an option changes vectors."""
    _CALLS[0] += step
    return Made(lambda texts, _: vectors(texts, _CALLS[0])[:, :size])


def telling(size: int = 8) -> Made:
    """The same, with the option in its info."""
    return Made(lambda texts, _: vectors(texts)[:, :size], options={"size": str(size)})


def restless() -> Made:
    """Another revision for each instance."""
    _CALLS[0] += 1
    return Made(lambda texts, _: vectors(texts), revision=str(_CALLS[0]))


def salted() -> Made:
    """Depends on hash(), which is another one in every process."""
    return Made(lambda texts, _: vectors([str(hash(text)) for text in texts]))


def batched(batch_size: int = 8) -> Made:
    """States what has no influence."""
    return Made(lambda texts, _: vectors(texts), options={"batch_size": str(batch_size)})


@pytest.mark.parametrize(
    ("factory", "given", "message"),
    [
        (counting, {"options": {"step": 1}}, "a second instance with the same options gives other"),
        (counting, {"others": [{"size": 4}]}, "size=4 changes vectors, and info stays the same"),
        (restless, {}, "a second instance with the same options has another info"),
        (salted, {}, "another process gives other vectors"),
        (batched, {}, "batch_size=2 changes info"),
    ],
)
def test_broken_factories_are_named(
    factory: Callable[..., Made], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(EncoderError, match=message) as raised:
        check_encoder(factory, **given)
    assert any(note.startswith("to mend it: ") for note in raised.value.__notes__)


def test_options_that_info_names_may_change_vectors() -> None:
    check_encoder(telling, others=[{"size": 4}])


def test_something_else_is_no_encoder() -> None:
    for wrong in (object(), lambda: "an encoder", lambda: telling):
        with pytest.raises(EncoderError, match="which has no `info`"):
            check_encoder(wrong)  # type: ignore[arg-type]


class Strict(Small):
    """A task that refuses what it does not know."""

    def load(self, options: TaskOptions) -> Any:
        for what, asked, known in (
            ("language", options.languages, self.info.languages),
            ("split", [options.split], ("", *self.info.splits)),
        ):
            for one in asked:
                if one not in known:
                    raise UsageError(f"no {what} {one!r}", "Name another.")
        return super().load(options)


def test_good_tasks_pass() -> None:
    check_task(Strict)
    check_task(lareqa.xquad_r)
    check_task(lareqa.xquad_r, TaskOptions(data="sample", languages=("de", "hi")))


def _swapped(retrieval: Retrieval) -> Retrieval:
    first, *others = retrieval.settings
    return replace(retrieval, settings=(replace(first, kind=SettingKind.CROSS_LINGUAL), *others))


def _renamed(retrieval: Retrieval) -> Retrieval:
    """Numbers its settings, so that ids mean other things with fewer languages."""
    settings: list[Setting] = [
        replace(each, id=f"setting {number}") for number, each in enumerate(retrieval.settings)
    ]
    return replace(retrieval, settings=tuple(settings[::-1]))


def _drawn(retrieval: Retrieval) -> Retrieval:
    _CALLS[0] += 1
    texts = [f"text {_CALLS[0]} {row}" for row in range(3)]
    queries = {each: Collection(each, held.ids, texts) for each, held in retrieval.queries.items()}
    return replace(retrieval, queries=queries)


def _emptied(retrieval: Retrieval) -> Retrieval:
    texts = ("one", " ", "three")
    return replace(
        retrieval,
        documents={e: Collection(e, h.ids, texts) for e, h in retrieval.documents.items()},
    )


def _foreign(retrieval: Retrieval) -> Retrieval:
    return replace(
        retrieval, queries={**retrieval.queries, "fr": Collection("fr", ("a",), ("un",))}
    )


@pytest.mark.parametrize(
    ("change", "check", "message"),
    [
        (_swapped, "kinds", "'en→en' is called cross-lingual"),
        (_renamed, "restricted", "that is another with all"),
        (_drawn, "again", "loaded a second time it has other data"),
        (_emptied, "loads", "the text of 'b' is empty"),
        (_foreign, "declared-languages", "it loads fr, which info.languages does not name"),
        (lambda r: None, "loads", "`load` returned a NoneType, not a Retrieval"),
        (lambda r: r.settings[99], "loads", "IndexError"),
        (lambda r: replace(r, clusters={}), "loads", "clusters"),
        (lambda r: replace(r, provenance=Provenance("")), "provenance", "source is empty"),
        (lambda r: (os.chdir("/"), r)[1], "state", "the working folder: /"),
    ],
)
def test_broken_tasks_are_named(
    change: Callable[[Retrieval], Any], check: str, message: str
) -> None:
    folder = Path.cwd()
    try:
        found = list(outcomes(TASK_CHECKS, loadable_of(lambda: Strict(change))))
    finally:
        os.chdir(folder)
    failed = {each.check: each for each in found if each.result == "failed"}
    assert message in failed[check].message
    assert failed[check].hint


def test_a_task_that_takes_any_language_and_split_is_named() -> None:
    found = outcomes(TASK_CHECKS, loadable_of(Small))
    failed = {each.check: each.message for each in found if each.result == "failed"}
    assert failed == {
        "unknown-language": "an unknown language is accepted",
        "unknown-split": "an unknown split is accepted",
    }
