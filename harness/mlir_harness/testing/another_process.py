"""The vectors that an encoder has in another process, where strings hash differently.

Run as `python -m mlir_harness.testing.another_process`: reads a pickle of the encoder's factory
from standard input, and writes one of the vectors of the ordinary texts to standard output.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mlir_harness.errors import EncoderError, HarnessError
from mlir_harness.protocols import Vectors
from mlir_harness.testing.checks import NotApplicable
from mlir_harness.testing.specimen import Source, Specimen
from mlir_harness.testing.texts import ORDINARY
from mlir_harness.text import described, plain
from mlir_harness.types import Role
from mlir_harness.vectors import as_vectors

_SECONDS = 500


def vectors(make: Callable[..., object], options: Mapping[str, Any]) -> Vectors:
    """Vectors of the ordinary texts, as queries, from another process.

    Args:
        make: a factory that can be pickled: one that a module has by name.
        options: given to it.

    Raises:
        NotApplicable: the factory cannot be found by another process.
        EncoderError: it fails there.
    """
    try:
        order = pickle.dumps((make, dict(options)))
    except Exception as error:  # what cannot be pickled says so in many ways
        raise NotApplicable(
            f"another process cannot make it: {described(error)}; name a function of a module"
        ) from error
    # Seeds of this process are random, unless somebody set the same one.
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    path = os.pathsep.join(filter(None, sys.path))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mlir_harness.testing.another_process"],
            input=order,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired as error:
        raise EncoderError(
            f"in another process it gives no vectors within {_SECONDS} seconds", "Look why."
        ) from error
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
        raise EncoderError(
            f"in another process it ends with code {done.returncode}: {plain(last)}",
            "Loading must need nothing that an earlier call left behind.",
        )
    answer = pickle.loads(done.stdout)  # noqa: S301  written by the function below
    if isinstance(answer, NotApplicable | HarnessError):
        raise answer
    kept: Vectors = answer
    return kept


def main() -> None:
    """Do what standard input says; what the plugin prints goes to standard error."""
    told = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    answer: object
    try:
        make, options = pickle.load(sys.stdin.buffer)  # noqa: S301  written by our own parent
    except Exception as error:
        answer = NotApplicable(f"another process cannot import it: {described(error)}")
    else:
        specimen = Specimen(Source(make), options)
        try:
            answer = as_vectors(specimen.answer(ORDINARY, Role.QUERY), len(ORDINARY))
        except HarnessError as error:
            answer = error
    with told:
        pickle.dump(answer, told)
    sys.stdout.flush()
    os._exit(0)  # threads and processes of a plugin hold nothing up


if __name__ == "__main__":
    main()
