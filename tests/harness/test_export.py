"""What other tools compute from exported files is what the harness computed."""

from __future__ import annotations

import csv
import itertools
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import ir_measures
import numpy as np
import pyarrow.parquet as pq
import pytest
import pytrec_eval
from command import PLUGINS, Desk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from plugins_for_tests import ODD_IDS, Graded

from mlir_harness.errors import DataError, UsageError
from mlir_harness.exporting import beir, streams, trec
from mlir_harness.exporting.export_folder import check, opened
from mlir_harness.protocols import TaskOptions
from mlir_harness.text import folder_names, utf8
from mlir_harness.types import (
    Collection,
    IntArray,
    Provenance,
    Relevant,
    Retrieval,
    Setting,
    SettingKind,
    Slice,
)

GRADED = f"{PLUGINS}:graded"
TREC_EVAL = {
    "AP": "map",
    "AP@20": "map_cut_20",
    "R@1": "recall_1",
    "R@10": "recall_10",
    "R@100": "recall_100",
    "nDCG@10": "ndcg_cut_10",
    "RR": "recip_rank",
    "Success@1": "success_1",
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk.at(tmp_path, ("de", "en", "hi"))


def export(
    desk: Desk, *more: str, to: str = "trec", task: str = "xquad-r", languages: str = "de,en,hi"
) -> list[str]:
    data = ["--languages", languages, "--data-dir", "data"] if task == "xquad-r" else []
    folders = ["--output", "out", "--cache-dir", "cache", "-o", "files"]
    return ["export", "--to", to, "--tasks", task, *data, *folders, *more]


def index(desk: Desk) -> Any:
    return json.loads((desk.root / "files" / "index.json").read_text("utf-8"))


def settings(desk: Desk) -> Iterator[tuple[dict[str, Any], Path]]:
    """Every exported setting: its entry in the index, and its folder."""
    for task in index(desk)["tasks"]:
        for setting in task["settings"]:
            yield setting, desk.root / "files" / setting["folder"]


def measure(name: str) -> Any:
    what, _, cutoff = name.partition("@")
    found = getattr(ir_measures, what)
    return found @ int(cutoff) if cutoff else found


def by_ir_measures(qrels: Path, run: Path, names: Sequence[str]) -> dict[str, float]:
    found = ir_measures.calc_aggregate(
        [measure(name) for name in names],
        list(ir_measures.read_trec_qrels(str(qrels))),
        list(ir_measures.read_trec_run(str(run))),
    )
    return {str(name): value for name, value in found.items()}


def by_trec_eval(qrels: Path, run: Path, names: Sequence[str]) -> dict[str, float]:
    with qrels.open(encoding="utf-8") as file:
        judged = pytrec_eval.parse_qrel(file)
    with run.open(encoding="utf-8") as file:
        ranked = pytrec_eval.parse_run(file)
    return mean_by_trec_eval(judged, ranked, names)


def mean_by_trec_eval(judged: Any, ranked: Any, names: Sequence[str]) -> dict[str, float]:
    known = {name: TREC_EVAL[name] for name in names if name in TREC_EVAL}
    asked = {"map", "map_cut.20", "recall.1,10,100", "ndcg_cut.10", "recip_rank", "success.1"}
    values = pytrec_eval.RelevanceEvaluator(judged, asked).evaluate(ranked)
    assert set(values) == set(judged)
    return {
        name: float(np.mean([query[theirs] for query in values.values()]))
        for name, theirs in known.items()
    }


def compare(desk: Desk, runs: int, *, whole: bool = True) -> int:
    """Every mean in the index beside those of two other tools; returns how many."""
    compared = 0
    for setting, folder in settings(desk):
        assert len(setting["runs"]) == runs
        for run in setting["runs"]:
            covered = run["depth"] == setting["documents"]
            assert covered or not whole
            # Without a cutoff a measure needs every relevant document in the list.
            means = {
                n: v for n, v in run["means"].items() if covered or ("@" in n and n != "R@100")
            }
            for tool in (by_ir_measures, by_trec_eval):
                theirs = tool(folder / setting["qrels"], folder / run["file"], list(means))
                assert theirs
                for name, value in theirs.items():
                    assert value == pytest.approx(means[name], abs=1e-6), (setting, run, name, tool)
                    compared += 1
    return compared


def test_other_tools_give_our_means_on_lareqa(desk: Desk) -> None:
    done = desk.do(*export(desk, "--encoders", f"hashing,{PLUGINS}:spelling"))
    assert (done.code, done.err) == (0, "")
    assert "xquad-r · test: 12 settings, 2 runs of each" in done.out
    assert compare(desk, runs=2) == 12 * 2 * (5 + 4)


@pytest.mark.parametrize("more", [[], ["--ties", "trec"]], ids=["hash", "trec"])
def test_other_tools_give_our_means_with_grades_ties_and_odd_ids(
    desk: Desk, more: list[str]
) -> None:
    encoders = f"hashing,{PLUGINS}:spelling"
    done = desk.do(*export(desk, "--encoders", encoders, "--depth", "200", *more, task=GRADED))
    assert (done.code, done.err) == (0, "")
    assert compare(desk, runs=2) == 4 * 2 * (8 + 7)
    for setting, _ in settings(desk):
        assert setting["unanswerable"] > 0
    assert all(setting["judgements"] > setting["queries"] for setting, _ in settings(desk))


@pytest.mark.slow
@pytest.mark.data
def test_other_tools_give_our_means_on_xquad_r(desk: Desk, real_data: Path) -> None:
    given = ["--data-dir", str(real_data / "xquad-r"), "--encoders", "hashing", "--depth", "900"]
    done = desk.do(*export(desk, *given, languages="th,en"))
    assert done.code == 0, done.err
    assert compare(desk, runs=1, whole=False) == 6 * (4 + 3) + 2 * 2


@pytest.mark.slow
def test_a_run_is_what_the_scores_were_made_of(desk: Desk) -> None:
    assert desk.do(*export(desk, "--encoders", "hashing")).code == 0
    for setting, folder in settings(desk):
        lines = [line.split(" ") for line in (folder / "run.hashing.txt").read_text().splitlines()]
        assert len(lines) == setting["queries"] * setting["documents"]
        assert [int(line[3]) for line in lines[: setting["documents"]]] == list(
            range(1, setting["documents"] + 1)
        )
        several = len(setting["document_languages"]) > 1
        assert all((":" in line[2]) == several for line in lines)
        for before, after in itertools.pairwise(lines):
            assert before[0] != after[0] or np.float32(before[4]) > np.float32(after[4])


@pytest.mark.slow
def test_stored_lists_that_are_long_enough_are_exported_as_they_are(desk: Desk) -> None:
    encoder = f"{PLUGINS}:spelling"
    assert desk.run(encoder, more=["--depth", "12"]).code == 0
    folders = {path.parent for path in desk.files("out", "manifest.json")}
    done = desk.do(*export(desk, "--encoders", encoder, "--depth", "11"), TEST_CALLS="calls")
    assert done.code == 0
    assert {path.parent for path in desk.files("out", "manifest.json")} == folders
    assert {run["depth"] for setting, _ in settings(desk) for run in setting["runs"]} == {11}
    # Longer ones are ranked, from the vectors that are there.
    assert desk.do(*export(desk, "--encoders", encoder), TEST_CALLS="calls").code == 0
    assert len({path.parent for path in desk.files("out", "manifest.json")}) == 2
    assert desk.calls() == []


def read_beir(folder: Path, split: str = "test") -> tuple[Any, Any, Any]:
    """As BEIR's GenericDataLoader does, and its documentation says."""
    corpus, queries, qrels = {}, {}, {}
    for line in (folder / "corpus.jsonl").read_text("utf-8").split("\n")[:-1]:
        found = json.loads(line)
        corpus[found["_id"]] = {"text": found["text"], "title": found["title"]}
    for line in (folder / "queries.jsonl").read_text("utf-8").split("\n")[:-1]:
        found = json.loads(line)
        queries[found["_id"]] = found["text"]
    with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_MINIMAL)
        assert next(reader) == ["query-id", "corpus-id", "score"]
        for query, document, score in reader:
            qrels.setdefault(query, {})[document] = int(score)
    return corpus, queries, qrels


