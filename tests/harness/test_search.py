"""--search: an index beside the exact search, in a process of its own, kept and found again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plugins_for_tests
import pytest
from command import PLUGINS, Desk
from plugins_for_tests import Spelling, sized
from test_bad_input import assert_clean

from mlir_harness import evaluate
from mlir_harness.indexing import index, search
from mlir_harness.indexing.search import Search
from mlir_harness.protocols import EncoderInfo, TaskInfo, TaskOptions
from mlir_harness.results import CellResult
from mlir_harness.types import (
    Collection,
    Provenance,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
    SparseJudgements,
)

DIMENSION = 48


@dataclass
class Points:
    """An encoder of numbers: clustered points on a sphere, drawn from the number."""

    info: Any = None

    def __post_init__(self) -> None:
        self.info = EncoderInfo(revision="1", dimension=DIMENSION)

    def encode(self, texts: Sequence[str], context: Any) -> Any:
        centres = np.random.default_rng(0).normal(size=(40, DIMENSION))
        rows = []
        for text in texts:
            number = int(text)
            own = np.random.default_rng(abs(number)).normal(size=DIMENSION)
            # A query, which is below zero, lies near the document of its number.
            near = np.random.default_rng(-number).normal(size=DIMENSION) if number < 0 else own
            rows.append(centres[abs(number) % 40] + 0.7 * near + 0.1 * own)
        return np.array(rows)


@dataclass
class Crowd:
    """`documents` numbers a language, every tenth twice, and 40 queries; one pool of both."""

    documents: int = 1500

    @property
    def info(self) -> TaskInfo:
        return TaskInfo(version="1", languages=("de", "en"), measures=("AP", "R@1"))

    def load(self, options: TaskOptions) -> Retrieval:
        languages = options.languages or self.info.languages
        numbers = {language: place * 10_000 for place, language in enumerate(languages, start=1)}
        repeats = [row - 1 if row % 10 == 9 else row for row in range(self.documents)]
        names = [str(row) for row in range(self.documents)]
        documents = {
            language: Collection(language, names, [str(start + row) for row in repeats])
            for language, start in numbers.items()
        }
        queries = {
            language: Collection(language, names[:40], [str(-start - row) for row in range(40)])
            for language, start in numbers.items()
        }
        own = SparseJudgements.from_triples(40, [(row, row, 1) for row in range(40)])
        everything = tuple(Slice(language) for language in languages)
        settings = [
            Setting(f"{each}→{each}", SettingKind.MONOLINGUAL, each, (Slice(each),))
            for each in languages
        ]
        settings += [
            Setting(f"{each}→all", SettingKind.MULTILINGUAL, each, everything) for each in languages
        ]
        half = Slice(languages[0], np.arange(0, self.documents, 2))
        settings.append(
            Setting("half", SettingKind.CROSS_LINGUAL, languages[1], (half, everything[1]))
        )
        return Retrieval(
            queries=queries,
            documents=documents,
            judgements={(each, each): own for each in languages},
            settings=tuple(settings),
            clusters=dict.fromkeys(languages, names[:40]),
            provenance=Provenance(source="made up"),
        )


@pytest.fixture
def crowd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Evaluates Points on a Crowd with a search; the cell."""
    monkeypatch.setattr(plugins_for_tests, "points", Points, raising=False)

    def run(asked: str, *, documents: int = 1500, **more: Any) -> CellResult:
        task = lambda: Crowd(documents)  # noqa: E731
        monkeypatch.setattr(plugins_for_tests, "crowd", task, raising=False)
        folders = {"cache_dir": tmp_path / "cache", "output": tmp_path / "out"}
        named = f"{PLUGINS}:points", f"{PLUGINS}:crowd"
        (cell,) = evaluate(*named, search=asked, **folders | more).cells
        return cell

    return run


def result_of(cell: CellResult) -> search.SearchResult:
    assert cell.status == "ok", cell.reason
    assert cell.search is not None
    assert cell.search.reason is None, (cell.search.reason, cell.search.traceback)
    return cell.search


