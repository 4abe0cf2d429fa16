"""Factories of encoders whose weights were published on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlir_encoders import checks, conversion
from mlir_encoders.hub_files import HubFiles
from mlir_encoders.model_folder import ModelFolder
from mlir_encoders.options import check, parse
from mlir_encoders.sentence import About, SentenceEncoder
from mlir_harness.errors import Refused, Unavailable
from mlir_harness.protocols import Download

# Pickles, and what they become.
CONVERTED = {"pytorch_model.bin": "model.safetensors"}
MEAN_POOLING = ("Transformer", "Pooling")


@dataclass(frozen=True)
class Published:
    """The factory of one encoder; all that tells it from the others is declared here.

    Attributes:
        name: of the encoder.
        title: what it is called in papers.
        hub: the files it takes of the hub.
        model_type: as transformers calls the architecture.
        licence: of the weights.
        languages: BCP-47 tags.
        stack: classes of its sentence-transformers modules.
        refuses: precision -> why its vectors would be worthless.
    """

    name: str
    title: str
    hub: HubFiles
    model_type: str
    licence: str
    languages: tuple[str, ...]
    stack: tuple[str, ...] = MEAN_POOLING
    refuses: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *,
        weights: str | None = None,
        files: str | None = None,
        device: str = "auto",
        precision: str = "fp32",
        token_budget: int | str | None = None,
        **options: Any,
    ) -> SentenceEncoder:
        """The encoder; weights load when they are used.

        Args:
            weights: a folder, instead of the published weights.
            files: where fetched files are.
            device: auto, cpu or cuda.
            precision: fp32, bf16 or fp16.
            token_budget: padded tokens a batch; None for the device's default.
            **options: max_tokens, query_prompt, document_prompt.

        Raises:
            Unavailable: the weights are not here, or are not those of this encoder.
            Refused: its vectors would be worthless in that precision.
            UsageError: an option is unknown or out of range.
        """
        given = {"device": device, "precision": precision, "token_budget": token_budget, **options}
        self._check(self.name, given)  # before weights are looked for, which may be fetched
        about = About(
            self.name,
            languages=self.languages,
            licence=self.licence,
            description=f"{self.title}, {self._vectors}",
        )
        if weights is not None:
            folder = ModelFolder(Path(weights).expanduser().absolute(), weights)
        else:
            folder = self._find(files)
        whole = f"a copy of {self.hub.repository}"
        return self.encoder(folder, about, given, stack=self.stack, whole=whole)

    def encoder(
        self,
        folder: ModelFolder,
        about: About,
        given: Mapping[str, Any],
        *,
        stack: tuple[str, ...] = (),
        whole: str,
        query_prompt: str = "",
        document_prompt: str = "",
    ) -> SentenceEncoder:
        """An encoder of this architecture from the weights in `folder`, if they are that.

        Args:
            folder: may be anything.
            about: what the folder does not say.
            given: the user's options.
            stack, whole: see checks.check_stack.
            query_prompt, document_prompt: the encoder's, unless the user gives others.

        Raises:
            Unavailable, Refused, UsageError: see `__call__`.
        """
        name = about.name
        self._check(name, given)
        checks.check_architecture(folder, name, self.model_type)
        checks.check_stack(folder, name, stack, whole)
        folder.check()
        tokenizer = checks.check_tokenizer(folder, name)
        checks.check_layers(folder, name)
        checks.check_prompts(folder, name, query_prompt, document_prompt)
        prompts = {"query_prompt": query_prompt, "document_prompt": document_prompt}
        return SentenceEncoder(
            folder,
            parse({**prompts, **given}, folder, name),
            replace(about, options={"tokenizer": tokenizer}),
        )

    def downloads(self, languages: tuple[str, ...]) -> Sequence[Download]:
        """The published files, whatever the languages."""
        del languages
        return self.hub.files

    def finish(self, files: str) -> None:
        """Turn what was published as a pickle into safetensors, once.

        Raises:
            Unavailable: it cannot be done.
        """
        if not self.finished(files):
            conversion.convert(Path(files))

    def finished(self, files: str) -> bool:
        """Whether there are safetensors in the place of each pickle that was published."""
        made = [CONVERTED[each.path] for each in self.hub.files if each.path in CONVERTED]
        return all(Path(files, path).is_file() for path in made)

    def _check(self, name: str, given: Mapping[str, Any]) -> None:
        check(given, name)
        precision = str(given.get("precision"))
        if precision in self.refuses:
            raise Refused(
                f"{name} {self.refuses[precision]}", "use --precision bf16, or fp32 (the default)"
            )

    @property
    def _vectors(self) -> str:
        return "mean of its tokens" if self.stack == MEAN_POOLING else "with its own layers"

    @property
    def _hint(self) -> str:
        return f"mlir-harness fetch {self.name}, or --weights {self.name}=FOLDER"

    def _find(self, files: str | None) -> ModelFolder:
        """The folder where the published weights are: fetched ones, or in the hub's cache.

        Both are known by their content, so that it does not matter where they are.
        """
        fetched = Path(files) if files is not None else None
        cached = self._cached()
        for place, name in (
            (fetched, str(fetched)),
            (cached, f"{self.hub.repository} in the hub's cache"),
        ):
            if place is not None and not self._lacking(place):
                return ModelFolder(place, name, fetch=self._hint)
        hint = self._hint
        if fetched is not None and fetched.is_dir():
            lacking = self._lacking(fetched)
            reason = f"{self.name}: {fetched} lacks {', '.join(lacking)}"
            if lacking == [new for old, new in CONVERTED.items() if (fetched / old).is_file()]:
                reason += ", which fetching makes of the pickle that is there"
        elif cached is not None:
            pickled = any((cached / pickle).is_file() for pickle in CONVERTED)
            reason = (
                f"{self.name}: the hub's cache has {self.hub.repository} without "
                f"{', '.join(self._lacking(cached))}"
                f"{' (the pickle that is there is converted when it is fetched)' * pickled}"
            )
        else:
            reason = f"the weights of {self.name} ({self.hub.repository}) are not on this machine"
        raise Unavailable(reason, hint)

    def _lacking(self, folder: Path) -> list[str]:
        """Files that the encoder reads and that are not in `folder`."""
        needed = [CONVERTED.get(each.path, each.path) for each in self.hub.files]
        return [path for path in needed if not (folder / path).is_file()]

    def _cached(self) -> Path | None:
        """The snapshot in the hub's cache, if there is one; the network is never asked."""
        from huggingface_hub import constants

        repository = f"models--{self.hub.repository.replace('/', '--')}"
        snapshot = Path(constants.HF_HUB_CACHE) / repository / "snapshots" / self.hub.revision
        return snapshot if snapshot.is_dir() else None
