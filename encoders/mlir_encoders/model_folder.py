"""What a sentence-transformers folder says of itself, read without torch or transformers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import xxhash

from mlir_harness.errors import Unavailable, UsageError
from mlir_harness.types import Role

# Files that no vector depends on. What is not named here counts: better one encoding too many
# than a stale vector.
_IRRELEVANT_FILES = (
    *("README*", "LICENSE*", "NOTICE*", "*.md", "*.csv", "*.tsv", "*.log", "*.pdf", "*.html"),
    *("*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.webp", "events.out.tfevents.*"),
    *("*.onnx", "*.onnx_data", "*.h5", "*.msgpack", "*.ot", "*.tflite", "*.mlmodel", "*.gguf"),
    *("openvino_*",),
    *("optimizer.*", "scheduler.*", "scaler.*", "rng_state*", "trainer_state.json"),
    *("training_args.*", "data_config.json", "train_script.py"),
)
_IRRELEVANT_FOLDERS = ("onnx", "openvino", "coreml", "eval", "runs", "checkpoint-*", "__pycache__")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_TRANSFORMER_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
# These models count positions from behind their padding token, so that many are lost.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")
_UNLIMITED = 1_000_000  # tokenizers write 1e30 and the like for "no limit"

_SAME_WIDTH = ("Normalize", "Dropout", "LayerNorm")


def locate(reference: str) -> ModelFolder:
    """The folder that `reference` names: a path, or a hub id that is in the local cache.

    Args:
        reference: FOLDER, or ID, or ID@REVISION (commit, tag or branch).

    Raises:
        Unavailable: nothing is there, or it is not a model that can run without custom code
            and without pickles; the hint says what to do.
        UsageError: a revision was given for a folder.
    """
    path = Path(reference).expanduser()
    if path.is_dir():
        return ModelFolder(path.resolve(), reference)
    name, _, revision = reference.partition("@")
    path = Path(name).expanduser()
    if revision and path.is_dir():
        raise UsageError(
            f"{name} is a folder, and a folder has no revision {revision!r}",
            "leave out the @: a folder is identified by its content",
        )
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name):
        raise Unavailable(
            f"there is no folder {name}", "check the path: it is read relative to where you are"
        )
    return _from_cache(name, revision)


def _from_cache(name: str, revision: str) -> ModelFolder:
    """The snapshot of a hub model in the local cache; the network is never asked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    # Like sentence-transformers: a bare name is first looked for under its own organisation.
    candidates = [name] if "/" in name else [f"sentence-transformers/{name}", name]
    hint = f"hf download {candidates[0]}" + (f" --revision {revision}" if revision else "")
    for candidate in candidates:
        try:
            snapshot = snapshot_download(
                candidate, revision=revision or None, local_files_only=True
            )
        except (LocalEntryNotFoundError, HFValidationError, OSError):
            continue
        # A snapshot folder is named after its commit.
        return ModelFolder(Path(snapshot), name, commit=Path(snapshot).name, fetch=hint)
    at = f" at revision {revision}" if revision else ""
    raise Unavailable(f"{name} is neither a folder nor in the local Hugging Face cache{at}", hint)


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
                self.fetch or "give the folder that save_pretrained wrote",
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
                    self.fetch or "give the folder that save_pretrained wrote",
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
        held = list(self._files())
        safe = {file.parent for file in held if file.suffix == ".safetensors"}
        for file in held:
            if file.suffix in _PICKLES and file.parent not in safe:
                source, target = str(self.path), f"{self.path.name}-safetensors"
                code = (
                    "from sentence_transformers import SentenceTransformer as S; "
                    f"S({source!r}, device='cpu').save_pretrained({target!r})"
                )
                raise Unavailable(
                    f"{self.name} has its weights only as a pickle "
                    f"({file.relative_to(self.path)}), which can run code when it is read",
                    f"convert it, if you trust it: python -c {shlex.quote(code)}",
                )
        if not safe:
            raise Unavailable(
                f"{self.name} holds no weights (*.safetensors)",
                self.fetch or "give the folder that save_pretrained wrote",
            )

    @cached_property
    def revision(self) -> str:
        """The hub commit, or a hash of the names and bytes of all that can change a vector."""
        if self.commit:
            return self.commit
        digest = xxhash.xxh3_128()
        safe = {file.parent for file in self._files() if file.suffix == ".safetensors"}
        for file in self._files():
            if file.suffix in _PICKLES and file.parent in safe:
                continue  # never read: safetensors lie beside it
            name = file.relative_to(self.path).as_posix().encode("utf-8", "surrogateescape")
            # Lengths keep one file's end from passing for the next one's beginning.
            digest.update(b"%d:%s%d:" % (len(name), name, file.stat().st_size))
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        return f"xxh3-{digest.hexdigest()}"

    def _files(self) -> Iterator[Path]:
        """Files that vectors may depend on, in an order that every system agrees on."""
        files: list[Path] = []
        folders = [self.path]
        # Whatever they are called, these are loaded.
        modules = {each for _, folder in self._parts for each in (folder, *folder.parents)}
        while folders:
            for entry in folders.pop().iterdir():
                patterns = _IRRELEVANT_FOLDERS if entry.is_dir() else _IRRELEVANT_FILES
                if entry not in modules and any(
                    fnmatch(entry.name, pattern) for pattern in (".*", *patterns)
                ):
                    continue
                (folders if entry.is_dir() else files).append(entry)
        yield from sorted(files, key=lambda file: file.relative_to(self.path).as_posix())

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

    @cached_property
    def max_tokens(self) -> int | None:
        """Where the model truncates, if its configuration says so."""
        first = self.modules[0] if self.modules else {}
        if self.modules and not str(first.get("type", "")).endswith(".Transformer"):
            return None
        within = str(first.get("path", ""))
        for name in _TRANSFORMER_CONFIGS:
            settings = self._json(within, name)
            if settings:
                break
        processor = settings.get("processor_kwargs") or settings.get("tokenizer_args") or {}
        stated = processor.get("model_max_length") or settings.get("max_seq_length")
        if stated:
            return int(stated)
        declared = self._json(within, "tokenizer_config.json").get("model_max_length")
        limits = [
            int(limit)
            for limit in (
                declared,
                self._json(within, "config.json").get("max_position_embeddings"),
            )
            if isinstance(limit, int | float) and 0 < limit < _UNLIMITED
        ]
        return min(limits, default=None)

    @cached_property
    def positions(self) -> int | None:
        """The most tokens the architecture can take, if it is bounded and says so."""
        within = str(self.modules[0].get("path", "")) if self.modules else ""
        settings = self._json(within, "config.json")
        limit = settings.get("max_position_embeddings")
        if not isinstance(limit, int) or limit < 1:
            return None
        if settings.get("model_type") in _OFFSET_POSITIONS:
            return limit - int(settings.get("pad_token_id") or 0) - 1
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
        within = str(self.modules[0].get("path", "")) if self.modules else ""
        direct = self.path / within / "tokenizer.json"
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