@pytest.mark.parametrize(
    ("asked", "least", "size"),
    [
        ("faiss:Flat", 1.0, (1.0, 1.01)),
        ("faiss:IVF16,Flat@nprobe=16", 1.0, (1.0, 1.2)),
        ("faiss:IVF16,Flat@nprobe=4", 0.4, (1.0, 1.2)),
        ("faiss:HNSW32", 0.6, (1.5, 3.0)),
        ("faiss:SQ8", 0.9, (0.25, 0.3)),
        ("faiss:PQ12", 0.3, (0.05, 0.5)),
        pytest.param(
            *("faiss:OPQ4_24,IVF16,PQ4@nprobe=16", 0.1, (0.05, 0.7)), marks=pytest.mark.slow
        ),
    ],
)
def test_each_kind_of_index_finds_and_costs_what_it_should(
    crowd: Any, asked: str, least: float, size: tuple[float, float]
) -> None:
    result = result_of(crowd(asked))
    assert result.search == asked
    assert list(result.summary) == ["monolingual", "multilingual", "cross-lingual"]
    for means in (*result.summary.values(), *result.settings.values()):
        assert least <= means["recall"] <= 1
        assert 0 < means["found"] <= 1
        if least == 1:
            assert means["recall"] == 1
            assert means["found"] == means["exact"]
        else:
            assert means["recall"] < 1
    cost = result.cost
    assert (cost["indexes"], cost["documents"]) == (3, 3750)
    assert cost["vector_bytes"] == 3750 * DIMENSION * 4
    assert size[0] <= cost["index_bytes"] / cost["vector_bytes"] <= size[1]
    assert min(cost.values()) > 0


def test_the_exact_figures_are_those_of_the_first_places(crowd: Any) -> None:
    """Where the pool is no larger than the lists, they are the cell's own scores."""
    cell = crowd("faiss:HNSW32", documents=48)
    result = result_of(cell)
    for setting in cell.settings:
        if setting.documents <= search.DEPTH:
            found = result.settings[setting.id]
            assert found["exact"] == pytest.approx(setting.measures["AP"], abs=1e-12)
            assert found["recall"] == 1
    assert result.measure == "AP@100"


def test_flat_is_exact_on_the_command_line_and_texts_are_encoded_once(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, TEST_CALLS=str(tmp_path / "calls"))
    more = ["--search", "faiss:Flat"]
    done = desk.run(f"{PLUGINS}:spelling", more=[*more, "--format", "json"])
    assert_clean(done, 0)
    (cell,) = done.json()["cells"]
    found = cell["search"]
    assert set(found["settings"]) == {setting["id"] for setting in cell["settings"]}
    for setting in cell["settings"]:
        held = found["settings"][setting["id"]]
        assert held["recall"] == 1
        assert held["found"] == held["exact"] == pytest.approx(setting["measures"]["AP"])
    calls = len(desk.calls())
    done = desk.run(f"{PLUGINS}:spelling", more=more)
    assert_clean(done, 0)
    assert "xquad-r · test · faiss:Flat" in done.out
    assert done.out.count("From stored results") == 2
    assert len(desk.calls()) == calls
    assert not desk.leftovers()


def test_without_a_search_there_is_none(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ["de"])
    done = desk.run("hashing", more=["--format", "json", "--search", "exact"])
    assert done.json()["cells"][0]["search"] is None
    assert not (tmp_path / "cache" / "indexes").exists()


@pytest.mark.slow
def test_the_harness_itself_never_imports_faiss_nor_its_process_torch(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ["de"])
    show = "import sys, atexit; atexit.register(lambda: print('MODULES', *sys.modules))"
    program = f"{show}; from mlir_harness.cli import main; main()"
    command = desk.command("hashing", more=["--search", "faiss:Flat"])
    process = desk.start(*command, program=("-c", program))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "faiss" not in (out + err).rpartition("MODULES")[2].split()
    program = f"{show}; import mlir_harness.indexing.faiss_process"
    out, _ = desk.start(program=("-c", program)).communicate(timeout=60)
    assert not {"torch", "faiss", "rich", "pyarrow"} & set(out.rpartition("MODULES")[2].split())


# What is stored and cached.


def kept(tmp_path: Path, pattern: str = "*.faiss") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "cache/indexes").rglob(pattern)}


def forget(tmp_path: Path) -> None:
    """Delete what is stored of searches, so that the indexes are used again."""
    for path in (tmp_path / "out").rglob("search-*.json"):
        path.unlink()


