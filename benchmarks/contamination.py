"""How fast training texts are recorded and looked for: MB of UTF-8 a second of one processor.

python benchmarks/contamination.py FILE...        # plain texts, one on each line
python benchmarks/contamination.py --grams 100000000 FILE...
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mlir_harness.contamination import Recorder, TextRecord, load

REPEATED = 4_000_000  # bytes of each file, at least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--grams", type=int, default=1_000_000, help="hashes in the record asked")
    chosen = parser.parse_args()
    grams = np.unique(np.random.default_rng(0).integers(0, 1 << 64, chosen.grams, np.uint64))
    other = TextRecord({"xx": 1}, grams[: len(grams) // 8], grams, "")
    other.find(["x" * 100])  # tables are made
    with TemporaryDirectory() as folder:
        for file in chosen.files:
            texts = file.read_text("utf-8").splitlines()
            size = sum(len(text.encode()) for text in texts)
            texts *= max(1, REPEATED // max(size, 1))
            size = sum(len(text.encode()) for text in texts)
            recorder = Recorder()
            record = _speed(size, lambda r=recorder, t=texts: r.add(t, "xx"))
            recorder.save(Path(folder))
            known = load(Path(folder))
            found = _speed(size, lambda k=known, t=texts: k.find(t))
            clean = _speed(size, lambda t=texts: other.find(t))
            print(
                f"{file.name:24} {size / 1e6:6.1f} MB  recorded {record:4.0f} MB/s  "
                f"looked up {clean:4.0f} MB/s, where all is found {found:4.0f} MB/s"
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")


def _speed(size: int, work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return size / (time.process_time() - started) / 1e6


if __name__ == "__main__":
    main()
