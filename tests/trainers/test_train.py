"""`mlir-harness train` as people use it: real processes, real classes, real interruptions."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from command import Desk, Done
from parallel_files import both, record, write_jsonl
from safetensors.numpy import load_file, save_file
from tiny_transformers import write_labse, write_mdeberta, write_xlmr

from mlir_harness.contamination import load as load_record

ROWS = [both(f"{topic}-{number}", "de", "en", "hi") for topic in "abcdefgh" for number in range(8)]
SHORT = ("--set", "data.against=[]", "--set", "training.batch_size=8", "--device", "cpu")
STEPS = ("--set", "training.max_steps=12", "--set", "validation.every=4")
SMALL = ("--set", "model.vocabulary=300", "--set", "model.dimension=16")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    letters = "".join(map(chr, range(0x4E00, 0x4F80)))
    write_jsonl(
        tmp_path / "alphabet.jsonl",
        [
            record(
                str(number),
                {"zh": f"{number} {letters}?", "ja": f"{number}?"},
                {"zh": f"{number} {letters}.", "ja": f"{number}!"},
            )
            for number in range(20)
        ],
    )
    return Desk(tmp_path)


def trained(
    desk: Desk, recipe: str = "tiny-hybrid", *more: str, steps: Sequence[str] = STEPS
) -> Done:
    return desk.do("train", recipe, *arguments(*more, steps=steps))


def arguments(*more: str, steps: Sequence[str] = STEPS) -> list[str]:
    data = [] if "--data" in more else ["--data", "jsonl:rows.jsonl"]
    small = [] if "--weights" in more else SMALL
    return [*data, *SHORT, *steps, *small, "--cache-dir", "cache", *more]


def weights(desk: Desk, name: str = "tiny-hybrid", output: str = "checkpoints") -> bytes:
    return (desk.root / output / name / "model.safetensors").read_bytes()


def test_a_trained_folder_says_how_it_came_about_and_is_evaluated(desk: Desk) -> None:
    done = trained(desk, "tiny-hybrid", "--set", "data.against=xquad-r")
    assert done.code == 0, done.err
    folder = desk.root / "checkpoints" / "tiny-hybrid"
    assert done.out == f"tiny-hybrid is trained: {folder}\n"
    assert "compared with the samples of xquad-r, as their files are not here" in done.err
    about = json.loads((folder / "training.json").read_text("utf-8"))
    assert about["steps"] == 12
    assert [each["step"] for each in about["curve"] if "eval_loss" in each] == [4, 8, 12]
    losses = {each["step"]: each["eval_loss"] for each in about["curve"] if "eval_loss" in each}
    assert about["best_step"] == min(losses, key=lambda step: losses[step])
    batches = [json.loads(line) for line in (folder / "batches.jsonl").read_text().splitlines()]
    assert [each["batch"] for each in batches[:7]] == list(range(7))
    assert all(sum(each["pairs"].values()) == 8 for each in batches)
    assert {each["kind"] for each in batches} == {"mono", "cross"}
    held = load_record(folder)
    assert held.languages == {"de": 128, "en": 128, "hi": 128}
    assert held.find(["DE question a-1", "nobody said this"]).tolist() != [0, 0]
    assert held.find(["nobody said this"]).tolist() == [0]
    config = json.loads((folder / "config_sentence_transformers.json").read_text())
    assert config["prompts"] == {"query": "Query: ", "document": "Passage: "}
    assert not (desk.root / "checkpoints" / ".training-tiny-hybrid").exists()
    assert not desk.leftovers()

    again = trained(desk)
    assert again.code == 2
    assert "is trained already" in again.err
    assert "--fresh" in again.err

    more = [
        "--tasks",
        "xquad-r",
        "--data",
        "sample",
        "--languages",
        "de,el",
        "--cache-dir",
        "cache",
    ]
    run = desk.do("run", "--encoders", f"st:{folder}", *more, "--format", "json")
    assert run.code == 0, run.err
    (cell,) = run.json()["cells"]
    assert cell["exposure"]["verdict"] == "zero-shot"
    assert cell["exposure"]["unseen"] == ["el"]


@pytest.mark.slow
@pytest.mark.parametrize("base", ["static", "transformer"])
def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(desk: Desk, base: str) -> None:
    """Dropout of the transformer draws on the state of random numbers, which is restored too."""
    more = ["--set", f"model.base={base}", "--set", "training.epochs=5"]
    steps = ["--set", "training.max_steps=40", "--set", "validation.every=5"]
    whole = trained(desk, "tiny-hybrid", "--output", "whole", *more, steps=steps)
    assert whole.code == 0, whole.err
    given = arguments(*more, steps=steps)
    process = desk.start("train", "tiny-hybrid", *given)
    work = desk.root / "checkpoints" / ".training-tiny-hybrid"
    deadline = time.monotonic() + 300
    while not list(work.glob("checkpoint-1?/trainer_state.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (desk.root / "checkpoints" / "tiny-hybrid").exists()
    resumed = desk.do("train", "tiny-hybrid", *given)
    assert resumed.code == 0, resumed.err
    assert "going on from checkpoint-" in resumed.err
    assert weights(desk) == weights(desk, output="whole")
    logs = [desk.root / each / "tiny-hybrid" / "batches.jsonl" for each in ("checkpoints", "whole")]
    assert logs[0].read_bytes() == logs[1].read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "write"), [("xlmr", write_xlmr), ("labse", write_labse), ("mdeberta", write_mdeberta)]
)
def test_the_true_classes_learn_from_small_checkpoints(
    desk: Desk, name: str, write: object
) -> None:
    assert callable(write)
    write(desk.root / "base")
    steps = ["--set", "training.max_steps=80", "--set", "validation.every=40"]
    more = ["--weights", "base", "--set", "training.learning_rate=3e-3"]
    rows = files("mlir_trainers.samples").joinpath("training.jsonl").read_text("utf-8")
    (desk.root / "few.jsonl").write_text("".join(rows.splitlines(keepends=True)[:24]), "utf-8")
    more += ["--data", "jsonl:few.jsonl", "--set", "data.languages=de,en"]
    if name == "xlmr":
        more += ["--set", "training.mini_batch=4", "--set", "training.gradient_checkpointing=true"]
    done = trained(desk, f"{name}-mono", *more, steps=steps)
    assert done.code == 0, done.err
    folder = desk.root / "checkpoints" / f"{name}-mono"
    curve = json.loads((folder / "training.json").read_text("utf-8"))["curve"]
    losses = [each["loss"] for each in curve if "loss" in each]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1
    encoder = f"st:{folder}" if name == "mdeberta" else f"{name}-mono"
    run = desk.do(
        *("run", "--encoders", encoder, "--tasks", "xquad-r", "--data", "sample"),
        *("--languages", "de,en", "--cache-dir", "cache", "--format", "json"),
    )
    assert run.code == 0, run.err
    assert run.json()["cells"][0]["exposure"]["verdict"] == "zero-shot"


def test_a_loss_that_is_no_number_stops_with_the_batch_saved(desk: Desk) -> None:
    base = write_xlmr(desk.root / "base")
    file = base / "model.safetensors"
    held = load_file(file)
    name = next(each for each in held if each.endswith("word_embeddings.weight"))
    held[name] = np.full_like(held[name], np.nan)
    save_file(held, file, metadata={"format": "pt"})
    done = trained(desk, "xlmr-hybrid", "--weights", "base")
    assert done.code == 3
    assert "the loss is nan at step 1" in done.err
    assert "learning_rate" in done.err
    (saved,) = desk.files("checkpoints", "batch-1-*.jsonl")
    rows = [json.loads(line) for line in saved.read_text("utf-8").splitlines()]
    assert len(rows) == 8
    assert all("question" in each["query"] and "passage" in each["passage"] for each in rows)
    assert not (desk.root / "checkpoints" / "xlmr-hybrid").exists()


@pytest.mark.slow
def test_a_full_disk_keeps_the_last_good_checkpoint(desk: Desk) -> None:
    """The limit on files stands for the disk; weights grow past it, then it is lifted."""
    code = (
        "import resource, sys; from mlir_harness.cli import main\n"
        "import mlir_trainers.checkpoints as c, transformers\n"
        "save = transformers.Trainer._save_checkpoint\n"
        "def limited(self, *given):\n"
        "    if self.state.global_step >= 8:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "    return save(self, *given)\n"
        "transformers.Trainer._save_checkpoint = limited\n"
        "main()\n"
    )
    given = arguments()
    process = desk.start("train", "tiny-hybrid", *given, program=("-c", code))
    _, err = process.communicate(timeout=300)
    assert process.returncode == 3, err
    assert "checkpoint-4 stays" in err
    assert "Traceback" not in err
    resumed = desk.do("train", "tiny-hybrid", *given)
    assert resumed.code == 0, resumed.err
    assert "going on from checkpoint-4" in resumed.err


def test_data_that_is_evaluated_on_is_refused_unless_allowed(desk: Desk) -> None:
    import mlir_tasks

    sample = Path(mlir_tasks.__file__).parent / "samples" / "xquad-r"
    more = ["--data", f"lareqa:{sample}", "--set", "data.against=xquad-r"]
    more += ["--set", "model.vocabulary=3000"]
    done = trained(desk, "tiny-hybrid", *more)
    assert done.code == 2
    assert "the training data holds what is evaluated on: xquad-r: " in done.err
    assert "--allow-contamination" in done.err
    allowed = trained(desk, "tiny-hybrid", *more, "--allow-contamination")
    assert allowed.code == 0, allowed.err
    card = (desk.root / "checkpoints" / "tiny-hybrid" / "README.md").read_text("utf-8")
    assert "Evaluation data was trained on: xquad-r" in card


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "training.batch_size=200"], "less than one batch of 200"),
        (["--set", "data.languages=de", "--set", "training.batches=cross"], "need two"),
        (["--set", "training.batches=1.2"], "alpha is 1.2"),
        (["--data", "jsonl:nowhere.jsonl"], "nowhere.jsonl"),
        (["--data", "csv:rows.jsonl"], "csv"),
        (["--weights", "nowhere"], "no folder nowhere"),
        (["--set", "training.batchsize=3"], "no key training.batchsize"),
        (["--set", "model.base=laser"], "laser"),
        (["--set", "training.mini_batch=4"], "computed at once"),
        (["--set", "training.report_to=nobody"], "nothing is called 'nobody'"),
        (["--set", "training.report_to=wandb"], "pip install wandb"),
        (["--data", "jsonl:alphabet.jsonl"], "more than 300 different characters"),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(desk: Desk, more: list[str], said: str) -> None:
    done = trained(desk, "tiny-hybrid", *more)
    assert done.code in (2, 3)
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list(desk.root.glob("checkpoints/tiny*"))


def test_the_recipe_is_shown_before_it_is_trained(desk: Desk) -> None:
    done = desk.do("train", "xlmr-cross", "--data", "jsonl:rows.jsonl", "--show")
    assert done.code == 0
    assert 'batches = "cross"' in done.out
    assert f'train = ["jsonl:{desk.root}/rows.jsonl"]' in done.out


@pytest.mark.slow
def test_processes_share_a_training(desk: Desk) -> None:
    """As torchrun starts them: batches are dealt out, and one process writes."""
    program = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "mlir_harness")
    process = desk.start("train", "tiny-hybrid", *arguments(), program=program)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    folder = desk.root / "checkpoints" / "tiny-hybrid"
    assert out.count("is trained") == 1
    lines = (folder / "batches.jsonl").read_text("utf-8").splitlines()
    drawn = [(held["epoch"], held["batch"]) for held in map(json.loads, lines)]
    assert len(set(drawn)) == len(drawn) >= 24
    assert json.loads((folder / "training.json").read_text("utf-8"))["steps"] == 12


@pytest.mark.slow
def test_training_stops_when_the_validation_loss_no_longer_falls(desk: Desk) -> None:
    """A learning rate of nothing: the second validation is no better than the first."""
    still = ["--set", "training.learning_rate=0", "--set", "validation.patience=1"]
    done = trained(desk, "tiny-hybrid", *still)
    assert done.code == 0, done.err
    about = json.loads((desk.root / "checkpoints/tiny-hybrid/training.json").read_text("utf-8"))
    assert (about["steps"], about["best_step"]) == (8, 4)


def test_data_that_is_good_for_one_kind_of_batches_is_validated_by_that_kind(desk: Desk) -> None:
    (desk.root / "sentences").mkdir()
    for language in ("de", "en"):
        lines = [f"{language} sentence {number}" for number in range(90)]
        (desk.root / "sentences" / f"{language}.txt").write_text("\n".join(lines), "utf-8")
    done = trained(desk, "tiny-cross", "--data", "sentences:sentences")
    assert done.code == 0, done.err
    apart = [both(f"{language}{n}", language) for language in ("de", "en") for n in range(90)]
    write_jsonl(desk.root / "apart.jsonl", apart)
    done = trained(desk, "tiny-mono", "--data", "jsonl:apart.jsonl")
    assert done.code == 0, done.err


@pytest.mark.slow
def test_who_waits_for_the_same_training_finds_it_done(desk: Desk) -> None:
    both_at_once = [desk.start("train", "tiny-hybrid", *arguments()) for _ in range(2)]
    ended = [(each.communicate(timeout=300)[1], each.returncode) for each in both_at_once]
    assert sorted(code for _, code in ended) == [0, 2], ended
    (late,) = [err for err, code in ended if code == 2]
    assert "is trained already" in late
    assert weights(desk)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_no_cpu(desk: Desk) -> None:
    done = trained(desk, "tiny-hybrid", "--device", "cuda")
    assert done.code == 3
    assert "there is no GPU that torch can use" in done.err