def test_a_beir_folder_holds_the_task_and_its_runs(desk: Desk) -> None:
    done = desk.do(*export(desk, "--encoders", "hashing", "--depth", "200", to="beir", task=GRADED))
    assert (done.code, done.err) == (0, "")
    retrieval = Graded().load(TaskOptions())
    by_id = {setting.id: setting for setting in retrieval.settings}
    for entry, folder in settings(desk):
        corpus, queries, qrels = read_beir(folder)
        setting = by_id[entry["setting"]]
        expected = {utf8(name): utf8(text) for name, text in streams.pool(retrieval, setting)}
        assert {name: document["text"] for name, document in corpus.items()} == expected
        assert len(corpus) == entry["documents"]
        assert set(queries) == {utf8(each) for each in (*ODD_IDS, "last")}
        assert set(qrels) <= set(queries)
        assert all(set(documents) <= set(corpus) for documents in qrels.values())
        (run,) = entry["runs"]
        with (folder / run["file"]).open(encoding="utf-8") as file:
            ranked = pytrec_eval.parse_run(file)
        # trec_eval cannot tell "" from "\x00", so the ids of the qrels go the run's way.
        qrels = {
            trec.name(query): {trec.name(document): grade for document, grade in judged.items()}
            for query, judged in qrels.items()
        }
        for name, value in mean_by_trec_eval(qrels, ranked, list(run["means"])).items():
            assert value == pytest.approx(run["means"][name], abs=1e-6)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # its loader closes nothing
