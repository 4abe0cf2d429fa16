"""The encoders by name: their vectors, their weights, and what is said of wrong ones."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_transformers as tiny
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel

from mlir_encoders import catalogue
from mlir_encoders.published import Published
from mlir_encoders.trained import Trained
from mlir_harness.errors import Refused, Unavailable, UsageError
from mlir_harness.protocols import Closes, Context, Counts, Fetches, Finishes
from mlir_harness.testing import check_encoder
from mlir_harness.types import Role

PUBLISHED = {"xlmr": catalogue.xlmr, "labse": catalogue.labse, "mdeberta": catalogue.mdeberta}
TRAINED = {
    each.name: each
    for each in (
        catalogue.xlmr_mono,
        catalogue.xlmr_cross,
        catalogue.xlmr_hybrid,
        catalogue.labse_mono,
        catalogue.labse_cross,
        catalogue.labse_hybrid,
    )
}
PROMPTS = {"query": "Query: ", "passage": "Passage: "}
TEXTS = [*tiny.TEXT, "", "x", "①ｆｕｌｌ  width\n", "the bridge " * 60]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A folder for each kind of checkpoint, made once."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {
        "xlmr": tiny.write_xlmr(root / "xlmr"),
        "labse": tiny.write_labse(root / "labse"),
        "mdeberta": tiny.write_mdeberta(root / "mdeberta"),
        "xlmr-hybrid": tiny.write_trained(root / "xlmr-hybrid", prompts=PROMPTS),
        "labse-mono": tiny.write_labse(root / "labse-mono", prompts=PROMPTS),
    }


@pytest.fixture
def copy(folders, tmp_path):
    """A copy of a checkpoint, to be changed."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(folders[name], tmp_path / f"my {name}"))

    return make


def encode(encoder: Any, texts: list[str], role: Role = Role.DOCUMENT) -> np.ndarray:
    return encoder.encode(texts, Context(role, ["en"] * len(texts)))


