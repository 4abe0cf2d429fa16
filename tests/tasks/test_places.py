"""Where a task looks for its files is where `mlir-harness fetch` puts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlir_harness import files
from mlir_harness.errors import DataError
from mlir_harness.fetching.homes import home
from mlir_harness.protocols import TaskOptions
from mlir_tasks.mtop_parallel import mtop_parallel
from mlir_tasks.places import locate, prepared

WANTED = ("en/test.txt", "de/test.txt")
NAMED = "sets/set"  # below MLIR_HARNESS_DATA
CACHED = "home/.cache/mlir-harness/data/set"


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLIR_HARNESS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLIR_HARNESS_DATA", str(tmp_path / "sets"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def write(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("text")


def taken(data_dir: str | None = None, cache_dir: str | None = None) -> Path:
    """The folder that a task of no files of its own takes, which prefers `WANTED`."""
    options = TaskOptions(data="real", data_dir=data_dir, cache_dir=cache_dir)
    return locate("set", (), options, "somewhere", prefer=WANTED).folder


@pytest.mark.parametrize(
    ("named", "cached", "chosen"),
    [
        (WANTED, None, NAMED),
        (None, WANTED, CACHED),
        (WANTED, WANTED, NAMED),
        (WANTED[:1], WANTED, CACHED),
        (WANTED, WANTED[:1], NAMED),
        (WANTED[:1], WANTED[1:], NAMED),
        ((), WANTED[:1], CACHED),
        ((), (), NAMED),
        ((), None, NAMED),
    ],
)
def test_the_fullest_folder_is_taken(
    tmp_path: Path, named: tuple[str, ...] | None, cached: tuple[str, ...] | None, chosen: str
) -> None:
    for folder, held in ((NAMED, named), (CACHED, cached)):
        if held is not None:
            write(tmp_path / folder, *held)
    assert taken() == tmp_path / chosen
    assert home("set", WANTED, None, files.cache_folder()) == tmp_path / chosen
    options = TaskOptions(data="real")
    if WANTED in (named, cached):
        assert locate("set", WANTED, options, "somewhere").folder == tmp_path / chosen
    else:
        with pytest.raises(DataError, match=f"{chosen} lacks"):
            locate("set", WANTED, options, "somewhere")


@pytest.mark.parametrize("given", ["given", "given/set", "~/given", "~nobody-of-that-name"])
def test_a_folder_that_is_given_is_the_tasks_or_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(given).name if given.startswith("~nobody") else given.replace("~", "home")
    write(Path(folder) if given.endswith("/set") else Path(folder) / "set", *WANTED)
    for name in (NAMED, CACHED):
        write(tmp_path / name, *WANTED)
    expected = tmp_path / folder / ("" if given.endswith("/set") else "set")
    assert taken(given).absolute() == expected
    assert home("set", WANTED, given, files.cache_folder()).absolute() == expected


@pytest.mark.parametrize(
    ("environment", "cache"),
    [
        ({}, "home/.cache/mlir-harness"),
        ({"XDG_CACHE_HOME": "relative"}, "home/.cache/mlir-harness"),
        ({"XDG_CACHE_HOME": "{root}/xdg"}, "xdg/mlir-harness"),
        ({"XDG_CACHE_HOME": "{root}/xdg", "MLIR_HARNESS_CACHE": "{root}/own"}, "own"),
        ({"MLIR_HARNESS_CACHE": "~/own"}, "home/own"),
    ],
)
def test_one_cache_serves_tasks_and_the_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], cache: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(root=tmp_path))
    assert files.cache_folder() == tmp_path / cache
    assert prepared(TaskOptions()) == tmp_path / cache / "corpora"
    write(tmp_path / cache / "data" / "set", *WANTED)
    assert taken() == tmp_path / cache / "data" / "set"
    assert taken(cache_dir=str(tmp_path / cache)) == tmp_path / cache / "data" / "set"


def test_a_partial_task_gives_way_to_a_whole_one(tmp_path: Path) -> None:
    from mtop_samples import write_mtop

    write_mtop(tmp_path / "sets" / "mtop")
    (tmp_path / "sets/mtop/hi/test.txt").unlink()
    whole = write_mtop(tmp_path / "home/.cache/mlir-harness/data/mtop")
    assert mtop_parallel().load(TaskOptions()).provenance.source == str(whole)
