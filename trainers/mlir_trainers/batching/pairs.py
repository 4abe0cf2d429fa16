"""Question–passage pairs as the data set that sentence-transformers' trainer reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
from sentence_transformers.base.sampler import DefaultBatchSampler

from mlir_trainers.batching.sampler import Composition, HybridBatches
from mlir_trainers.parallel.data import ParallelData


@dataclass(frozen=True)
class Mixing:
    """How batches are to be drawn from a `PairDataset`; see `HybridBatches`."""

    alpha: float
    seed: int
    processes: int = 1
    at_most: int | None = None
    observe: Callable[[Composition], None] | None = None


class PairDataset(datasets.Dataset):
    """Every row of parallel data in every ordered pair of its languages, none of them copied.

    Index (row · L + query language) · L + passage language, L the number of languages, is the
    pair of that row's question and passage in these languages. A sampler of batches names only
    pairs that are there. It is a `datasets.Dataset` because the trainer asks for one.
    """

    def __init__(self, data: ParallelData, mixing: Mixing) -> None:
        """Wrap `data`; texts are read when a batch needs them."""
        strings = datasets.Value("string")
        features = datasets.Features({"query": strings, "passage": strings})
        empty = datasets.Dataset.from_dict({"query": [], "passage": []}, features=features)
        super().__init__(empty.data, info=empty.info, fingerprint=data.fingerprint)
        self.parallel = data
        self.mixing = mixing

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


class TrainerBatches(DefaultBatchSampler):
    """`HybridBatches` as the trainer makes its batch samplers: from a data set, by class.

    The trainer saves its arguments, this class among them, by name; so what it needs to know
    comes with the data set.
    """

    def __init__(self, dataset: PairDataset, batch_size: int, **more_given: Any) -> None:
        """See `HybridBatches`; the trainer's own seed and generator are not used."""
        super().__init__(dataset, batch_size, **{**more_given, "drop_last": True})
        mixing = dataset.mixing
        more = {} if mixing.observe is None else {"observe": mixing.observe}
        self._batches = HybridBatches(
            dataset.parallel,
            batch_size,
            mixing.alpha,
            seed=mixing.seed,
            processes=mixing.processes,
            at_most=mixing.at_most,
            **more,
        )

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._batches)

    def set_epoch(self, epoch: int) -> None:
        self._batches.set_epoch(epoch)