def masked_mean(folder: Path, texts: list[str]) -> np.ndarray:
    """Mean of the tokens' last states, by transformers alone."""
    tokenizer = tiny.tokens_of(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    rows = []
    for text in texts:
        tokens = tokenizer(
            [text], truncation=True, max_length=tiny.POSITIONS, return_tensors="pt", padding=True
        )
        with torch.no_grad():
            states = model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        rows.append(((states * mask).sum(1) / mask.sum(1)).numpy()[0])
    return np.array(rows)


@pytest.mark.parametrize("name", ["xlmr", "mdeberta"])
def test_vectors_are_the_mean_of_the_tokens_of_transformers(folders, name):
    encoder = PUBLISHED[name](weights=str(folders[name]), device="cpu", token_budget=200)
    found = encode(encoder, TEXTS)
    np.testing.assert_allclose(found, masked_mean(folders[name], TEXTS), atol=1e-5)
    assert len(np.unique(found.round(3), axis=0)) == len(TEXTS)
    np.testing.assert_array_equal(encode(encoder, TEXTS, Role.QUERY), found)


def test_labse_is_what_sentence_transformers_makes_of_it(folders):
    encoder = catalogue.labse(weights=str(folders["labse"]), device="cpu", token_budget=200)
    model = SentenceTransformer(str(folders["labse"]), device="cpu")
    wanted = model.encode(TEXTS, batch_size=3)
    np.testing.assert_allclose(encode(encoder, TEXTS), wanted, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(wanted, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["xlmr-hybrid", "labse-mono"])
def test_trained_encoders_put_their_prompts_before_texts(folders, name):
    encoder = TRAINED[name](weights=str(folders[name]), device="cpu")
    model = SentenceTransformer(str(folders[name]), device="cpu")
    for role, prompt in ((Role.QUERY, "Query: "), (Role.DOCUMENT, "Passage: ")):
        wanted = model.encode([prompt + text for text in TEXTS], prompt="")
        np.testing.assert_allclose(encode(encoder, TEXTS, role), wanted, atol=1e-5)


def test_what_an_encoder_says_of_itself(folders):
    for name, factory in PUBLISHED.items():
        encoder = factory(weights=str(folders[name]))
        assert isinstance(encoder, Counts)
        assert isinstance(encoder, Closes)
        info = encoder.info
        assert info.licence in {"MIT", "Apache-2.0"}
        assert {"en", "hi", "th", "sw", "zh"} <= set(info.languages)
        assert info.max_tokens == tiny.POSITIONS
        assert info.similarity == "cosine"
        tokenizer = "spm.model" if name == "mdeberta" else "tokenizer.json"
        assert info.options["tokenizer"] == tokenizer
        assert (info.options["query_prompt"], info.options["document_prompt"]) == ("", "")
    info = catalogue.xlmr_hybrid(weights=str(folders["xlmr-hybrid"])).info
    assert (info.options["query_prompt"], info.options["document_prompt"]) == (
        "Query: ",
        "Passage: ",
    )
    assert "hybrid" in info.description


def test_options_are_taken_and_named_when_wrong(folders):
    short = catalogue.xlmr(weights=str(folders["xlmr"]), device="cpu", max_tokens="6")
    assert short.info.max_tokens == 6
    with pytest.raises(UsageError, match="xlmr has no option 'max_tokns'") as caught:
        catalogue.xlmr(weights=str(folders["xlmr"]), max_tokns=6)
    assert "max_tokens" in caught.value.hint
    with pytest.raises(UsageError, match="at most 48 tokens"):
        catalogue.xlmr(weights=str(folders["xlmr"]), max_tokens=49)


# Where weights are.


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(hub: Path, factory: Published, folder: Path) -> Path:
    name = f"models--{factory.hub.repository.replace('/', '--')}"
    snapshot = hub / name / "snapshots" / factory.hub.revision
    shutil.copytree(folder, snapshot)
    return snapshot


def complete(factory: Published, folder: Path) -> Path:
    """The folder with every file that was published, those that are not made here empty."""
    for each in factory.hub.files:
        file = folder / each.path
        if not file.exists() and each.path != "pytorch_model.bin":
            file.write_text("{}")
    return folder


def refused(factory: Any, match: str, **options: Any) -> Unavailable:
    __tracebackhide__ = True
    with pytest.raises(Unavailable, match=match) as caught:
        factory(**options)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_same_weights_are_the_same_encoder_wherever_they_lie(copy, hub, tmp_path, name):
    factory = PUBLISHED[name]
    folder = complete(factory, copy(name))
    given = factory(weights=str(folder)).info
    fetched = tmp_path / "fetched"
    shutil.copytree(folder, fetched)
    (fetched / "fetched.json").write_text("when and from where")
    assert factory(files=str(fetched)).info == given
    snapshot = cached(hub, factory, folder)
    (snapshot / "README.md").write_text("of the repository")
    (snapshot / "pytorch_model.bin").write_bytes(b"never read")
    assert factory(files=str(tmp_path / "nothing")).info == given
    assert factory().info == given


def test_weights_are_looked_for_in_this_order(copy, hub, tmp_path):
    def marked(name: str) -> Path:
        folder = complete(catalogue.xlmr, Path(shutil.copytree(copy_of, tmp_path / name)))
        tensors = load_file(folder / "model.safetensors")
        tensors["lm_head.bias"][0] = len(name)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return folder

    copy_of = copy("xlmr")
    given, fetched, other = marked("given"), marked("fetched"), marked("in the hub's cache")
    cached(hub, catalogue.xlmr, other)
    revision = {
        place: catalogue.xlmr(weights=str(place)).info.revision for place in (given, fetched, other)
    }
    assert len(set(revision.values())) == 3
    at = {"weights": str(given), "files": str(fetched)}
    assert catalogue.xlmr(**at).info.revision == revision[given]
    assert catalogue.xlmr(files=str(fetched)).info.revision == revision[fetched]
    (fetched / "tokenizer.json").unlink()
    assert catalogue.xlmr(files=str(fetched)).info.revision == revision[other]
    shutil.rmtree(hub)
    error = refused(catalogue.xlmr, "fetched lacks tokenizer.json", files=str(fetched))
    assert error.hint == "mlir-harness fetch xlmr, or --weights xlmr=FOLDER"


def test_without_weights_the_command_is_named(hub, tmp_path):
    for name, factory in PUBLISHED.items():
        error = refused(factory, f"the weights of {name} .* are not on this machine")
        assert error.hint == f"mlir-harness fetch {name}, or --weights {name}=FOLDER"
    for name, trained in TRAINED.items():
        error = refused(trained, "was not trained here", checkpoints=str(tmp_path))
        assert str(tmp_path / name) in error.message
        assert error.hint == f"mlir-harness train {name}, or --weights {name}=FOLDER"


def test_a_pickle_in_the_hubs_cache_has_to_be_fetched(hub, tmp_path):
    folder = tiny.write_mdeberta(tmp_path / "pickled", pickled=True)
    cached(hub, catalogue.mdeberta, folder)
    error = refused(catalogue.mdeberta, "without model.safetensors .*is converted when")
    assert "fetch mdeberta" in error.hint


def test_trained_encoders_are_found_among_the_checkpoints(folders, tmp_path):
    shutil.copytree(folders["xlmr-hybrid"], tmp_path / "xlmr-hybrid")
    found = catalogue.xlmr_hybrid(checkpoints=str(tmp_path)).info
    assert found == catalogue.xlmr_hybrid(weights=str(folders["xlmr-hybrid"])).info
    (tmp_path / "xlmr-mono" / "checkpoint-500").mkdir(parents=True)
    error = refused(catalogue.xlmr_mono, "not trained to the end", checkpoints=str(tmp_path))
    assert "mlir-harness train xlmr-mono" in error.hint


# What is published.


def test_downloads_are_pinned(hub):
    for name, factory in PUBLISHED.items():
        assert isinstance(factory, Fetches)
        assert isinstance(factory, Finishes)
        files = factory.downloads(())
        assert len({each.path for each in files}) == len(files)
        for each in files:
            assert each.url.startswith(f"hf://{factory.hub.repository}@{factory.hub.revision}/")
            assert each.url.endswith(f"/{each.path}")
            assert len(each.sha256) == 64
        pickles = [each.path for each in files if each.path.endswith(".bin")]
        assert pickles == (["pytorch_model.bin"] if name == "mdeberta" else [])


@pytest.mark.slow
def test_what_was_fetched_as_a_pickle_is_converted(tmp_path):
    folder = tiny.write_mdeberta(tmp_path / "files", pickled=True)
    error = refused(catalogue.mdeberta, "lacks model.safetensors", files=str(folder))
    assert error.hint.startswith("mlir-harness fetch mdeberta")
    catalogue.mdeberta.finish(str(folder))
    encoder = catalogue.mdeberta(files=str(folder), device="cpu")
    plain = tiny.write_mdeberta(tmp_path / "plain")
    np.testing.assert_allclose(encode(encoder, TEXTS), masked_mean(plain, TEXTS), atol=1e-5)
    before = encoder.info
    catalogue.mdeberta.finish(str(folder))
    assert catalogue.mdeberta(files=str(folder)).info == before


def test_what_is_published_as_safetensors_needs_no_finish(folders):
    before = sorted(folders["xlmr"].iterdir())
    catalogue.xlmr.finish(str(folders["xlmr"]))
    assert sorted(folders["xlmr"].iterdir()) == before


# What is no such model.


@pytest.mark.parametrize(
    ("factory", "holds", "said"),
    [
        (catalogue.xlmr, "labse", "xlmr is an XLM-RoBERTa; .* holds bert"),
        (catalogue.labse, "xlmr", "labse is a BERT; .* holds xlm-roberta"),
        (catalogue.mdeberta, "xlmr", "mdeberta is a DeBERTa .*; .* holds xlm-roberta"),
        (catalogue.xlmr_mono, "labse-mono", "xlmr-mono is an XLM-RoBERTa; .* holds bert"),
        (catalogue.labse_mono, "xlmr-hybrid", "labse-mono is a BERT; .* holds xlm-roberta"),
    ],
)
def test_another_architecture_is_refused(folders, factory, holds, said):
    error = refused(factory, said, weights=str(folders[holds]))
    assert f"st:{folders[holds]}" in error.hint


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("xlmr", "config.json"),
        ("labse", "1_Pooling/config.json"),
        ("labse", "2_Dense/config.json"),
        ("labse", "2_Dense/model.safetensors"),
    ],
)
def test_a_missing_file_is_named(copy, name, missing):
    folder = copy(name)
    (folder / missing).unlink()
    factory = PUBLISHED.get(name) or TRAINED[name]
    error = refused(factory, f"{name}: .* lacks {missing}", weights=str(folder))
    assert "copy the whole folder" in error.hint
    refused(factory, "there is no folder", weights=str(folder / "nowhere"))


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("labse", "give a copy of sentence-transformers/LaBSE: --weights labse=FOLDER"),
        ("xlmr-hybrid", "give a folder that mlir-harness train xlmr-hybrid wrote: --weights "),
    ],
)
def test_a_bare_transformer_is_told_from_a_whole_folder(copy, name, whole):
    folder = copy(name)
    (folder / "modules.json").unlink()
    factory = PUBLISHED.get(name) or TRAINED[name]
    error = refused(factory, f"{name}: .* lacks modules.json: it is a bare", weights=str(folder))
    assert error.hint.startswith(whole)


