"""An encoder in a process of its own: the same vectors, and whatever it does, one clear error."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plugins_for_tests import HOSTILE, LONE, letters

from mlir_harness import registry
from mlir_harness.errors import (
    DataError,
    EncoderError,
    Unavailable,
    UsageError,
)
from mlir_harness.isolation import housing, place, remote
from mlir_harness.isolation.line import Line
from mlir_harness.isolation.origin import Origin
from mlir_harness.isolation.process import Patience, Worker
from mlir_harness.isolation.remote import RemoteEncoder
from mlir_harness.isolation.wire import Kind, Message
from mlir_harness.protocols import Closes, Context, Counts, Encoder, EncoderInfo, Environment, Fits
from mlir_harness.request import Request, Silent
from mlir_harness.types import Collection, Role

Make = Callable[..., RemoteEncoder]
TEXTS = ["eins", "", HOSTILE, LONE, "สวัสดี 🫖", "x" * 100_000]
CONTEXT = Context(Role.DOCUMENT, ["de", "de", "en", "en", "th", "de"], "Find 🫖 \ud800")


def origin(name: str, patience: Patience | None = None) -> Origin:
    choice = registry.resolve(registry.Kind.ENCODER, f"py:faulty_plugins:{name}")
    return Origin(choice, {}, {}, place.own(choice.plugin), patience or Patience(60.0))


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes isolated encoders, which are closed in the end; `notes` are what they note."""
    monkeypatch.setenv("TEST_MARKS", str(tmp_path))
    made: list[RemoteEncoder] = []

    def create(name: str, patience: Patience | None = None, **more: Any) -> RemoteEncoder:
        start = replace(origin(name, patience), **more)
        made.append(RemoteEncoder(start, remote.look(start)))
        return made[-1]

    yield create
    for encoder in made:
        encoder.close()


