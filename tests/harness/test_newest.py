"""The newest scores of a folder: each once, those of the sample beside real ones, none unsaid."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlir_harness import evaluate
from mlir_harness.comparing.operands import of_folders
from mlir_harness.errors import IncomparableError, StoreError, UsageError
from mlir_harness.newest import newest
from mlir_harness.request import Request, Silent


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of one cell on the sample."""
    root = tmp_path_factory.mktemp("newest")
    evaluate(
        ["hashing"],
        "xquad-r",
        data="sample",
        languages=["de", "hi"],
        output=root / "results",
        cache_dir=root / "cache",
    )
    return root / "results"


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def again(store: Path, name: str, change: Callable[[dict[str, object]], None]) -> Path:
    """A later evaluation of the newest cell, with another manifest."""
    path = max(store.glob("*/*/*/manifest.json"), key=lambda each: each.stat().st_mtime_ns)
    folder = path.parent.with_name(name)
    shutil.copytree(path.parent, folder)
    held = json.loads(path.read_text("utf-8"))
    change(held)
    (folder / "manifest.json").write_text(json.dumps(held), "utf-8")
    later = path.stat().st_mtime_ns + 10**9
    os.utime(folder / "manifest.json", ns=(later, later))
    return folder


def real(held: dict[str, object]) -> None:
    assert held["sample"] is True
    held["sample"] = False


def test_scores_of_real_data_do_not_hide_those_of_the_sample(store: Path) -> None:
    later = again(store, "later", lambda held: None)
    assert [cell.folder for cell in newest(store)] == [later]
    held = again(store, "real", real)
    assert [(cell.folder, cell.sample) for cell in newest(store)] == [(held, False), (later, True)]


def test_folders_are_compared_on_what_both_hold(store: Path, made: Path, tmp_path: Path) -> None:
    again(store, "real", real)
    request = Request(encoders=(), tasks=(), data="sample")
    found = of_folders([str(made), str(store)], request, Silent())
    ((pair,),) = [matched.pairs for matched in found.tasks]
    assert pair.baseline.sample
    assert pair.other.sample
    assert found.notes[0] == f"only in {store}: hashing on xquad-r"
    (path,) = [each.folder for each in newest(store) if each.sample]
    assert path is not None
    shutil.rmtree(path)
    with pytest.raises(IncomparableError, match="of the sample, others of real data"):
        of_folders([str(made), str(store)], request, Silent())


def test_older_scores_never_stand_for_those_that_cannot_be_read(store: Path) -> None:
    later = again(store, "later", lambda held: None)
    (later / "queries.parquet").write_bytes(b"cut")
    with pytest.raises(StoreError, match="later cannot be read"):
        list(newest(store))
    os.utime(later / "manifest.json", ns=(0, 0))
    assert len(list(newest(store))) == 1


def test_two_folders_of_one_cell_are_named(store: Path) -> None:
    (home,) = store.glob("*/*")
    shutil.copytree(home, home.with_name("twin"))
    with pytest.raises(UsageError, match=r"two cells are of hashing × xquad-r .*twin"):
        list(newest(store))