@pytest.mark.parametrize("name", ["xlmr", "labse"])
def test_missing_weights_are_named(copy, name):
    folder = copy(name)
    weights = folder / "model.safetensors"
    weights.unlink()
    said = "holds no weights" if name == "xlmr" else "labse: .* lacks model.safetensors"
    refused(PUBLISHED[name], said, weights=str(folder))
    weights.symlink_to(folder / "deleted")
    refused(PUBLISHED[name], "model.safetensors is damaged .No such file", weights=str(folder))


@pytest.mark.parametrize("name", ["xlmr", "labse", "mdeberta", "labse-mono"])
def test_weights_without_a_layer_are_refused_not_made_up(copy, name):
    folder = copy(name)
    tensors = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in tensors.items() if "layer.1.output.dense" not in key}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    factory = PUBLISHED.get(name) or TRAINED[name]
    refused(factory, "lack encoder.layer.1.output.dense.weight", weights=str(folder))


def test_any_other_weight_that_is_missing_is_found_when_they_load(copy):
    folder = copy("xlmr")
    tensors = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in tensors.items() if "layer.0.attention" not in key}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    encoder = catalogue.xlmr(weights=str(folder), device="cpu")
    with pytest.raises(Unavailable, match=r"layer.0.attention.*made up at random"):
        encode(encoder, ["x"])