def gone(pid: int) -> bool:
    """Whether a process has ended, or does within two seconds."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def pid_of(encoder: RemoteEncoder) -> int:
    worker = encoder._line._worker
    assert worker is not None
    return worker.pid


def encode(encoder: RemoteEncoder, texts: list[str] | None = None) -> Any:
    texts = TEXTS[:4] if texts is None else texts
    return encoder.encode(texts, replace(CONTEXT, languages=["de"] * len(texts))).matrix


def test_what_is_asked_and_answered_arrives_unchanged(make: Make, tmp_path: Path) -> None:
    encoder = make("looking")
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, Closes)
    assert isinstance(encoder, Counts)
    assert not isinstance(encoder, Fits)
    assert not isinstance(make("sound"), Counts)
    info = encoder.info
    assert (info.revision, info.options, info.languages) == ("1", {"a": "1"}, ("de",))
    assert (info.dimension, info.max_tokens, info.language_aware) == (24, 30, False)
    vectors = encoder.encode(TEXTS, CONTEXT)
    assert vectors.matrix.tobytes() == letters(TEXTS).tobytes()
    assert vectors.matrix.flags.writeable
    assert encoder.tokens(TEXTS, CONTEXT).tolist() == [len(text) for text in TEXTS]
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["texts"] == TEXTS
    assert seen["languages"] == CONTEXT.languages
    assert seen["instruction"] == CONTEXT.instruction
    assert encode(encoder, []).shape == (0, 24)
    encoder.close()
    assert (tmp_path / "closed").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=())), max_size=20))
def test_any_texts_arrive_unchanged(make: Make, texts: list[str]) -> None:
    if "encoder" not in vars(make):
        make.encoder = make("sound")  # type: ignore[attr-defined]
    assert (encode(make.encoder, texts) == letters(texts)).all()  # type: ignore[attr-defined]


def test_a_worker_has_the_surroundings_of_the_harness_and_a_session_of_its_own(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SEEN", "yes")
    monkeypatch.chdir(tmp_path)
    encode(make("looking"))
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["folder"] == str(tmp_path)
    assert seen["path"] == sys.path
    assert seen["environment"] == "yes"
    assert seen["input"] == ""
    assert seen["session"]
    assert seen["inherited"] == []  # a program that it starts cannot speak for it
    assert seen["pid"] != os.getpid()
    assert {"xxhash", "scipy", "torch", "rich", "click"}.isdisjoint(seen["modules"])


def test_no_worker_waits_after_it_was_asked_what_it_is(make: Make) -> None:
    encoder = make("sound")
    assert encoder._line._worker is None
    encode(encoder)
    pid = pid_of(encoder)
    encode(encoder)
    assert pid_of(encoder) == pid
    encoder.close()
    assert gone(pid)
    assert (encode(encoder) == letters(TEXTS[:4])).all()  # and it starts again
    assert pid_of(encoder) != pid


DEATHS = {
    "segfault": r"was ended by SIGSEGV \(a segmentation fault\); it last said: reading address 0",
    "aborts": r"was ended by SIGABRT \(it aborted\)",
    "exits": "ended by itself with exit code 5",
    "forks_and_exits": "exit code 5; it last said: �.31mlast words�",
    "killed": r"was killed by SIGKILL",
    "everywhere": "sent a message that begins with b'Load'",
    "misreports": r"sent a message that cannot be read \(ValueError\)",
    "closes": "closed its channel to the harness",
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_is_tried_once_more_and_then_explained(make: Make, name: str) -> None:
    notes: list[str] = []
    encoder = make(name, note=notes.append)
    said = f"its process .*{DEATHS[name]}.*, after another one had died"
    with pytest.raises(EncoderError, match=said) as caught:
        encode(encoder)
    assert "(on 4 document texts)" in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message
    (note,) = notes
    assert note.endswith("trying once more")


def test_what_was_done_before_a_death_is_not_reported_twice(make: Make) -> None:
    """Two texts of four were truncated: reported by the first attempt, and one by the second."""
    done: list[tuple[int, int, int]] = []
    notes: list[str] = []
    encoder = make("killed_once", note=notes.append)
    context = Context(Role.QUERY, ["de"] * 5, "", lambda *each: done.append(each))
    vectors = encoder.encode(TEXTS[:5], context)
    assert (vectors.matrix == letters(TEXTS[:5])).all()
    assert np.sum(done, axis=0).tolist() == [5, 50, 3]
    assert len(notes) == 1


def test_a_child_that_an_encoder_forks_never_speaks_for_it(make: Make) -> None:
    done: list[tuple[int, int, int]] = []
    encoder = make("forks")
    for _ in range(3):
        context = Context(Role.QUERY, ["de"] * 4, "", lambda *each: done.append(each))
        assert (encoder.encode(TEXTS[:4], context).matrix == letters(TEXTS[:4])).all()
    assert not done


def test_what_an_encoder_started_ends_with_it(make: Make, tmp_path: Path) -> None:
    encoder = make("children")
    encode(encoder)
    child = int((tmp_path / "child").read_text())
    assert Path(f"/proc/{child}").exists()
    encoder.close()
    assert gone(child)


@pytest.mark.parametrize("name", ["garbage", "flood"])
def test_what_it_prints_disturbs_nothing(
    make: Make, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (encode(make(name)) == letters(TEXTS[:4])).all()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("\\ud800 half" if name == "garbage" else "x" * 50_000) in captured.err


def test_a_batch_that_takes_too_long_is_ended_and_not_tried_again(make: Make) -> None:
    encoder = make("sleeps", Patience(3.0))
    encoder.close()
    start = time.monotonic()
    said = "its process finished no batch in 3 s"
    with pytest.raises(EncoderError, match=said) as caught:
        encode(encoder)
    assert "--timeout" in caught.value.hint
    assert time.monotonic() - start < 20
    assert not encoder._line._worker.open


def test_time_passes_while_our_own_reader_is_slower_than_a_flood(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.05)
            if time.monotonic() > end:
                pytest.fail("it goes on for ever")
            return len(text)

    encoder = make("floods_forever", Patience(1.0))
    end = time.monotonic() + 20
    monkeypatch.setattr(sys, "stderr", Slow())
    with pytest.raises(EncoderError, match="finished no batch in 1 s; it last said: xxx"):
        encode(encoder)


def test_a_worker_that_cannot_start_leaves_no_descriptor_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def pipe(made: list[int], real: Callable[[], tuple[int, int]] = os.pipe) -> tuple[int, int]:
        made.append(1)
        if len(made) == 3:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real()

    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    monkeypatch.setattr(os, "pipe", partial(pipe, []))
    with pytest.raises(Unavailable, match="Too many open files"):
        Worker(origin("sound").place, Patience(60.0))
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


@pytest.mark.slow
def test_the_time_of_a_batch_begins_with_the_one_before(make: Make) -> None:
    assert len(encode(make("paced", Patience(3.0)), ["a"] * 6)) == 6  # 4.8 seconds


def test_a_frozen_process_is_noticed(make: Make) -> None:
    encoder = make("stops", Patience(60.0, silence=2.0))
    with pytest.raises(EncoderError, match="gave no sign of life for 2 s"):
        encode(encoder)


def test_one_that_is_busy_without_giving_others_a_turn_is_not_frozen(make: Make) -> None:
    encoder = make("holds", Patience(60.0, silence=0.5))
    assert (encode(encoder) == letters(TEXTS[:4])).all()


def test_what_an_encoder_raises_is_raised_as_what_it_was(make: Make) -> None:
    with pytest.raises(UsageError) as usage:
        encode(make("raises_usage"))
    assert (usage.value.message, usage.value.hint) == ("no such prompt", "Name another.")
    with pytest.raises(DataError, match="row 7") as odd:
        encode(make("raises_odd"))
    assert type(odd.value) is DataError  # the nearest class that is known here
    with pytest.raises(MemoryError):
        encode(make("memory"))
    encoder = make("raises_value")
    with pytest.raises(Exception, match=r"^no such layer$") as foreign:
        encode(encoder)
    assert type(foreign.value).__name__ == "ValueError"
    assert 'faulty_plugins.py", line' in str(foreign.value.__cause__)
    pid = pid_of(encoder)
    with pytest.raises(Exception, match=r"^no such layer$"):
        encode(encoder)
    assert pid_of(encoder) == pid  # an exception is an answer, not a death


def test_one_that_cannot_be_made_is_unavailable(make: Make) -> None:
    with pytest.raises(Unavailable, match=r"cannot be loaded: its process was ended by SIGSEGV"):
        make("crashes")
    # On a busy machine the interpreter alone may take that long.
    with pytest.raises(
        Unavailable, match=r"its process (was not made|did not start) in 2 s"
    ) as late:
        make("lingers", Patience(60.0, start=2.0))
    assert "its first `encode`" in late.value.hint
    with pytest.raises(Unavailable, match="no weights here") as missing:
        make("missing")
    assert missing.value.hint == "mlir-harness fetch weights"
    with pytest.raises(Unavailable, match="cannot be loaded: AttributeError"):
        make("no_such_name")
    with pytest.raises(EncoderError, match="gave a message of"):
        make("huge")


def test_advice_on_a_slow_start_is_of_use() -> None:
    assert "60 s, or --timeout if that is more" in Patience(5.0).quicker
    assert "--timeout" not in Patience(900.0).quicker  # no more than `start` is given in any case


def test_it_says_which_environment_it_needs() -> None:
    made = remote.look(origin("elsewhere"))
    assert made.environment is not None
    assert made.environment.requirements == ("nothing==1",)
    assert made.environment.python == "3.11"


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    start = origin("sound")
    elsewhere = replace(start, place=replace(start.place, python=tmp_path / "python"))
    with pytest.raises(Unavailable, match="cannot be started"):
        remote.look(elsewhere)
    silent = replace(start, place=replace(start.place, python=Path("/bin/true")))
    with pytest.raises(Unavailable, match="its process ended by itself with exit code 0"):
        remote.look(silent)


def documents(*sizes: int) -> list[Collection]:
    return [
        Collection(
            language,
            [str(row) for row in range(size)],
            ["\ud800" + row % 50 * "x" for row in range(size)],
        )
        for language, size in zip(("de", "en"), sizes, strict=False)
    ]


def test_an_encoder_is_fitted_to_documents_that_stay_here(make: Make, tmp_path: Path) -> None:
    encoder = make("fitting")
    assert isinstance(encoder, Fits)
    held = documents(9000, 3)
    fitted = encoder.fit(held)
    assert not isinstance(fitted, Fits)
    assert not list(tmp_path.glob("fit *"))  # not before it is needed
    context = Context(Role.QUERY, ["en", "de"])
    expected = [[3, 6, 3], [9000, 9000 + 180 * 1225, 50]]
    assert fitted.encode(["a", "b"], context).tensors()["matrix"].tolist() == expected
    assert fitted.encode(["a", "b"], context).tensors()["matrix"].tolist() == expected
    assert len(list(tmp_path.glob("fit *"))) == 1
    other = encoder.fit(documents(2))
    assert other.encode(["a"], Context(Role.QUERY, ["de"])).tensors()["matrix"][0, 0] == 2
    assert fitted.encode(["a", "b"], context).tensors()["matrix"].tolist() == expected


def test_one_that_is_not_fitted_does_not_answer_as_one_that_was(make: Make) -> None:
    encoder = make("fitting")
    context = Context(Role.QUERY, ["de"])
    assert len(encoder.fit(documents(2)).encode(["a"], context)) == 1
    with pytest.raises(Exception, match="de"):  # it knows no documents
        encoder.encode(["a"], context)


class Answering(Line):
    """A line to a worker that answers all alike."""

    answer: Message

    def ask(self, *_: Any) -> Message:
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        Message(Kind.FITTED),
        Message(Kind.VECTORS),
        Message(Kind.VECTORS, {"notes": 7}),
        Message(Kind.VECTORS, {"notes": []}, {"matrices": np.zeros((1, 1))}),
        Message(Kind.COUNTED),
        Message(Kind.FAILED),
        Message(Kind.FAILED, {"names": [], "message": "", "hint": "", "trace": ""}),
        Message(Kind.MADE, {"info": {"age": 3}, "environment": None}),
        Message(Kind.MADE, {"wrong": ["one"]}),
    ],
)
def test_answers_that_make_no_sense_are_errors_of_the_encoder(answer: Message) -> None:
    start, made = origin("sound"), remote.Made(EncoderInfo(revision="1"), counts=True)
    line = Answering(start, "")
    line.answer = answer
    encoder = RemoteEncoder(start, made, line=line)
    with pytest.raises(EncoderError, match=r"not what the harness asked|vectors that are none"):
        encode(encoder, ["a"])
    with pytest.raises(EncoderError, match="not what the harness asked for"):
        encoder.tokens(["a"], CONTEXT)
    with pytest.raises(Unavailable, match="sound cannot be loaded"):
        remote.described(start.choice, answer)


def test_a_fitted_encoder_that_dies_is_fitted_again(make: Make, tmp_path: Path) -> None:
    fitted = make("fitting_killed_once").fit(documents(5, 3))
    answer = fitted.encode(["a"], Context(Role.QUERY, ["de"]))
    assert answer.tensors()["matrix"].tolist() == [[5, 15, 5]]
    assert len(list(tmp_path.glob("fit *"))) == 2


def test_edited_code_does_not_make_vectors_under_its_old_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "edited_plugin.py"
    source.write_text("from faulty_plugins import Faulty as Mine\n")
    choice = registry.resolve(registry.Kind.ENCODER, "py:edited_plugin:Mine")
    encoder = remote.create(choice, {}, {}, 60.0, lambda _: None)
    assert "edited_plugin" not in sys.modules
    source.write_text("from faulty_plugins import Faulty as Mine\n# another prompt\n")
    with pytest.raises(EncoderError, match="its source was edited while it was in use"):
        encode(encoder)
    again = remote.create(choice, {}, {}, 60.0, lambda _: None)
    assert again.source != encoder.source
    assert len(encode(again)) == 4
    again.close()


def test_options_that_cannot_be_sent_are_refused(tmp_path: Path) -> None:
    choice = registry.resolve(registry.Kind.ENCODER, "hashing")
    with pytest.raises(UsageError, match="option dimension is a object"):
        remote.create(choice, {"dimension": object()}, {}, 60.0, lambda _: None)
    made = remote.Made(EncoderInfo(revision="1"), environment=Environment(("nothing==1",), "3.11"))
    request, odd = (
        Request(["hashing"], [], cache_dir=tmp_path, download=True),
        {"dimension": object()},
    )
    with pytest.raises(UsageError, match="option dimension is a object"):
        housing.housed(choice, made, odd, {}, request, Silent())
    with pytest.raises(UsageError, match="hashing has no option 'dimensions'"):
        remote.create(choice, {"dimensions": "3"}, {}, 60.0, lambda _: None)


def test_ctrl_c_ends_the_worker_at_once() -> None:
    worker = Worker(place.own(origin("sleeps").choice.plugin), Patience(60.0))
    worker.make(origin("sleeps").request(info=False))
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    request = remote._about(remote.Kind.ENCODE, ["a"], Context(Role.QUERY, ["de"]))
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.ask(request)
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert gone(worker.pid)
    assert worker.close() is None


def test_a_worker_that_was_killed_between_two_requests(make: Make) -> None:
    notes: list[str] = []
    encoder = make("sound", note=notes.append)
    encode(encoder)
    os.kill(pid_of(encoder), signal.SIGKILL)
    assert (encode(encoder) == letters(TEXTS[:4])).all()
    assert "was killed by SIGKILL" in notes[0]
    os.kill(pid_of(encoder), signal.SIGKILL)
    encoder.close()  # nothing is left to close
