"""Whatever a plugin does to the process, the next one finds it as it was."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from mlir_harness.containment import contained


def test_the_working_directory_is_put_back(tmp_path: Path) -> None:
    before = Path.cwd()

    @contained()
    def leave() -> None:
        os.chdir(tmp_path)
        raise ValueError("anyway")

    with pytest.raises(ValueError, match="anyway"):
        leave()
    assert Path.cwd() == before


def test_random_states_are_put_back() -> None:
    import torch

    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    with contained():
        random.seed(7)
        np.random.seed(7)
        torch.manual_seed(7)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected


def test_a_forked_child_that_returns_goes_no_further(tmp_path: Path) -> None:
    beyond = tmp_path / "beyond"
    with contained():
        child = os.fork()
    if child == 0:  # the child must have ended before this
        beyond.touch()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not beyond.exists()


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    before = Path.cwd()
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    try:
        with contained():
            pass
    finally:
        os.chdir(before)