def test_loading_says_nothing_of_heads_that_are_not_used(folders, capfd):
    encode(catalogue.xlmr(weights=str(folders["xlmr"]), device="cpu"), ["x"])
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_pickles_are_refused_with_the_command(tmp_path):
    folder = tiny.write_mdeberta(tmp_path / "my model", pickled=True)
    error = refused(catalogue.mdeberta, "only as a pickle", weights=str(folder))
    assert error.hint == f"convert them: mlir-harness convert '{folder}'"


def test_another_stack_is_refused(copy):
    folder = copy("labse")
    error = refused(catalogue.xlmr, "holds bert", weights=str(folder))
    config = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(config[:2]))
    error = refused(
        catalogue.labse,
        "Pooling, Dense, Normalize; .* of Transformer, Pooling",
        weights=str(folder),
    )
    assert "st:" in error.hint


def test_prompts_that_were_saved_must_agree(copy):
    folder = copy("xlmr-hybrid")
    config = folder / "config_sentence_transformers.json"
    settings = json.loads(config.read_text())
    for prompts in (
        {},
        {"query": "", "document": ""},
        {"query": "Query: ", "document": "Passage: "},
    ):
        config.write_text(json.dumps({**settings, "prompts": prompts}))
        assert catalogue.xlmr_hybrid(weights=str(folder)).info.options["query_prompt"] == "Query: "
    config.write_text(json.dumps({**settings, "prompts": {"query": "query: "}}))
    error = refused(catalogue.xlmr_hybrid, "saved with 'query: ' and ''", weights=str(folder))
    assert "st:" in error.hint
    config.write_text(json.dumps({**settings, "prompts": PROMPTS}))
    refused(catalogue.xlmr, "'' before queries .* 'Query: ' and 'Passage: '", weights=str(folder))


def test_fp16_is_refused_for_mdeberta_alone(folders):
    error = refused(
        catalogue.mdeberta, "NaN in fp16", weights=str(folders["mdeberta"]), precision="fp16"
    )
    assert "bf16" in error.hint
    catalogue.xlmr(weights=str(folders["xlmr"]), precision="fp16")
    rough = catalogue.mdeberta(weights=str(folders["mdeberta"]), device="cpu", precision="bf16")
    assert np.isfinite(encode(rough, TEXTS)).all()