def test_a_second_run_answers_from_the_store(crowd: Any, tmp_path: Path) -> None:
    first = crowd("faiss:HNSW16")
    for path in (tmp_path / "cache/indexes").rglob("*"):
        path.unlink() if path.is_file() else None
    again = crowd("faiss:HNSW16")
    assert (again.stored, result_of(again).stored) == (True, True)
    assert result_of(again).as_dict() == result_of(first).as_dict()
    # No index was built for it, and another search shares the exact scores.
    assert not kept(tmp_path)
    other = crowd("faiss:HNSW16@efSearch=400")
    assert (other.stored, result_of(other).stored) == (True, False)
    assert result_of(other).summary != result_of(first).summary
    assert len(list((tmp_path / "out").rglob("search-*.json"))) == 2
    # A run without a search finds the exact scores, and shows none.
    exact = crowd("exact")
    assert (exact.stored, exact.search) == (True, None)


def test_exact_scores_of_an_earlier_run_are_used_whatever_their_depth(crowd: Any) -> None:
    exact = crowd("exact", depth=10)
    searched = crowd("faiss:Flat", depth=10)
    assert searched.stored
    assert searched.folder == exact.folder
    assert result_of(searched).summary["monolingual"]["recall"] == 1


def test_what_is_asked_while_searching_needs_no_new_index(crowd: Any, tmp_path: Path) -> None:
    crowd("faiss:IVF16,Flat@nprobe=1")
    before = kept(tmp_path)
    crowd("faiss:IVF16,Flat@nprobe=8")
    assert kept(tmp_path) == before
    crowd("faiss:HNSW16@efConstruction=20")
    crowd("faiss:HNSW16@efConstruction=80,efSearch=50")
    assert len(kept(tmp_path)) == len(before) * 3


@pytest.mark.parametrize("factory", ["HNSW16", "IVF16,PQ12"])
def test_the_same_vectors_give_the_same_index(crowd: Any, tmp_path: Path, factory: str) -> None:
    first, built = crowd(f"faiss:{factory}"), kept(tmp_path)
    again = crowd(f"faiss:{factory}", cache_dir=tmp_path / "elsewhere", fresh=True)
    assert result_of(again).settings == result_of(first).settings
    for path in (tmp_path / "elsewhere/indexes").rglob("*.faiss"):
        assert built.pop(path.name) == path.read_bytes()
    assert not built


def test_an_index_is_used_again(crowd: Any, tmp_path: Path) -> None:
    first = result_of(crowd("faiss:HNSW16"))
    before = kept(tmp_path, "*.*s*")  # indexes and what is noted beside them
    forget(tmp_path)
    again = result_of(crowd("faiss:HNSW16"))
    assert kept(tmp_path, "*.*s*") == before
    assert again.cost["build_seconds"] == first.cost["build_seconds"]
    assert again.summary == first.summary


@pytest.mark.parametrize(
    "spoil",
    [
        "flip",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("cut", "empty", "note")),
        "swap",
    ],
)
def test_a_damaged_index_is_not_read_but_built_again(
    crowd: Any, tmp_path: Path, spoil: str
) -> None:
    first, before = result_of(crowd("faiss:HNSW16")), kept(tmp_path)
    forget(tmp_path)
    path, other, _ = sorted((tmp_path / "cache/indexes").rglob("*.faiss"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    aside = path.with_suffix(".json")
    if spoil == "note":
        aside.write_text("[]")
    elif spoil == "swap":
        path.write_bytes(other.read_bytes())
        aside.write_bytes(other.with_suffix(".json").read_bytes())
    else:
        cut = {"flip": len(content), "cut": 1000, "empty": 0}[spoil]
        path.write_bytes(content[:cut])
    again = result_of(crowd("faiss:HNSW16"))
    (note,) = again.notes
    assert f"cached index {path.name} is damaged" in note
    assert "building it again" in note
    assert again.summary == first.summary
    assert kept(tmp_path) == before


def test_what_is_stored_and_spoilt_is_measured_again(crowd: Any, tmp_path: Path) -> None:
    first = result_of(crowd("faiss:Flat", documents=150))
    (path,) = (tmp_path / "out").rglob("search-*.json")
    path.write_text(path.read_text()[:200])
    again = result_of(crowd("faiss:Flat", documents=150))
    assert not again.stored
    assert again.summary == first.summary
    assert json.loads(path.read_text())["summary"] == first.summary


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.0", '"much"'),
        ("1.0", "null"),
        ('"schema": 1', '"schema": 2'),
        ('"schema": 1,', ""),
        ('"cost"', '"price"'),
        ('"faiss:Flat"', '"faiss:SQ8"'),
        ("{", "["),
        ("}", ""),
        ('"', "\udcff"),
        ('"notes": []', '"notes": 3'),
        ('"threads": 2', ""),
    ],
)
def test_what_somebody_edited_is_not_believed(tmp_path: Path, old: str, new: str) -> None:
    asked = Search("Flat", "", "faiss 1")
    held = search.SearchResult(
        asked.name, asked.engine, summary={"monolingual": {"recall": 1.0}}, cost={"threads": 2}
    )
    search.write(tmp_path, held)
    assert search.read(tmp_path, asked) is not None
    assert search.read(tmp_path, Search("Flat", "", "faiss 2")) is None
    (path,) = tmp_path.iterdir()
    text = path.read_text()
    assert old in text
    path.write_bytes(text.replace(old, new).encode("utf-8", "surrogateescape"))
    assert search.read(tmp_path, asked) is None


