"""LASER as the harness sees it before anything is loaded: files, identity, languages, devices."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_laser import write_laser

from mlir_encoders.laser import FILES, WEIGHTS, _built_for, laser, rules
from mlir_harness.errors import Unavailable, UsageError
from mlir_harness.protocols import Closes, Context, Encoder, Fetches, Isolated
from mlir_harness.types import Role


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_laser(tmp_path_factory.mktemp("laser"))


@pytest.fixture
def copy(weights: Path, tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).write_bytes((weights / name).read_bytes())
    return tmp_path


def revision(folder: Path) -> str:
    return laser(weights=str(folder)).info.revision


def test_it_declares_what_it_needs(weights: Path) -> None:
    encoder = laser(weights=str(weights))
    assert isinstance(laser, Isolated)
    assert isinstance(laser, Fetches)
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, Closes)
    assert laser.environment.requirements == ("laserembeddings[zh,ja]==1.1.2",)
    assert [file.path for file in laser.downloads(())] == list(FILES)
    assert all(
        file.url.startswith("https://dl.fbaipublicfiles.com/laser/models/")
        for file in laser.downloads(("hi",))
    )


def test_fetched_files_are_found_and_given_ones_come_first(weights: Path, copy: Path) -> None:
    (copy / FILES[0]).write_text("a b 1\n")
    assert laser(files=str(copy)).info.revision == revision(copy)
    assert laser(files=str(copy), weights=str(weights)).info.revision == revision(weights)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_what_to_do(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(Unavailable) as given:
        laser(weights=str(copy))
    assert f"{copy} has no {name}" in given.value.message
    with pytest.raises(Unavailable) as fetched:
        laser(files=str(copy))
    assert name in fetched.value.message
    assert fetched.value.hint.startswith("mlir-harness fetch laser")


def test_the_revision_is_the_content_of_the_files(weights: Path, copy: Path) -> None:
    assert revision(copy) == revision(weights)
    for name in FILES:
        held = (copy / name).read_bytes()
        (copy / name).write_bytes(held + b"\n")
        assert revision(copy) != revision(weights)
        (copy / name).write_bytes(held)
    first, second = copy / FILES[0], copy / FILES[1]
    swapped = first.read_bytes(), second.read_bytes()
    first.write_bytes(swapped[1])
    second.write_bytes(swapped[0])
    assert revision(copy) != revision(weights)


class Bomb:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self._mark,))


def test_asking_for_its_info_loads_no_pickle_and_imports_no_torch(copy: Path) -> None:
    (copy / WEIGHTS).write_bytes(pickle.dumps(Bomb(copy / "exploded")))
    asked = (
        "import sys; from mlir_encoders.laser import laser; "
        "laser(weights=sys.argv[1]).info; print('torch' in sys.modules)"
    )
    said = subprocess.check_output([sys.executable, "-c", asked, str(copy)], text=True)
    assert said == "False\n"
    assert not (copy / "exploded").exists()


def test_files_that_changed_after_they_were_named_are_not_loaded(copy: Path) -> None:
    encoder = laser(weights=str(copy))
    assert encoder.info.revision
    (copy / WEIGHTS).write_bytes(pickle.dumps(Bomb(copy / "exploded")))
    with pytest.raises(Unavailable, match="have changed"):
        encoder.encode(["a"], Context(Role.QUERY, ["en"]))
    assert not (copy / "exploded").exists()


def test_files_that_vanish_are_named(copy: Path) -> None:
    encoder = laser(weights=str(copy))
    assert encoder.info.revision
    (copy / WEIGHTS).unlink()
    with pytest.raises(Unavailable, match=WEIGHTS):
        encoder.encode(["a"], Context(Role.QUERY, ["en"]))


@pytest.mark.parametrize("budget", ["0", "-3", "many", "1e4", "9999999999"])
def test_a_token_budget_that_is_none_is_refused(weights: Path, budget: str) -> None:
    with pytest.raises(UsageError, match="token_budget"):
        laser(weights=str(weights), token_budget=budget)


@pytest.mark.parametrize(
    ("tag", "code"),
    [("zh", "zh"), ("zh-Hant-TW", "zh"), ("pt_BR", "pt"), ("EN", "en"), ("sw", "sw"), ("", "")],
)
def test_a_language_is_its_primary_tag(tag: str, code: str) -> None:
    assert rules(tag) == code


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((8, 6), ["sm_70", "sm_80", "sm_86"], True),
        ((8, 9), ["sm_80", "sm_86"], True),
        ((9, 0), ["sm_80", "sm_86"], False),
        ((9, 0), ["sm_86", "compute_86"], True),
        ((7, 0), ["sm_75", "compute_75"], False),
        ((12, 0), ["sm_90", "sm_100", "sm_120"], True),
        ((8, 0), [], False),
        ((9, 0), ["sm_90a", "gfx906"], False),
    ],
)
def test_a_gpu_is_used_only_if_the_old_torch_knows_it(
    capability: tuple[int, int], built: list[str], runs: bool
) -> None:
    assert _built_for(capability, built) is runs
