"""Six encoders of four kinds in one run: its time, and its peak memory beside each one's alone.

    python benchmarks/six_encoders.py --folder /tmp/six

The checkpoints are random, of the true classes and the published sizes (--small: a tenth of the
width); their tokenizers are small ones trained on the spot, which cut texts finer. LASER runs in
an environment of its own, which uv builds the first time. Memory is the proportional set size of
the run and all its processes, so that what they share counts once.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

ENCODERS = ("xlmr", "labse", "mdeberta", "laser", "bm25", "hashing")
_EVERY = 0.1  # seconds between looks at memory


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds, and bytes at its peak."""

    seconds: float
    peak: int


def main() -> None:
    """Make the checkpoints, run each encoder alone, then all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, required=True, help="checkpoints and caches go there"
    )
    parser.add_argument("--small", action="store_true", help="checkpoints of a tenth of the width")
    parser.add_argument("--languages", default="en,hi,th")
    chosen = parser.parse_args()
    weights = checkpoints(chosen.folder / ("small" if chosen.small else "full"), small=chosen.small)
    run(("laser",), weights, chosen.folder, "en")  # builds the environment, if need be
    alone = {name: run((name,), weights, chosen.folder, chosen.languages) for name in ENCODERS}
    together = run(ENCODERS, weights, chosen.folder, chosen.languages)
    print(f"{'encoder':10} {'seconds':>8} {'peak, GB':>9}")
    for name, cost in [*alone.items(), ("all six", together)]:
        print(f"{name:10} {cost.seconds:8.1f} {cost.peak / 1e9:9.2f}")
    largest = max(cost.peak for cost in alone.values())
    print(f"all six together: {together.peak / largest:.2f} x the memory of the largest alone")


def checkpoints(folder: Path, *, small: bool) -> dict[str, Path]:
    """Random weights of each kind, made unless they are there."""
    import tiny_transformers as tiny
    from tiny_laser import write_laser

    width, inner = (72, 288) if small else (768, 3072)
    made = {name: folder / name for name in ENCODERS[:4]}
    writers = (tiny.write_xlmr, tiny.write_labse, tiny.write_mdeberta)
    rows = (250_002, 501_153, 251_000)  # of the embeddings, as published
    for name, write, vocabulary in zip(ENCODERS, writers, rows, strict=False):
        if not made[name].is_dir():
            write(made[name], tiny.Size(width, 12, 12, inner, 512, vocabulary))
    if not made["laser"].is_dir():
        write_laser(made["laser"], hidden=51 if small else 512)
    return made


def run(names: tuple[str, ...], weights: dict[str, Path], folder: Path, languages: str) -> Cost:
    """Encode everything anew, and watch."""
    shutil.rmtree(folder / "cache" / "vectors", ignore_errors=True)
    command = [sys.executable, "-m", "mlir_harness", "run", "--encoders", ",".join(names)]
    command += ["--tasks", "mtop,xquad-r", "--data", "sample", "--fresh"]
    command += ["--languages", languages, "--cache-dir", str(folder / "cache")]
    command += ["--output", str(folder / "results")]
    for name in names:
        command += ["--weights", f"{name}={weights[name]}"] if name in weights else []
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(_EVERY)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.perf_counter() - started, peak)


def memory(process: int) -> int:
    """Bytes that a process and its descendants hold; 0 for those that have ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        threads = Path(f"/proc/{process}/task").iterdir()
        children = [
            child for thread in threads for child in (thread / "children").read_text().split()
        ]
    except OSError:
        return 0
    own = next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)
    return own + sum(memory(int(child)) for child in children)


if __name__ == "__main__":
    main()
