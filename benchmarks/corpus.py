"""A corpus of millions of passages: memory, seconds by phase, and what two kills cost.

    python benchmarks/corpus.py
    python benchmarks/corpus.py --passages 200000 --shard 50000

Writes a generated corpus in MIRACL's layout (passages of 60 to 100 words of a Zipfian
vocabulary, ids, topics and judgements), runs `mlir-harness run --encoders hashing --tasks miracl`
in processes of its own, kills one while it reads and one while it encodes, and lets the third
end. Two peaks are printed. `all` is the resident set as the kernel counts it (ru_maxrss), mapped
files included, whose pages the kernel takes back when it needs them; `own` is what the processes
hold for themselves (RssAnon, looked at every 20 ms). The vectors take 2 kB a passage on disk.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LANGUAGE = "sw"
NAME = f"miracl-v1.0-{LANGUAGE}"
_AT_ONCE = 10_000
_LETTERS = "aeioubcdfghjklmnprstvwyz"


def write_corpus(folder: Path, passages: int, shard: int, topics: int) -> int:
    """Write corpus, topics and judgements; returns the bytes of all ids and texts."""
    chance = np.random.default_rng(7)
    words = np.array(vocabulary(chance, 200_000), object)
    frequency = 1 / (np.arange(len(words)) + 2.7)
    shares = np.cumsum(frequency / frequency.sum())
    asked = set(chance.choice(passages, topics, replace=False).tolist())
    for what in ("topics", "qrels"):
        (folder / NAME / what).mkdir(parents=True)
    corpus = folder / f"miracl-corpus-v1.0-{LANGUAGE}"
    corpus.mkdir()
    questions, judgements, size = [], [], 0
    for number, first in enumerate(range(0, passages, shard)):
        with gzip.open(corpus / f"docs-{number}.jsonl.gz", "wt", 1, encoding="utf-8") as file:
            last = min(first + shard, passages)
            for start in range(first, last, _AT_ONCE):
                lengths = chance.integers(60, 101, min(_AT_ONCE, last - start))
                drawn = words[np.searchsorted(shares, chance.random(int(lengths.sum())))].tolist()
                ends = np.cumsum(lengths).tolist()
                for row, (length, end) in enumerate(zip(lengths.tolist(), ends, strict=True)):
                    own = drawn[end - length : end]
                    place = start + row
                    name = f"{place // 7}#{place % 7}"
                    title, text = f"{own[0]} {own[1]}".title(), f"{' '.join(own)}."
                    record = {"docid": name, "title": title, "text": text}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    size += len(name) + len(title) + 1 + len(text.encode())
                    if place in asked:
                        topic = f"{len(questions)}"
                        questions.append(f"{topic}\t{' '.join(own[10:18])}?\n")
                        judgements.append(f"{topic}\tQ0\t{name}\t1\n")
    (folder / NAME / "topics" / f"topics.{NAME}-dev.tsv").write_text("".join(questions), "utf-8")
    (folder / NAME / "qrels" / f"qrels.{NAME}-dev.tsv").write_text("".join(judgements), "utf-8")
    return size


def vocabulary(chance: np.random.Generator, size: int) -> Sequence[str]:
    """Different words of 2 to 12 letters; the frequent ones are short."""
    words: dict[str, None] = {}
    while len(words) < size:
        length = min(2 + int(np.log2(len(words) + 1) / 2.5) + int(chance.integers(0, 4)), 12)
        words["".join(_LETTERS[at] for at in chance.integers(0, len(_LETTERS), length))] = None
    return list(words)


@dataclass
class Ended:
    """How one process ended.

    Attributes:
        killed: by us.
        seconds: it took.
        all, own: peak memory in GB, see the head of this file.
        out: what it printed.
    """

    killed: bool
    seconds: float
    all: float
    own: float
    out: str


def run(place: Path, data: Path, stop: Callable[[], bool] = lambda: False) -> Ended:
    """Run the harness; SIGKILL it as soon as `stop` says so."""
    command = [sys.executable, "-m", "mlir_harness", "run", "--encoders", "hashing"]
    command += ["--tasks", "miracl", "--languages", LANGUAGE, "--data-dir", str(data)]
    command += ["--output", str(place / "results"), "--cache-dir", str(place / "cache")]
    command += ["--format", "json"]
    started = time.perf_counter()
    with (place / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
        own, killed, over = 0.0, False, threading.Event()

        def watch() -> None:
            nonlocal own, killed
            while not over.wait(0.02):
                own = max(own, anonymous(process.pid))
                if not killed and stop():
                    killed = True
                    process.send_signal(signal.SIGKILL)

        watcher = threading.Thread(target=watch)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        over.set()
        watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, -signal.SIGKILL if killed else 0}:
        raise SystemExit(f"the run failed with exit code {process.returncode}")
    seconds = time.perf_counter() - started
    text = (place / "out").read_text("utf-8")
    return Ended(killed, seconds, usage.ru_maxrss / 1e6, own, text)


def anonymous(process: int) -> float:
    """Memory of its own that a process holds now, in GB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1e6 for line in lines if line.startswith("RssAnon"))