def test_beir_itself_reads_it(desk: Desk) -> None:
    loader = pytest.importorskip("beir.datasets.data_loader")
    assert desk.do(*export(desk, to="beir")).code == 0
    for entry, folder in settings(desk):
        corpus, queries, qrels = loader.GenericDataLoader(str(folder)).load(split="test")
        assert (corpus, queries, qrels) == read_beir(folder)
        assert len(corpus) == entry["documents"]


def test_pools_of_the_same_documents_share_a_file(desk: Desk) -> None:
    assert desk.do(*export(desk, to="beir")).code == 0
    files = {path.stat().st_ino for path in desk.files("files", "corpus.jsonl")}
    assert len(files) == 4  # de, en, hi and all


def test_without_encoders_there_are_no_runs(desk: Desk) -> None:
    done = desk.do(*export(desk))
    assert (done.code, done.err) == (0, "")
    assert "12 settings, 0 runs of each" in done.out
    assert {path.name for path in desk.files("files")} == {
        ".lock",
        "index.json",
        "topics.tsv",
        "qrels.txt",
    }


def test_the_index_says_what_is_where(desk: Desk) -> None:
    assert desk.do(*export(desk, "--encoders", "floor=hashing")).code == 0
    found = index(desk)
    assert (found["schema"], found["layout"], found["complete"]) == (1, "trec", True)
    (task,) = found["tasks"]
    assert (task["task"], task["split"], task["sample"]) == ("xquad-r", "test", False)
    assert set(task["fingerprints"]) == {"data", "protocol"}
    entry = next(each for each in task["settings"] if each["setting"] == "hi→all")
    run = entry["runs"].pop()
    assert entry == {
        "setting": "hi→all",
        "folder": "xquad-r/hi-all",
        "kind": "multilingual",
        "variant": "",
        "query_language": "hi",
        "document_languages": ["de", "en", "hi"],
        "queries": 12,
        "unanswerable": 0,
        "documents": 45,
        "judgements": 36,
        "qrels": "qrels.txt",
        "runs": [],
    }
    assert (run["encoder"], run["file"], run["depth"]) == ("floor", "run.floor.txt", 45)
    manifest = json.loads(desk.files("out", "manifest.json")[0].read_text())
    assert run["fingerprint"] == manifest["fingerprints"]["encoder"]
    listed = {desk.root / "files" / name for name in found["files"]}
    assert listed == {p for p in desk.files("files") if p.name not in {".lock", "index.json"}}


