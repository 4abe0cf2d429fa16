"""What plugins say of the files that they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a task or an encoder is made of, and where it comes from.

    Attributes:
        url: https://…, or, of the Hugging Face hub, hf://OWNER/NAME@REVISION/PATH for a model and
            hf://datasets/OWNER/NAME@REVISION/PATH for a data set; all name one revision.
        path: where it lies, below the plugin's folder; of an archive, "" or the folder that its
            members are unpacked into.
        members: of an archive (zip, tar): member -> path below `path`; a member may stand
            for what ends in it. Nothing else is unpacked. None for an ordinary file.
        size: bytes to announce, as far as is known.
        sha256: of the file as published; "" is recorded at the first download.
    """

    url: str
    path: str
    members: Mapping[str, str] | None = None
    size: int | None = None
    sha256: str = ""


@runtime_checkable
class Fetches(Protocol):
    """A plugin whose files can be downloaded; `mlir-harness fetch` asks it what.

    Of tasks, the task itself is asked. Of encoders, which cannot be made without their files, it
    is the factory; one that takes a parameter `files` is told the folder where they are kept, and
    what it has as `licence` is shown before anything is downloaded. It raises Unavailable where
    one is missing; a run that names the encoder then fetches it, and calls the factory again.
    """

    def downloads(self, languages: tuple[str, ...]) -> Sequence[Download]:
        """The files of these languages; () for all, as encoders are always asked."""
        ...


@runtime_checkable
class Finishes(Protocol):
    """An encoder's factory whose downloaded files need work before they can be used."""

    def finish(self, files: str) -> None:
        """Do it, once all files have come; `files` is the folder where they are.

        Called again whenever they are fetched or found complete, by one process at a time: it must
        be quick where it has been done, and go on, or start over, where it was killed.

        Raises:
            Unavailable: it cannot be done here.
        """
        ...

    def finished(self, files: str) -> bool:
        """Whether it has been done in `files`, which may lack files; answered at once.

        If all files are there and it has, nothing that a fetch does can mend the encoder.
        """
        ...