def finished(place: Path, pattern: str) -> list[Path]:
    """What is kept so far; what is being written has a name with a dot in front."""
    found = (place / "cache").rglob(pattern)
    return [path for path in found if not path.name.startswith(".")]


def count(place: Path, pattern: str) -> int:
    return len(finished(place, pattern))


def benchmark(place: Path, passages: int, shard: int, topics: int) -> None:
    data = place / "data"
    started = time.perf_counter()
    size = write_corpus(data, passages, shard, topics)
    shards = -(-passages // shard)
    print(
        f"{passages:,} passages in {shards} files, {size / 1e9:.2f} GB of ids and texts, "
        f"{topics} topics (written in {time.perf_counter() - started:.0f} s)",
        flush=True,
    )
    half = max(shards // 2, 1)
    vectors = passages // 4096 // 3
    reading = run(place, data, lambda: count(place, "*.arrow") >= half)
    kept = {path: path.stat().st_mtime_ns for path in finished(place, "*.arrow")}
    show(f"killed while reading, {len(kept)} of {shards} files read", reading)
    encoding = run(place, data, lambda: count(place, "*.safetensors") >= vectors)
    same = sum(path.stat().st_mtime_ns == before for path, before in kept.items())
    done = count(place, "*.safetensors")
    show(f"{same} files not read again; killed while encoding, {done} shards kept", encoding)
    whole = run(place, data)
    (cell,) = json.loads(whole.out)["cells"]
    manifest = json.loads((Path(cell["folder"]) / "manifest.json").read_text("utf-8"))
    work = manifest["details"]["work"]
    unique = manifest["details"]["texts"]["unique"]
    show(f"{unique - work['encoded']:,} of {unique:,} texts not encoded again", whole)
    encode, rank = work["encode_seconds"], work["rank_seconds"]
    print(f"  of these: load and check {whole.seconds - encode - rank:.1f} s, ", end="")
    print(f"encode the rest {encode:.1f} s, rank {rank:.1f} s")
    shutil.rmtree(place / "results")
    again = run(place, data)
    work = json.loads(next((place / "results").rglob("manifest.json")).read_text())["details"][
        "work"
    ]
    encode, rank = work["encode_seconds"], work["rank_seconds"]
    show("once more with all vectors there", again)
    print(f"  of these: load and check {again.seconds - encode - rank:.1f} s, ", end="")
    print(f"look up vectors {encode:.1f} s, rank {rank:.1f} s")
    print(f"  means: {cell['summary']['monolingual']}")


def show(what: str, ended: Ended) -> None:
    print(
        f"{what}: {ended.seconds:.1f} s, peak {ended.all:.2f} GB all, {ended.own:.2f} GB own",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--passages", type=int, default=2_000_000)
    parser.add_argument("--shard", type=int, default=500_000, help="passages a file")
    parser.add_argument("--topics", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where to work; default a temporary folder")
    given = parser.parse_args()
    needed = given.passages * 4_000
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        if shutil.disk_usage(folder).free < needed:
            parser.error(f"needs {needed / 1e9:.0f} GB of disk; name a --folder that has it")
        benchmark(Path(folder), given.passages, given.shard, given.topics)


if __name__ == "__main__":
    main()