def test_old_indexes_and_what_killed_runs_left_are_deleted(crowd: Any, tmp_path: Path) -> None:
    crowd("faiss:HNSW16")
    home = tmp_path / "cache/indexes"
    old = kept(tmp_path)
    left = home / ".tmp-killed"
    left.mkdir()
    (left / "vectors.npy").write_bytes(b"x")
    month = time.time() - 31 * 86400
    for path in (*home.rglob("*.json"), left):
        os.utime(path, (month, month))
    crowd("faiss:SQ8")
    assert not left.exists()
    assert not set(kept(tmp_path)) & set(old)
    assert len(kept(tmp_path)) == 3
    assert not list(home.rglob("*.lock"))


# What may go wrong.

WRONG = [
    ("hnsw", "unknown search 'hnsw'", "Known: exact, faiss:FACTORY"),
    ("faiss:", "unknown search 'faiss:'", "faiss:HNSW32"),
    ("annoy:10", "unknown search 'annoy:10'", "Known: exact"),
    ("faiss:HNWS32", "could not parse index string HNWS32", "The-index-factory"),
    ("faiss:LSH", "cannot make an index 'LSH'", "The-index-factory"),
    ("faiss:Flat@nprobe=3", "could not set parameter nprobe", "The-index-factory"),
    ("faiss:IVF4,Flat@nprobe", "could not interpret parameter", "The-index-factory"),
    ("faiss:\x1b[31m[red]\u202e", "could not parse index string �[31m[red]�", ""),
]


@pytest.mark.parametrize(
    ("asked", "what", "hint"), WRONG, ids=[ascii(asked) for asked, *_ in WRONG]
)
def test_a_search_that_nobody_knows_ends_the_run_before_it_begins(
    tmp_path: Path, asked: str, what: str, hint: str
) -> None:
    desk = Desk.at(tmp_path, ["de"])
    done = desk.run("hashing", more=["--search", asked])
    assert_clean(done, 2, what, hint)
    assert done.out == ""
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("factory", ["PQ48", "IVF256,PQ7", "OPQ16_64,IVF256,PQ16"])
def test_a_factory_is_tried_on_a_dimension_that_suits_it(factory: str) -> None:
    asked = index.checked(search.parse(f"faiss:{factory}"))
    assert asked is not None
    assert asked.engine.startswith("faiss 1.")


def test_an_index_that_does_not_fit_the_vectors_leaves_the_exact_scores(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ["de", "en"])
    more = ["--format", "json", "--search", "faiss:PQ48"]
    done = desk.run("hashing", f"m={PLUGINS}:sized", more=[*more, "--option", "m.size=24"])
    assert_clean(
        done,
        3,
        "search failed: hashing × xquad-r × faiss:PQ48: faiss cannot make an index 'PQ48' of 512 "
        "dimensions: The dimension of the vector (d) should be a multiple",
        "of 24 dimensions",
    )
    for cell in done.cells().values():
        assert cell["status"] == "ok"
        assert cell["summary"]["monolingual"]["AP"] > 0
        assert Path(cell["folder"]).is_dir()
        assert cell["search"]["reason"]
        assert cell["search"]["summary"] == {}
    # A failure is not kept: the next run tries again, and the scores come from the store.
    done = desk.run("hashing", more=["--search", "faiss:PQ48"])
    assert_clean(done, 3, "search failed")
    assert "From stored results: hashing" in done.out
    assert not desk.leftovers()


def test_too_few_vectors_to_train_are_counted(crowd: Any) -> None:
    cell = crowd("faiss:IVF1024,Flat")
    assert cell.status == "ok"
    assert cell.search.reason == (
        "IVF1024,Flat needs 1,024 vectors or more to train; a part of de has 750"
    )
    assert "HNSW32" in cell.search.hint
    assert cell.summary["monolingual"]["AP"] > 0


