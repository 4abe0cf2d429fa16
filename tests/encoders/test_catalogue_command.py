"""The encoders by name on the command line: weights given, prompts, refusals."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiny_transformers as tiny
from command import Desk


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    tiny.write_xlmr(root / "xlmr")
    tiny.write_labse(root / "labse")
    tiny.write_mdeberta(root / "mdeberta")
    tiny.write_mdeberta(root / "pickled", pickled=True)
    tiny.write_trained(
        root / "checkpoints" / "xlmr-hybrid", prompts={"query": "Query: ", "passage": "Passage: "}
    )
    return root


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, {"HF_HOME": str(tmp_path / "huggingface")})


def weights(made: Path, *names: str) -> list[str]:
    return [part for name in names for part in ("--weights", f"{name}={made / name}")]


@pytest.mark.slow
def test_a_run_of_all_three_prints_one_table(desk: Desk, made: Path) -> None:
    names = ("xlmr", "labse", "mdeberta")
    command = ["run", "--encoders", ",".join(names), "--tasks", "xquad-r", "--data", "sample"]
    command += ["--languages", "en,hi"]
    places = ["--output", "out", "--cache-dir", "cache"]
    done = desk.do(*command, *places, *weights(made, *names))
    assert done.code == 0, done.err
    rows = [line.split()[0] for line in done.out.splitlines() if line.strip()]
    assert [row for row in rows if row in names] == list(names)
    assert done.err.strip() == ""

    # The same weights in another place: nothing would be encoded again.
    shutil.copytree(made / "xlmr", desk.root / "moved")
    command[2] = "xlmr"
    moved = ["--weights", "xlmr=moved", "--format", "json", "--dry-run"]
    (planned,) = desk.do(*command, *places, *moved).json()["plan"]
    assert (planned["encoder"], planned["tokens"], planned["bytes"]) == ("xlmr", 0, 0)


@pytest.mark.slow
def test_a_trained_encoder_is_found_among_checkpoints(desk: Desk, made: Path) -> None:
    command = ["run", "--encoders", "xlmr-hybrid", "--tasks", "xquad-r", "--data", "sample"]
    command += ["--languages", "en", "--output", "out", "--cache-dir", "cache"]
    done = desk.do(*command)
    assert done.code == 4
    said = " ".join(done.err.split())
    assert f"there is no {desk.root / 'checkpoints' / 'xlmr-hybrid'}" in said
    assert "mlir-harness train xlmr-hybrid, or --weights xlmr-hybrid=FOLDER" in said
    done = desk.do(*command, "--checkpoints", str(made / "checkpoints"))
    assert done.code == 0, done.err
    assert "xlmr-hybrid" in done.out


@pytest.mark.slow
def test_what_cannot_run_is_explained_and_the_others_go_on(desk: Desk, made: Path) -> None:
    command = ["run", "--encoders", "hashing,xlmr,mdeberta", "--tasks", "xquad-r"]
    command += ["--data", "sample", "--languages", "en", "--output", "out", "--cache-dir", "cache"]
    command += ["--weights", f"xlmr={made / 'labse'}"]
    command += ["--weights", f"mdeberta={made / 'pickled'}"]
    done = desk.do(*command)
    assert done.code == 3
    said = " ".join(done.err.split())
    assert f"xlmr is an XLM-RoBERTa; {made / 'labse'} holds bert" in said
    assert f"convert them: mlir-harness convert {made / 'pickled'}" in said
    assert "hashing" in done.out

    assert desk.do("convert", str(made / "pickled"), "-o", "safe").code == 0
    command[2] = "mdeberta"
    done = desk.do(*command[:-4], "--weights", "mdeberta=safe")
    assert done.code == 0, done.err
    done = desk.do(*command[:-4], "--weights", "mdeberta=safe", "--precision", "fp16")
    assert done.code == 4
    assert "mdeberta gives NaN in fp16" in " ".join(done.err.split())
