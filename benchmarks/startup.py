"""How long the command line takes to answer, beside the interpreter's own start and mteb's.

python benchmarks/startup.py
"""

from __future__ import annotations

import importlib.util
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "mlir-harness --help": ["-m", "mlir_harness", "--help"],
    "mlir-harness run --help": ["-m", "mlir_harness", "run", "--help"],
    "mlir-harness list encoders": ["-m", "mlir_harness", "list", "encoders"],
    "mlir-harness list tasks": ["-m", "mlir_harness", "list", "tasks"],
}


def main(rounds: int = 9) -> None:
    commands = dict(COMMANDS)
    if importlib.util.find_spec("mteb"):
        commands["mteb --help"] = ["-m", "mteb", "--help"]
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, arguments in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    print(f"python {sys.version.split()[0]}, {rounds} rounds in turn")
    for name, taken in seconds.items():
        print(f"  {name:<28} median {statistics.median(taken):.3f} s, fastest {min(taken):.3f} s")


if __name__ == "__main__":
    main()