def test_what_is_refused_is_so_before_weights_are_looked_for(hub, tmp_path):
    with pytest.raises(Refused, match="NaN in fp16"):
        catalogue.mdeberta(files=str(tmp_path / "nothing"), precision="fp16")
    for options, said in (
        ({"max_token": 5}, "has no option 'max_token'"),
        ({"max_tokens": "many"}, "max_tokens cannot be 'many'"),
        ({"precision": "fp8"}, "precision cannot be 'fp8'"),
        ({"precision": "fp16", "device": "cpu"}, "fp16 runs on a GPU only"),
    ):
        with pytest.raises(UsageError, match=said):
            catalogue.xlmr(files=str(tmp_path / "nothing"), **options)


def test_a_module_without_a_path_is_explained(copy):
    folder = copy("labse")
    modules = json.loads((folder / "modules.json").read_text())
    for place in (1, 2):
        entry = {key: value for key, value in modules[place].items() if key != "path"}
        spoilt = [*modules[:place], entry, *modules[place + 1 :]]
        (folder / "modules.json").write_text(json.dumps(spoilt))
        refused(catalogue.labse, "modules.json .* names no path", weights=str(folder))


def test_a_number_of_layers_that_is_none_is_explained(copy):
    folder = copy("xlmr")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": "x"}))
    refused(catalogue.xlmr, "num_hidden_layers .* is 'x'", weights=str(folder))


def test_a_missing_tokenizer_is_named(copy):
    folder = copy("mdeberta")
    (folder / "spm.model").unlink()
    refused(catalogue.mdeberta, "has no tokenizer .none of tokenizer.json", weights=str(folder))


WITHOUT = """
import importlib.abc, sys
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
from mlir_encoders import catalogue
from mlir_harness.errors import Unavailable
try:
    print(catalogue.mdeberta(weights={folder!r}).info.options["tokenizer"])
except Unavailable as error:
    print(error.message, "|", error.hint)
heavy = ("torch", "transformers", "sentence_transformers", "huggingface_hub", "pyarrow")
print([name for name in heavy if name in sys.modules])
"""


def without(names: set[str], folder: Path) -> list[str]:
    code = WITHOUT.format(names=names, folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_tokenizer_of_sentencepiece_needs_sentencepiece(copy):
    folder = copy("mdeberta")
    said, heavy = without({"sentencepiece", "google"}, folder)
    assert "is a sentencepiece model (spm.model), and sentencepiece and protobuf" in said
    assert said.endswith("are not installed | pip install sentencepiece protobuf")
    assert heavy == "[]"
    tiny.tokens_of(folder).backend_tokenizer.save(str(folder / "tokenizer.json"))
    assert without({"sentencepiece", "google"}, folder) == ["tokenizer.json", "[]"]


def test_making_any_of_them_imports_nothing_heavy():
    code = (
        "import sys\nfrom mlir_encoders import catalogue\nfrom mlir_harness.errors import *\n"
        "for name, each in vars(catalogue).items():\n"
        "    if callable(each) and not isinstance(each, type):\n"
        "        try: each(files='/nowhere') if hasattr(each, 'hub') else each(checkpoints='/no')\n"
        "        except Unavailable: print(name)\n"
        "print([n for n in ('torch', 'transformers', 'sentence_transformers', 'httpx', 'pyarrow')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"HF_HOME": "/nowhere", "PATH": ""},
    )
    *names, heavy = done.stdout.splitlines()
    assert len(names) == len(PUBLISHED) + len(TRAINED)
    assert heavy == "[]"


def test_each_factory_has_the_name_of_its_entry_point():
    from mlir_harness.registry import OWN, Kind, factory, plugins

    found = {
        plugin.name: factory(plugin)
        for plugin in plugins(Kind.ENCODER)
        if plugin.value.startswith("mlir_encoders.catalogue:") and plugin.distribution == OWN
    }
    assert {name: each.name for name, each in found.items()} == {name: name for name in found}
    assert found == PUBLISHED | TRAINED
    assert all(isinstance(each, Published | Trained) for each in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xlmr", "labse", "mdeberta"])
def test_each_keeps_the_contract(name: str, folders) -> None:
    found = check_encoder(PUBLISHED[name], options={"weights": str(folders[name]), "device": "cpu"})
    assert {each.check for each in found if each.result == "skipped"} == {"exact", "fit"}
