"""A file stands in for what the command line does not say; the command line wins."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import PLUGINS, Desk

from mlir_harness import config
from mlir_harness.errors import UsageError

FILE = f"""
tasks = ["xquad-r"]
languages = ["de", "en"]
data-dir = "../data"
output = "../out"
cache-dir = "../cache"
format = "json"

[encoders.hashing]
dimension = 128

[encoders.small]
use = "{PLUGINS}:sized"
size = 4
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk.at(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mlir-harness.toml").write_text(FILE)
    return desk


def _run(desk: Desk, *more: str) -> dict[str, dict[str, object]]:
    done = desk.do("run", "--config", "etc/mlir-harness.toml", *more)
    assert done.code == 0, done.err
    return done.cells()


def test_a_file_alone_says_what_to_run_and_where(desk: Desk) -> None:
    cells = _run(desk)
    assert {name: cell["status"] for name, cell in cells.items()} == {
        "hashing": "ok",
        "small": "ok",
    }
    assert {
        part for setting in cells["small"]["settings"] for part in setting["id"].split("→")
    } == {
        "de",
        "en",
        "all",
    }
    assert (desk.root / "out").is_dir()
    assert (desk.root / "cache").is_dir()


def test_options_of_the_file_reach_the_encoder(desk: Desk) -> None:
    with_file = _run(desk)["hashing"]["fingerprints"]
    by_hand = desk.run("hashing", more=["--format", "json", "--option", "hashing.dimension=128"])
    assert with_file["encoder"] == by_hand.cells()["hashing"]["fingerprints"]["encoder"]


def test_the_command_line_wins(desk: Desk) -> None:
    cells = _run(desk, "--encoders", "small", "--option", "small.size=8", "--languages", "de,en,hi")
    assert set(cells) == {"small"}
    assert any("hi" in setting["id"] for setting in cells["small"]["settings"])
    file = _run(desk, "--encoders", "small")["small"]["fingerprints"]
    assert cells["small"]["fingerprints"]["encoder"] != file["encoder"]


def test_weights_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[encoders.ours]\nuse='xlmr'\nweights='models/a'\nprecision='bf16'\n")
    held = config.read(path)
    assert held.entries["ours"] == config.Entry(
        "xlmr", {"precision": "bf16"}, str(tmp_path / "models" / "a")
    )
    assert held.expand(("ours", "hashing")) == ("ours=xlmr", "hashing")


def test_a_folder_of_a_model_is_relative_to_the_file_where_it_is_one(tmp_path: Path) -> None:
    (tmp_path / "models" / "a").mkdir(parents=True)
    path = tmp_path / "x.toml"
    path.write_text("[encoders.ours]\nuse='st:models/a'\n[encoders.hub]\nuse='st:models/b'\n")
    held = config.read(path)
    assert held.expand(("ours", "hub")) == (f"ours=st:{tmp_path}/models/a", "hub=st:models/b")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty Write, say, encoders"),
        ("# all commented out\n", "is empty"),
        ("tasks = [", "is not TOML"),
        ("langauges = ['de']", "there is no option 'langauges'"),
        ("config = 'other.toml'", "there is no option 'config'"),
        ("split = ['a']", "split takes one value Write split = …, no brackets."),
        ("languages = 3", "languages takes a list Write languages = ["),
        ("dry-run = 'yes'", "dry-run takes true or false Write dry-run = true."),
        ("depth = 3", "run --help says what --depth takes"),
        ("data = 'fake'", "data"),
        ("encoders = 3", "neither a list of names nor a table"),
        ("encoders.hashing = 3", "not a table of options"),
        ("encoders.'a/b'.use = 'hashing'", "not a name that results can be filed under"),
        ("encoders.hashing.dimension = [1]", "dimension is a list"),
        ("tasks.x.a = 1\nencoders.x.a = 1", "'x' is an encoder and a task"),
    ],
)
def test_a_wrong_file_is_refused_by_name(desk: Desk, text: str, complaint: str) -> None:
    (desk.root / "etc" / "mlir-harness.toml").write_text(text)
    done = desk.do("run", "--config", "etc/mlir-harness.toml", "--encoders", "hashing")
    assert done.code == 2
    assert "etc/mlir-harness.toml" in done.err
    assert complaint in " ".join(done.err.split())
    assert "Mend it" not in done.err
    assert "Traceback" not in done.err


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        config.read(tmp_path / "none.toml")
