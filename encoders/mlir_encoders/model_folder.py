"""What a sentence-transformers folder says of itself, read without torch or transformers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from mlir_encoders.model_contents import Contents, tensor_names
from mlir_harness.errors import Unavailable
from mlir_harness.types import Role

_TRANSFORMER_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# These models count positions from behind their padding token, so that many are lost.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")
_UNLIMITED = 1_000_000  # tokenizers write 1e30 and the like for "no limit"

_SAME_WIDTH = ("Normalize", "Dropout", "LayerNorm")


@dataclass(frozen=True)
class ModelFolder:
    """A folder of weights and configuration.

    Attributes:
        path: where it is.
        name: as the user wrote it.
        commit: of the hub repository; "" for an ordinary folder.
        fetch: the command that completes an incomplete download; "" for an ordinary folder.
    """

    path: Path
    name: str
    commit: str = ""
    fetch: str = ""

    def check(self) -> None:
        """Raise `Unavailable` unless this is a model that may be loaded."""
        if not (self.path / "modules.json").is_file() and not self._json("config.json"):
            raise Unavailable(
                f"{self.name} holds neither modules.json nor config.json",
                self._complete,
            )
        family = self._prompting.get("model_type") or "SentenceTransformer"
        if family != "SentenceTransformer":
            raise Unavailable(
                f"{self.name} is a {family}, not a SentenceTransformer",
                "choose a model that gives one dense vector per text",
            )
        for kind, _ in self._parts:
            if not kind.startswith("sentence_transformers."):
                raise Unavailable(
                    f"{self.name} needs code of its own ({kind}), which is never run",
                    "wrap it in an encoder plugin after reading that code",
                )
        if (self.path / "adapter_config.json").is_file():
            raise Unavailable(
                f"{self.name} is an adapter; its base weights lie elsewhere and may change",
                "merge it into its base model (peft: merge_and_unload) and save that",
            )
        similarity = self._prompting.get("similarity_fn_name") or "cosine"
        if similarity not in ("cosine", "dot"):
            raise Unavailable(
                f"{self.name} compares vectors by {similarity}; only cosine and dot are known here",
                "set similarity_fn_name in its config_sentence_transformers.json",
            )
        self._check_weights()
        _ = self.max_tokens, self.positions  # not after everything else was made ready

    @property
    def _complete(self) -> str:
        """How to get what is not there."""
        return self.fetch or "give the folder that save_pretrained wrote"

    @cached_property
    def _parts(self) -> list[tuple[str, Path]]:
        """Class and folder of every module, those inside a Router too."""
        todo = [
            (str(module.get("type", "")), self.path, str(module.get("path", "")))
            for module in self.modules
        ]
        found: list[tuple[str, Path]] = []
        while todo:
            kind, within, name = todo.pop(0)
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise Unavailable(
                    f"{self.name} has a module outside its folder ({name})",
                    self._complete,
                )
            folder = within / name
            if folder not in (known for _, known in found):
                todo += [(str(of), folder, str(route)) for route, of in self._routes(folder)]
            found.append((kind, folder))
        return found

    def _routes(self, folder: Path) -> Iterator[tuple[str, str]]:
        """Folder and class of the modules inside a Router; older ones have them in config.json."""
        for name in ("router_config.json", "config.json"):
            routes = self._json(folder, name).get("types")
            if isinstance(routes, dict):
                yield from routes.items()

    def _check_weights(self) -> None:
        for file in self.contents.pickles:
            out = f" -o {shlex.quote(f'{self.path.name}-safetensors')}" if self.commit else ""
            raise Unavailable(
                f"{self.name} has its weights only as a pickle "
                f"({self.contents.name(file)}), which can run code when it is read",
                f"convert them: mlir-harness convert {shlex.quote(str(self.path))}{out}",
            )
        if not self.contents.weights:
            raise Unavailable(f"{self.name} holds no weights (*.safetensors)", self._complete)
        for file in self.contents.weights:
            try:
                tensor_names(file)
            except ValueError as error:
                raise Unavailable(
                    f"{self.name} does not load: {self.contents.name(file)} is damaged ({error})",
                    self._complete,
                ) from error

    @cached_property
    def contents(self) -> Contents:
        """The files of the model, whatever its modules' folders are called."""
        modules = {each for _, folder in self._parts for each in (folder, *folder.parents)}
        return Contents(self.path, frozenset(modules))

    @cached_property
    def revision(self) -> str:
        """The hub commit, or a hash of the names and bytes of all that can change a vector."""
        return self.commit or self.contents.digest()

    @cached_property
    def modules(self) -> list[dict[str, Any]]:
        """The entries of modules.json; empty for a plain transformers folder."""
        found = self._json("modules.json", default=[])
        return [entry for entry in found if isinstance(entry, dict)]

    @cached_property
    def _prompting(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._json("config_sentence_transformers.json")
        return found

    @property
    def similarity(self) -> str:
        """How the model's authors compare vectors: "cosine" unless they say "dot"."""
        return str(self._prompting.get("similarity_fn_name") or "cosine")

    def prompt(self, role: Role) -> str:
        """The model's own prompt for queries or documents, "" if it has none.

        A prompt for the role wins over the default prompt, even an empty one: "no prompt for
        documents" is something a model can say. `document` is filled in empty by
        sentence-transformers when it saves, so it does not hide a `passage` prompt.
        """
        prompts = self._prompting.get("prompts") or {}
        names = ("query",) if role == Role.QUERY else ("document", "passage", "corpus")
        given = [str(prompts[name] or "") for name in names if name in prompts]
        if given:
            return next(filter(None, given), "")
        return str(prompts.get(self._prompting.get("default_prompt_name")) or "")

    @property
    def first(self) -> str:
        """The folder, below this one, of the first module; "" where that is this one."""
        return str(self.modules[0].get("path", "")) if self.modules else ""

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """What transformers knows of the first module: model_type, number of layers ..."""
        found: Mapping[str, Any] = self._json(self.first, "config.json")
        return found if isinstance(found, dict) else {}

    @cached_property
    def max_tokens(self) -> int | None:
        """Where the model truncates, if its configuration says so."""
        first = self.modules[0] if self.modules else {}
        if self.modules and not str(first.get("type", "")).endswith(".Transformer"):
            return None
        for file in _TRANSFORMER_CONFIGS:
            settings = self._json(self.first, file)
            if settings:
                break
        processor = settings.get("processor_kwargs") or settings.get("tokenizer_args") or {}
        key = "model_max_length"
        stated = self._number(processor, key, file) or self._number(
            settings, "max_seq_length", file
        )
        if stated:
            return stated
        declared = self._json(self.first, "tokenizer_config.json")
        limits = (
            self._number(declared, key, "tokenizer_config.json"),
            self._number(self.config, "max_position_embeddings", "config.json"),
        )
        return min((each for each in limits if each and 0 < each < _UNLIMITED), default=None)

    @cached_property
    def positions(self) -> int | None:
        """The most tokens the architecture can take, if it is bounded and says so."""
        settings = self.config
        limit = self._number(settings, "max_position_embeddings", "config.json")
        if limit is None or limit < 1:
            return None
        if settings.get("model_type") in _OFFSET_POSITIONS:
            return limit - (self._number(settings, "pad_token_id", "config.json") or 0) - 1
        return limit

    @cached_property
    def dimension(self) -> int | None:
        """Length of a vector, where every module's configuration leaves no doubt."""
        found: int | None = None
        for module in self.modules[1:]:
            kind = str(module.get("type", "")).rpartition(".")[2]
            settings = self._json(str(module.get("path", "")), "config.json")
            if kind == "Pooling":
                modes = settings.get("pooling_mode") or [
                    key for key, on in settings.items() if key.startswith("pooling_mode_") and on
                ]
                width = settings.get(
                    "embedding_dimension", settings.get("word_embedding_dimension")
                )
                repeats = 1 if isinstance(modes, str) else len(modes)
                found = width * repeats if isinstance(width, int) and repeats else None
            elif kind == "Dense" and not {"module_input_name", "module_output_name"} & {
                key for key, value in settings.items() if value not in (None, "sentence_embedding")
            }:
                found = settings.get("out_features")
            elif kind not in _SAME_WIDTH:
                return None
        shortened = self._prompting.get("truncate_dim")
        if isinstance(found, int) and isinstance(shortened, int):
            return min(found, shortened)
        return found if isinstance(found, int) else None

    def tokenizer_file(self, role: Role) -> Path | None:
        """The tokenizer.json that reads texts of `role`, if there is one."""
        direct = self.path / self.first / "tokenizer.json"
        if direct.is_file():
            return direct
        # A Router keeps a folder per route, named like query_0_StaticEmbedding.
        routes = sorted(self.path.rglob("tokenizer.json"))
        named = [file for file in routes if file.parent.name.startswith(f"{role.value}_")]
        return next(iter(named or routes), None)

    @property
    def adds_special_tokens(self) -> bool:
        """False for static embeddings, which look up the bare tokens."""
        kinds = [str(module.get("type", "")) for module in self.modules[:1]]
        return not any(kind.endswith("StaticEmbedding") for kind in kinds)

    def _number(self, settings: Mapping[str, Any], key: str, file: str) -> int | None:
        """A number of the first module's configuration; None where it is not stated."""
        value = settings.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise Unavailable(
                f"{key} in {self.path / self.first / file} is {value!r:.60}, not a number",
                self.fetch or "restore the file",
            )
        return int(value)

    def _json(self, *parts: str | Path, default: Any = None) -> Any:
        """A JSON file of the folder, or the default ({} unless given) if there is none."""
        path = self.path.joinpath(*parts)
        if not path.is_file():
            return {} if default is None else default
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise Unavailable(
                f"{path} is not JSON ({error})", self.fetch or "restore the file"
            ) from error
