"""Question–passage pairs as the data set that sentence-transformers' trainer reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets

from mlir_trainers.parallel.data import ParallelData


class PairDataset(datasets.Dataset):
    """Every row of parallel data in every ordered pair of its languages, none of them copied.

    Index (row · L + query language) · L + passage language, L the number of languages, is the
    pair of that row's question and passage in these languages. A sampler of batches names only
    pairs that are there. It is a `datasets.Dataset` because the trainer asks for one.
    """

    def __init__(self, data: ParallelData) -> None:
        """Wrap `data`; texts are read when a batch needs them."""
        empty = datasets.Dataset.from_dict({"query": [], "passage": []})
        super().__init__(
            empty.data,
            info=datasets.DatasetInfo(
                features=datasets.Features(
                    {"query": datasets.Value("string"), "passage": datasets.Value("string")}
                )
            ),
            fingerprint=data.fingerprint,
        )
        self.parallel = data

    def __len__(self) -> int:
        return len(self.parallel) * len(self.parallel.languages) ** 2

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int):
            return self.__getitems__([key])[0]
        if isinstance(key, str):
            return super().__getitem__(key)  # the trainer looks at names of columns only
        places = range(len(self))[key] if isinstance(key, slice) else key
        pairs = self.__getitems__(list(places))
        return {name: [pair[name] for pair in pairs] for name in ("query", "passage")}

    def __getitems__(self, keys: Sequence[int]) -> list[dict[str, str]]:
        languages = len(self.parallel.languages)
        found = []
        for key in keys:
            rest, answered = divmod(key, languages)
            row, asked = divmod(rest, languages)
            found.append(
                {
                    "query": self.parallel.question(row, asked),
                    "passage": self.parallel.passage(row, answered),
                }
            )
        return found
