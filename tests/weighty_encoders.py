"""Encoders that need files, which TEST_WEIGHTS lists as JSON: name -> downloads.

Each is made only where all of its files are there and have been made ready. TEST_FINISH says how
that goes wrong, and a line is added to the file `finished` for every time it is tried.
Made ready, they lack something else if there is a TEST_LACKS; fp16 they always refuse.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from plugins_for_tests import Spelling

from mlir_harness.errors import Refused, Unavailable
from mlir_harness.protocols import Download, EncoderInfo

POINTS = """[mlir_harness.encoders]
alpha = weighty_encoders:alpha
beta = weighty_encoders:beta
gamma = weighty_encoders:gamma
both = weighty_encoders:both

[mlir_harness.tasks]
both = plugins_for_tests:fetching
"""


@dataclass(frozen=True)
class Weighty:
    """A factory."""

    name: str
    licence: str = "MIT [red]a[/b]"

    def downloads(self, languages: tuple[str, ...]) -> Sequence[Download]:
        listed = json.loads(os.environ.get("TEST_WEIGHTS", "{}")).get(self.name, [])
        return [Download(**each) for each in listed]

    def finish(self, files: str) -> None:
        with Path("finished").open("a") as file:
            file.write(f"{self.name}\n")
        print("a library talks while it works")
        match os.environ.get("TEST_FINISH", ""):
            case "unavailable":
                raise Unavailable("there is no tool to convert with", "pip install tool")
            case "raises":
                raise KeyError("weights")
            case "exits":
                sys.exit(3)
            case "sleeps":
                time.sleep(600)
        for one in self.downloads(()):
            ready = Path(files, f"{one.path}.ready")
            if not ready.exists():
                ready.write_bytes(Path(files, one.path).read_bytes()[::-1])

    def finished(self, files: str) -> bool:
        return all(Path(files, f"{one.path}.ready").exists() for one in self.downloads(()))

    def __call__(
        self, *, files: str, weights: str | None = None, precision: str = "fp32"
    ) -> Spelling:
        if precision == "fp16":
            raise Refused(f"{self.name} gives NaN in fp16", "use bf16")
        folder = Path(weights or files)
        digest = sha256()
        for one in self.downloads(()):
            ready = folder / f"{one.path}.ready"
            if not ready.exists():
                raise Unavailable(
                    f"the weights of {self.name} are not here: {folder} lacks {ready.name}",
                    f"mlir-harness fetch {self.name}, or --weights {self.name}=FOLDER",
                )
            digest.update(ready.read_bytes())
        if "TEST_LACKS" in os.environ:
            raise Unavailable("there is no tokenizer", "pip install tokenizer")
        return Spelling(info=EncoderInfo(revision=digest.hexdigest()))


alpha, beta, gamma, both = (Weighty(name) for name in ("alpha", "beta", "gamma", "both"))