def standing_in(tmp_path: Path, code: str) -> str:
    """PYTHONPATH with a module faiss that runs `code` where there are indexes to build."""
    folder = tmp_path / "shim"
    folder.mkdir()
    (folder / "faiss.py").write_text(
        "import json, os, sys, time\n"
        f"sys.path.remove({str(folder)!r})\n"
        "if json.load(open(sys.argv[1]))['parts']:\n"
        f"    {code}\n"
        "del sys.modules['faiss']\n"
        "import faiss\n"
    )
    return str(folder)


def test_without_faiss_the_run_says_how_to_install_it(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ["de"])
    folder = tmp_path / "shim"
    folder.mkdir()
    (folder / "faiss.py").write_text("raise ModuleNotFoundError(\"No module named 'faiss'\")")
    done = desk.run("hashing", more=["--search", "faiss:Flat"], PYTHONPATH=str(folder))
    assert_clean(done, 2, "--search faiss:Flat: faiss cannot be imported", "pip install faiss-cpu")
    assert not (tmp_path / "out").exists()
    assert desk.run("hashing", PYTHONPATH=str(folder)).code == 0


CRASHES = [
    ("os.kill(os.getpid(), 11)", ["was ended by SIGSEGV", "Choose another index"]),
    ("raise MemoryError", ["memory ran out while faiss was at work", "a larger machine"]),
    ("print('no \\x1b[31mcode', flush=True); os._exit(7)", ["failed: no �[31mcode"]),
    ("raise ValueError('strange')", ["failed: ValueError: strange"]),
]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.kill(os.getpid(), 9)", ["was ended by SIGKILL", "Most likely memory ran out"]),
        *(pytest.param(*crash, marks=pytest.mark.slow) for crash in CRASHES),
    ],
)
def test_a_crash_of_the_index_leaves_the_exact_scores(
    tmp_path: Path, code: str, said: list[str]
) -> None:
    desk = Desk.at(tmp_path, ["de", "en"])
    done = desk.run(
        "hashing",
        more=["--format", "json", "--search", "faiss:HNSW16"],
        PYTHONPATH=standing_in(tmp_path, code),
    )
    assert_clean(done, 3, "search failed: hashing × xquad-r × faiss:HNSW16", *said)
    (cell,) = done.cells().values()
    assert (cell["status"], cell["reason"]) == ("ok", None)
    assert cell["summary"]["monolingual"]["AP"] > 0
    assert Path(cell["folder"]).is_dir()
    assert not desk.leftovers()
    again = desk.run("hashing", more=["--format", "json", "--search", "faiss:HNSW16"])
    assert_clean(again, 0)
    assert again.cells()["hashing"]["search"]["summary"]["monolingual"]["recall"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_index_process_ends_with_the_run(tmp_path: Path, how: signal.Signals) -> None:
    desk = Desk.at(tmp_path, ["de", "en"])
    file = tmp_path / "pid"
    wait = f"open({str(file)!r}, 'w').write(str(os.getpid()) + ';'); time.sleep(60)"
    process = desk.start(
        *desk.command("hashing", more=["--search", "faiss:HNSW16"]),
        PYTHONPATH=standing_in(tmp_path, wait),
    )
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().endswith(";")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, how)
    _, err = process.communicate(timeout=30)
    worker = int(file.read_text()[:-1])
    while _runs(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # The exact scores were stored before.
    assert desk.files("out", "manifest.json")
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in err
        assert not desk.leftovers()


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_no_room_for_the_index_is_said(tmp_path: Path) -> None:
    desk = Desk.at(tmp_path, ["de"])
    assert desk.run("hashing").code == 0
    (tmp_path / "cache" / "indexes").write_text("in the way")
    done = desk.run("hashing", more=["--search", "faiss:Flat"])
    assert_clean(done, 3, "cannot write indexes to", "--cache-dir")
    assert "From stored results: hashing" in done.out


def test_dot_products_are_compared_as_they_are(
    crowd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors of different lengths, as an encoder with similarity "dot" gives them."""

    def long() -> Spelling:
        made = sized("24", "dot")
        scale = np.arange(1, 4)
        made.change = lambda matrix, _: matrix * scale[np.arange(len(matrix)) % 3][:, None]
        return made

    monkeypatch.setattr(plugins_for_tests, "points", long)
    assert result_of(crowd("faiss:Flat")).summary["multilingual"]["recall"] == 1