@pytest.mark.slow
def test_an_export_takes_the_place_of_the_one_before(desk: Desk) -> None:
    assert desk.do(*export(desk, "--encoders", "hashing")).code == 0
    own = desk.root / "files" / "xquad-r" / "de-hi" / "mine.txt"
    own.write_text("kept")
    fewer = export(desk, "--encoders", "other=hashing", languages="en,hi")
    assert desk.do(*fewer).code == 0
    assert own.read_text() == "kept"
    own.unlink()
    assert {path.name for path in (desk.root / "files" / "xquad-r").iterdir()} == {
        *("en-en", "hi-hi", "en-hi", "hi-en", "en-all", "hi-all"),
        "de-hi",
    }
    assert not desk.files("files", "run.hashing.txt")
    assert len(desk.files("files", "run.other.txt")) == 6


@pytest.mark.slow
def test_a_folder_with_something_else_is_left_alone(desk: Desk) -> None:
    folder = desk.root / "files"
    folder.mkdir()
    (folder / "index.json").write_text('{"files": ["../data/de.json"]}')
    done = desk.do(*export(desk))
    assert done.code == 2
    assert "is not empty and holds no earlier export" in done.err
    assert "--force" in done.err
    assert [path.name for path in folder.iterdir()] == ["index.json"]
    (folder / "mine.txt").write_text("kept")
    assert desk.do(*export(desk, "--force")).code == 0
    assert (folder / "mine.txt").read_text() == "kept"
    assert index(desk)["complete"]
    # What this wrote is an export, and may be written again.
    assert desk.do(*export(desk)).code == 0
    done = desk.do(*export(desk, to="beir"))
    assert done.code == 2
    assert "holds an export to trec" in done.err
    assert desk.do(*export(desk, "--force", to="beir")).code == 0
    assert not desk.files("files", "topics.tsv")
    assert (folder / "mine.txt").read_text() == "kept"


