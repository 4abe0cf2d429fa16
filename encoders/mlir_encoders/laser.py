"""`laser`: LASER (Artetxe and Schwenk 2019) over laserembeddings, in an environment of its own."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mlir_harness.errors import EncoderError, Unavailable, UsageError
from mlir_harness.protocols import Context, Download, EncoderInfo, Environment
from mlir_harness.types import FloatArray

LIBRARY = "1.1.2"  # of laserembeddings
CODES, VOCABULARY, WEIGHTS = FILES = (
    "93langs.fcodes",
    "93langs.fvocab",
    "bilstm.93langs.2018-12-26.pt",
)
_ENVIRONMENT = Environment((f"laserembeddings[zh,ja]=={LIBRARY}",), "3.11")
_URL = "https://dl.fbaipublicfiles.com/laser/models/"
_LICENCE = "BSD-3-Clause"
_TEXTS_AT_ONCE = 256  # a few seconds' work between two signs of life
_TOKENS_AT_ONCE = 12_000  # the library's own default
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Laser:
    """Makes the encoder; says what it needs before anything of that is here.

    Attributes:
        environment: laserembeddings pins torch < 2 and numpy < 2, and torch 1.13.1 has no wheel
            past Python 3.11. Chinese and Japanese are cut into words by its extras.
        licence: of the weights.
    """

    environment: Environment = _ENVIRONMENT
    licence: str = _LICENCE

    def downloads(self, languages: tuple[str, ...]) -> Sequence[Download]:
        """What `python -m laserembeddings download-models` fetches; one model for all languages."""
        del languages
        return [Download(_URL + name, name) for name in FILES]

    def __call__(
        self,
        *,
        weights: str | None = None,
        files: str = "",
        device: str = "auto",
        token_budget: int | str | None = None,
        expected_revision: str = "",
    ) -> LaserEncoder:
        """The encoder.

        Args:
            weights: a folder with the three files; None for `files`.
            files: the folder where `mlir-harness fetch laser` keeps them.
            device: auto, cpu or cuda.
            token_budget: subwords a batch; None for the library's own.
            expected_revision: what the harness files vectors under: no other files are loaded.
                "" for what they are when `info` is asked.

        Raises:
            Unavailable: a file is missing.
            UsageError: the token budget is no number.
        """
        tokens = _tokens(token_budget)  # before weights are looked for, which may be fetched
        folder = Path(weights or files).expanduser()
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing and weights:
            raise Unavailable(
                f"{folder} has no {', '.join(missing)}",
                f"Weights of LASER are {', '.join(FILES)}; mlir-harness fetch laser downloads "
                "them to where they are found without --weights.",
            )
        if missing:
            raise Unavailable(
                f"the weights of LASER are not here: no {', '.join(missing)}",
                "mlir-harness fetch laser, or --weights laser=FOLDER",
            )
        return LaserEncoder(folder, device, tokens, expected_revision)


laser = Laser()


def _tokens(budget: int | str | None) -> int:
    if budget is None:
        return _TOKENS_AT_ONCE
    if not re.fullmatch(r"[0-9]{1,9}", str(budget)) or int(budget) < 1:
        raise UsageError(
            f"token_budget cannot be {budget!r}", "give a whole number from 1 up, such as 4096"
        )
    return int(budget)


class LaserEncoder:
    """A bidirectional LSTM over subwords, max-pooled; texts are tokenised by language.

    The weights are a pickle, which can run code when it is loaded. They are loaded where the
    encoder works, never where only its `info` is asked, and only if they are, byte for byte, what
    `info.revision` was computed from.
    """

    def __init__(self, folder: Path, device: str, tokens: int, revision: str = "") -> None:
        self._folder = folder
        self._device = device
        self._tokens = tokens
        self._revision = revision
        self._model: Any = None

    @cached_property
    def info(self) -> EncoderInfo:
        """Reads the files, once, and imports nothing; the dimension would need the pickle.

        Raises:
            Unavailable: a file cannot be read.
        """
        try:
            digests = {name: _sha256(self._folder / name) for name in FILES}
        except OSError as error:
            raise self._unreadable(error) from error
        return EncoderInfo(
            revision=_revision(digests),
            options={"library": f"laserembeddings {LIBRARY}"},
            language_aware=True,
            licence=_LICENCE,
            description="LASER: a BiLSTM trained on translations of 93 languages",
        )

    def encode(self, texts: Sequence[str], context: Context) -> FloatArray:
        """float32 (n, 1024 with the published weights), not normalised.

        Each text is tokenised by the rules of its language (see `rules`). Vectors depend on the
        other texts of a batch by about 1e-7.

        Raises:
            Unavailable: the files do not load, have changed, or no GPU is there for device=cuda.
        """
        model = self._loaded()
        width = model.bpeSentenceEmbedding.encoder.encoder.output_units
        out = np.zeros((len(texts), width), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            batch = slice(start, start + _TEXTS_AT_ONCE)
            clean = [_SURROGATES.sub("\ufffd", text) for text in texts[batch]]
            spoken = [rules(language) for language in context.languages[batch]]
            out[batch] = model.embed_sentences(clean, spoken)
            context.progress(len(clean), 0, 0)
        return out

    def close(self) -> None:
        """Free the weights."""
        self._model = None

    def _loaded(self) -> Any:
        """The library's own model, from the bytes that `info.revision` stands for."""
        if self._model is None:
            try:
                contents = {name: (self._folder / name).read_bytes() for name in FILES}
            except OSError as error:
                raise self._unreadable(error) from error
            digests = {name: hashlib.sha256(held).hexdigest() for name, held in contents.items()}
            if _revision(digests) != (self._revision or self.info.revision):
                raise Unavailable(
                    f"the files in {self._folder} have changed since this run began",
                    "Run again: other weights are another encoder.",
                )
            self._model = self._made(contents)
        return self._model

    def _made(self, contents: Mapping[str, bytes]) -> Any:
        try:
            import jieba
            import laserembeddings
        except ImportError as error:
            raise Unavailable(
                f"laserembeddings cannot be imported: {error}",
                "It works in an environment of its own, which the harness builds.",
            ) from error
        # Its dictionary, else read from and written to a name in /tmp that anyone may take.
        jieba.dt.tmp_dir = sys.prefix
        options = {"cpu": not _on_gpu(self._device), "max_tokens": self._tokens, "stable": True}
        try:
            return laserembeddings.Laser(
                io.TextIOWrapper(io.BytesIO(contents[CODES]), encoding="utf-8"),
                io.TextIOWrapper(io.BytesIO(contents[VOCABULARY]), encoding="utf-8"),
                io.BytesIO(contents[WEIGHTS]),
                embedding_options=options,
            )
        except (Exception, SystemExit) as error:  # subword_nmt exits when it meets a bad line
            raise EncoderError(
                f"the files in {self._folder} are no LASER model: {type(error).__name__}: {error}",
                "mlir-harness fetch laser downloads the published ones.",
            ) from error

    def _unreadable(self, error: OSError) -> Unavailable:
        return Unavailable(
            f"{error.filename or self._folder} cannot be read: {error.strerror or error}",
            "mlir-harness fetch laser, or --weights laser=FOLDER",
        )


