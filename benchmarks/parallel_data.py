"""Millions of parallel rows: seconds and memory until the first batch, and what a batch costs.

    python benchmarks/parallel_data.py
    python benchmarks/parallel_data.py --rows 1000000 --alpha 1

Writes generated rows in the prepared format (a language is missing in a fifth of them, two rows
share a source), then opens them in a process of its own, makes the sampler and draws. Seconds
start before the process does. `all` is the resident set as the kernel counts it (ru_maxrss),
mapped files included, whose pages the kernel takes back when it needs them; `own` is what the
process holds for itself (RssAnon). A row takes about 110 bytes a language on disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

LANGUAGES = ("de", "en", "hi", "th", "zh")


def write(folder: Path, rows: int) -> None:
    """Write `rows` rows as `mlir_trainers.parallel.prepare` would."""
    from mlir_trainers.parallel.data import CHUNK, SCHEMA

    chance = np.random.default_rng(7)
    names = ["id", *(f"{side}.{name}" for name in LANGUAGES for side in ("question", "passage"))]
    schema = pa.schema([(name, pa.large_string()) for name in names])
    shape = (rows, len(LANGUAGES))
    present = np.lib.format.open_memmap(folder / "present.npy", "w+", np.dtype(bool), shape)
    group = np.arange(rows) // 2
    np.save(folder / "group.npy", group)
    held = [0] * len(LANGUAGES)
    with pa.ipc.new_file(folder / "rows.arrow", schema) as writer:
        for start in range(0, rows, CHUNK):
            stop = min(start + CHUNK, rows)
            here = chance.random((stop - start, len(LANGUAGES))) < 0.8
            here[:, 0] = True
            present[start:stop] = here
            columns = [_texts("{}", start, stop, None)]
            for place, name in enumerate(LANGUAGES):
                held[place] += int(here[:, place].sum())
                for form in (f"What is {name} {{}}?", f"This is {name} {{}}, " + "and so on " * 5):
                    columns.append(_texts(form, start, stop, ~here[:, place]))
            writer.write_batch(pa.record_batch(columns, schema=schema))
    present.flush()
    sources = len(np.unique(group))
    dataset = {
        "name": "generated",
        "start": 0,
        "stop": rows,
        "languages": {
            name: {"rows": count, "sources": min(count, sources)}
            for name, count in zip(LANGUAGES, held, strict=True)
        },
        "crossing": {"rows": int((present.sum(axis=1) >= 2).sum()), "sources": sources},
    }
    meta = {"schema": SCHEMA, "languages": LANGUAGES, "datasets": [dataset], "fingerprint": "0"}
    (folder / "meta.json").write_text(json.dumps(meta))


def _texts(form: str, start: int, stop: int, missing: Any) -> Any:
    texts = np.array([form.format(row) for row in range(start, stop)], object)
    return pa.array(texts, pa.large_string(), mask=missing)


def draw(folder: Path, alpha: float, batch: int, began: float) -> dict[str, float]:
    """Open the data and draw; what it took since `began`."""
    from mlir_trainers.batching.sampler import HybridBatches
    from mlir_trainers.parallel.data import load

    data = load(folder)
    opened = time.time()
    sampler = HybridBatches(data, batch, alpha, seed=1)
    batches = iter(sampler)
    size = len(data.languages)
    texts = [_pair(data, index, size) for index in next(batches)]
    first = time.time()
    some = 500
    for _ in range(some):
        next(batches)
    drawn = time.time()
    status = Path("/proc/self/status")
    own = next((line for line in _lines(status) if line.startswith("RssAnon")), "RssAnon 0 kB")
    return {
        "rows": len(data),
        "open_s": opened - began,
        "first_batch_s": first - began,
        "batch_ms": 1000 * (drawn - first) / some,
        "all_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        "own_mb": int(own.split()[1]) / 1000,
        "characters": sum(len(one) + len(other) for one, other in texts),
    }


def _pair(data: Any, index: int, languages: int) -> tuple[str, str]:
    rest, answered = divmod(index, languages)
    row, asked = divmod(rest, languages)
    return data.question(row, asked), data.passage(row, answered)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where to put the data; it is kept there")
    parser.add_argument("--draw", type=float, help="only draw, from --folder; when that began")
    given = parser.parse_args()
    if given.draw:
        print(json.dumps(draw(given.folder, given.alpha, given.batch, given.draw)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "meta.json").exists():
            write(folder, given.rows)
        command = [sys.executable, __file__, "--folder", str(folder), "--alpha", str(given.alpha)]
        command += ["--batch", str(given.batch), "--draw", str(time.time())]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    print(f"{found['rows']:,} rows in {len(LANGUAGES)} languages, alpha {given.alpha:g}")
    print(f"opened after   {found['open_s']:8.2f} s")
    print(f"first batch    {found['first_batch_s']:8.2f} s (limit 5)")
    print(f"a batch        {found['batch_ms']:8.3f} ms for {given.batch} pairs")
    print(f"memory, all    {found['all_mb']:8.0f} MB (limit 1,000)")
    print(f"memory, own    {found['own_mb']:8.0f} MB")


if __name__ == "__main__":
    main()
