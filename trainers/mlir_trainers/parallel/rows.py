"""A row of parallel data, as readers yield it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One question and the passage that answers it, in one language or more.

    Attributes:
        id: unique in its data set; the same content in every language.
        questions: BCP-47 tag -> question.
        passages: BCP-47 tag -> passage; languages may be missing on either side.
        source: what the passage was taken from (a paragraph, an article), where the file knows.
            Rows of one source never share a batch, as one's passage may answer the other's
            question.
        place: where it stands, for people: file and line; "" where that says no more than the id.
    """

    id: str
    questions: Mapping[str, str]
    passages: Mapping[str, str]
    source: str | None = None
    place: str = ""