def rules(language: str) -> str:
    """The code by which laserembeddings picks the rules for a text: "zh" for zh-Hant-TW.

    Chinese (zh, cmn, wuu, yue) goes through jieba, Japanese (ja, jpn) through MeCab, Greek (el) is
    romanised; ca cs de el en es fi fr ga hu is it lt lv nl pl pt ro ru sk sl sv ta have
    abbreviations of their own in the Moses tokenizer. For any other the library takes the
    English abbreviations.
    """
    return re.split("[-_]", language, maxsplit=1)[0].lower()


def _revision(digests: Mapping[str, str]) -> str:
    told = "\n".join([LIBRARY, *(f"{name} {digests[name]}" for name in FILES)])
    return hashlib.sha256(told.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _on_gpu(device: str) -> bool:
    """Whether to use a GPU: one that the torch of this environment was built for."""
    import torch

    able = torch.cuda.is_available() and _built_for(
        torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
    )
    if device == "cuda" and not able:
        raise Unavailable(
            f"no GPU that torch {torch.__version__}, which laserembeddings needs, can use",
            "Use --device auto or cpu.",
        )
    return able and device != "cpu"


def _built_for(capability: tuple[int, int], built: Sequence[str]) -> bool:
    """Whether code for one of `built` ("sm_86", "compute_86") runs on such a GPU.

    Machine code (sm) runs on later GPUs of the same generation, intermediate code on all later.
    """
    for name in built:
        kind, _, digits = name.partition("_")
        if not re.fullmatch("[0-9]{2,3}", digits):
            continue
        version = int(digits[:-1]), int(digits[-1])
        if version <= capability and (kind == "compute" or version[0] == capability[0]):
            return True
    return False
