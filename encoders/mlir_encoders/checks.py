"""Whether a folder holds the model that an encoder is: architecture, layers, tokenizer, prompts."""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Sequence

from mlir_encoders.model_contents import tensor_names
from mlir_encoders.model_folder import ModelFolder
from mlir_harness.errors import Unavailable
from mlir_harness.types import Role

_FAMILIES = {
    "xlm-roberta": "an XLM-RoBERTa",
    "bert": "a BERT",
    "deberta-v2": "a DeBERTa (v2 or v3)",
}
# In the order in which transformers looks for them.
_TOKENIZERS = ("tokenizer.json", "spm.model", "sentencepiece.bpe.model", "vocab.txt")
_FOR_SENTENCEPIECE = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}
_WITH_CONFIG = ("Pooling", "Dense")


def check_architecture(folder: ModelFolder, name: str, model_type: str) -> None:
    """Raise `Unavailable` unless `folder` is of the family that encoder `name` belongs to."""
    if not folder.path.is_dir():
        raise Unavailable(
            f"{name}: there is no folder {folder.name}", folder.fetch or "check the path"
        )
    _check_file(folder, name, f"{folder.first}/config.json".lstrip("/"))
    found = folder.config.get("model_type") or "no model_type"
    if found != model_type:
        raise Unavailable(
            f"{name} is {_FAMILIES[model_type]}; {folder.name} holds {found}",
            f"give other weights, or use the model as it is: st:{shlex.quote(str(folder.path))}",
        )


def check_stack(folder: ModelFolder, name: str, stack: Sequence[str], whole: str) -> None:
    """Raise `Unavailable` unless the modules of `folder` are those of `stack`.

    Args:
        folder: of the right architecture.
        name: of the encoder.
        stack: names of classes; () if any will do that a model was saved with. A folder without
            modules.json is a transformer whose tokens are averaged.
        whole: what a folder with all the modules would be, in words.
    """
    found = tuple(str(each.get("type", "")).rpartition(".")[2] for each in folder.modules)
    if not found and tuple(stack) != ("Transformer", "Pooling"):
        raise Unavailable(
            f"{name}: {folder.name} lacks modules.json: it is a bare transformer, not a folder of "
            "sentence-transformers",
            folder.fetch or f"give {whole}: --weights {name}=FOLDER",
        )
    for each, kind in zip(folder.modules, found, strict=True):
        if kind not in _WITH_CONFIG:
            continue
        path = each.get("path")
        if not isinstance(path, str):
            raise Unavailable(
                f"{name}: modules.json in {folder.name} names no path for its {kind}",
                folder.fetch or "copy the modules.json that save_pretrained wrote",
            )
        _check_file(folder, name, f"{path}/config.json".lstrip("/"))
        if kind == "Dense" and not list((folder.path / path).glob("*.safetensors")):
            _check_file(folder, name, f"{path}/model.safetensors".lstrip("/"))
    if found and stack and found != tuple(stack):
        raise Unavailable(
            f"{name} is made of {', '.join(stack)}; {folder.name} of {', '.join(found)}",
            f"use the model as it is: st:{shlex.quote(str(folder.path))}",
        )


def check_layers(folder: ModelFolder, name: str) -> None:
    """Raise `Unavailable` if weights are missing: transformers would make them up at random."""
    within = folder.path / folder.first
    files = sorted(within.glob("*.safetensors"))
    if not files:
        _check_file(folder, name, f"{folder.first}/model.safetensors".lstrip("/"))
    found = {tensor for file in files for tensor in tensor_names(file)}
    layers = folder.config.get("num_hidden_layers") or 0
    if not isinstance(layers, int):
        raise Unavailable(
            f"{name}: num_hidden_layers in the config.json of {folder.name} is {layers!r}",
            folder.fetch or "copy the config.json that save_pretrained wrote",
        )
    wanted = ["embeddings.word_embeddings.weight"]
    wanted += [f"encoder.layer.{layer}.output.dense.weight" for layer in range(layers)]
    for each in wanted:
        # What was trained with a head has the name of the model before it.
        if not any(tensor == each or tensor.endswith(f".{each}") for tensor in found):
            raise Unavailable(
                f"{name}: the weights in {folder.name} lack {each}",
                folder.fetch or "give the folder that save_pretrained wrote",
            )


def check_tokenizer(folder: ModelFolder, name: str) -> str:
    """The file that the tokenizer is made from: another may give other tokens.

    Raises:
        Unavailable: there is none, or what reads it is not installed.
    """
    within = folder.path / folder.first
    held = [each for each in _TOKENIZERS if (within / each).is_file()]
    if not held:
        raise Unavailable(
            f"{name}: {folder.name} has no tokenizer (none of {', '.join(_TOKENIZERS)})",
            folder.fetch or "copy the tokenizer's files there too",
        )
    if held[0].endswith(".model"):
        lacking = [
            package for package, module in _FOR_SENTENCEPIECE.items() if not _importable(module)
        ]
        if lacking:
            raise Unavailable(
                f"{name}: the tokenizer in {folder.name} is a sentencepiece model ({held[0]}), "
                f"and {' and '.join(lacking)}, which it takes to read it, "
                f"{'is' if len(lacking) == 1 else 'are'} not installed",
                f"pip install {' '.join(lacking)}",
            )
    return held[0]


def check_prompts(folder: ModelFolder, name: str, query: str, document: str) -> None:
    """Raise `Unavailable` if `folder` was saved with other prompts than those of the encoder.

    A folder that names none agrees with any: training does not have to save them.
    """
    saved = folder.prompt(Role.QUERY), folder.prompt(Role.DOCUMENT)
    if saved not in ((query, document), ("", "")):
        raise Unavailable(
            f"{name} puts {query!r} before queries and {document!r} before documents; "
            f"{folder.name} was saved with {saved[0]!r} and {saved[1]!r}",
            f"use it with its own prompts: st:{shlex.quote(str(folder.path))}",
        )


def _check_file(folder: ModelFolder, name: str, path: str) -> None:
    if not (folder.path / path).is_file():
        raise Unavailable(
            f"{name}: {folder.name} lacks {path}",
            folder.fetch or "copy the whole folder that save_pretrained wrote",
        )


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # the package above it is not there
        return False
