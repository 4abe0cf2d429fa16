"""An encoder on the bench: made when it is needed, one at a time, its vectors remembered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlir_harness.errors import EncoderError, HarnessError
from mlir_harness.protocols import Closes, Context, Encoder, EncoderInfo, Fits, Vectors
from mlir_harness.testing import state
from mlir_harness.testing.checks import NotApplicable
from mlir_harness.testing.comparing import ALIKE, shown
from mlir_harness.testing.texts import HARD, ORDINARY, Text
from mlir_harness.text import described, plain
from mlir_harness.types import Collection, Role
from mlir_harness.vectors import as_vectors

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Source:
    """Where an encoder comes from.

    Attributes:
        make: gives an encoder; takes options beyond those that it was given already.
        parameters: names of options that it knows.
        anew: each call makes another instance; False where one instance is all there is.
        others: options to try beside the given ones.
        tolerance: how far vectors of equal texts may lie apart (see comparing.apart).
    """

    make: Callable[..., object]
    parameters: frozenset[str] = frozenset()
    anew: bool = True
    others: Sequence[Mapping[str, Any]] = ()
    tolerance: float = ALIKE


@dataclass
class Specimen:
    """One encoder of a source, as checks use it.

    Attributes:
        source: where it comes from.
        options: beyond those of the source.
        children: processes that ran before it was used.
    """

    source: Source
    options: Mapping[str, Any] = field(default_factory=dict)
    _made: Encoder | None = None
    _fitted: Encoder | None = None
    _reference: dict[Role, Vectors] = field(default_factory=dict)
    children: Mapping[int, str] = field(default_factory=state.children)

    @property
    def made(self) -> Encoder:
        """What the factory makes.

        Raises:
            EncoderError: it is no encoder, or the factory raised.
        """
        if self._made is None:
            with_what = f" with {dict(self.options)}" if self.options else ""
            made = guarded(f"making it{plain(with_what)}", lambda: self.source.make(**self.options))
            fits = guarded("reading its info", lambda: isinstance(made, Encoder))
            if not fits or isinstance(made, type):
                raise EncoderError(
                    f"the factory made a {plain(type(made).__name__)}, which has no `info` and "
                    "`encode`",
                    "It must return an encoder: see mlir_harness.protocols.Encoder.",
                )
            self._made = made
        return self._made

    @property
    def info(self) -> EncoderInfo:
        """What it says of itself.

        Raises:
            EncoderError: that is no EncoderInfo.
        """
        info: object = guarded("reading its info", lambda: self.made.info)
        if not isinstance(info, EncoderInfo):
            raise EncoderError(
                f"`info` is a {plain(type(info).__name__)}, not an EncoderInfo",
                "Return mlir_harness.protocols.EncoderInfo(revision=...).",
            )
        return info

    @property
    def encoder(self) -> Encoder:
        """Ready to encode: fitted to the texts of all checks, if it fits."""
        if self._fitted is None:
            made = self.made
            self._fitted = self.fit(made) if isinstance(made, Fits) else made
        return self._fitted

    @staticmethod
    def fit(made: Fits) -> Encoder:
        """Fitted to the texts of all checks, a collection per language."""
        fitted: object = guarded("fitting it", lambda: made.fit(_documents()))
        if not isinstance(fitted, Encoder):
            raise EncoderError(
                f"`fit` returned a {plain(type(fitted).__name__)}, not an encoder",
                "It returns the encoder for these documents, and does not change itself.",
            )
        return fitted

    def answer(
        self,
        texts: Sequence[Text],
        role: Role,
        languages: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Any:
        """What `encode` returns, as it is.

        Args:
            texts: what is encoded, in one call.
            role: as what.
            languages: other ones than those of the texts.
            progress: told of it.

        Raises:
            EncoderError: it raised, or changed the list of texts.
        """
        given = [each.text for each in texts]
        kept = list(given)
        spoken = [each.language for each in texts] if languages is None else list(languages)
        context = Context(role, spoken)
        if progress is not None:
            context = replace(context, progress=progress)
        what = shown(texts[0]) if len(texts) == 1 else f"{len(texts)} texts"
        encoder = self.encoder
        value = guarded(f"encoding {what}", lambda: encoder.encode(given, context))
        if given != kept:
            raise EncoderError(
                "`encode` changed the list of texts it was given", "Work on a copy: list(texts)."
            )
        return value

    def vectors(
        self, texts: Sequence[Text], role: Role, languages: Sequence[str] | None = None
    ) -> Vectors:
        """Vectors of texts, one finite row each.

        Raises:
            EncoderError: they are not.
        """
        vectors: Vectors = as_vectors(self.answer(texts, role, languages), len(texts))
        bad = ~np.isfinite(vectors.norms)
        if bad.any():
            raise EncoderError(
                f"returns NaN or infinite values for {shown(texts[int(np.flatnonzero(bad)[0])])}",
                "A division by a length of zero, or half precision, is a common cause.",
            )
        # A copy: an encoder may write into what it returned, which the check `again` looks for.
        return vectors[np.arange(len(vectors))]

    def reference(self, role: Role) -> Vectors:
        """Vectors of the ordinary texts, encoded in one call; encoded once.

        Raises:
            NotApplicable: they cannot be had; the first check says why.
        """
        if role not in self._reference:
            try:
                self._reference[role] = self.vectors(ORDINARY, role)
            except HarnessError as error:
                raise NotApplicable(f"ordinary texts have no vectors: {error.message}") from error
        return self._reference[role]

    def another(self, **options: Any) -> Specimen:
        """A second instance, with more options; this one is closed, so that one is in memory.

        Raises:
            NotApplicable: there is one instance alone.
        """
        if not self.source.anew:
            raise NotApplicable("an instance was given, not the factory that makes them")
        self.close()
        self._made = self._fitted = None
        return Specimen(self.source, {**self.options, **options})

    def close(self) -> None:
        """Free what it holds; it can be used again."""
        held: list[object] = [self._made]
        if self._fitted is not self._made:
            held.append(self._fitted)
        for each in held:
            if isinstance(each, Closes):
                guarded("closing it", each.close)


def guarded(doing: str, work: Callable[[], Any]) -> Any:
    """What a plugin's code gives; what it raises, or does to this process, is told in words.

    Raises:
        EncoderError: it raised something.
    """
    process = os.getpid()
    try:
        return work()
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise EncoderError(
            f"{doing} raised {described(error)}",
            "Its traceback shows where; mlir-harness doctor has it with --debug.",
        ) from error
    finally:
        _leave_unless(process)


def _leave_unless(process: int) -> None:
    """End a child that a plugin forked and let return: its parent goes on with the checks."""
    if os.getpid() != process:
        os._exit(1)


def _documents() -> list[Collection]:
    texts = [*ORDINARY, *(each for hard, _ in HARD.values() for each in hard)]
    return [
        Collection(
            language,
            [each.name for each in texts if each.language == language],
            [each.text for each in texts if each.language == language],
        )
        for language in dict.fromkeys(each.language for each in texts)
    ]
