"""Whatever is wrong: one message, the right exit code, no traceback, nothing finished lost."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from command import PLUGINS, Desk, Done


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path, ("de", "en"))


def assert_clean(done: Done, code: int, *said: str) -> None:
    """One message with every part of `said`; nothing raw from a plugin or a traceback."""
    assert done.code == code, done.err
    told = " ".join(done.err.split())
    for part in said:
        assert part in told
    assert "Traceback" not in done.err
    assert "\x1b" not in done.err + done.out
    assert "\u202e" not in done.err


BAD_ENCODERS = {
    "raises": "raised ValueError: no such layer",
    "raises_lone": "raised ValueError: half � pair =1+1 [red]a[/b] �[31m�../../x|`* <b>",
    "raises_unprintable": "raised Unprintable",
    "raises_memory": "ran out of memory on",
    "raises_unavailable": "no weights",
    "exits": "raised SystemExit: 7",
    "nan": "returned NaN or infinite values for 1 of",
    "infinite": "returned NaN or infinite values for",
    "one_dimensional": "returned shape (12,) for 12 texts",
    "three_dimensional": "returned shape (12, 24, 1) for 12 texts",
    "too_few_rows": "returned shape (11, 24) for 12 texts",
    "no_columns": "returned vectors of 0 dimensions",
    "objects": "returned ndarray of objects, not numbers",
    "ragged": "returned rows of different lengths",
    "words": "returned list of text, not numbers",
    "nothing": "returned None, not numbers",
    "uneven": "24 dimensions here and of 20 dimensions elsewhere",
    "bad_factory": "cannot be loaded: KeyError: 'weights'",
    "exiting_factory": "cannot be loaded: SystemExit: no GPU",
    "no_encoder": "made a str, not an encoder",
    "no_info": "made a dict, not an EncoderInfo",
    "sulking": "ConnectionError: the hub does not answer",
    "odd_similarity": "compares by 'euclidean'",
    "not_callable": "is not callable",
    "missing": "cannot be loaded: AttributeError",
}


@pytest.mark.slow
@pytest.mark.parametrize("where", [[], ["--isolate"]], ids=["here", "isolated"])
def test_each_broken_encoder_is_explained_and_the_others_go_on(
    desk: Desk, where: list[str]
) -> None:
    names = [f"{PLUGINS}:{name}" for name in BAD_ENCODERS]
    done = desk.run(*names, "hashing", more=["--format", "json", *where])
    assert_clean(done, 3)
    cells = done.cells()
    for name, said in BAD_ENCODERS.items():
        cell = cells[f"{PLUGINS}:{name}"]
        assert cell["status"] in {"error", "unavailable"}
        assert cell["summary"] == {}
        assert cell["hint"]
        assert "\n" not in cell["reason"]
        assert said in cell["reason"]
        assert said in " ".join(done.err.split())
    assert cells["hashing"]["status"] == "ok"
    assert Path(cells["hashing"]["folder"]).is_dir()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("zeros", "50 of 50 vectors are all zero; 100% of relevant documents tie"),
        ("constant", "100% of relevant documents tie with others: their ranks are left to"),
    ],
)
def test_vectors_that_say_nothing_are_noted_also_of_stored_results(
    desk: Desk, name: str, said: str
) -> None:
    for _ in range(2):
        done = desk.run(f"{PLUGINS}:{name}", "hashing")
        assert_clean(done, 0)
        assert f"{PLUGINS}:{name} × xquad-r: {said}" in done.out
        assert done.out.count("tie with others") == 1


def test_a_name_is_said_once(desk: Desk) -> None:
    done = desk.run("xlmr", more=["--weights", "xlmr=data"])
    assert_clean(done, 4, f"unavailable: xlmr: {desk.root}/data lacks config.json")


def test_nan_is_blamed_on_half_precision_only_where_it_was_used(desk: Desk) -> None:
    done = desk.run(f"{PLUGINS}:nan")
    assert_clean(done, 4, "Common causes are damaged weights")
    assert "--precision" not in done.err


@pytest.mark.slow
def test_answers_in_other_types_give_the_same_numbers(desk: Desk) -> None:
    names = (
        "spelling",
        "as_list",
        "as_double",
        "as_columns",
        "as_tensor",
        "prints",
        "moves",
        "forks",
    )
    done = desk.run(*(f"{PLUGINS}:{name}" for name in names), more=["--format", "json"])
    assert_clean(done, 0)
    cells = done.cells()
    first = cells[f"{PLUGINS}:spelling"]
    for cell in cells.values():
        assert cell["settings"] == first["settings"]
        # `moves` went to another folder, and the store stayed where it was.
        assert Path(cell["folder"]).is_relative_to(desk.root / "out")


def test_what_plugins_print_goes_to_standard_error(desk: Desk) -> None:
    done = desk.run(f"{PLUGINS}:prints", more=["--format", "json"])
    assert done.code == 0
    assert done.json()["schema"] == 1
    for source in ("a plugin", "C", "a child"):
        assert f"hello from {source}" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("where", [[], ["--isolate"]], ids=["here", "isolated"])
def test_a_traceback_is_shown_with_debug_only_and_made_safe(desk: Desk, where: list[str]) -> None:
    names = (f"{PLUGINS}:raises_lone", f"{PLUGINS}:bad_factory")
    done = desk.run(*names, more=["--debug", *where])
    assert done.code == 4
    assert "in _raise" in done.err
    assert "in bad_factory" in done.err
    assert "\x1b" not in done.err
    done = desk.do("run", "--encoders", "nope", "--tasks", "xquad-r", "--debug")
    assert done.code == 2
    assert "Traceback" in done.err


def test_an_encoder_that_fails_to_close_spoils_nothing(desk: Desk) -> None:
    done = desk.run(f"{PLUGINS}:slamming")
    assert_clean(done, 0, "did not close: OSError: the worker is gone")


USAGE = [
    (["--encoders", "hashin"], "no encoder is called 'hashin'", "Did you mean hashing?"),
    (["--tasks", "xquad"], "no task is called 'xquad'", "Did you mean xquad-r?"),
    (["--encoders", "st:"], "names nothing after the colon", "st:FOLDER"),
    (["--encoders", "py:only_module"], "does not name a module and an attribute", "py:package"),
    (["--encoders", ""], "no encoder was named", "list encoders"),
    (["--encoders", " , "], "no encoder was named", "list encoders"),
    (["--encoders", "a=hashing,a=st:x"], "two encoders are called a", "LABEL=NAME"),
    (["--encoders", "a/b=hashing"], "'a/b' in 'a/b=hashing' cannot be a label", "Write LABEL=NAME"),
    (["--encoders", "=hashing"], "'' in '=hashing' cannot be a label", "Write LABEL=NAME"),
    (["--encoders", "x="], "'x=' names no encoder after its =", "Write LABEL=NAME"),
    (["--encoders", "hashing:wide"], "names a variant, and there are none", "dimension"),
    (["--weights", "hashing=data"], "encoder hashing takes no weights", "options: dimension"),
    (["--encoders", "bm25", "--weights", "bm25=data"], "bm25 takes no weights", "options: b, k1"),
    (["--encoders", "bm25", "--option", "bm25.k=1"], "bm25 has no option 'k'", "options: b, k1"),
    (["--encoders", "a\x1b[31m\udcff"], "no encoder is called 'a�[31m�'", "Known: "),
    (["--languages", "de,xx"], "has the language 'xx'", "Known: ar, de,"),
    (["--settings", "bi"], "unknown kind of setting 'bi'", "mono, cross, multi"),
    (["--languages", "en", "--settings", "cross"], "has no setting of these kinds", "--settings"),
    (["--split", "tset"], "has no split 'tset'", "Did you mean test?"),
    (["--option", "hashing"], "'hashing' is not NAME.KEY=VALUE", "hashing.dimension=256"),
    (["--option", ".=3"], "is not NAME.KEY=VALUE", "hashing.dimension=256"),
    (["--option", "hshing.dimension=3"], "'hshing', which is not part", "Did you mean hashing?"),
    (["--option", "hashing.size=3"], "has no option 'size'", "dimension"),
    (["--option", "xquad-r.size=3"], "takes no options", "'size'"),
    (["--option", f"{PLUGINS}:spelling.size=3"], "has no option 'size'", "options: none"),
    (["--option", f"{PLUGINS}:needs_size.sice=3"], "has no option 'sice'", "options: size"),
    (["--ties", "random"], "'random' is not one of", "hash"),
    (["--depth", "3"], "3 is not in the range", ""),
]


@pytest.mark.parametrize(("flags", "what", "hint"), USAGE, ids=lambda value: str(value)[:30])
def test_a_wrong_word_is_named_with_what_was_meant(
    desk: Desk, flags: list[str], what: str, hint: str
) -> None:
    encoders = [flags[1].partition(".")[0]] if PLUGINS in flags[1] else ["hashing"]
    if flags[0] == "--encoders":
        encoders = []
    command = desk.command(*encoders, more=flags)
    if "--tasks" in flags:
        command.remove("xquad-r")
        command.remove("--tasks")
    done = desk.do(*command)
    assert_clean(done, 2, what, hint)
    assert done.out == ""
    assert not (desk.root / "out").exists()


def test_a_factory_that_needs_an_option_says_so(desk: Desk) -> None:
    done = desk.run(f"{PLUGINS}:needs_size", "hashing", more=["--format", "json"])
    assert_clean(done, 3, "missing a required argument: 'size'", "Its options: size")
    assert done.cells()["hashing"]["status"] == "ok"


def _break(text: str) -> str:
    content = json.loads(text)
    question = content["data"][1]["paragraphs"][0]["qas"][0]
    question["answers"][0]["answer_start"] = 9999
    return json.dumps(content)


def _repeat(text: str) -> str:
    return text.replace("q3-year", "q3-river")


BAD_DATA = [
    (lambda text: text[:200], "en.json: malformed JSON at line 1"),
    (lambda text: "", "en.json: malformed JSON"),
    (lambda text: text.replace("sentence_breaks", "breaks"), "sentence_breaks: missing"),
    (_break, "offset 9999"),
    (_repeat, "duplicate question id 'q3-river'"),
    (lambda text: text.replace("When was the bridge of Porto built?", "  "), "is empty"),
    (lambda text: text.replace("Porto", "\\ud800"), "lone surrogate U+D800"),
]


@pytest.mark.parametrize(("change", "said"), BAD_DATA, ids=[said for _, said in BAD_DATA])
def test_bad_data_names_file_and_place(desk: Desk, change: object, said: str) -> None:
    file = desk.root / "data" / "en.json"
    file.write_text(change(file.read_text()))  # type: ignore[operator]
    done = desk.run("hashing")
    assert_clean(done, 4, "error: xquad-r:", "en.json", said)
    assert done.out == ""


@pytest.mark.slow
def test_a_missing_or_empty_data_folder_says_what_belongs_there(desk: Desk) -> None:
    done = desk.run("hashing", more=["--data-dir", "nowhere"])
    assert_clean(done, 4, str(desk.root / "nowhere"), "does not exist", "--data-dir")
    (desk.root / "bare").mkdir()
    done = desk.run("hashing", more=["--data-dir", "bare"])
    assert_clean(done, 4, "lacks de.json, en.json")


@pytest.mark.slow
def test_a_task_that_fails_leaves_the_others_alone(desk: Desk) -> None:
    names = ("failing_task", "exiting_task", "empty_task", "spoilt_task", "not_callable", "small")
    tasks = ",".join(f"{PLUGINS}:{name}" for name in names)
    (desk.root / "data").rename(desk.root / "xquad-r")
    (desk.root / "data").mkdir()
    (desk.root / "xquad-r").rename(desk.root / "data" / "xquad-r")
    for name in names:
        (desk.root / "data" / f"{PLUGINS}:{name}").mkdir()
    done = desk.run("hashing", more=["--tasks", tasks, "--format", "json"])
    assert_clean(done, 3)
    cells = {cell["task"].rpartition(":")[2]: cell for cell in done.json()["cells"]}
    assert "LookupError: row 7" in cells["failing_task"]["reason"]
    assert "SystemExit: 9" in cells["exiting_task"]["reason"]
    assert "made a NoneType, not a Retrieval" in cells["empty_task"]["reason"]
    assert "IndexError: judgement 7 of 3" in cells["spoilt_task"]["reason"]
    assert "is not callable" in cells["not_callable"]["reason"]
    assert {cells["small"]["status"], cells["xquad-r"]["status"]} == {"ok"}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_hostile_strings_are_data_everywhere(desk: Desk, form: str) -> None:
    command = desk.command("hashing", more=["--format", form, "--details"])
    command[command.index("xquad-r")] = f"{PLUGINS}:hostile_task"
    done = desk.do(*command)
    assert_clean(done, 0)
    if form == "json":
        assert done.json()["cells"][0]["status"] == "ok"
    written = {path.relative_to(desk.root).parts[0] for path in desk.root.rglob("*")}
    assert written <= {"data", "out", "cache"}
    again = desk.do(*command)
    assert again.code == 0


@pytest.mark.slow
def test_a_file_where_a_folder_should_be(desk: Desk) -> None:
    (desk.root / "file").write_text("kept")
    done = desk.run("hashing", more=["--output", "file/results"])
    assert_clean(done, 4, "cannot write results to", "Not a directory", "--output")
    done = desk.run("hashing", more=["--cache-dir", "file"])
    assert_clean(done, 4, "cannot write vectors to", "--cache-dir")
    assert (desk.root / "file").read_text() == "kept"


def _limited(desk: Desk, command: list[str], limit: int) -> Done:
    """Run with a limit on the size of files: writing fails half-way, as on a full disk."""
    done = subprocess.run(
        [sys.executable, "-m", "mlir_harness", *command],
        check=False,
        cwd=desk.root,
        env=desk.environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_no_room_for_vectors_or_results(desk: Desk) -> None:
    done = _limited(desk, desk.command("hashing"), 4096)
    assert_clean(done, 4, "cannot write vectors to", "File too large", "Free some space")
    assert not desk.leftovers()
    assert not desk.files("cache", "*.safetensors")
    # Vectors fit, the results do not: the scores are shown all the same.
    assert desk.run("hashing").code == 0
    done = _limited(desk, desk.command("hashing", more=["--fresh", "--format", "json"]), 2048)
    assert_clean(done, 3, "not stored: hashing × xquad-r: cannot write results to", "--output")
    cell = done.cells()["hashing"]
    assert cell["status"] == "ok"
    assert cell["summary"]["monolingual"]["AP"] > 0
    assert cell["folder"] is None
    assert not desk.leftovers()
    assert desk.run("hashing").code == 0


@pytest.mark.slow
def test_a_full_disk(desk: Desk) -> None:
    small = desk.root / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a small disk here")
    try:
        # The dimension of this encoder is not known before it encodes.
        (small / "ballast").write_bytes(b"x" * 50_000)
        done = desk.run(f"{PLUGINS}:spelling", more=["--cache-dir", "small"])
        assert_clean(done, 4, "cannot write vectors to", "No space left on device", "--cache-dir")
        # Of this one it is: nothing is begun.
        done = desk.run("hashing", more=["--cache-dir", "small"])
        assert_clean(done, 4, "no room for the vectors: it takes", "--cache-dir")
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.slow
def test_a_reader_that_goes_away_and_a_full_standard_output(desk: Desk) -> None:
    assert desk.run("hashing").code == 0
    command = [sys.executable, "-m", "mlir_harness", *desk.command("hashing", more=["--details"])]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, check=False, cwd=desk.root, env=desk.environment(), stdout=writing, stderr=-1
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, check=False, cwd=desk.root, env=desk.environment(), stdout=full, stderr=-1
        )
    assert done.returncode == 3
    assert b"cannot write to standard output: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(desk: Desk, closed: str) -> None:
    command = [sys.executable, "-m", "mlir_harness", *desk.command("hashing")]
    line = f'"$@" {closed}'
    done = subprocess.run(
        ["bash", "-c", line, "-", *command],
        check=False,
        cwd=desk.root,
        env=desk.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert ("hashing" in done.stdout) == (closed == "2>&-")


def test_a_terminal_that_cannot_show_all_characters(desk: Desk) -> None:
    done = desk.run("hashing", more=["--details"], PYTHONIOENCODING="ascii")
    assert_clean(done, 0)
    assert "0." in done.out


def test_one_language_alone(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ["hi"])
    done = desk.run("hashing", more=["--details"])
    assert_clean(done, 0)
    assert "1 monolingual (Mo.) settings" in done.out
    assert "rank distance" not in done.out


@pytest.mark.slow
def test_nothing_ready_and_nothing_wanted_are_told_apart(desk: Desk) -> None:
    listed = json.loads(desk.do("list", "encoders", "--json").out)
    everything = ",".join(plugin["name"] for plugin in listed)
    done = desk.run("all", MLIR_HARNESS_DISABLE_PLUGINS=everything)
    assert_clean(done, 2, "no encoder is installed")
    names = {plugin["name"] for plugin in listed}
    weightless = ",".join({"hashing", "bm25", "tiny-mono", "tiny-cross", "tiny-hybrid"} & names)
    done = desk.run("all", MLIR_HARNESS_DISABLE_PLUGINS=weightless)
    assert_clean(done, 4, "xlmr: files are missing", "mlir-harness fetch")
    assert_clean(desk.run("all"), 0)
