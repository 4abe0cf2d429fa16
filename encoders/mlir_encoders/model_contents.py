"""The files of a model that vectors depend on: which they are, their hash, and the pickles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

import xxhash

TRAINING_TEXTS = "training-texts.safetensors"  # a record of what the model was trained on

# Files that no vector depends on. What is not named here counts: better one encoding too many
# than a stale vector.
_IRRELEVANT_FILES = (
    *("README*", "LICENSE*", "NOTICE*", "*.md", "*.csv", "*.tsv", "*.log", "*.pdf", "*.html"),
    *("*.png", "*.jpg", "*.jpeg", "*.gif", "*.svg", "*.webp", "events.out.tfevents.*"),
    *("*.onnx", "*.onnx_data", "*.h5", "*.msgpack", "*.ot", "*.tflite", "*.mlmodel", "*.gguf"),
    *("openvino_*",),
    *("optimizer.*", "scheduler.*", "scaler.*", "rng_state*", "trainer_state.json"),
    *("training_args.*", "data_config.json", "train_script.py"),
    # Of DeBERTa's other half, and what the harness writes beside weights.
    *("generator_config.json", "pytorch_model.generator.bin"),
    *("fetched.json", "converted.json"),
    TRAINING_TEXTS,
)
_IRRELEVANT_FOLDERS = ("onnx", "openvino", "coreml", "eval", "runs", "checkpoint-*", "__pycache__")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_SAFE = ".safetensors"


@dataclass(frozen=True)
class Contents:
    """The files of a model's folder.

    Attributes:
        path: the folder.
        modules: folders that are loaded, and those above them: they count whatever they are
            called.
    """

    path: Path
    modules: frozenset[Path] = frozenset()

    @cached_property
    def files(self) -> list[Path]:
        """Files that vectors may depend on, in an order that every system agrees on."""
        found: list[Path] = []
        folders = [self.path]
        while folders:
            for entry in folders.pop().iterdir():
                patterns = _IRRELEVANT_FOLDERS if entry.is_dir() else _IRRELEVANT_FILES
                if entry not in self.modules and any(
                    fnmatch(entry.name, pattern) for pattern in (".*", *patterns)
                ):
                    continue
                (folders if entry.is_dir() else found).append(entry)
        return sorted(found, key=self.name)

    def name(self, file: Path) -> str:
        """The path of a file below the folder, with slashes."""
        return file.relative_to(self.path).as_posix()

    @property
    def training(self) -> str:
        """The folder, if it holds a record of training texts; else ""."""
        return str(self.path.absolute()) if (self.path / TRAINING_TEXTS).is_file() else ""

    @property
    def weights(self) -> list[Path]:
        """The files of safetensors."""
        return [file for file in self.files if file.suffix == _SAFE]

    @property
    def pickles(self) -> list[Path]:
        """Pickles without safetensors beside them: those that would have to be read."""
        safe = {file.parent for file in self.weights}
        return [file for file in self._pickles if file.parent not in safe]

    @property
    def _pickles(self) -> list[Path]:
        return [file for file in self.files if file.suffix in _PICKLES]

    def digest(self) -> str:
        """A hash of the names and bytes of all that can change a vector."""
        state = xxhash.xxh3_128()
        unread = set(self._pickles) - set(self.pickles)
        for file in self.files:
            if file in unread:
                continue  # safetensors lie beside it
            name = self.name(file).encode("utf-8", "surrogateescape")
            # Lengths keep one file's end from passing for the next one's beginning.
            state.update(b"%d:%s%d:" % (len(name), name, file.stat().st_size))
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    state.update(block)
        return f"xxh3-{state.hexdigest()}"


def tensor_names(file: Path) -> tuple[str, ...]:
    """The names of the tensors in a file of safetensors, read from its header.

    Raises:
        ValueError: the file was cut short, or cannot be read, or is none.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            header = stream.read(length) if 0 < length <= size - 8 else b""
    except OSError as error:  # also a link to what was deleted
        raise ValueError(f"{error.strerror}") from error
    if start == b"version ":
        raise ValueError("it only points to the file that git-lfs would fetch")
    if not header:
        raise ValueError("it is cut short, or no file of safetensors")
    try:
        tensors = json.loads(header)
        tensors.pop("__metadata__", None)
        end = max((int(each["data_offsets"][1]) for each in tensors.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError("its header is damaged") from error
    if 8 + length + end != size:
        raise ValueError(f"it has {size} bytes instead of {8 + length + end}")
    return tuple(tensors)