@pytest.mark.parametrize("name", ["../data/de.json", "{root}/data/de.json", "link/de.json", ""])
def test_an_edited_index_deletes_nothing_elsewhere(tmp_path: Path, name: str) -> None:
    elsewhere, root = tmp_path / "data", tmp_path / "files"
    elsewhere.mkdir()
    (elsewhere / "de.json").write_text("kept")
    with opened(root, "trec", ["a/b.txt"], force=False) as folder:
        folder.write("a/b.txt", ["line\n"])
        folder.finish({})
    (root / "link").symlink_to(elsewhere)
    content = json.loads((root / "index.json").read_text())
    content["files"] = [name.format(root=tmp_path)]
    (root / "index.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match="holds no earlier export"):
        check(root, "trec", force=False)
    with opened(root, "trec", [], force=True) as folder:
        folder.finish({})
    assert (elsewhere / "de.json").read_text() == "kept"


USAGE = [
    (["--to", "csb"], "'csb' is not one of"),
    (["--depth", "3000"], "3000 is not in the range"),
    (["--encoders", "hashin"], "no encoder is called 'hashin'"),
    (["--languages", "xx"], "has the language 'xx'"),
    (["-o", "data/de.json"], "is a file"),
]


@pytest.mark.parametrize(("flags", "said"), USAGE, ids=lambda value: str(value)[:20])
def test_a_wrong_word_is_told_before_anything_is_written(
    desk: Desk, flags: list[str], said: str
) -> None:
    done = desk.do(*export(desk, *flags))
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert not (desk.root / "files").exists()


def test_an_encoder_that_fails_leaves_the_others_alone(desk: Desk) -> None:
    done = desk.do(*export(desk, "--encoders", f"{PLUGINS}:nan,hashing"))
    assert done.code == 3
    assert "returned NaN" in done.err
    assert "Traceback" not in done.err
    assert all(
        [run["encoder"] for run in setting["runs"]] == ["hashing"] for setting, _ in settings(desk)
    )


def test_a_task_that_cannot_be_loaded_makes_no_folder(desk: Desk) -> None:
    for encoders in ([], ["--encoders", "hashing"]):
        done = desk.do(*export(desk, *encoders, "--data-dir", "nowhere"))
        assert done.code == 4
        assert "does not exist" in done.err
        assert not (desk.root / "files").exists()


@pytest.mark.slow
def test_damaged_lists_are_told_and_not_exported(desk: Desk) -> None:
    assert desk.run("hashing", more=["--depth", "100"]).code == 0
    assert desk.do(*export(desk, "--encoders", "hashing")).code == 0
    (file,) = desk.files("out", "top.parquet")
    table = pq.read_table(file)
    pq.write_table(table.slice(0, len(table) - 7), file)
    done = desk.do(*export(desk, "--encoders", "hashing"))
    assert done.code == 3
    assert "cannot read the top lists in" in done.err
    assert "there are too few" in done.err
    assert not desk.files("files", "run.*")
    assert all(setting["runs"] == [] for setting, _ in settings(desk))


def test_results_that_could_not_be_stored_are_not_exported(desk: Desk) -> None:
    (desk.root / "out").write_text("a file")
    done = desk.do(*export(desk, "--encoders", "hashing"))
    assert done.code == 3
    assert "cannot write results to" in done.err
    assert not desk.files("files", "run.*")


def test_a_killed_export_leaves_no_half_file(desk: Desk) -> None:
    command = export(desk, "--encoders", f"{PLUGINS}:spelling")
    process = desk.start(*command, TEST_DELAY="30", TEST_CALLS="calls")
    while process.poll() is None and not desk.calls():
        pass
    process.kill()
    process.communicate()
    assert index(desk)["complete"] is False
    assert all(path.stat().st_size for path in desk.files("files", "*.t*"))
    (desk.root / "files" / "xquad-r" / "de-de" / ".tmp-qrels.txt").write_text("half")
    done = desk.do(*export(desk, languages="de,en"))
    assert done.code == 0, done.err
    assert index(desk)["complete"] is True
    assert not desk.leftovers()
    assert {path.name for path in (desk.root / "files" / "xquad-r").iterdir()} == {
        *("de-de", "en-en", "de-en", "en-de", "de-all", "en-all")
    }


def test_a_full_disk_is_told(desk: Desk) -> None:
    command = [sys.executable, "-m", "mlir_harness", *export(desk, to="beir")]
    done = subprocess.run(
        command,
        check=False,
        cwd=desk.root,
        env=desk.environment(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
    )
    assert done.returncode == 3
    assert "cannot write the export to" in done.stderr
    assert "Traceback" not in done.stderr
    assert not desk.leftovers()
    shutil.rmtree(desk.root / "files")
    assert desk.do(*export(desk, to="beir")).code == 0


scores = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 4), st.integers(1, 12)),
    elements=st.one_of(
        st.floats(-1, 1, width=32),
        st.floats(-(2.0**100), 2.0**100, width=32),
        st.sampled_from([0.0, -0.0, 0.5, 1e-40, -1e-45, 1.1754943508222875e-38]).map(np.float32),
    ),
)


@given(scores)
def test_falling_scores_keep_the_order_and_stay_near(scores: Any) -> None:
    scores = -np.sort(-scores, axis=1)
    found = trec.falling(scores)
    assert found.dtype == np.float32
    assert (np.diff(found.astype(np.float64), axis=1) < 0).all()
    tiny = np.finfo(np.float32).tiny
    assert ((found == 0) | (np.abs(found) >= tiny)).all()
    normal = (np.abs(scores) >= tiny) | (scores == 0)
    assert (found <= scores)[normal].all()
    # Each is its score, or the next number below the one before.
    with np.errstate(under="ignore"):
        below = np.nextafter(found[:, :-1], np.float32(-np.inf))
    below = np.where(np.abs(below) < tiny, np.where(below < 0, -tiny, 0), below)
    assert ((found[:, 1:] == scores[:, 1:]) | (found[:, 1:] == below))[normal[:, 1:]].all()
    for value in found.ravel().tolist():
        assert np.float32(f"{value:.9g}") == np.float32(float(f"{value:.9g}")) == np.float32(value)


