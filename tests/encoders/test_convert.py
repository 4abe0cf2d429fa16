"""Pickled weights become safetensors: the same tensors, recorded, and nothing in them is run."""

from __future__ import annotations

import json
import os
import threading
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from command import Desk, Done
from safetensors.torch import load_file

from mlir_encoders import conversion, unpickling
from mlir_harness.errors import Unavailable


def write_pickle(folder: Path, name: str = "pytorch_model.bin") -> dict[str, torch.Tensor]:
    """A folder with weights of every awkward kind: shared, sliced, transposed, half, whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tensors = {
        "a": base,
        "tied": base,
        "slice": base[1:3],
        "turned": base.T,
        "half": torch.linspace(-1, 1, 7).half(),
        "ids": torch.arange(5),
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 4),
        "nan": torch.tensor([float("nan"), float("inf")]),
    }
    (folder / name).parent.mkdir(exist_ok=True)
    torch.save(tensors, folder / name)
    return tensors


def same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    __tracebackhide__ = True
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].shape == tensor.shape
        assert torch.allclose(found[name].double(), tensor.double(), 0, 0, equal_nan=True)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_pickle(tmp_path / "model")
    return tmp_path / "model"


def test_the_tensors_are_the_same_and_hashes_are_recorded(model: Path) -> None:
    wanted = write_pickle(model)
    dense = write_pickle(model, "2_Dense/pytorch_model.bin")
    (model / "modules.json").write_text('[{"path": ""}, {"path": "2_Dense"}]')
    done = conversion.convert(model)
    assert [each.safetensors for each in done] == ["2_Dense/model.safetensors", "model.safetensors"]
    same(load_file(model / "model.safetensors"), wanted)
    same(load_file(model / "2_Dense" / "model.safetensors"), dense)
    record = json.loads((model / "converted.json").read_text())["files"]["model.safetensors"]
    assert record["pickle_sha256"] == _sha256(model / "pytorch_model.bin")
    assert record["sha256"] == _sha256(model / "model.safetensors")
    assert record["torch"] == str(torch.__version__)
    assert conversion.convert(model) == []
    assert not list(model.rglob("*.tmp"))


@pytest.mark.slow
def test_converting_again_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    write_pickle(tmp_path / "other")
    (first,) = conversion.convert(model)
    (second,) = conversion.convert_into(tmp_path / "other", tmp_path / "out")
    assert first.sha256 == second.sha256


@pytest.mark.slow
def test_files_from_before_zip_archives_are_read_too(model: Path) -> None:
    tensors = {"a": torch.arange(6.0)}
    torch.save(tensors, model / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    conversion.convert(model)
    same(load_file(model / "model.safetensors"), tensors)


def test_all_are_looked_at_before_one_is_converted(model: Path) -> None:
    write_pickle(model, "z/weights.ckpt")
    with pytest.raises(Unavailable, match=r"z/weights.ckpt .* is a pickle of unknown kind"):
        conversion.convert(model)
    assert not list(model.rglob("*.safetensors"))


def test_what_is_done_is_recorded_though_the_next_fails(model: Path) -> None:
    write_pickle(model, "2_Dense/pytorch_model.bin")
    _malicious(model)
    with pytest.raises(Unavailable, match="more than weights"):
        conversion.convert(model)
    assert list(json.loads((model / "converted.json").read_text())["files"]) == [
        "2_Dense/model.safetensors"
    ]


def test_the_other_half_of_deberta_is_left_alone(model: Path) -> None:
    write_pickle(model, "pytorch_model.generator.bin")
    assert [each.pickle for each in conversion.convert(model)] == ["pytorch_model.bin"]


def test_a_torch_that_runs_what_it_reads_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    found = unpickling.main(model / "pytorch_model.bin", model / "model.safetensors")
    assert found == {"kind": "old", "error": "2.5.1+cpu"}
    assert not (model / "model.safetensors").exists()


def test_a_copy_is_not_stopped_by_what_a_killed_process_left(model: Path, tmp_path: Path) -> None:
    (tmp_path / ".safe.tmp").write_text("a file of that name")
    conversion.convert_into(model, tmp_path / "safe")
    assert (tmp_path / "safe").stat().st_mode == model.stat().st_mode
    assert {path.name for path in tmp_path.iterdir()} == {"model", "safe", ".safe.tmp"}


class Malice:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, ("touch /tmp/mlir-harness-was-here; touch ran",)


def _not_a_table(folder: Path) -> None:
    torch.save([torch.zeros(2)], folder / "pytorch_model.bin")


def _nested(folder: Path) -> None:
    torch.save({"state_dict": {"a": torch.zeros(2)}, "epoch": 3}, folder / "pytorch_model.bin")


def _cut(folder: Path) -> None:
    file = folder / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-200])


def _malicious(folder: Path) -> None:
    torch.save({"a": torch.zeros(2), "b": Malice()}, folder / "pytorch_model.bin")


def _another_kind(folder: Path) -> None:
    (folder / "pytorch_model.bin").rename(folder / "weights.ckpt")


BAD = [
    (_malicious, "is more than weights: reading it would use posix.system. Nothing of it was run"),
    pytest.param(_cut, "is damaged, or no weights of torch", marks=pytest.mark.slow),
    pytest.param(_not_a_table, "it holds a list", marks=pytest.mark.slow),
    pytest.param(_nested, "'state_dict' is a dict", marks=pytest.mark.slow),
    (_another_kind, "weights.ckpt .* is a pickle of unknown kind"),
]


@pytest.mark.parametrize(("spoil", "said"), BAD, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_more_than_tensors_is_refused(model: Path, spoil: object, said: str) -> None:
    spoil(model)  # type: ignore[operator]
    with pytest.raises(Unavailable, match=said) as caught:
        conversion.convert(model)
    assert caught.value.hint
    assert not Path("/tmp/mlir-harness-was-here").exists()
    assert not list(model.glob("*.safetensors"))
    assert not list(model.rglob("*.tmp"))


@pytest.mark.slow
def test_of_two_at_once_one_converts(model: Path) -> None:
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(len(conversion.convert(model))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1]


@pytest.mark.slow
def test_the_command_copies_to_another_folder(model: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    before = {file.name: file.read_bytes() for file in model.iterdir()}
    done = desk.do("convert", "model", "-o", "new/safe")
    assert done.code == 0, done.err
    assert "pytorch_model.bin → model.safetensors: 9 tensors" in done.out
    where = tmp_path / "new" / "safe"
    assert done.out.splitlines()[-1].endswith(
        f"--weights NAME={where}, or as --encoders st:{where}"
    )
    out = tmp_path / "new" / "safe"
    names = {"config.json", "model.safetensors", "converted.json"}
    assert {file.name for file in out.iterdir()} == names
    assert {file.name: file.read_bytes() for file in model.iterdir()} == before
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["safe"]


@pytest.mark.slow
def test_the_command_says_what_is_wrong(model: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    def refuses(code: int, said: str, *arguments: str) -> Done:
        __tracebackhide__ = True
        done = desk.do("convert", *arguments)
        assert done.code == code
        assert said in " ".join(done.err.split())
        assert "Traceback" not in done.err
        return done

    refuses(2, "there is no folder nowhere", "nowhere")
    (tmp_path / "empty").mkdir()
    refuses(2, "the weights in empty are not there", "empty")
    refuses(2, "is there already", "model", "-o", "model")
    (tmp_path / "file").write_text("")
    refuses(3, "cannot convert in", "model", "-o", "file/safe")
    _malicious(model)
    refuses(3, "do not use this file", "model")
    write_pickle(model)
    assert desk.do("convert", "model").code == 0
    done = desk.do("convert", "model")
    assert (done.code, done.out) == (
        0,
        "nothing to convert: the weights in model are safetensors already\n",
    )


def _sha256(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()
