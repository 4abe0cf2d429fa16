"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # machines that run tests may be
settings.load_profile("busy")

_REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, one folder a task; skips where there is none."""
    given = os.environ.get("MLIR_HARNESS_TEST_DATA")
    folder = Path(given) if given else _REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data here: name its folder in MLIR_HARNESS_TEST_DATA")
    return folder