@given(st.text() | st.sampled_from(ODD_IDS))
def test_a_trec_name_is_one_word_that_can_be_read_back(id_: str) -> None:
    name = trec.name(id_)
    assert name.split() == [name]
    assert (unquote(name) if name != "%" else "") == utf8(id_)


@given(st.lists(st.text(max_size=4)))
def test_beir_qrels_are_read_back(ids: list[str]) -> None:
    judged = [(query, [(document, 2) for document in ids]) for query in ids]
    lines = csv.reader("".join(beir.qrels(judged)).splitlines(keepends=True), delimiter="\t")
    if not any("\x85" in each or each.splitlines() != [each] for each in ids):
        next(lines)
        assert list(lines) == [[utf8(q), utf8(d), "2"] for q in ids for d in ids]


def test_topics_are_a_line_each() -> None:
    (line,) = trec.topics([("a b", "one\ttwo\r\nthree\u2028four \ud800")])
    assert line == "a%20b\tone two  three four ���\n"


@given(st.lists(st.text(max_size=8), unique=True))
def test_folder_names_differ_and_stay_inside(names: list[str]) -> None:
    found = folder_names(names, taken=["index.json"])
    assert len({each.lower() for each in found.values()}) == len(names)
    for each in found.values():
        assert each not in {"", ".", "..", "index.json"}
        assert "/" not in each


def test_folder_names_are_readable() -> None:
    assert folder_names(["en→de", "hi→all/spis-5/seed-3", "xquad-r"]) == {
        "en→de": "en-de",
        "hi→all/spis-5/seed-3": "hi-all-spis-5-seed-3",
        "xquad-r": "xquad-r",
    }
    same = folder_names(["a b", "a-b", "index.json", "→"], taken=["index.json"])
    assert all(each.rpartition("-")[2] != each for each in same.values())


class Watched(Sequence[str]):
    """A column that is read in parts."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.longest = 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            chosen = range(self.size)[rows]
            self.longest = max(self.longest, len(chosen))
            return [f"t{row}" for row in chosen]
        return f"t{rows}"


class Classes:
    """Judgements where everything of a class is relevant; in full they would fill the memory."""

    def __init__(self) -> None:
        self.longest = 0

    def rows(self, queries: slice) -> Relevant:
        count = queries.stop - queries.start
        self.longest = max(self.longest, count)
        each: IntArray = np.arange(0, 5000, 5)
        return Relevant(
            np.arange(count + 1) * len(each), np.tile(each, count), np.ones(count * len(each), int)
        )


def test_large_collections_and_judgements_are_read_in_parts() -> None:
    texts, judgements = Watched(50_000), Classes()
    documents = Collection("en", texts, texts)
    retrieval = Retrieval(
        queries={"en": Collection("en", Watched(1000), Watched(1000))},
        documents={"en": documents},
        judgements={("en", "en"): judgements},
        settings=(Setting("en→en", SettingKind.MONOLINGUAL, "en", (Slice("en"),)),),
        clusters={},
        provenance=Provenance(source=""),
    )
    (setting,) = retrieval.settings
    assert sum(1 for _ in beir.corpus(streams.pool(retrieval, setting))) == 50_000
    assert sum(1 for _ in trec.qrels(streams.judged(retrieval, setting))) == 1000 * 1000
    assert texts.longest <= 4096
    assert judgements.longest <= 128


def test_ids_that_utf8_cannot_tell_apart_are_refused() -> None:
    streams.check_names(["\ud800", "\ud800\ud800", "a", "�"], "here")
    with pytest.raises(DataError, match="here: two ids are '���' once"):
        streams.check_names(["\ud800", "a", "\udfff"], "here")
