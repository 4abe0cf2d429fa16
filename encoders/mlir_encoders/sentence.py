"""`st:FOLDER` and `st:ID`: any sentence-transformers model, in batches of our own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlir_encoders import device as devices
from mlir_encoders.batching import Batch, Features, batches
from mlir_encoders.budget import Budget, within
from mlir_encoders.locate import locate
from mlir_encoders.model_folder import ModelFolder
from mlir_encoders.options import Options, parse
from mlir_encoders.plain_tokens import PlainTokens
from mlir_encoders.stack import Feed, feed, load
from mlir_harness.errors import EncoderError
from mlir_harness.protocols import Context, EncoderInfo
from mlir_harness.types import FloatArray, IntArray, Role

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_SURROGATES = re.compile("[\ud800-\udfff]")
_ROUGH_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a model that its folder does not say.

    Attributes:
        name: how people call it, in messages.
        options: what vectors depend on besides folder and `Options`.
        languages, licence, description: see protocols.EncoderInfo.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    licence: str = ""
    description: str = ""


def create(
    reference: str,
    *,
    device: str = "auto",
    precision: str = "fp32",
    token_budget: int | str | None = None,
    **options: Any,
) -> SentenceEncoder:
    """The encoder for `st:reference`. Reads configuration only; weights load when they are used.

    Args:
        reference: a folder, a hub id that is in the local cache, or ID@REVISION.
        device: auto, cpu or cuda.
        precision: fp32, bf16 or fp16.
        token_budget: padded tokens a batch at most; None for what suits the device.
        **options: max_tokens, query_prompt, document_prompt. Numbers may be given as strings.

    Raises:
        Unavailable: the model is not here, or would need custom code or a pickle.
        UsageError: an option is unknown or out of range.
    """
    folder = locate(reference)
    folder.check()
    given = {"device": device, "precision": precision, "token_budget": token_budget, **options}
    about = About("st:", description=f"sentence-transformers model {folder.name}")
    return SentenceEncoder(folder, parse(given, folder, about.name), about)


class SentenceEncoder:
    """A stack of sentence-transformers modules as an Encoder that also Counts and Closes.

    Texts are tokenised once, sorted by token count and padded into batches of a token budget.
    Where the stack begins with an ordinary text transformer, the tokens that were counted are
    the tokens that are encoded; any other stack makes its own features, batch by batch.
    """

    def __init__(self, folder: ModelFolder, options: Options, about: About) -> None:
        self._folder = folder
        self._options = options
        self._about = about
        self._model: SentenceTransformer | None = None
        self._budget: Budget | None = None
        self._plain: dict[Role, PlainTokens | None] = {}
        self._counters: dict[Role, Tokenizer | None] = {}

    @cached_property
    def info(self) -> EncoderInfo:
        """What the folder and the options say; hashes the folder when first asked."""
        chosen = self._options
        return EncoderInfo(
            revision=self._folder.revision,
            options={
                "precision": chosen.precision,
                "query_prompt": chosen.query_prompt,
                "document_prompt": chosen.document_prompt,
                "max_tokens": str(chosen.max_tokens or ""),
                **self._about.options,
            },
            similarity="dot" if self._folder.similarity == "dot" else "cosine",
            dimension=self._folder.dimension,
            max_tokens=chosen.max_tokens or self._folder.max_tokens,
            languages=self._about.languages,
            licence=self._about.licence,
            description=self._about.description,
            training=self._folder.contents.training,
        )

    @property
    def weights(self) -> str:
        return str(self._folder.path)

    def encode(self, texts: Sequence[str], context: Context) -> FloatArray:
        """float32 (n, dimension), not normalised (unless the model's last module does).

        Raises:
            Unavailable: the model does not load here, or no GPU is there for device=cuda.
            EncoderError: a vector is not finite, or a single text does not fit into memory.
        """
        import torch

        model = self.model()
        if not len(texts):
            known = model.get_embedding_dimension()
            width = known or self.encode([""], context).shape[1]
            return np.zeros((0, width), np.float32)
        # One autocast around all batches: it keeps the weights it has cast until it ends.
        with torch.inference_mode(), self._arithmetic(model):
            rows, vectors = self._run(texts, context)
        result = np.empty(vectors.shape, np.float32)
        result[rows] = vectors.cpu().numpy()  # the one time that a GPU is waited for
        if not np.isfinite(result).all():
            precision = self._options.precision
            raise EncoderError(
                f"{self._folder.name} gives vectors that are not finite in {precision}",
                "check the weights" if precision == "fp32" else "use precision=fp32",
            )
        return result

    def _run(self, texts: Sequence[str], context: Context) -> tuple[IntArray, torch.Tensor]:
        """The vectors of all texts, on the model's device, and the rows they belong to."""
        import torch

        model, role = self.model(), context.role
        fed = self._feed(texts, role)
        budget = self._budgeted(model, fed)
        parts: list[IntArray] = []
        out: torch.Tensor | None = None
        done = 0

        def work(rows: IntArray) -> tuple[Batch, torch.Tensor]:
            batch = fed.batch(rows)
            return batch, self.forward(batch.features, role)[:, : model.truncate_dim]

        memory = devices.DeviceMemory(model.device)
        for rows, (batch, vectors) in within(fed.lengths, budget, work, memory, context.note):
            if out is None:
                shape = (len(texts), vectors.shape[-1])
                out = torch.empty(shape, dtype=torch.float32, device=vectors.device)
            out[done : done + len(rows)] = vectors
            done += len(rows)
            parts.append(rows)
            context.progress(len(rows), batch.tokens, batch.truncated)
        assert out is not None  # noqa: S101  there was a text, so there was a batch
        return np.concatenate(parts), out

    def batches(self, texts: Sequence[str], role: Role) -> Iterator[Batch]:
        """The batches that `encode` runs, unless it finds a better budget on the way."""
        fed = self._feed(texts, role)
        budget = self._budgeted(self.model(), fed)
        yield from map(fed.batch, batches(fed.lengths, budget.most, budget.call))

    def _feed(self, texts: Sequence[str], role: Role) -> Feed:
        model, prompt = self.model(), self._prompt(role)
        if role not in self._plain:
            self._plain[role] = PlainTokens.of(model, role, prompt)
        return feed(
            model,
            [_without_surrogates(text) for text in texts],
            role=role,
            prompt=prompt,
            plain=self._plain[role],
            count=lambda: self.tokens(texts, Context(role, [])),
        )

    def _budgeted(self, model: SentenceTransformer, fed: Feed) -> Budget:
        """What is known of the device's budget; kept for as long as the model is."""
        if fed.budget is not None:
            return Budget.fixed(fed.budget)
        if self._budget is None:
            self._budget = devices.budget(model.device, self._options.token_budget)
        return self._budget

    def forward(self, features: Features, role: Role) -> torch.Tensor:
        """The model's sentence embeddings for one batch: (batch, width) on its device."""
        model = self.model()
        held = devices.copied(features, model.device)
        embeddings: torch.Tensor = model(held, task=role.value)["sentence_embedding"]
        return embeddings

    def tokens(self, texts: Sequence[str], context: Context) -> IntArray:
        """Tokens per text before truncation, the prompt included: (n,) int64.

        Without a tokenizer.json this is an estimate, four characters to a token.
        """
        prompt = self._prompt(context.role)
        prompted = [prompt + _without_surrogates(text) for text in texts]
        counter = self._counter(context.role)
        if counter is None:
            lengths = [1 + len(text) // _ROUGH_CHARACTERS_PER_TOKEN for text in prompted]
        else:
            special = self._folder.adds_special_tokens
            encodings = counter.encode_batch_fast(prompted, add_special_tokens=special)
            lengths = [len(encoding) for encoding in encodings]
        return np.array(lengths, np.int64)

    def close(self) -> None:
        """Free the model; the next `encode` loads it again."""
        device = None if self._model is None else self._model.device.type
        self._model = self._budget = None
        self._plain.clear()
        self._counters.clear()
        if device is not None:
            devices.release(device)

    def _prompt(self, role: Role) -> str:
        query = role == Role.QUERY
        return self._options.query_prompt if query else self._options.document_prompt

    def _counter(self, role: Role) -> Tokenizer | None:
        """The bare tokenizer, without truncation and padding, if the folder holds one."""
        if role not in self._counters:
            from tokenizers import Tokenizer

            file = self._folder.tokenizer_file(role)
            counter = Tokenizer.from_file(str(file)) if file else None
            if counter is not None:
                counter.no_truncation()
                counter.no_padding()
            self._counters[role] = counter
        return self._counters[role]

    def _arithmetic(self, model: SentenceTransformer) -> AbstractContextManager[Any]:
        import torch

        if self._options.precision == "fp32":
            return nullcontext()
        lower = torch.bfloat16 if self._options.precision == "bf16" else torch.float16
        return torch.autocast(model.device.type, lower)

    def model(self) -> SentenceTransformer:
        """The stack itself, loaded when first asked for."""
        if self._model is None:
            chosen = self._options
            self._model = load(
                self._folder,
                device=chosen.device,
                precision=chosen.precision,
                max_tokens=chosen.max_tokens,
            )
        return self._model


def _without_surrogates(text: str) -> str:
    """`text` with U+FFFD for lone surrogates, which no tokenizer written in Rust takes."""
    return text if text.isascii() else _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
