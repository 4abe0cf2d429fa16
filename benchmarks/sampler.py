"""What drawing batches and reading their texts costs, beside a step of the smallest transformer.

    python benchmarks/sampler.py [--steps 40]

The training set is the bundled sample; the transformer is the recipes' smallest (2 layers,
dimension 96), batches of 64. Times are of this process's CPU, medians over batches.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch

from mlir_trainers import loss, models
from mlir_trainers.batching.pairs import Mixing, PairDataset
from mlir_trainers.batching.sampler import HybridBatches
from mlir_trainers.parallel.data import load
from mlir_trainers.parallel.prepare import prepare
from mlir_trainers.recipe_files import load as load_recipe
from mlir_trainers.samples import sample

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    steps = parser.parse_args().steps
    recipe = load_recipe("tiny-hybrid", ["model.base=transformer"])
    with TemporaryDirectory() as folder:
        data = load(prepare([sample()], Path(folder)))
        model = models.begin(recipe, data, None)
        objective = loss.made(model, recipe.training)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        pairs = PairDataset(data, Mixing(0.5, 0))
        drawing, reading, training = [], [], []
        batches = iter(())
        while len(training) < steps:
            started = time.process_time()
            batch = next(batches, None)
            if batch is None:
                sampler = HybridBatches(data, BATCH, 0.5)
                sampler.set_epoch(len(training))
                batches = iter(sampler)
                continue
            drawn = time.process_time()
            texts = pairs.__getitems__(batch)
            read = time.process_time()
            features = [
                model.preprocess([each[side] for each in texts]) for side in ("query", "passage")
            ]
            value = objective(features, torch.arange(BATCH))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            training.append(time.process_time() - read)
            drawing.append(drawn - started)
            reading.append(read - drawn)
    step = median(training)
    for name, times in (("drawing a batch", drawing), ("reading its texts", reading)):
        spent = median(times)
        print(f"{name:18} {1000 * spent:7.3f} ms  {100 * spent / step:5.2f} % of a step")
    print(f"{'a training step':18} {1000 * step:7.1f} ms")


if __name__ == "__main__":
    main()
