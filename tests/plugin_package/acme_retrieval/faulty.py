"""What an author may get wrong, one thing each; entry points of the variants name them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acme_retrieval.encoders import Letters
from mlir_harness.protocols import Context

PI = 3


def greeting() -> str:
    """No encoder at all."""
    return "hello"


@dataclass(frozen=True)
class Unsorted(Letters):
    """Sorts texts by length, and forgets to put the rows back."""

    def encode(self, texts: Sequence[str], context: Context) -> np.ndarray:
        return super().encode(sorted(texts, key=len), context)


def unsorted() -> Letters:
    return Unsorted("aeiou")


@dataclass(frozen=True)
class Crashing(Letters):
    """Takes the process down, as a library of another language may."""

    def encode(self, texts: Sequence[str], context: Context) -> np.ndarray:
        os.abort()


def crashing() -> Letters:
    return Crashing("aeiou")


@dataclass(frozen=True)
class Sleeping(Letters):
    """Never answers for an empty text."""

    def encode(self, texts: Sequence[str], context: Context) -> np.ndarray:
        if "" in texts:
            time.sleep(1000)
        return super().encode(texts, context)


def sleeping() -> Letters:
    return Sleeping("aeiou")


@dataclass(frozen=True)
class Meddling(Letters):
    """Prints, seeds, forks a child that returns, and goes elsewhere."""

    def encode(self, texts: Sequence[str], context: Context) -> np.ndarray:
        print("a[/b] \x1b[31mloading")
        random.seed(7)
        os.chdir("/")
        os.fork()
        return super().encode(texts, context)


def meddling() -> Letters:
    return Meddling("aeiou")
